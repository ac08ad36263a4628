/* SPDX-License-Identifier: MIT */
/** Double-doubles with an exponent of their own: no product, quotient or sum of
 *  a few of them leaves their range. */
#ifndef SMX_EXTENDED_H
#define SMX_EXTENDED_H

#include <math.h>

#include "dd.h"

/** What is less, and not 0, has lost digits as a subnormal, or loses them with
 *  the factors that it may have. */
#define SMX_FAINT 0x1p-900

static inline bool smx_is_faint(double x)
{
    return x != 0 && fabs(x) < SMX_FAINT;
}

/** m 2^e; |m| in [1/2, 1), or 0, or an infinity without an exponent. */
struct smx_ext {
    struct smx_dd m;
    int e;
};

/** x 2^e; of x lo may be more than a rest. */
static inline struct smx_ext ext_of(struct smx_dd x, int e)
{
    int up = 0;
    x = dd_sum(x.hi, x.lo);
    if (x.hi == 0 || !dd_finite(x.hi))
        return (struct smx_ext){{x.hi, 0}, 0};
    frexp(x.hi, &up);
    return (struct smx_ext){{ldexp(x.hi, -up), ldexp(x.lo, -up)}, e + up};
}

static inline struct smx_ext ext_from(double x)
{
    return ext_of((struct smx_dd){x, 0}, 0);
}

/** The nearest double. */
static inline double ext_get(struct smx_ext x)
{
    return ldexp(x.m.hi, x.e);
}

/** The double-double, if it is within their range. */
static inline struct smx_dd ext_dd(struct smx_ext x)
{
    return (struct smx_dd){ldexp(x.m.hi, x.e), ldexp(x.m.lo, x.e)};
}

/** 0 times an infinity is 0. */
static inline struct smx_ext ext_mul(struct smx_ext a, struct smx_ext b)
{
    if (a.m.hi == 0 || b.m.hi == 0)
        return (struct smx_ext){{0, 0}, 0};
    return ext_of(dd_mul(a.m, b.m), a.e + b.e);
}

/** b is not 0. */
static inline struct smx_ext ext_div(struct smx_ext a, struct smx_ext b)
{
    return ext_of(dd_div(a.m, b.m), a.e - b.e);
}

static inline struct smx_ext ext_add(struct smx_ext a, struct smx_ext b)
{
    if (a.m.hi == 0 || !dd_finite(b.m.hi))
        return dd_finite(a.m.hi) ? b : ext_from(a.m.hi + b.m.hi);
    if (b.m.hi == 0 || !dd_finite(a.m.hi))
        return a;
    struct smx_ext large = a.e >= b.e ? a : b, small = a.e >= b.e ? b : a;
    double down = ldexp(1, small.e - large.e);
    return ext_of(dd_add(large.m, dd_scale(small.m, down)), large.e);
}

/** a / b for any finite a and b > 0; may overflow to an infinity. */
static inline struct smx_dd smx_divide(struct smx_dd a, double b)
{
    if (b == 1 || a.hi == 0 || isinf(a.hi))
        return a;
    struct smx_dd quotient = ext_dd(ext_div(ext_of(a, 0), ext_from(b)));
    return isinf(quotient.hi) ? (struct smx_dd){quotient.hi, 0} : quotient;
}

static inline struct smx_ext ext_negate(struct smx_ext a)
{
    return (struct smx_ext){dd_negate(a.m), a.e};
}

#endif
