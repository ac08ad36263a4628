/* SPDX-License-Identifier: MIT */
/* The kernels of load.h, compiled once an instruction set. */
#include "tiers.h"

static bool mask_floats(const float *x, const uint8_t *mask, size_t n,
                        float instead, float *out)
{
    vi nonfinite = {0};
    const vi other = (vi)vf_all(instead);
    size_t i = 0;
    for (; n - i >= FLOATS; i += FLOATS) {
        vi counts = (vi)(vi_bytes(mask + i) != 0);
        vf z = vf_load(x + i);
        nonfinite |= vf_nonfinite(z);
        vf_store(out + i, (vf)(((vi)z & counts) | (other & ~counts)));
    }
    bool below = !vi_any(nonfinite);
    for (; i < n; i++) {
        below &= x[i] < __builtin_inff();
        out[i] = mask[i] ? x[i] : instead;
    }
    return below;
}

static bool mask_doubles(const double *x, const uint8_t *mask, size_t n,
                         double instead, double *out)
{
    vl fine = ~(vl){0};
    const vl other = (vl)vd_all(instead);
    size_t i = 0;
    for (; n - i >= LANES; i += LANES) {
        vl counts = (vl)(vl_bytes(mask + i) != 0);
        vd z = vd_load(x + i);
        fine &= (vl)(z < vd_all(__builtin_inf()));
        vd_store(out + i, (vd)(((vl)z & counts) | (other & ~counts)));
    }
    bool below = !vl_any(~fine);
    for (; i < n; i++) {
        below &= x[i] < __builtin_inf();
        out[i] = mask[i] ? x[i] : instead;
    }
    return below;
}

const struct smx_load_kernels TIER(load_kernels) = {
    .mask_floats = mask_floats,
    .mask_doubles = mask_doubles,
};
