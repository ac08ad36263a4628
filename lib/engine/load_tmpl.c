/* SPDX-License-Identifier: MIT */
/* The kernels of load.h, compiled once an instruction set. */
#include "load.h"

#include "simd/vec.h"

extern const struct smx_load_kernels TIER(load_kernels);

static void mask_floats(const float *x, const uint8_t *mask, size_t n,
                        float instead, float *out)
{
    const vi other = (vi)vf_all(instead);
    size_t i = 0;
    for (; n - i >= FLOATS; i += FLOATS) {
        vi counts = (vi)(vi_bytes(mask + i) != 0);
        vi bits = ((vi)vf_load(x + i) & counts) | (other & ~counts);
        vf_store(out + i, (vf)bits);
    }
    for (; i < n; i++)
        out[i] = mask[i] ? x[i] : instead;
}

static void mask_doubles(const double *x, const uint8_t *mask, size_t n,
                         double instead, double *out)
{
    const vl other = (vl)vd_all(instead);
    size_t i = 0;
    for (; n - i >= LANES; i += LANES) {
        vl counts = (vl)(vl_bytes(mask + i) != 0);
        vl bits = ((vl)vd_load(x + i) & counts) | (other & ~counts);
        vd_store(out + i, (vd)bits);
    }
    for (; i < n; i++)
        out[i] = mask[i] ? x[i] : instead;
}

const struct smx_load_kernels TIER(load_kernels) = {
    .mask_floats = mask_floats,
    .mask_doubles = mask_doubles,
};
