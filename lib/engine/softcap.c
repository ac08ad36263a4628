/* SPDX-License-Identifier: MIT */
#include "softcap.h"

#include "simd/power.h"
#include "sums.h"

struct smx_cap smx_cap_of(const struct smx_logits *z)
{
    double t = z->temperature ? z->temperature : 1, s = z->softcap;
    struct smx_cap cap = {.possible = s >= 0x1p-100 && t >= 0x1p-100};
    if (cap.possible) {
        cap.steep = -2 / s;
        cap.span = SMX_POWER_NAT * (s / t);
        cap.possible = cap.span <= SMX_UNSHIFTED;
    }
    return cap;
}
