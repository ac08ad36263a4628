/* SPDX-License-Identifier: MIT */
/** What this process may use of the machine, container limits included. */
#ifndef MACHINE_H
#define MACHINE_H

#include <stdint.h>

/** Cores: of the affinity mask and of the cgroup's CPU quota; at least 1. */
uint64_t machine_cores(void);

/** Bytes of memory: of the cgroup (v2 or v1) or the machine, the smaller. */
uint64_t machine_memory(void);

#endif
