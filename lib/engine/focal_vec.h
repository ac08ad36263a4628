/* SPDX-License-Identifier: MIT */
/**
 * What a focal exponent makes of the mass of a label, of vectors of rows: in
 * the loss (1 - p)^focal, in the gradient that times
 * 1 - focal p log(p) / (1 - p).
 */
#ifndef SMX_FOCAL_VEC_H
#define SMX_FOCAL_VEC_H

#include <math.h>

#include "simd/log_vec.h"

struct label_focus {
    vd loss, gradient;
};

/* A share below counts as that, whose products are 0 in float32. */
#define LEAST_OTHERS 0x1p-1000

/**
 * In double, given -log p, >= 0 and maybe infinite, and focal <= 4: relative
 * error 2^-36, beside focal + 1 times that of -log p. log(1 - p) is
 * -log(1 + x), x = 1 / (1 - p) - 1: only its absolute error counts.
 */
INLINE struct label_focus vd_focus(vd nats, double focal)
{
    const vd down = vd_all(0x1p-128), zero = vd_all(0);
    vd others = vd_max(vd_one_less_exp(-nats), vd_all(LEAST_OTHERS));
    vd x = vd_max(vd_all(1) / others - vd_all(1), zero);
    struct vdd power = {vd_log1p(x) * vd_all(-focal), zero},
               log_p = {-nats, zero};
    vd loss = vdd_exp(power) * down, p = vdd_exp(log_p) * down;
    vd more = vd_all(focal) * p * nats / others;
    more = (vd)((vl)more & (vl)(p != zero));
    loss = (vd)((vl)loss & (vl)(nats != zero));
    return (struct label_focus){loss, loss + loss * more};
}

/* 1 - p, and powers of it and p. */
struct complement {
    vd power, base, p;
};

/* x = 2^k (1 + u), u below 1; no number where x is 0. */
INLINE struct vdd vdd_mantissa(struct vdd x, vd *k)
{
    vd up = vd_where((vl)(x.hi < vd_all(0x1p-900)), vd_all(0x1p200), vd_all(1));
    vd hi = x.hi * up,
       raised = vd_where((vl)(up != vd_all(1)), vd_all(200), vd_all(0));
    vu exponent = (vu)hi >> 52;
    vd down = (vd)(((vu){0} + 2046 - exponent) << 52);
    *k = vu_number(exponent) - vd_all(1023) - raised;
    return vdd_fast(hi * down - vd_all(1), x.lo * up * down);
}

/**
 * In double-double, given log p: log(1 - p) = k log 2 + log(1 + u) with
 * 1 - p = 2^k (1 + u).
 */
INLINE struct complement vdd_complement(struct vdd log, double power)
{
    struct vdd x = vdd_one_less_exp(log), y;
    struct complement c = {.base = x.hi, .p = vdd_exp(log) * vd_all(0x1p-128)};
    vd k;
    y = vdd_log1p(vdd_mantissa(x, &k));
    x = vdd_sum(k * vd_all(LN2_HI), y.hi);
    x = vdd_fast(x.hi, x.lo + (k * vd_all(LN2_LO) + y.lo));
    x = vdd_settle(vdd_mul(x, vdd_all((struct smx_dd){power, 0})));
    c.power = vdd_exp(x) * vd_all(0x1p-128);
    c.power = (vd)((vl)c.power & (vl)(c.base != vd_all(0)));
    return c;
}

#endif
