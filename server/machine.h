/* SPDX-License-Identifier: MIT */
/** What this process may use of the machine, container limits included. */
#ifndef MACHINE_H
#define MACHINE_H

#include <stddef.h>
#include <stdint.h>

/** Cores: of the affinity mask and of the cgroup's CPU quota; at least 1. */
uint64_t machine_cores(void);

/** Bytes of memory: of the cgroup (v2 or v1) or the machine, the smaller. */
uint64_t machine_memory(void);

/** Files that this process has open; 0: it cannot tell. */
size_t machine_open_files(void);

/** Lower them to the limits of the cgroups (v2, v1) that this process is in.
 *  root: of the file system, "" but for tests. */
void machine_limit_cores(const char *root, uint64_t *cores);
void machine_limit_memory(const char *root, uint64_t *bytes);

#endif
