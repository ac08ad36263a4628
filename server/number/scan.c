// SPDX-License-Identifier: MIT
#include "scan.h"

static const struct scanner *const scanners[] = {
#define SCANNER(isa, name) [isa] = &scan_##name,
    NUMBER_TIERS(SCANNER)
#undef SCANNER
};

const struct scanner *scan_get(void)
{
    return scanners[number_isa()];
}
