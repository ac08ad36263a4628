/* SPDX-License-Identifier: MIT */
/**
 * Softcap: the shifted logit of s tanh(z / s) to that of the largest logit.
 *
 * With u = exp(-2 |z| / s), v = exp(-2 |top| / s), t = exp(-2 (top - z) / s):
 * s tanh(z / s) - s tanh(top / s) = -2 s (1 - t) w / ((1 + u) (1 + v)), w = 1
 * where z and top differ in sign, else the larger of u and v. It is a product,
 * so no digit is lost where two capped logits nearly meet. dz'/dz is
 * 4 u / (1 + u)^2. All exponentials come times 2^128 (dd_vec.h).
 */
#ifndef SMX_SOFTCAP_VEC_H
#define SMX_SOFTCAP_VEC_H

#include "engine/dd_kernels.h"
#include "dd_vec.h"

/* Where 2 |z| / s is below, capping takes less than 2^-66 of z, and products
 * of what is tiny lose digits. */
#define STRAIGHT 0x1p-33

/* What is the same for a row. */
struct summit {
    vd top;
    struct vdd steep, v, span; /* 2 / s; v; 2 s / T / (1 + v) */
    vl flat;                   /* top is below STRAIGHT */
};

/** -2 |z| / s */
INLINE struct vdd decline(vd z, struct vdd steep)
{
    struct vdd size = {-vd_max(z, -z), vd_all(0)};
    return vdd_settle(vdd_mul(size, steep));
}

/** 1 + 2^-128 x */
INLINE struct vdd one_more(struct vdd x)
{
    vd down = vd_all(0x1p-128);
    struct vdd sum = vdd_fast(vd_all(1), x.hi * down);
    return vdd_fast(sum.hi, sum.lo + x.lo * down);
}

/** top: of the row in each lane, or of one in all. */
INLINE struct summit climb(const struct smx_shift *how, vd top)
{
    struct summit s = {.top = top};
    if (how->capped) {
        s.steep = vdd_all(how->steep);
        struct vdd x = decline(s.top, s.steep);
        s.flat = (vl)(x.hi > vd_all(-STRAIGHT));
        s.v = vdd_exp_wide(x);
        s.span = vdd_div(vdd_all(how->span), one_more(s.v));
    }
    return s;
}

/** (z - top) / temperature */
INLINE struct vdd straight(struct vdd d, const struct smx_shift *how)
{
    return how->scaled ? vdd_mul(d, vdd_all(how->inverse)) : d;
}

/* What bending leaves is what it found. */
INLINE struct vdd unbend(vd z, struct vdd d, struct vdd bent, vl flat,
                         const struct smx_shift *how)
{
    vl out = (vl)(z == vd_all(-__builtin_inff()));
    if (vl_any(flat)) {
        struct vdd line = straight(d, how);
        bent.hi = vd_where(flat, line.hi, bent.hi);
        bent.lo = vd_where(flat, line.lo, bent.lo);
    }
    bent.hi = vd_where(out, z, bent.hi);
    bent.lo = (vd)((vl)bent.lo & ~out);
    return bent;
}

/* For float64. The relative error of 2^-62 is one of 2^-53 in the exponential,
 * where that is a number at all. */
INLINE struct vdd bend(vd z, struct vdd d, const struct summit *s,
                       const struct smx_shift *how, double *slope)
{
    struct vdd x = decline(z, s->steep);
    struct vdd u = vdd_exp_wide(x), more = one_more(u), w, q;
    vl apart = (vl)(z < vd_all(0)) ^ (vl)(s->top < vd_all(0));
    vl larger = (vl)(u.hi > s->v.hi);
    vd down = vd_all(0x1p-128), power = vd_all(-how->span_power);
    w.hi = vd_where(larger, u.hi, s->v.hi) * down;
    w.lo = vd_where(larger, u.lo, s->v.lo) * down;
    w.hi = vd_where(apart, vd_all(1), w.hi);
    w.lo = (vd)((vl)w.lo & ~apart);
    q = vdd_one_less_exp(vdd_settle(vdd_mul(d, s->steep)));
    q = vdd_mul(vdd_mul(q, w), s->span);
    q = vdd_div(q, more);
    q = (struct vdd){q.hi * power, q.lo * power};
    if (slope)
        vd_store(slope, vd_all(4) * vdd_div(vdd_div(u, more), more).hi);
    return unbend(z, d, q, (vl)(x.hi > vd_all(-STRAIGHT)) & s->flat, how);
}

/* For float32, where 2^-40 is enough. */
INLINE struct vdd bend_narrow(vd z, struct vdd d, const struct summit *s,
                              const struct smx_shift *how, double *slope)
{
    struct vdd x = {-vd_max(z, -z) * s->steep.hi, vd_all(0)}, q = x;
    vd u = vdd_exp(x), down = vd_all(0x1p-128);
    vl apart = (vl)(z < vd_all(0)) ^ (vl)(s->top < vd_all(0));
    vd w = vd_where(apart, vd_all(1), vd_max(u, s->v.hi) * down);
    vd inverse = vd_all(1) / (vd_all(1) + u * down);
    q.hi = vd_one_less_exp(d.hi * s->steep.hi) * w * s->span.hi * inverse;
    q.hi *= vd_all(-how->span_power);
    if (slope)
        vd_store(slope, vd_all(4) * u * inverse * inverse);
    return unbend(z, d, q, (vl)(x.hi > vd_all(-STRAIGHT)) & s->flat, how);
}

/** s tanh(z / s) = s (1 - u) / (1 + u) */
INLINE struct vdd vdd_cap(vd z, double softcap, const struct smx_shift *how)
{
    struct vdd x = decline(z, vdd_all(how->steep));
    struct vdd t = vdd_div(vdd_one_less_exp(x), one_more(vdd_exp_wide(x)));
    struct vdd s = {vd_all(softcap), vd_all(0)};
    s.hi = vd_where((vl)(z < vd_all(0)), -s.hi, s.hi);
    return vdd_settle(vdd_mul(t, s));
}

#endif
