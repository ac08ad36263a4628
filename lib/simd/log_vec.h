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
 *  for small x nothing is lost. What atanh's series leaves out is 2^-60. */
INLINE struct vdd vdd_log1p(struct vdd x)
{
    static const double inverse[9] = {1.0 / 19, 1.0 / 17, 1.0 / 15,
                                      1.0 / 13, 1.0 / 11, 1.0 / 9,
                                      1.0 / 7,  1.0 / 5,  1.0 / 3};
    vd k;
    struct vdd u = halve(x, &k);
    struct vdd two = vdd_fast(vd_all(2), u.hi);
    two.lo += u.lo;
    struct vdd s = vdd_div(u, two);
    vd q = s.hi * s.hi, sum = vd_all(1.0 / 21);
    EACH (n, 9)
        sum = sum * q + vd_all(inverse[n]);
    s.lo += s.hi * (q * sum);
    struct vdd log = vdd_fast(k * vd_all(LN2_HI), vd_all(2) * s.hi);
    log.lo += k * vd_all(LN2_LO) + vd_all(2) * s.lo;
    return vdd_fast(log.hi, log.lo);
}

/** log(1 + x), x >= 0, relative error 2^-32: 1 + x = 2^k m, m in [sqrt(1/2),
 * sqrt(2)): log = k log 2 + 2 atanh(s), s = u / (2 + u), u = m - 1. Where k =
 * 0, u = x: nothing of it is lost. */
INLINE vd vd_log1p(vd x)
{
    static const uint64_t ROOT_HALF = 0x3fe6a09e667f3bcd;
    static const uint64_t TWO52 = 0x4330000000000000;
    vd y = vd_all(1) + x;
    vu k = ((vu)y - (ROOT_HALF - (vu){0})) >> 52;
    vd m = (vd)((vu)y - (k << 52)), u = m - vd_all(1);
    vl whole = (vl)(k == (vu){0});
    u = (vd)(((vl)x & whole) | ((vl)u & ~whole));
    vd s = u / (vd_all(2) + u), q = s * s, p = vd_all(1.0 / 13);
    p = p * q + vd_all(1.0 / 11);
    p = p * q + vd_all(1.0 / 9);
    p = p * q + vd_all(1.0 / 7);
    p = p * q + vd_all(1.0 / 5);
    p = p * q + vd_all(1.0 / 3);
    p = p * q + vd_all(1);
    vd exponent = (vd)(k | (TWO52 - (vu){0})) - vd_all(0x1p52);
    return vd_all(2) * s * p + exponent * vd_all(0x1.62e42fefa39efp-1);
}

#endif
