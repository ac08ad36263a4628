// SPDX-License-Identifier: MIT
#include "scan.h"

#include <stdatomic.h>

#include "scan_tiers.h"

static const struct scanner *const scanners[] = {
#define SCAN_TIER(isa, name) [isa] = &scan_##name,
    SCAN_TIERS(SCAN_TIER)
#undef SCAN_TIER
};

static _Atomic(const struct scanner *) current;

void scan_force(enum smx_isa isa)
{
    size_t best = SMX_ISA_BASE;
    for (size_t i = 0; i < sizeof scanners / sizeof scanners[0]; i++)
        if (scanners[i] && smx_isa_available((enum smx_isa)i))
            best = i;
    if (isa != SMX_ISA_BEST && smx_isa_available(isa))
        best = isa;
    atomic_store_explicit(&current, scanners[best], memory_order_release);
}

const struct scanner *scan_get(void)
{
    const struct scanner *scanner =
        atomic_load_explicit(&current, memory_order_acquire);
    if (scanner)
        return scanner;
    scan_force(SMX_ISA_BEST);
    return atomic_load_explicit(&current, memory_order_acquire);
}
