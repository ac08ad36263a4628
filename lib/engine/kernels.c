/* SPDX-License-Identifier: MIT */
#include "kernels.h"

extern const struct smx_kernels smx_kernels_base;
#if defined(__x86_64__)
extern const struct smx_kernels smx_kernels_avx2, smx_kernels_avx512;
#define WIDER                                                                  \
    [SMX_ISA_AVX2] = &smx_kernels_avx2, [SMX_ISA_AVX512] = &smx_kernels_avx512
#elif defined(__aarch64__)
extern const struct smx_kernels smx_kernels_neon;
#define WIDER [SMX_ISA_NEON] = &smx_kernels_neon
#else
#define WIDER
#endif

const struct smx_kernels *smx_kernels_of(enum smx_isa isa)
{
    static const struct smx_kernels *const kernels[] = {
        [SMX_ISA_BASE] = &smx_kernels_base, WIDER};
    return kernels[isa];
}
