/* SPDX-License-Identifier: MIT */
/** What this processor and its operating system can run. */
#ifndef SMX_CPU_H
#define SMX_CPU_H

#include <stdbool.h>

bool smx_cpu_avx2(void);
bool smx_cpu_avx512(void);

#endif
