/* SPDX-License-Identifier: MIT */
/* The kernels of divergence_kernels.h in double-double, compiled once an
 * instruction set.
 *
 * A term of a divergence is written so that it is not negative and keeps its
 * digits where p and q nearly agree. With t = log q - log p,
 *   forward  q (exp(-t) - 1 + t), as sum q exp(-t) = sum p = sum q;
 *   reverse  the same with p and q, t and -t exchanged;
 *   JSD      beta q log(q / m) + (1 - beta) p log(p / m) as it is, or with
 *            x = (q - p) / m as m times a series that begins with x^2.
 * Near 0, |t| < 1/4 and |x| < 1/8, the series are computed in double but for
 * their first term; where they are not near, subtraction leaves enough of
 * 2^-65. */
#include "tiers.h"
#include "simd/log_vec.h"

#define VECTORS(i, n) for (size_t i = 0; i < (n); i += LANES)
#define INF __builtin_inf()
#define NEAR_LOGS 0.25
#define NEAR_SHARES 0.125

/* Of a share times 2^128: what no double shows in the end. */
#define NOTHING 0x1p-1000

/* ---- pairs -------------------------------------------------------------- */

INLINE struct vdd plus(struct vdd a, struct vdd b)
{
    struct vdd s = vdd_sum(a.hi, b.hi);
    return vdd_fast(s.hi, s.lo + (a.lo + b.lo));
}

/* The same where one may be infinite; lo may be more than half a unit of hi. */
INLINE struct vdd plus_any(struct vdd a, struct vdd b)
{
    struct vdd s = vdd_sum(a.hi, b.hi);
    s.lo += a.lo + b.lo;
    return vdd_settle(s);
}

INLINE vd size_of(vd x)
{
    return vd_max(x, -x);
}

/* ---- exponentials ------------------------------------------------------- */

static struct smx_dd tile_powers(const struct smx_divergence_side *side,
                                 size_t n, size_t skip)
{
    struct vdd sums[VECS] = {{{0}, {0}}};
    for (size_t i = 0; i < n; i += BLOCK)
        EACH (v, VECS) {
            size_t at = i + (size_t)(v * LANES);
            struct vdd e = vdd_exp_wide(vdd_load(side->hi + at, side->lo + at));
            vd_store(side->e_hi + at, e.hi);
            vd_store(side->e_lo + at, e.lo);
            vdd_accumulate(&sums[v], vdd_only(e, ~vl_at(skip - at)));
        }
    return vdd_total(sums);
}

/* ---- a vector of classes ------------------------------------------------ */

/** p and q times 2^128, t = log q - log p, and which of the two has any mass,
 *  even if it underflows. */
struct classes {
    struct vdd p, q, t;
    vl has_p, has_q;
};

INLINE struct vdd share_of(const struct smx_divergence_side *side, size_t i)
{
    return vdd_mul(vdd_load(side->e_hi + i, side->e_lo + i),
                   vdd_all(side->inverse));
}

INLINE struct classes classes_at(const struct smx_divergence_tile *tile,
                                 size_t i)
{
    const struct smx_divergence_side *p = &tile->p, *q = &tile->q;
    struct vdd dp = vdd_load(p->hi + i, p->lo + i);
    struct vdd dq = vdd_load(q->hi + i, q->lo + i);
    struct classes c = {.p = share_of(p, i), .q = share_of(q, i)};
    c.has_p = (vl)(dp.hi > vd_all(-INF));
    c.has_q = (vl)(dq.hi > vd_all(-INF));
    c.t = plus(dq, vdd_negate(dp));
    c.t = plus(c.t, vdd_negate(vdd_all(tile->offset)));
    c.t = vdd_only(c.t, c.has_p & c.has_q);
    return c;
}

/** Where the logarithms are near each other. */
INLINE vl are_near(const struct classes *c)
{
    return c->has_p & c->has_q & (vl)(size_of(c->t.hi) < vd_all(NEAR_LOGS));
}

/* (exp(t) - 1 - t) / t^2 - 1/2, |t| < NEAR_LOGS. */
INLINE vd bend_rest(vd t)
{
    static const double inverse[11] = {
        1.0 / 6227020800, 1.0 / 479001600, 1.0 / 39916800, 1.0 / 3628800,
        1.0 / 362880,     1.0 / 40320,     1.0 / 5040,     1.0 / 720,
        1.0 / 120,        1.0 / 24,        1.0 / 6};
    vd sum = vd_all(1.0 / 87178291200);
    EACH (n, 11)
        sum = sum * t + vd_all(inverse[n]);
    return sum * t;
}

/** x (exp(t) - 1 - t), |t| < NEAR_LOGS: x t^2 / 2 as two numbers, as all that
 *  is lost of x and t would be lost of a row of which one class is left. */
INLINE struct vdd near_bend(struct vdd x, struct vdd t)
{
    struct vdd square = vdd_mul(vdd_mul(x, t), t);
    vd half = vd_all(0.5), rest = square.hi * bend_rest(t.hi);
    return vdd_fast(square.hi * half, square.lo * half + rest);
}

/** q - p; near p, as p (exp(t) - 1). */
INLINE struct vdd excess_of(const struct classes *c)
{
    struct vdd far = plus(c->q, vdd_negate(c->p));
    struct vdd near = vdd_mul(c->p, c->t);
    vd bend = c->t.hi * c->t.hi * (vd_all(0.5) + bend_rest(c->t.hi));
    near = plus(near, vdd_of(c->p.hi * bend));
    return vdd_where(are_near(c), near, far);
}

static double near_mass(const struct smx_divergence_tile *tile)
{
    const vd offset = vd_all(tile->offset.hi), near = vd_all(NEAR_LOGS);
    vd sum[VECS] = {{0}};
    for (size_t i = 0; i < tile->n; i += BLOCK)
        EACH (v, VECS) {
            size_t at = i + (size_t)(v * LANES);
            vd t = vd_load(tile->q.hi + at) - vd_load(tile->p.hi + at);
            vl which = (vl)(size_of(t - offset) < near);
            sum[v] += (vd)((vl)vd_load(tile->q.e_hi + at) & which);
        }
    return block_sum(sum) * tile->q.inverse.hi;
}

static void excess(const struct smx_divergence_tile *tile,
                   struct smx_dd *excess, double *mass)
{
    struct vdd sums[VECS] = {{{0}, {0}}}, masses[VECS] = {{{0}, {0}}};
    for (size_t i = 0; i < tile->n; i += BLOCK)
        EACH (v, VECS) {
            struct classes c = classes_at(tile, i + (size_t)(v * LANES));
            vdd_accumulate(&sums[v], excess_of(&c));
            vdd_accumulate(&masses[v], vdd_only(c.q, are_near(&c)));
        }
    *excess = dd_add(*excess, vdd_total(sums));
    *mass += vdd_total(masses).hi;
}

/* ---- values ------------------------------------------------------------- */

/** A term of KL(first || second), t = log first - log second. */
INLINE struct vdd kl_term(struct vdd first, struct vdd second, struct vdd t,
                          vl near)
{
    struct vdd rest = plus(second, vdd_negate(first));
    struct vdd product = vdd_mul(first, t);
    product = vdd_only(vdd_settle(product), (vl)(first.hi > vd_all(0)));
    return vdd_where(near, near_bend(first, vdd_negate(t)),
                     plus(product, rest));
}

/* log(1 + a / b); a quotient that could leave the range is taken 2^-512 times,
 * where 1 is far below it. */
INLINE struct vdd log_of_one_and(struct vdd a, struct vdd b)
{
    const struct vdd power = {vd_all(512 * LN2_HI), vd_all(512 * LN2_LO)};
    vl huge = (vl)(a.hi * vd_all(0x1p-640) > b.hi);
    vd scale = vd_where(huge, vd_all(0x1p-512), vd_all(1));
    struct vdd y = {a.hi * scale, a.lo * scale};
    y = vdd_log1p(vdd_div(y, b));
    return plus(y, vdd_only(power, huge));
}

/** log(x / m), m = x + weight rise, and 0 where x is. Both are times 2^128. */
INLINE struct vdd log_share(struct vdd x, struct vdd rise, struct smx_dd weight)
{
    struct vdd more = vdd_mul(rise, vdd_all(weight));
    vl down = (vl)(more.hi < vd_all(0));
    struct vdd m = plus(x, more);
    struct vdd y = vdd_where(down, vdd_negate(more), more);
    struct vdd log = log_of_one_and(y, vdd_where(down, m, x));
    log = vdd_only(log, (vl)(x.hi > vd_all(NOTHING)));
    return vdd_where(down, log, vdd_negate(log));
}

struct mixture {
    struct vdd log_p, log_q; /* log(p / m), log(q / m) */
    struct vdd rise;         /* q - p */
    struct vdd m;
};

INLINE struct mixture mix(const struct smx_divergence_tile *tile,
                          const struct classes *c)
{
    struct mixture mix = {.rise = excess_of(c)};
    mix.log_p = log_share(c->p, mix.rise, tile->beta);
    mix.log_q = log_share(c->q, vdd_negate(mix.rise), tile->rest);
    mix.m = plus(c->p, vdd_mul(mix.rise, vdd_all(tile->beta)));
    return mix;
}

INLINE struct vdd jsd_term(const struct smx_divergence_tile *tile,
                           const struct classes *c, const struct mixture *mix)
{
    vl some = (vl)(mix->m.hi > vd_all(NOTHING));
    struct vdd x = vdd_only(vdd_div(mix->rise, mix->m), some);
    vd sum = vd_all(tile->series[SMX_DIVERGENCE_TERMS - 1]);
    for (int n = SMX_DIVERGENCE_TERMS - 1; n--;)
        sum = sum * x.hi + vd_all(tile->series[n]);
    struct vdd square = vdd_mul(mix->rise, x);
    struct vdd near = vdd_mul(square, vdd_all(tile->first));
    near = vdd_fast(near.hi, near.lo + square.hi * (sum * x.hi));
    struct vdd q = vdd_mul(c->q, vdd_all(tile->beta));
    struct vdd p = vdd_mul(c->p, vdd_all(tile->rest));
    struct vdd far = plus(vdd_mul(q, mix->log_q), vdd_mul(p, mix->log_p));
    return vdd_where((vl)(size_of(x.hi) < vd_all(NEAR_SHARES)), near, far);
}

/* kind is a constant where this is inlined. */
INLINE void value_as(enum smx_divergence kind,
                     const struct smx_divergence_tile *tile,
                     struct smx_divergence_value *value)
{
    struct vdd sums[3][VECS] = {{{{0}, {0}}}};
    vl lost = {0};
    for (size_t i = 0; i < tile->n; i += BLOCK)
        EACH (v, VECS) {
            size_t at = i + (size_t)(v * LANES);
            struct classes c = classes_at(tile, at);
            struct vdd term, d = vdd_load(tile->p.hi + at, tile->p.lo + at);
            if (kind == SMX_DIVERGENCE_JSD) {
                struct mixture m = mix(tile, &c);
                term = jsd_term(tile, &c, &m);
                vdd_accumulate(&sums[1][v], vdd_mul(c.p, m.log_p));
            } else if (kind == SMX_DIVERGENCE_REVERSE_KL) {
                term = kl_term(c.p, c.q, vdd_negate(c.t), are_near(&c));
                lost |= c.has_p & ~c.has_q;
            } else {
                term = kl_term(c.q, c.p, c.t, are_near(&c));
                lost |= c.has_q & ~c.has_p;
            }
            vdd_accumulate(&sums[0][v], term);
            if (!tile->entropy)
                continue;
            d = vdd_only(vdd_mul(c.p, d), (vl)(c.p.hi > vd_all(0)));
            vdd_accumulate(&sums[2][v], vdd_settle(d));
        }
    value->divergence = dd_add(value->divergence, vdd_total(sums[0]));
    value->log = dd_add(value->log, vdd_total(sums[1]));
    value->entropy = dd_add(value->entropy, vdd_total(sums[2]));
    value->lost |= vl_any(lost);
}

static void value_of(const struct smx_divergence_tile *tile,
                     struct smx_divergence_value *value)
{
    if (tile->kind == SMX_DIVERGENCE_FORWARD_KL)
        value_as(SMX_DIVERGENCE_FORWARD_KL, tile, value);
    else if (tile->kind == SMX_DIVERGENCE_REVERSE_KL)
        value_as(SMX_DIVERGENCE_REVERSE_KL, tile, value);
    else
        value_as(SMX_DIVERGENCE_JSD, tile, value);
}

/* ---- gradients ---------------------------------------------------------- */

/** p x where p is not 0. */
INLINE struct vdd weigh_dd(struct vdd p, struct vdd x)
{
    struct vdd product = vdd_settle(vdd_mul(p, x));
    return vdd_only(product, (vl)(p.hi > vd_all(0)));
}

/* forward p - q, reverse p (log p - log q - KL), JSD (1 - beta) p (log(p / m) -
 * KL(p || m)). Where q has no mass, two infinities meet: 0. */
INLINE struct vdd element_of(enum smx_divergence kind,
                             const struct smx_divergence_tile *tile,
                             const struct smx_divergence_descent *how,
                             const struct classes *c)
{
    const struct vdd value = vdd_all(how->value);
    if (kind == SMX_DIVERGENCE_FORWARD_KL) {
        const vd whole = vd_all(how->whole);
        struct vdd p = {c->p.hi * whole, c->p.lo * whole};
        return plus(p, vdd_negate(c->q));
    }
    if (kind == SMX_DIVERGENCE_REVERSE_KL) {
        struct vdd log = plus_any(vdd_negate(c->t), vdd_negate(value));
        return weigh_dd(c->p, vdd_only(log, c->has_q));
    }
    struct mixture m = mix(tile, c);
    struct vdd log = plus(m.log_p, vdd_negate(value));
    return vdd_mul(weigh_dd(c->p, log), vdd_all(tile->rest));
}

/* x times a slope above 0, though it may have become 0: an infinite x stays. */
INLINE vd scale_finite(vd x, vd slope)
{
    return vd_where((vl)(x * vd_all(0) == vd_all(0)), x * slope, x);
}

/* Neither NaN, where a factor of 0 meets an infinity, nor negative zeros. */
INLINE void descend_as(enum smx_divergence kind,
                       const struct smx_divergence_tile *tile,
                       const struct smx_divergence_descent *how,
                       const double *slope, double *out)
{
    const vd down = vd_all(0x1p-128);
    bool more = how->bend != 0 || how->level.hi != 0;
    VECTORS (i, tile->n) {
        struct classes c = classes_at(tile, i);
        struct vdd d = element_of(kind, tile, how, &c);
        if (more) {
            struct vdd bent = vdd_mul(vdd_load(tile->p.hi + i, tile->p.lo + i),
                                      vdd_of(vd_all(how->bend)));
            d = plus_any(d, weigh_dd(c.p, plus(bent, vdd_all(how->level))));
        }
        d = vdd_settle(vdd_mul(d, vdd_all(how->factor)));
        vd x = (d.hi + d.lo) * down;
        if (slope)
            x = scale_finite(x, vd_load(slope + i)) * down;
        x = (vd)((vl)x & (vl)(x == x));
        vd_store(out + i, x + vd_all(0));
    }
}

static void descend(const struct smx_divergence_tile *tile,
                    const struct smx_divergence_descent *how,
                    const double *slope, double *out)
{
    if (tile->kind == SMX_DIVERGENCE_FORWARD_KL)
        descend_as(SMX_DIVERGENCE_FORWARD_KL, tile, how, slope, out);
    else if (tile->kind == SMX_DIVERGENCE_REVERSE_KL)
        descend_as(SMX_DIVERGENCE_REVERSE_KL, tile, how, slope, out);
    else
        descend_as(SMX_DIVERGENCE_JSD, tile, how, slope, out);
}

const struct smx_divergence_dd_kernels TIER(divergence_dd_kernels) = {
    .powers = tile_powers,
    .near = near_mass,
    .excess = excess,
    .value = value_of,
    .descend = descend,
};
