/* SPDX-License-Identifier: MIT */
/** The scanners that scan_tmpl.c gives on this architecture. */
#ifndef SCAN_TIERS_H
#define SCAN_TIERS_H

#include "scan.h"

#if defined(__x86_64__)
#define SCAN_TIERS(X)                                                          \
    X(SMX_ISA_BASE, base)                                                      \
    X(SMX_ISA_AVX2, avx2)                                                      \
    X(SMX_ISA_AVX512, avx512)
#elif defined(__aarch64__)
#define SCAN_TIERS(X)                                                          \
    X(SMX_ISA_BASE, base)                                                      \
    X(SMX_ISA_NEON, neon)
#else
#define SCAN_TIERS(X) X(SMX_ISA_BASE, base)
#endif

#define SCAN_DECLARE(isa, name) extern const struct scanner scan_##name;
SCAN_TIERS(SCAN_DECLARE)
#undef SCAN_DECLARE

#endif
