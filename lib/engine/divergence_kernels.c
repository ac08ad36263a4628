/* SPDX-License-Identifier: MIT */
#include "divergence_kernels.h"

extern const struct smx_divergence_kernels smx_divergence_kernels_base;
#if defined(__x86_64__)
extern const struct smx_divergence_kernels smx_divergence_kernels_avx2,
    smx_divergence_kernels_avx512;
#elif defined(__aarch64__)
extern const struct smx_divergence_kernels smx_divergence_kernels_neon;
#endif

const struct smx_divergence_kernels *smx_divergence_kernels_of(enum smx_isa isa)
{
#if defined(__x86_64__)
    if (isa == SMX_ISA_AVX512)
        return &smx_divergence_kernels_avx512;
    if (isa == SMX_ISA_AVX2)
        return &smx_divergence_kernels_avx2;
#elif defined(__aarch64__)
    if (isa == SMX_ISA_NEON)
        return &smx_divergence_kernels_neon;
#endif
    (void)isa;
    return &smx_divergence_kernels_base;
}
