/* SPDX-License-Identifier: MIT */
/** The instruction set that reads and writes numbers: one choice for text in
 *  decimals and in base64, in both directions. */
#ifndef ISA_H
#define ISA_H

#include "softmax.h"

/** X(isa, name) for each that this build has, best last. */
#if defined(__x86_64__)
#define NUMBER_TIERS(X)                                                        \
    X(SMX_ISA_BASE, base)                                                      \
    X(SMX_ISA_AVX2, avx2)                                                      \
    X(SMX_ISA_AVX512, avx512)
#elif defined(__aarch64__)
#define NUMBER_TIERS(X)                                                        \
    X(SMX_ISA_BASE, base)                                                      \
    X(SMX_ISA_NEON, neon)
#else
#define NUMBER_TIERS(X) X(SMX_ISA_BASE, base)
#endif

/** The best of this machine, or that of number_isa_force; of NUMBER_TIERS. */
enum smx_isa number_isa(void);

/** Use that one from now on; SMX_ISA_BEST, or one that is not there: the best.
 */
void number_isa_force(enum smx_isa isa);

#endif
