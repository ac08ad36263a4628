/* SPDX-License-Identifier: MIT */
/**
 * Softcap of float64 logits, and of float32's whose span leaves the doubles:
 * the shifted logit of s tanh(z / s) to that of the largest logit.
 *
 * Where s / T is at most SMX_CAP_MOST, capped logits are pairs, and d is the
 * difference of two over T. Only its absolute error counts in exponentials,
 * and beside a logarithm of the sum. Where |z| <= SMX_CAP_CLOSE s, the capped
 * logit is z (1 - v + v^2 (...)), v = (z / s)^2 / 3, of which the series in
 * parentheses is a double; elsewhere s / 2 times 2 - 4 u / (1 + u), u =
 * exp(-|x|), x = 2 z / s, with the sign of z. Both are within 2^-62 s, d within
 * 2^-55.
 *
 * Beyond that s / T, with v = exp(-|top|), t = exp(x - top): d = -2 s / T
 * (1 - t) w / ((1 + u) (1 + v)), w = 1 where z and top differ in sign, else the
 * larger of u and v. It is a product, so no digit is lost where two capped
 * logits nearly meet. dz'/dz is 4 u / (1 + u)^2, or 1 - 3 v (1 - v + ...)^2.
 * All exponentials come times 2^128 (dd_vec.h).
 */
#ifndef SMX_SOFTCAP_VEC_H
#define SMX_SOFTCAP_VEC_H

#include "engine/dd_kernels.h"
#include "dd_vec.h"

/* Where 2 |z| / s is below, capping takes less than 2^-66 of z, and products
 * of what is tiny lose digits. */
#define STRAIGHT 0x1p-33

/* ---- near 0 -------------------------------------------------------------- */

/* (tanh(y) / y - 1 + v) / v^2 in v = y^2 / 3;
 * scripts/exp_coefficients.py prints these. */
#define CLOSE_TERMS 8

static const double CLOSE_TAIL[CLOSE_TERMS] = {
    0x1.3333333333333p+0,  -0x1.7507507506d94p+0, 0x1.c57c57c435f14p+0,
    -0x1.13ae9bfe25a47p+1, 0x1.4f2ff3d5d249cp+1,  -0x1.9771d39436aa3p+1,
    0x1.ebaebc4544dc7p+1,  -0x1.04d942f385130p+2,
};

/* s tanh(z / s) of so many vectors where |z| <= SMX_CAP_CLOSE s; slope: 2^128
 * dz'/dz of each, or NULL. A step for all of them before the next: one waits
 * for its own. */
INLINE void cap_close(const vd *z, struct smx_dd third, struct vdd *capped,
                      vd *slope, int vectors)
{
    struct vdd v[VECS], b[VECS];
    vd tail[VECS];
    EACH (i, vectors)
        v[i] = vdd_mul(vdd_product(z[i], z[i]), vdd_all(third));
    EACH (i, vectors)
        tail[i] = vd_all(CLOSE_TAIL[CLOSE_TERMS - 1]);
    EACH (k, CLOSE_TERMS - 1)
        EACH (i, vectors)
            tail[i] =
                vd_all(CLOSE_TAIL[CLOSE_TERMS - 2 - k]) + v[i].hi * tail[i];
    EACH (i, vectors)
        tail[i] *= v[i].hi * v[i].hi;
    EACH (i, vectors) {
        b[i] = vdd_product(z[i], v[i].hi);
        b[i].lo += z[i] * (v[i].lo - tail[i]);
        capped[i] = vdd_fast(z[i], -b[i].hi);
        /* of which the series is no small part */
        capped[i] = vdd_fast(capped[i].hi, capped[i].lo - b[i].lo);
    }
    if (slope)
        EACH (i, vectors) {
            vd share = vd_all(1) - (v[i].hi - tail[i]);
            slope[i] =
                vd_all(0x1p128) - vd_all(0x3p128) * v[i].hi * (share * share);
        }
}

/* ---- elsewhere ----------------------------------------------------------- */

/** 1 + 2^-128 x */
INLINE struct vdd one_more(struct vdd x)
{
    vd down = vd_all(0x1p-128);
    struct vdd sum = vdd_fast(vd_all(1), x.hi * down);
    return vdd_fast(sum.hi, sum.lo + x.lo * down);
}

/* 2 tanh(x / 2); slope: 2^128 dz'/dz. */
INLINE struct vdd tanh_open(struct vdd x, vd *slope)
{
    const struct vdd one = vdd_of(vd_all(1));
    vl below = (vl)(x.hi < vd_all(0));
    struct vdd u = vdd_exp_wide(vdd_where(below, x, vdd_negate(x)));
    struct vdd inverse = vdd_div(one, one_more(u)), w = vdd_mul(u, inverse);
    struct vdd a = vdd_fast(vd_all(2), w.hi * vd_all(-0x1p-126));
    a.lo += w.lo * vd_all(-0x1p-126);
    w = vdd_mul(w, inverse);
    *slope = vd_all(4) * (w.hi + w.lo);
    return vdd_where(below, vdd_negate(a), a);
}

/* s tanh(z / s) where that is not near 0. */
INLINE struct vdd cap_open(vd z, const struct smx_shift *how, vd *slope)
{
    struct vdd a = tanh_open(vdd_mul(vdd_of(z), vdd_all(how->steep)), slope);
    struct vdd t = vdd_product(a.hi, vd_all(how->half));
    t.lo += a.lo * vd_all(how->half);
    return t;
}

/* So many vectors, capped, and slopes. */
struct capped {
    int vectors;
    vd z[VECS], hi[VECS], lo[VECS], slope[VECS];
};

/* What cap_close leaves: -INFINITY stays so. Not inlined: few need it. */
static __attribute__((noinline, unused)) void
cap_rest(const struct smx_shift *how, struct capped *c)
{
    for (int i = 0; i < c->vectors; i++) {
        vd z = c->z[i], rise = vd_all(0);
        vl out = (vl)(z == vd_all(-__builtin_inf()));
        vl open = (vl)(vd_max(z, -z) > vd_all(how->most));
        struct vdd t = vdd_of(z);
        if (vl_any(open & ~out))
            t = vdd_where(out, t, cap_open(z, how, &rise));
        c->hi[i] = vd_where(open, t.hi, c->hi[i]);
        c->lo[i] = vd_where(open, t.lo, c->lo[i]);
        c->slope[i] = vd_where(open, rise, c->slope[i]);
    }
}

/* s tanh(z / s) of so many vectors, and slopes, or NULL. */
INLINE void cap_doubles(const vd *z, const struct smx_shift *how,
                        struct vdd *capped, vd *slope, int vectors)
{
    vd size = vd_all(0);
    EACH (i, vectors)
        size = vd_max(vd_max(z[i], -z[i]), size);
    cap_close(z, how->third, capped, slope, vectors);
    if (!vl_any((vl)(size > vd_all(how->most))))
        return;
    struct capped c = {.vectors = vectors};
    EACH (i, vectors) {
        c.z[i] = z[i];
        c.hi[i] = capped[i].hi;
        c.lo[i] = capped[i].lo;
        if (slope)
            c.slope[i] = slope[i];
    }
    cap_rest(how, &c);
    EACH (i, vectors) {
        capped[i] = (struct vdd){c.hi[i], c.lo[i]};
        if (slope)
            slope[i] = c.slope[i];
    }
}

/* ---- the shifted logit --------------------------------------------------- */

/* What is the same for a row. */
struct summit {
    vd top;
    struct vdd steep;   /* 2 / s */
    struct vdd bent;    /* top capped */
    struct vdd v, span; /* or v and 2 s / T / (1 + v) */
    vl flat;            /* and whether top is below STRAIGHT */
};

/** -2 |z| / s */
INLINE struct vdd decline(vd z, struct vdd steep)
{
    return vdd_settle(vdd_mul(vdd_of(-vd_max(z, -z)), steep));
}

/** top: of the row in each lane, or of one in all. */
INLINE struct summit climb(const struct smx_shift *how, vd top)
{
    struct summit s = {.top = top};
    if (how->capped)
        s.steep = vdd_all(how->steep);
    if (how->capped && how->close) {
        cap_doubles(&top, how, &s.bent, NULL, 1);
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
    if (vl_any(flat))
        bent = vdd_where(flat, straight(d, how), bent);
    return vdd_where(out, vdd_of(z), bent);
}

/* s / T at most SMX_CAP_MOST: so many vectors, and their slopes,
 * or NULL. */
INLINE void bend_close(const vd *z, const struct summit *s,
                       const struct smx_shift *how, struct vdd *d, vd *slope,
                       int vectors)
{
    struct vdd t[VECS];
    cap_doubles(z, how, t, slope, vectors);
    EACH (i, vectors) {
        d[i] = vdd_sum(t[i].hi, -s->bent.hi);
        d[i].lo += t[i].lo - s->bent.lo;
        d[i] = straight(d[i], how);
    }
}

/* The relative error of 2^-62 is one of 2^-53 in the exponential,
 * where that is a number at all. */
INLINE struct vdd bend(vd z, struct vdd d, const struct summit *s,
                       const struct smx_shift *how, vd *slope)
{
    struct vdd x = decline(z, s->steep);
    struct vdd u = vdd_exp_wide(x), more = one_more(u), w, q;
    vl apart = (vl)(z < vd_all(0)) ^ (vl)(s->top < vd_all(0));
    vl larger = (vl)(u.hi > s->v.hi);
    vd down = vd_all(0x1p-128), power = vd_all(-how->span_power);
    w = vdd_where(larger, u, s->v);
    w = (struct vdd){w.hi * down, w.lo * down};
    w = vdd_where(apart, vdd_of(vd_all(1)), w);
    q = vdd_one_less_exp(vdd_settle(vdd_mul(d, s->steep)));
    q = vdd_mul(vdd_mul(q, w), s->span);
    q = vdd_div(q, more);
    q = (struct vdd){q.hi * power, q.lo * power};
    if (slope)
        *slope = vd_all(4) * vdd_div(vdd_div(u, more), more).hi;
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
