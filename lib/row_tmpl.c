/* SPDX-License-Identifier: MIT */
/* The kernels of row_kernels.h, compiled once an instruction set. */
#include "row_kernels.h"

#include <math.h>

#include "softcap_vec.h"

extern const struct smx_row_kernels TIER(row_kernels);

/* for i in [0, n), a vector at a time */
#define VECTORS(i, n) for (size_t i = 0; i < (n); i += LANES)

/* A vector of z, -INFINITY behind n. */
INLINE vd get(const double *z, size_t i, size_t n)
{
    if (i + LANES <= n)
        return vd_load(z + i);
    size_t left = i < n ? n - i : 0;
    return vd_where(vl_below(left), vd_load_part(z + n - left, left),
                    vd_all(-__builtin_inf()));
}

/* A vector of out, as far as n. */
INLINE void put(double *out, size_t i, size_t n, vd v)
{
    if (i + LANES <= n)
        vd_store(out + i, v);
    else
        vd_store_part(out + i, v, n - i);
}

/* ---- to and from the tensors --------------------------------------------- */

#define INF __builtin_inff()

/* Floats that are looked at before it is asked what was seen. */
#define SPAN ((size_t)32 * FLOATS)

INLINE bool is_span_refused(const float *x, bool low)
{
    vi bad[4] = {{0}};
    for (size_t i = 0; i < SPAN; i += 4 * FLOATS)
        EACH (v, 4) {
            vf f = vf_load(x + i + v * FLOATS);
            bad[v] |= vf_refused(f);
            if (!low)
                bad[v] |= (vi)(f < vf_all(-FLT_MAX));
        }
    return vi_any(bad[0] | bad[1] | bad[2] | bad[3]);
}

static size_t refused_float(const float *x, size_t n, bool low)
{
    float lowest = low ? -INF : -FLT_MAX;
    size_t i = 0;
    if (low)
        while (n - i >= SPAN && !is_span_refused(x + i, true))
            i += SPAN;
    else
        while (n - i >= SPAN && !is_span_refused(x + i, false))
            i += SPAN;
    while (i < n && x[i] < INF && x[i] >= lowest)
        i++;
    return i;
}

/* The same of doubles. */
#define DOUBLES ((size_t)8 * LANES)

INLINE bool are_doubles_refused(const double *x, bool low)
{
    vl bad = {0};
    EACH (v, 8) {
        vd d = vd_load(x + v * LANES);
        bad |= ~(vl)(d < vd_all(INF));
        if (!low)
            bad |= (vl)(d < vd_all(-DBL_MAX));
    }
    return vl_any(bad);
}

static size_t refused_double(const double *x, size_t n, bool low)
{
    double lowest = low ? -INF : -DBL_MAX;
    size_t i = 0;
    if (low)
        while (n - i >= DOUBLES && !are_doubles_refused(x + i, true))
            i += DOUBLES;
    else
        while (n - i >= DOUBLES && !are_doubles_refused(x + i, false))
            i += DOUBLES;
    while (i < n && x[i] < INF && x[i] >= lowest)
        i++;
    return i;
}

static void widen(const float *x, size_t n, double *z)
{
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        vd_store(z + i, vd_widen(x + i));
    for (; i < n; i++)
        z[i] = x[i];
}

static void narrow(const double *z, size_t n, float *x)
{
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        vh_store(x + i, vd_narrow(vd_load(z + i)));
    for (; i < n; i++)
        x[i] = (float)z[i];
}

/* ---- the largest, and the distance to it --------------------------------- */

static size_t peak(const double *z, size_t n)
{
    vd tops[VECS], top = vd_all(-INF);
    EACH (v, VECS)
        tops[v] = top;
    for (size_t i = 0; i < n; i += BLOCK)
        EACH (v, VECS)
            tops[v] = vd_max(get(z, i + (size_t)v * LANES, n), tops[v]);
    EACH (v, VECS)
        top = vd_max(tops[v], top);
    for (int half = LANES / 2; half; half /= 2)
        top = vd_max(vd_beside(top, half), top);
    size_t i = 0;
    for (; i + LANES <= n; i += LANES) {
        vl here = (vl)(vd_load(z + i) == vd_all(top[0]));
        if (vl_any(here))
            return i + (size_t)vl_first(here);
    }
    while (z[i] != top[0])
        i++;
    return i;
}

/* s tanh(z / s) = s (1 - u) / (1 + u) */
static struct smx_two cap(double z, double softcap,
                          const struct smx_distance *how)
{
    struct two_vec x = decline(vd_all(z), two_vec_all(how->steep));
    struct two_vec t =
        two_vec_div(two_vec_one_less_exp(x), one_more(two_vec_exp_wide(x)));
    double sign = z < 0 ? -softcap : softcap;
    t = two_vec_mul(t, two_vec_all((struct smx_two){sign, 0}));
    t = two_vec_settle(t);
    return (struct smx_two){t.hi[0], t.lo[0]};
}

/* ---- exponentials and sums ----------------------------------------------- */

enum course { LINE, BEND, BEND_NARROW };

/* Of the vector at i. */
INLINE struct two_vec distance(enum course course, size_t i, const double *z,
                               size_t n, const struct smx_distance *how,
                               const struct summit *s,
                               const struct smx_tile *out)
{
    vd x = get(z, i, n) * vd_all(how->before);
    double *slope = course != LINE && out->slope ? out->slope + i : NULL;
    struct two_vec d = two_vec_sum(x, -s->top);
    if (course == LINE)
        d = straight(d, how);
    else if (course == BEND)
        d = bend(x, d, s, how, slope);
    else
        d = bend_narrow(x, d, s, how, slope);
    if (out->hi) {
        vd_store(out->hi + i, d.hi);
        vd_store(out->lo + i, two_vec_settle(d).lo);
    }
    return d;
}

/* course is a constant where this is inlined. */
INLINE void fill(enum course course, const double *z, size_t n,
                 const struct smx_distance *how, const struct smx_tile *out)
{
    const struct smx_distance d = *how;
    const struct smx_tile tile = *out;
    struct summit s = climb(&d);
    for (size_t i = 0; i < n; i += BLOCK)
        EACH (v, VECS) {
            size_t j = i + (size_t)v * LANES;
            vd_store(tile.e + j,
                     two_vec_exp(distance(course, j, z, n, &d, &s, &tile)));
        }
}

/* Doubles of a cache line. */
#define CACHE_LINE 8

/* The block so far ahead, the next tile's or row's, arrives while this one is
 * computed. */
INLINE void fetch(const double *z, const double *e, size_t ahead)
{
    ahead *= sizeof *z; /* not as pointers, which could leave the tensors */
    for (int i = 0; i < BLOCK; i += CACHE_LINE) {
        __builtin_prefetch((const void *)((uintptr_t)(z + i) + ahead));
        __builtin_prefetch((const void *)((uintptr_t)(e + i) + ahead), 1);
    }
}

/* Of LINE with neither temperature nor large logits. Not inlined: beside the
 * other courses its constants would not stay in registers. */
static __attribute__((noinline)) void fill_near(const double *z, size_t n,
                                                double top, double *e)
{
    const struct near near = near_of(vd_all(top));
    size_t i = 0;
    for (; i + BLOCK <= n; i += BLOCK) {
        fetch(z + i, e + i, n);
        EACH (v, VECS)
            vd_store(e + i + v * LANES,
                     near_exp(vd_load(z + i + v * LANES), &near));
    }
    if (i == n)
        return;
    EACH (v, VECS) {
        vd part = get(z, i + (size_t)v * LANES, n);
        vd_store(e + i + v * LANES, near_exp(part, &near));
    }
}

static bool is_near(const struct smx_distance *how)
{
    return !how->capped && !how->scaled && fabs(how->top) <= NEAR_MOST;
}

/* A vector of e, whole blocks; without element skip, SIZE_MAX where it is not
 * near. */
INLINE vd get_but(const double *e, size_t i, size_t n, size_t skip)
{
    if (i >= n)
        return vd_all(0);
    vd v = vd_load(e + i);
    return skip == SIZE_MAX ? v : (vd)((vl)v & ~vl_at(skip - i));
}

/* Blocks of which each lane is added up, of positive numbers, before that is
 * added to a twofold sum. */
#define FEW 4

INLINE void add_few(const double *e, size_t i, size_t n, size_t skip,
                    struct two_vec sums[VECS])
{
    EACH (v, VECS) {
        vd x[FEW];
        EACH (b, FEW)
            x[b] = get_but(e, i + (size_t)(b * BLOCK + v * LANES), n, skip);
        struct two_vec few = {(x[0] + x[1]) + (x[2] + x[3]), vd_all(0)};
        two_vec_accumulate(&sums[v], few);
    }
}

/* The sum of e without element skip; whole blocks. */
static struct smx_two sum_but(const double *e, size_t n, size_t skip)
{
    struct two_vec sums[VECS] = {{{0}, {0}}};
    for (size_t i = 0; i < n; i += FEW * BLOCK) {
        if (skip - i < FEW * BLOCK)
            add_few(e, i, n, skip, sums);
        else if (n - i < FEW * BLOCK)
            add_few(e, i, n, SIZE_MAX, sums);
        else
            add_few(e, i, SIZE_MAX, SIZE_MAX, sums);
    }
    return two_vec_total(sums);
}

INLINE void distances_as(enum course course, const double *z, size_t n,
                         const struct smx_distance *how,
                         const struct smx_tile *out)
{
    struct summit s = climb(how);
    for (size_t i = 0; i < n; i += BLOCK)
        EACH (v, VECS)
            distance(course, i + (size_t)v * LANES, z, n, how, &s, out);
}

static void distances(const double *z, size_t n, const struct smx_distance *how,
                      const struct smx_tile *out)
{
    const struct smx_tile tile = {.hi = out->hi, .lo = out->lo};
    if (!how->capped)
        distances_as(LINE, z, n, how, &tile);
    else if (how->narrow)
        distances_as(BEND_NARROW, z, n, how, &tile);
    else
        distances_as(BEND, z, n, how, &tile);
}

static struct smx_two exponentials(const double *z, size_t n,
                                   const struct smx_distance *how, size_t skip,
                                   const struct smx_tile *out)
{
    if (is_near(how)) {
        if (out->hi)
            distances(z, n, how, out);
        fill_near(z, n, how->top, out->e);
    } else if (!how->capped) {
        fill(LINE, z, n, how, out);
    } else if (how->narrow) {
        fill(BEND_NARROW, z, n, how, out);
    } else {
        fill(BEND, z, n, how, out);
    }
    return sum_but(out->e, n, skip);
}

static struct smx_two sum(const double *x, size_t n)
{
    struct two_vec sums[VECS] = {{{0}, {0}}};
    for (size_t i = 0; i < n; i += BLOCK)
        EACH (v, VECS) {
            struct two_vec term = {vd_load(x + i + v * LANES), vd_all(0)};
            two_vec_accumulate(&sums[v], term);
        }
    return two_vec_total(sums);
}

/* ---- what is answered ---------------------------------------------------- */

INLINE void scale_cached(const double *e, size_t n, vd factor, double *out)
{
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        vd_store(out + i, vd_load(e + i) * factor);
    if (i < n)
        vd_store_part(out + i, vd_load_part(e + i, n - i) * factor, n - i);
}

/* What is subnormal in the end is rounded once. */
static void scale(const double *e, size_t n, double factor, bool stream,
                  double *out)
{
    vd f = vd_all(factor * 0x1p-128);
    size_t past = (uintptr_t)out / sizeof *out % CACHE_LINE;
    size_t i = past ? CACHE_LINE - past : 0, end;
    if (!stream || i > n) {
        scale_cached(e, n, f, out);
        return;
    }
    scale_cached(e, i, f, out);
    for (end = i + (n - i) / CACHE_LINE * CACHE_LINE; i < end; i += LANES)
        vd_stream(out + i, vd_load(e + i) * f);
    vf_stream_end();
    scale_cached(e + i, n - i, f, out + i);
}

static void logs(const double *hi, const double *lo, size_t n,
                 struct smx_two logsum, double *out)
{
    VECTORS (i, n)
        put(out, i, n,
            (vd_load(hi + i) - vd_all(logsum.hi)) +
                (vd_load(lo + i) - vd_all(logsum.lo)));
}

static void terms(const double *e, const double *hi, const double *lo, size_t n,
                  double *out)
{
    VECTORS (i, n) {
        vd x = vd_load(e + i), d = vd_load(hi + i) + vd_load(lo + i);
        vd_store(out + i, (vd)((vl)(x * d) & (vl)(x > vd_all(0))));
    }
}

static void times(const double *a, const double *b, size_t n, double *out)
{
    VECTORS (i, n)
        vd_store(out + i, vd_load(a + i) * vd_load(b + i));
}

static void smooth(double *mass, size_t n, struct smx_two keep,
                   struct smx_two share)
{
    VECTORS (i, n) {
        struct two_vec t = {vd_load(mass + i), {0}};
        struct two_vec q = two_vec_settle(two_vec_mul(t, two_vec_all(keep)));
        struct two_vec sum = two_vec_sum(q.hi, vd_all(share.hi));
        sum.lo += q.lo + vd_all(share.lo);
        vd_store(mass + i, sum.hi + two_vec_settle(sum).lo);
    }
}

static void costs(const double *mass, const double *hi, const double *lo,
                  size_t n, struct smx_two logsum, double *out)
{
    VECTORS (i, n) {
        vd v = vd_load(mass + i);
        vd cost = (vd_all(logsum.hi) - vd_load(hi + i)) +
                  (vd_all(logsum.lo) - vd_load(lo + i));
        vd_store(out + i, (vd)((vl)(v * cost) & (vl)(v != vd_all(0))));
    }
}

/* x times slope and two powers of two, rounded once; 0 for NaN. */
INLINE vd finish(struct two_vec x, const double *slope, vd first, vd second)
{
    if (slope) { /* which is up to 2^128 */
        vl large = (vl)(x.hi > vd_all(0x1p800)) | (vl)(x.hi < vd_all(-0x1p800));
        vd down = vd_where(large, vd_all(0x1p-128), vd_all(1));
        vd lo = x.lo * down * vd_load(slope);
        x = two_vec_product(x.hi * down, vd_load(slope));
        x.lo += lo;
        second *= vd_where(large, vd_all(0x1p128), vd_all(1));
    }
    vd y = (x.hi + two_vec_settle(x).lo) * first * second;
    return (vd)((vl)y & (vl)(y == y));
}

INLINE struct two_vec scaled(const double *x, struct smx_two factor)
{
    vd v = vd_load(x);
    struct two_vec p = two_vec_product(v, vd_all(factor.hi));
    p.lo += v * vd_all(factor.lo);
    return p;
}

static void descend_pure(const double *e, const double *slope, size_t n,
                         const struct smx_row_descent *how, double *out)
{
    VECTORS (i, n)
        put(out, i, n,
            finish(scaled(e + i, how->a), slope ? slope + i : NULL,
                   vd_all(how->pure[0]), vd_all(how->pure[1])));
}

static void descend(const double *e, const double *mass, const double *slope,
                    size_t n, const struct smx_row_descent *how, double *out)
{
    vd down = vd_all(how->down);
    if (!mass) {
        descend_pure(e, slope, n, how, out);
        return;
    }
    VECTORS (i, n) {
        struct two_vec p = scaled(e + i, how->a), v = scaled(mass + i, how->b);
        struct two_vec d = two_vec_sum(p.hi * down, -v.hi);
        vl pure = (vl)(vd_load(mass + i) == vd_all(0));
        d.hi = vd_where(pure, p.hi, d.hi);
        d.lo = vd_where(pure, p.lo, d.lo + (p.lo * down - v.lo));
        vd first = vd_where(pure, vd_all(how->pure[0]), vd_all(how->mixed[0]));
        vd second = vd_where(pure, vd_all(how->pure[1]), vd_all(how->mixed[1]));
        put(out, i, n, finish(d, slope ? slope + i : NULL, first, second));
    }
}

static void vjp(const double *e, const double *g, const double *slope, size_t n,
                const struct smx_vjp_scale *how, double *out)
{
    vd second = vd_all(how->power[1]);
    VECTORS (i, n) {
        struct two_vec f = two_vec_sum(vd_load(g + i), vd_all(-how->dot.hi));
        vl large = (vl)(f.hi > vd_all(0x1p800)) | (vl)(f.hi < vd_all(-0x1p800));
        vd down = vd_where(large, vd_all(0x1p-256), vd_all(1));
        f.hi *= down;
        f.lo = (f.lo - vd_all(how->dot.lo)) * down;
        f = two_vec_settle(f);
        put(out, i, n,
            finish(two_vec_mul(scaled(e + i, how->inverse), f),
                   slope ? slope + i : NULL, vd_all(how->power[0]),
                   vd_where(large, second * vd_all(0x1p256), second)));
    }
}

const struct smx_row_kernels TIER(row_kernels) = {
    .refused_float = refused_float,
    .refused_double = refused_double,
    .widen = widen,
    .narrow = narrow,
    .peak = peak,
    .cap = cap,
    .exponentials = exponentials,
    .distances = distances,
    .sum = sum,
    .scale = scale,
    .logs = logs,
    .terms = terms,
    .times = times,
    .smooth = smooth,
    .costs = costs,
    .descend = descend,
    .vjp = vjp,
};
