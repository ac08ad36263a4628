/* SPDX-License-Identifier: MIT */
/** Vectors of log(1 + x), of double-double numbers and of doubles, shared by
 * the templates. */
#ifndef SMX_LOG_VEC_H
#define SMX_LOG_VEC_H

#include "dd_vec.h"

/* log(2) in 42 bits and 53 more. */
#define LN2_HI 0x1.62e42fefa3800p-1
#define LN2_LO 0x1.ef35793c76730p-45

/** Of a number below 2^52, as a double. */
INLINE vd vu_number(vu n)
{
    return (vd)(n | (vu)vd_all(0x1p52)) - vd_all(0x1p52);
}

/** 2^k (1 + u) = 1 + x, x >= 0, -0.3 < u < 0.42; u = x where k = 0. */
INLINE struct vdd halve(struct vdd x, vd *k)
{
    const vd root = vd_all(0x1.6a09e667f3bcdp-1);
    struct vdd one = vdd_sum(vd_all(1), x.hi), u;
    one = vdd_fast(one.hi, one.lo + x.lo);
    vu exponent = ((vu)one.hi - (vu)root) >> 52;
    vd down = (vd)((vu)vd_all(1) - (exponent << 52));
    vl none = (vl)(exponent == (vu){0});
    u = vdd_sum(one.hi * down - vd_all(1), one.lo * down);
    *k = vu_number(exponent);
    u.hi = vd_where(none, x.hi, u.hi);
    u.lo = vd_where(none, x.lo, u.lo);
    return u;
}

/** log(1 + x) = k log 2 + 2 atanh(u / (2 + u)), x >= 0, relative error 2^-57:
 *  for small x nothing is lost. What atanh's series leaves out is 2^-60. Of
 *  count vectors, at most 4: one alone would wait for each step. */
INLINE void vdd_log1p_each(struct vdd *x, int count)
{
    static const double inverse[9] = {1.0 / 19, 1.0 / 17, 1.0 / 15,
                                      1.0 / 13, 1.0 / 11, 1.0 / 9,
                                      1.0 / 7,  1.0 / 5,  1.0 / 3};
    vd k[4], q[4], sum[4];
    struct vdd s[4];
    EACH (v, count) {
        struct vdd u = halve(x[v], &k[v]);
        struct vdd two = vdd_fast(vd_all(2), u.hi);
        two.lo += u.lo;
        s[v] = vdd_div(u, two);
        q[v] = s[v].hi * s[v].hi;
        sum[v] = vd_all(1.0 / 21);
    }
    EACH (n, 9)
        EACH (v, count)
            sum[v] = sum[v] * q[v] + vd_all(inverse[n]);
    EACH (v, count) {
        s[v].lo += s[v].hi * (q[v] * sum[v]);
        struct vdd log = vdd_fast(k[v] * vd_all(LN2_HI), vd_all(2) * s[v].hi);
        log.lo += k[v] * vd_all(LN2_LO) + vd_all(2) * s[v].lo;
        x[v] = vdd_fast(log.hi, log.lo);
    }
}

INLINE struct vdd vdd_log1p(struct vdd x)
{
    vdd_log1p_each(&x, 1);
    return x;
}

/** log(1 + y) = k log 2 + 2 atanh(s) of x = 1 + y = 2^k m, m in [sqrt(1/2),
 * sqrt(2)), s = u / (2 + u), u = m - 1; where k = 0, u = y: nothing of it is
 * lost. Of atanh's series so many terms, at most 9, and the exponent of x at
 * least -least: constants where this is inlined. */
INLINE vd log_of_sum(vd x, vd y, int terms, uint64_t least)
{
    static const uint64_t ROOT_HALF = 0x3fe6a09e667f3bcd;
    static const double inverse[9] = {1,        1.0 / 3,  1.0 / 5,
                                      1.0 / 7,  1.0 / 9,  1.0 / 11,
                                      1.0 / 13, 1.0 / 15, 1.0 / 17};
    const vu bias = (least << 52) - (vu){0};
    vu k = ((vu)x + (bias - ROOT_HALF)) >> 52;
    vl whole = (vl)(k == (least - (vu){0}));
    vd u = (vd)((vu)x - (k << 52) + bias) - vd_all(1);
    u = vd_where(whole, y, u);
    vd s = u / (vd_all(2) + u), q = s * s, p = vd_all(inverse[terms - 1]);
    EACH (n, terms - 1)
        p = p * q + vd_all(inverse[terms - 2 - n]);
    vd exponent = (vd)(k | (vu)vd_all(0x1p52)) - vd_all(0x1p52 + (double)least);
    return vd_all(2) * s * p + exponent * vd_all(0x1.62e42fefa39efp-1);
}

/** log(1 + x), x >= 0, relative error 2^-32. */
INLINE vd vd_log1p(vd x)
{
    return log_of_sum(vd_all(1) + x, x, 7, 0);
}

/** log(x), x = 1 + y > 0, relative error 2^-46. */
INLINE vd vd_log_of_sum(vd x, vd y)
{
    return log_of_sum(x, y, 9, 1024);
}

#endif
