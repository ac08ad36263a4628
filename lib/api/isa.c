/* SPDX-License-Identifier: MIT */
/* Without the kernels, which a caller that asks for no context need not link.
 */
#include "context.h"
#include "runtime/cpu.h"

#ifdef __aarch64__
#define HAS_NEON true
#else
#define HAS_NEON false
#endif

const char *smx_isa_name(enum smx_isa isa)
{
    static const char *const names[] = {"best", "base", "avx2", "avx512",
                                        "neon"};
    return (unsigned)isa < sizeof names / sizeof *names ? names[isa]
                                                        : "unknown";
}

bool smx_isa_available(enum smx_isa isa)
{
    return isa == SMX_ISA_BEST || isa == SMX_ISA_BASE ||
           (isa == SMX_ISA_AVX2 && smx_cpu_avx2()) ||
           (isa == SMX_ISA_AVX512 && smx_cpu_avx512()) ||
           (isa == SMX_ISA_NEON && HAS_NEON);
}

enum smx_isa smx_best_isa(void)
{
    static const enum smx_isa order[] = {SMX_ISA_AVX512, SMX_ISA_AVX2,
                                         SMX_ISA_NEON};
    for (size_t i = 0; i < sizeof order / sizeof *order; i++)
        if (smx_isa_available(order[i]))
            return order[i];
    return SMX_ISA_BASE;
}
