/* SPDX-License-Identifier: MIT */
/**
 * Numbers of twice the precision: the unevaluated sum of two doubles, hi the
 * nearest double to it. Without fused operations, so that every processor
 * gives the same bits.
 *
 * Source       Dekker 1971, "A floating-point technique for extending the
 *              available precision"; Knuth, TAOCP 2, 4.2.2 (two_sum).
 */
#ifndef SMX_TWOFOLD_H
#define SMX_TWOFOLD_H

#include <stdbool.h>

struct smx_two {
    double hi, lo;
};

/** a + b, |a| >= |b| or a = 0. */
static inline struct smx_two two_fast_sum(double a, double b)
{
    double s = a + b;
    return (struct smx_two){s, b - (s - a)};
}

/** a + b exactly. */
static inline struct smx_two two_sum(double a, double b)
{
    double s = a + b, t = s - a;
    return (struct smx_two){s, (a - (s - t)) + (b - t)};
}

static inline bool two_finite(double x)
{
    return x - x == 0;
}

/** a * b exactly; rounded where the splitting would overflow. */
static inline struct smx_two two_product(double a, double b)
{
    double p = a * b, s = 0x1.0000002p27 * a, t = 0x1.0000002p27 * b;
    double a1 = s - (s - a), b1 = t - (t - b), a2 = a - a1, b2 = b - b1;
    double lo = ((a1 * b1 - p) + a1 * b2 + a2 * b1) + a2 * b2;
    return (struct smx_two){p, two_finite(lo) ? lo : 0};
}

/* What leaves the range of doubles is an infinity without a rest. */

static inline struct smx_two two_add(struct smx_two a, struct smx_two b)
{
    struct smx_two s = two_sum(a.hi, b.hi), t = two_sum(a.lo, b.lo);
    if (!two_finite(s.hi))
        return (struct smx_two){s.hi, 0};
    s = two_fast_sum(s.hi, s.lo + t.hi);
    return two_fast_sum(s.hi, s.lo + t.lo);
}

static inline struct smx_two two_mul(struct smx_two a, struct smx_two b)
{
    struct smx_two p = two_product(a.hi, b.hi);
    if (!two_finite(p.hi)) /* 0 times an overflow is 0 */
        return a.hi == 0 || b.hi == 0 ? (struct smx_two){0, 0} : p;
    return two_fast_sum(p.hi, p.lo + (a.hi * b.lo + a.lo * b.hi));
}

/** a + b where both may have overflowed: instead where the signs differ. */
static inline struct smx_two two_plus(struct smx_two a, struct smx_two b,
                                      double instead)
{
    struct smx_two sum = two_add(a, b);
    return sum.hi == sum.hi ? sum : (struct smx_two){instead, 0};
}

static inline struct smx_two two_div(struct smx_two a, struct smx_two b)
{
    double q = a.hi / b.hi;
    if (!two_finite(q))
        return (struct smx_two){q, 0};
    struct smx_two p = two_mul((struct smx_two){q, 0}, b);
    struct smx_two r = two_add(a, (struct smx_two){-p.hi, -p.lo});
    double q2 = r.hi / b.hi;
    return two_fast_sum(q, q2);
}

static inline struct smx_two two_scale(struct smx_two a, double power_of_two)
{
    return (struct smx_two){a.hi * power_of_two, a.lo * power_of_two};
}

static inline struct smx_two two_negate(struct smx_two a)
{
    return (struct smx_two){-a.hi, -a.lo};
}

/** Adds x to a running sum, whose lo may grow: two_settle it at the end. */
static inline void two_accumulate(struct smx_two *sum, struct smx_two x)
{
    struct smx_two s = two_sum(sum->hi, x.hi);
    sum->hi = s.hi;
    sum->lo += s.lo + x.lo;
}

/** A running sum as a number; an infinite one has no rest. */
static inline struct smx_two two_settle(struct smx_two sum)
{
    if (!two_finite(sum.hi))
        return (struct smx_two){sum.hi, 0};
    return two_fast_sum(sum.hi, sum.lo);
}

#endif
