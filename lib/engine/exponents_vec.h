/* SPDX-License-Identifier: MIT */
/** From float32 logits to exponentials in double, as struct smx_exponents has
 *  it: the load stage of the kernels. capped is a constant where a function is
 *  inlined. */
#ifndef SMX_EXPONENTS_VEC_H
#define SMX_EXPONENTS_VEC_H

#include "kernels.h"
#include "simd/cap_vec.h"
#include "simd/power_vec.h"

/** z of LANES logits; *slope: NULL, or what a softcap leaves of its
 *  gradient. */
INLINE vd load_logits(bool capped, const float *x, const struct smx_cap *cap,
                      vd *slope)
{
    vd v = vd_widen(x);
    return capped ? vd_capped(v, cap, slope) : v;
}

/** e: of so many vectors; slope: as many, or NULL. z - 0 is not worth
 *  computing. */
INLINE void load_power(bool capped, const float *x,
                       const struct smx_exponents *by, vd *e, vd *slope,
                       int vectors)
{
    EACH (v, vectors)
        e[v] = vd_widen(x + v * LANES);
    if (capped)
        cap_vectors(&by->cap, e, slope, vectors);
    EACH (v, vectors) {
        if (by->reference != 0)
            e[v] -= vd_all(by->reference);
        if (!capped)
            e[v] *= vd_all(by->scale);
    }
    power(e, vectors);
}

#endif
