/* SPDX-License-Identifier: MIT */
#include "tiers.h"

struct smx_context *tiers[SMX_ISA_NEON + 1];

bool tiers_open(void)
{
    for (int isa = SMX_ISA_BASE; isa <= SMX_ISA_NEON; isa++) {
        struct smx_config config = {.threads = 2, .isa = (enum smx_isa)isa};

        if (smx_isa_available((enum smx_isa)isa) &&
            smx_context_create(&tiers[isa], &config) != SMX_OK)
            return false;
    }
    return true;
}

void tiers_close(void)
{
    for (int isa = SMX_ISA_BASE; isa <= SMX_ISA_NEON; isa++)
        smx_context_free(tiers[isa]);
}
