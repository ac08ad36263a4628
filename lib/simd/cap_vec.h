/* SPDX-License-Identifier: MIT */
/**
 * Softcap of float32 logits in double.
 *
 * t = span tanh(y), y = x / s, span = 16 log2(e) s / T, is what 2^(t/16) is
 * taken of. Only the absolute error of t counts. Where |y| <= CAP_NEAR tanh is
 * a quotient of polynomials within 2^-45.7; elsewhere 2 / (1 + u) - 1, u =
 * exp(-2 |y|) within 2^-46 of itself. t is within 2^-45 span, which is 2^-31 at
 * most, and 2^(t/16) within 2^-28.6, its own error counted. The slope dz'/dz is
 * 1 - tanh(y)^2 near, of which 2 bits cancel, and 4 u / (1 + u)^2 far. Which of
 * the two it is depends on x alone; blocks in which all are near are spared the
 * other.
 */
#ifndef SMX_CAP_VEC_H
#define SMX_CAP_VEC_H

#include "engine/kernels.h"
#include "power_vec.h"

#define CAP_NEAR 1.375

/* tanh(y) / y there: the denominator in y^2, whose last coefficient is 1; the
 * numerator is in struct smx_cap. scripts/exp_coefficients.py prints these. */
#define NEAR_Q0 0x1.3335fbee95c87p+12
#define NEAR_Q1 0x1.1b6ea9ad64752p+11
#define NEAR_Q2 0x1.c838abc11e92cp+6

/* u of what is below is 2^-1000, and no slope a float32. */
#define FAR_LOWEST (-16000.0)

/* 2^(f/16) = 1 + f (C1 + ...), two degrees more than power.h has:
 * likewise printed. */
#define FAR_C1 0x1.62e42fefa39efp-5
#define FAR_C2 0x1.ebfbdff6988c8p-11
#define FAR_C3 0x1.c6b08d6faa1bep-17
#define FAR_C4 0x1.3b2c4ac7da565p-23
#define FAR_C5 0x1.5d893e58acc63p-30

/* t where y is not near; slope: NULL, or dz'/dz. */
INLINE vd cap_far(vd y, const struct smx_cap *cap, vd *slope)
{
    vl sign = (vl)y & INT64_MIN;
    vd x = (vd)((vl)y & INT64_MAX) * vd_all(-2 * SMX_POWER_NAT);
    x = vd_max(x, vd_all(FAR_LOWEST));
    vd shifted = x + vd_all(SMX_POWER_MAGIC);
    vd f = x - (shifted - vd_all(SMX_POWER_MAGIC));
    vd p = vd_all(FAR_C4) + f * vd_all(FAR_C5);
    p = vd_all(FAR_C2) + f * (vd_all(FAR_C3) + f * p);
    p = vd_all(FAR_C1) + f * p;
    vd u = vd_sixteenths(shifted) * (vd_all(1) + f * p);
    vd inverse = vd_all(1) / (vd_all(1) + u);
    if (slope)
        *slope = vd_all(4) * (u * inverse) * inverse;
    vd t = vd_all(2 * cap->span) * inverse - vd_all(cap->span);
    return (vd)((vl)t | sign);
}

INLINE vd cap_where_far(vl far, vd z, vd y, vd t, const struct smx_cap *cap,
                        vd *slope)
{
    vd steep, bent = cap_far(y, cap, slope ? &steep : NULL);
    vl out = (vl)(z == vd_all(-__builtin_inf()));
    if (slope)
        *slope = vd_where(far, steep, *slope);
    return vd_where(out, z, vd_where(far, bent, t));
}

/** Logits to t, for so many vectors, -INFINITY stays so; slope: NULL, or dz'/dz
 *  of each. */
INLINE void cap_vectors(const struct smx_cap *cap, vd *z, vd *slope,
                        int vectors)
{
    vd y[WIDE], t[WIDE];
    vl far[WIDE], any = {0};
    EACH (v, vectors) {
        y[v] = z[v] * vd_all(cap->inverse);
        vd x = y[v] * y[v];
        vd p = vd_all(cap->near[2]) + x * vd_all(cap->near[3]);
        p = vd_all(cap->near[1]) + x * p;
        vd q = vd_all(NEAR_Q1) + x * (vd_all(NEAR_Q2) + x);
        p = y[v] * (vd_all(cap->near[0]) + x * p);
        t[v] = p / (vd_all(NEAR_Q0) + x * q);
        far[v] = (vl)(x > vd_all(CAP_NEAR * CAP_NEAR));
        any |= far[v];
    }
    if (slope)
        EACH (v, vectors) {
            vd tanh = t[v] * vd_all(1 / cap->span);
            slope[v] = vd_all(1) - tanh * tanh;
        }
    if (vl_any(any))
        EACH (v, vectors)
            t[v] = cap_where_far(far[v], z[v], y[v], t[v], cap,
                                 slope ? &slope[v] : NULL);
    EACH (v, vectors)
        z[v] = t[v];
}

/** The same of one. */
INLINE vd vd_capped(vd x, const struct smx_cap *cap, vd *slope)
{
    cap_vectors(cap, &x, slope, 1);
    return x;
}

#endif
