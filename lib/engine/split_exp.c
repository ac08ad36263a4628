/* SPDX-License-Identifier: MIT */
#include "split_exp.h"

#include "plan.h"
#include "simd/power.h"

/* Printed by scripts/exp_coefficients.py. */
static const float TABLE[16] = {
    0x1p+0f,     0x1.fb6p-1f, 0x1.f72p-1f, 0x1.f38p-1f,
    0x1.f06p-1f, 0x1.edep-1f, 0x1.ecp-1f,  0x1.eacp-1f,
    0x1.eap-1f,  0x1.ea2p-1f, 0x1.eacp-1f, 0x1.ec4p-1f,
    0x1.ee8p-1f, 0x1.f1ap-1f, 0x1.f58p-1f, 0x1.fa4p-1f,
};

/* Their logarithms, less j/16 log 2. */
static const double REST[16] = {
    0x0p+0,
    0x1.40ea356256d8p-13,
    -0x1.51eb063a2cb58p-13,
    -0x1.ae102a48d814cp-14,
    -0x1.ab492f25db1c9p-13,
    -0x1.0bd6498636df6p-13,
    0x1.ca8cdf95bfdd6p-16,
    0x1.6e6bd08f32a46p-13,
    -0x1.c00c40725a061p-14,
    0x1.3ef782b14d8f9p-13,
    -0x1.295520044c5e9p-13,
    -0x1.696bfbdb0a901p-14,
    -0x1.7b9c1c91c385fp-14,
    0x1.c81dd6fc72936p-15,
    -0x1.b1d1ba7aa7ff9p-17,
    -0x1.6ed6b9901151p-14,
};

struct smx_split_exp smx_split_exp_of(double temperature)
{
    double step = temperature / SMX_POWER_NAT;
    float leading = (float)step, high = smx_twelve_bits(leading);
    struct smx_split_exp split = {
        .possible = smx_plan_splits(temperature),
        .lowest = (float)(SMX_SPLIT_LOWEST * temperature),
        .highest = (float)(SMX_SPLIT_HIGHEST * temperature),
        .scale = (float)(SMX_POWER_NAT / temperature),
        .step = leading,
        .step_high = high,
        .step_middle = leading - high,
        .step_low = smx_twelve_bits(step - leading),
        .c1 = (float)(SMX_POWER_C1 / step),
        .c2 = (float)(SMX_POWER_C2 / (step * step)),
        .c3 = (float)(SMX_POWER_C3 / (step * step * step)),
    };
    memcpy(split.table, TABLE, sizeof split.table);
    for (int j = 0; j < 16; j++)
        split.rest[j] = (float)(REST[j] * temperature);
    return split;
}
