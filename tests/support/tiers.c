/* SPDX-License-Identifier: MIT */
#include "tiers.h"

#include "expect.h"

struct smx_context *tiers[SMX_ISA_NEON + 1];

int tiers_open(void **state)
{
    (void)state;
    for (int isa = SMX_ISA_BASE; isa <= SMX_ISA_NEON; isa++) {
        struct smx_config config = {
            .size = sizeof config, .threads = 2, .isa = (enum smx_isa)isa};

        if (smx_isa_available((enum smx_isa)isa) &&
            smx_context_create(&tiers[isa], &config) != SMX_OK)
            return -1;
    }
    return 0;
}

int tiers_close(void **state)
{
    (void)state;
    for (int isa = SMX_ISA_BASE; isa <= SMX_ISA_NEON; isa++)
        smx_context_free(tiers[isa]);
    return 0;
}

int tiers_start(void **state)
{
    return expect_start(state) || tiers_open(state);
}

int tiers_stop(void **state)
{
    return expect_stop(state) || tiers_close(state);
}
