/* SPDX-License-Identifier: MIT */
/** From float32 logits to exponentials in double, as struct smx_exponents has
 *  it: the load stage of the kernels. capped is a constant where a function is
 *  inlined. */
#ifndef SMX_EXPONENTS_VEC_H
#define SMX_EXPONENTS_VEC_H

#include "kernels.h"
#include "simd/cap_vec.h"
#include "simd/power_vec.h"

/** z of the logits of so many vectors; slope: NULL, or what a softcap leaves of
 *  the gradient of each. */
INLINE void load_vectors(bool capped, const float *x, const struct smx_cap *cap,
                         vd *z, vd *slope, int vectors)
{
    EACH (v, vectors)
        z[v] = vd_widen(x + v * LANES);
    if (capped)
        cap_vectors(cap, z, slope, vectors);
}

/** The same of one. */
INLINE vd load_logits(bool capped, const float *x, const struct smx_cap *cap,
                      vd *slope)
{
    vd z;
    load_vectors(capped, x, cap, &z, slope, 1);
    return z;
}

/** e: their exponentials. z - 0 is not worth computing. */
INLINE void load_power(bool capped, const float *x,
                       const struct smx_exponents *by, vd *e, vd *slope,
                       int vectors)
{
    load_vectors(capped, x, &by->cap, e, slope, vectors);
    EACH (v, vectors) {
        if (by->reference != 0)
            e[v] -= vd_all(by->reference);
        if (!capped)
            e[v] *= vd_all(by->scale);
    }
    power(e, vectors);
}

#endif
