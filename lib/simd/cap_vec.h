/* SPDX-License-Identifier: MIT */
/**
 * Softcap of float32 logits in double.
 *
 * t = span tanh(|x| / s), span = 16 log2(e) s / T, with the sign of x, is what
 * 2^(t/16) is taken of; tanh(y) = (1 - u) / (1 + u), u = exp(-2 y). Only the
 * absolute error of t counts, so that nothing is lost where 1 - u cancels: u
 * is within 2^-42, t within 2^-42 span, which is 2^-28.4 at most, and 2^(t/16)
 * then within 2^-28. The slope dz'/dz is 4 u / (1 + u)^2, of which nothing
 * cancels.
 */
#ifndef SMX_CAP_VEC_H
#define SMX_CAP_VEC_H

#include "dd_vec.h"
#include "engine/softcap.h"

/* exp of what is below is 0: no slope of that is a float32. */
#define FALL_LOWEST (-690.0)

/* exp(y), y <= 0, within 2^-42 of itself: k steps and f, |f| < 0.022, of which
 * Taylor's series leaves out f^6 / 720. */
INLINE vd fall(vd y)
{
    vd shifted = y * vd_all(SMX_POWER_NAT) + vd_all(SMX_POWER_MAGIC);
    vd k = shifted - vd_all(SMX_POWER_MAGIC);
    vd f = vd_less_product(y, k, vd_all(STEP_HI)) - k * vd_all(STEP_LO);
    vd square = f * f;
    vd low = vd_all(1) + f, high = vd_all(1.0 / 6) + f * vd_all(1.0 / 24);
    high += square * vd_all(1.0 / 120);
    low += square * (vd_all(0.5) + f * high);
    return vd_mul_above(vd_sixteenths(shifted), low, y, FALL_LOWEST);
}

/** t of x; *slope: NULL, or dz'/dz. */
INLINE vd vd_capped(vd x, const struct smx_cap *cap, vd *slope)
{
    vl sign = (vl)x & INT64_MIN;
    vd u = fall((vd)((vl)x & INT64_MAX) * vd_all(cap->steep));
    vd more = vd_all(1) + u;
    vd t = vd_all(cap->span) * ((vd_all(1) - u) / more);
    if (slope)
        *slope = vd_all(4) * u / (more * more);
    return (vd)((vl)t | sign);
}

#endif
