/* SPDX-License-Identifier: MIT */
/**
 * Softcap of float64 logits, and of float32's whose span leaves the doubles:
 * the shifted logit of s tanh(z / s) to that of the largest logit.
 *
 * Where s / T is at most SMX_CAP_MOST, d = s / (2 T) (A(x) - A(top)), A(x) =
 * 2 tanh(x / 2), x = 2 z / s. Only its absolute error counts in exponentials,
 * and beside a logarithm of the sum. Where |x| <= CLOSE, A(x) = x (1 - x^2 / 12
 * + x^4 (...)), of which the series in parentheses is a double; elsewhere A =
 * 2 - 4 u / (1 + u), u = exp(-|x|), with the sign of x. Both are within 2^-61,
 * d within 2^-55.
 *
 * Beyond that s / T, with v = exp(-|top|), t = exp(x - top): d = -2 s / T
 * (1 - t) w / ((1 + u) (1 + v)), w = 1 where z and top differ in sign, else the
 * larger of u and v. It is a product, so no digit is lost where two capped
 * logits nearly meet. dz'/dz is 4 u / (1 + u)^2, or 1 - A(x)^2 / 4. All
 * exponentials come times 2^128 (dd_vec.h).
 */
#ifndef SMX_SOFTCAP_VEC_H
#define SMX_SOFTCAP_VEC_H

#include "engine/dd_kernels.h"
#include "dd_vec.h"

/* Where 2 |z| / s is below, capping takes less than 2^-66 of z, and products
 * of what is tiny lose digits. */
#define STRAIGHT 0x1p-33

/* ---- A(x) ---------------------------------------------------------------- */

#define CLOSE 0.6

/* A(x) / x, in x^2: -1/12 in two, and what follows;
 * scripts/exp_coefficients.py prints these. */
#define CLOSE_TERMS 8

static const struct smx_dd CLOSE_TWELFTH = {-0x1.5555555555555p-4,
                                            -0x1.5555555555555p-58};
static const double CLOSE_TAIL[CLOSE_TERMS] = {
    0x1.1111111111111p-7,   -0x1.ba1ba1ba1b147p-11, 0x1.664f4881bf2a1p-14,
    -0x1.226e34aad252ap-17, 0x1.d6d355cde2345p-21,  -0x1.7d8c6bc3cca67p-24,
    0x1.32f47affbd1d2p-27,  -0x1.b241e888a64a4p-31,
};

/** 1 + 2^-128 x */
INLINE struct vdd one_more(struct vdd x)
{
    vd down = vd_all(0x1p-128);
    struct vdd sum = vdd_fast(vd_all(1), x.hi * down);
    return vdd_fast(sum.hi, sum.lo + x.lo * down);
}

/* Where |x| <= CLOSE; slope: 2^128 dz'/dz, or NULL. */
INLINE struct vdd tanh_close(struct vdd x, vd *slope)
{
    struct vdd square = vdd_product(x.hi, x.hi);
    square.lo += (x.hi + x.hi) * x.lo;
    vd v = square.hi, p = vd_all(CLOSE_TAIL[CLOSE_TERMS - 1]);
    EACH (k, CLOSE_TERMS - 1)
        p = vd_all(CLOSE_TAIL[CLOSE_TERMS - 2 - k]) + v * p;
    struct vdd b = vdd_mul(square, vdd_all(CLOSE_TWELFTH));
    b.lo += v * v * p;
    b = vdd_mul(x, b);
    struct vdd a = vdd_fast(x.hi, b.hi);
    a = vdd_fast(a.hi, a.lo + (x.lo + b.lo));
    if (slope) {
        struct vdd t = vdd_product(a.hi, vd_all(0.25) * a.hi);
        t.lo += vd_all(0.5) * a.hi * a.lo;
        struct vdd rest = vdd_fast(vd_all(1), -t.hi);
        *slope = (rest.hi + (rest.lo - t.lo)) * vd_all(0x1p128);
    }
    return a;
}

/* The same elsewhere. */
INLINE struct vdd tanh_open(struct vdd x, vd *slope)
{
    const struct vdd one = {vd_all(1), vd_all(0)};
    vl below = (vl)(x.hi < vd_all(0));
    struct vdd u = {vd_where(below, x.hi, -x.hi), vd_where(below, x.lo, -x.lo)};
    u = vdd_exp_wide(u);
    struct vdd inverse = vdd_div(one, one_more(u)), w = vdd_mul(u, inverse);
    struct vdd a = vdd_fast(vd_all(2), w.hi * vd_all(-0x1p-126));
    a.lo += w.lo * vd_all(-0x1p-126);
    if (slope) {
        w = vdd_mul(w, inverse);
        *slope = vd_all(4) * (w.hi + w.lo);
    }
    return (struct vdd){vd_where(below, -a.hi, a.hi),
                        vd_where(below, -a.lo, a.lo)};
}

/* slope: LANES doubles, or NULL. */
INLINE struct vdd twice_tanh(struct vdd x, double *slope)
{
    vd size = vd_max(x.hi, -x.hi), rise;
    struct vdd a = tanh_close(x, &rise);
    if (slope)
        vd_store(slope, rise);
    if (vl_any((vl)(size > vd_all(CLOSE)))) {
        struct vdd o = tanh_open(x, &rise);
        vl open = (vl)(size > vd_all(CLOSE));
        a.hi = vd_where(open, o.hi, a.hi);
        a.lo = vd_where(open, o.lo, a.lo);
        if (slope)
            vd_store(slope, vd_where(open, rise, vd_load(slope)));
    }
    return a;
}

/* ---- the shifted logit --------------------------------------------------- */

/* What is the same for a row. */
struct summit {
    vd top;
    struct vdd steep;      /* 2 / s */
    struct vdd bent, half; /* A(top) and s / (2 T) */
    struct vdd v, span;    /* or v and 2 s / T / (1 + v) */
    vl flat;               /* and whether top is below STRAIGHT */
};

/** -2 |z| / s */
INLINE struct vdd decline(vd z, struct vdd steep)
{
    struct vdd size = {-vd_max(z, -z), vd_all(0)};
    return vdd_settle(vdd_mul(size, steep));
}

/** top: of the row in each lane, or of one in all. */
INLINE struct summit climb(const struct smx_shift *how, vd top)
{
    struct summit s = {.top = top};
    if (how->capped) {
        s.steep = vdd_all(how->steep);
    }
    if (how->capped && how->close) {
        struct vdd z = {top, vd_all(0)};
        s.bent = twice_tanh(vdd_mul(z, s.steep), NULL);
        s.half = vdd_all(how->half);
    } else if (how->capped) {
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

/* For float64, s / T at most SMX_CAP_MOST. */
INLINE struct vdd bend_close(vd z, const struct summit *s, double *slope)
{
    vl out = (vl)(z == vd_all(-__builtin_inf()));
    struct vdd x = {z, vd_all(0)};
    x = twice_tanh(vdd_mul(x, s->steep), slope);
    struct vdd d = vdd_sum(x.hi, -s->bent.hi);
    d.lo += x.lo - s->bent.lo;
    d = vdd_mul(d, s->half);
    return (struct vdd){vd_where(out, z, d.hi), vd_where(out, vd_all(0), d.lo)};
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
