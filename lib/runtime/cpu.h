/* SPDX-License-Identifier: MIT */
/** What this processor and its operating system can run. */
#ifndef SMX_CPU_H
#define SMX_CPU_H

#include <stdbool.h>
#include <stddef.h>

/** Processors that this thread may run on (affinity, cpusets); at least 1. */
size_t smx_cpu_count(void);

bool smx_cpu_avx2(void);
bool smx_cpu_avx512(void);

/** Bytes of the third cache; 0: the processor tells of none. */
size_t smx_cpu_third_cache(void);

#endif
