// SPDX-License-Identifier: MIT
#include "isa.h"

#include <stdatomic.h>

static _Atomic(enum smx_isa) current; /* SMX_ISA_BEST: none was chosen yet */

void number_isa_force(enum smx_isa isa)
{
    static const enum smx_isa isas[] = {
#define TIER_ISA(isa, name) isa,
        NUMBER_TIERS(TIER_ISA)
#undef TIER_ISA
    };
    enum smx_isa best = SMX_ISA_BASE;
    for (size_t i = 0; i < sizeof isas / sizeof isas[0]; i++)
        if (smx_isa_available(isas[i]))
            best = isas[i];
    if (isa != SMX_ISA_BEST && smx_isa_available(isa))
        best = isa;
    atomic_store_explicit(&current, best, memory_order_relaxed);
}

enum smx_isa number_isa(void)
{
    enum smx_isa isa = atomic_load_explicit(&current, memory_order_relaxed);
    if (isa != SMX_ISA_BEST)
        return isa;
    number_isa_force(SMX_ISA_BEST);
    return atomic_load_explicit(&current, memory_order_relaxed);
}
