/* SPDX-License-Identifier: MIT */
/**
 * Numbers of twice the precision: the unevaluated sum of two doubles, hi the
 * nearest double to it. Without fused operations, so that every processor
 * gives the same bits.
 *
 * Source       Dekker 1971, "A floating-point technique for extending the
 *              available precision"; Knuth, TAOCP 2, 4.2.2 (dd_sum).
 */
#ifndef SMX_DD_H
#define SMX_DD_H

#include <stdbool.h>

struct smx_dd {
    double hi, lo;
};

/** a + b, |a| >= |b| or a = 0. */
static inline struct smx_dd dd_fast_sum(double a, double b)
{
    double s = a + b;
    return (struct smx_dd){s, b - (s - a)};
}

/** a + b exactly. */
static inline struct smx_dd dd_sum(double a, double b)
{
    double s = a + b, t = s - a;
    return (struct smx_dd){s, (a - (s - t)) + (b - t)};
}

static inline bool dd_finite(double x)
{
    return x - x == 0;
}

/** a * b exactly; rounded where the splitting would overflow. */
static inline struct smx_dd dd_product(double a, double b)
{
    double p = a * b, s = 0x1.0000002p27 * a, t = 0x1.0000002p27 * b;
    double a1 = s - (s - a), b1 = t - (t - b), a2 = a - a1, b2 = b - b1;
    double lo = ((a1 * b1 - p) + a1 * b2 + a2 * b1) + a2 * b2;
    return (struct smx_dd){p, dd_finite(lo) ? lo : 0};
}

/* What leaves the range of doubles is an infinity without a rest. */

static inline struct smx_dd dd_add(struct smx_dd a, struct smx_dd b)
{
    struct smx_dd s = dd_sum(a.hi, b.hi), t = dd_sum(a.lo, b.lo);
    if (!dd_finite(s.hi))
        return (struct smx_dd){s.hi, 0};
    s = dd_fast_sum(s.hi, s.lo + t.hi);
    return dd_fast_sum(s.hi, s.lo + t.lo);
}

static inline struct smx_dd dd_mul(struct smx_dd a, struct smx_dd b)
{
    struct smx_dd p = dd_product(a.hi, b.hi);
    if (!dd_finite(p.hi)) /* 0 times an overflow is 0 */
        return a.hi == 0 || b.hi == 0 ? (struct smx_dd){0, 0} : p;
    return dd_fast_sum(p.hi, p.lo + (a.hi * b.lo + a.lo * b.hi));
}

/** a + b where both may have overflowed: instead where the signs differ. */
static inline struct smx_dd dd_plus(struct smx_dd a, struct smx_dd b,
                                    double instead)
{
    struct smx_dd sum = dd_add(a, b);
    return sum.hi == sum.hi ? sum : (struct smx_dd){instead, 0};
}

static inline struct smx_dd dd_div(struct smx_dd a, struct smx_dd b)
{
    double q = a.hi / b.hi;
    if (!dd_finite(q))
        return (struct smx_dd){q, 0};
    struct smx_dd p = dd_mul((struct smx_dd){q, 0}, b);
    struct smx_dd r = dd_add(a, (struct smx_dd){-p.hi, -p.lo});
    double q2 = r.hi / b.hi;
    return dd_fast_sum(q, q2);
}

static inline struct smx_dd dd_scale(struct smx_dd a, double power_of_two)
{
    return (struct smx_dd){a.hi * power_of_two, a.lo * power_of_two};
}

static inline struct smx_dd dd_negate(struct smx_dd a)
{
    return (struct smx_dd){-a.hi, -a.lo};
}

/** Adds x to a running sum, whose lo may grow: dd_settle it at the end. */
static inline void dd_accumulate(struct smx_dd *sum, struct smx_dd x)
{
    struct smx_dd s = dd_sum(sum->hi, x.hi);
    sum->hi = s.hi;
    sum->lo += s.lo + x.lo;
}

/** A running sum as a number; an infinite one has no rest. */
static inline struct smx_dd dd_settle(struct smx_dd sum)
{
    if (!dd_finite(sum.hi))
        return (struct smx_dd){sum.hi, 0};
    return dd_fast_sum(sum.hi, sum.lo);
}

#endif
