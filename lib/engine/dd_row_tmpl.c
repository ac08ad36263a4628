/* SPDX-License-Identifier: MIT */
/* The kernels of dd_kernels.h, compiled once an instruction set. */
#include <math.h>

#include "dd_answers_vec.h"
#include "focal_vec.h"
#include "gradient_vec.h"
#include "tiers.h"
#include "simd/log_vec.h"
#include "simd/softcap_vec.h"
#include "simd/tile_vec.h"

/* ---- to and from the tensors --------------------------------------------- */

#define INF __builtin_inff()

/* What is behind n is -INFINITY: the first that is infinite, if no other. */
FIRST_WHERE(unbounded_float, IS_NOT_BELOW, float, vf, vi, PART_FLOAT)
FIRST_WHERE(infinite_float, IS_NOT_WITHIN, float, vf, vi, PART_FLOAT)
FIRST_WHERE(unbounded_double, IS_NOT_BELOW, double, vd, vl, PART_DOUBLE)
FIRST_WHERE(infinite_double, IS_NOT_WITHIN, double, vd, vl, PART_DOUBLE)

static size_t nonfinite_float(const float *x, size_t n, bool low)
{
    return low ? unbounded_float(x, n, INF) : infinite_float(x, n, INF);
}

static size_t nonfinite_double(const double *x, size_t n, bool low)
{
    return low ? unbounded_double(x, n, INF) : infinite_double(x, n, INF);
}

static void widen_tile(const float *x, size_t n, double *z)
{
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        vd_store(z + i, vd_widen(x + i));
    for (; i < n; i++)
        z[i] = x[i];
}

static void narrow_tile(const double *z, size_t n, float *x)
{
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        vh_store(x + i, vd_narrow(vd_load(z + i)));
    for (; i < n; i++)
        x[i] = (float)z[i];
}

/* ---- the largest ----------------------------------------------------------
 */

/* Registers that are looked at side by side, and bytes from there to what is
 * to arrive meanwhile. */
#define SEEN 4
#define FAR_AHEAD 8192

/* NaN where one of z is NaN or +INFINITY: so is the sum of all, and one whose
 * terms left the range in both directions. */
INLINE double largest(const double *z, size_t n, bool far)
{
    vd top[SEEN], sum[SEEN] = {{0}};
    size_t i = 0;
    EACH (v, SEEN)
        top[v] = vd_all(-INF);
    for (; i + SEEN * LANES <= n; i += SEEN * LANES) {
        for (size_t j = i; far && j < i + SEEN * LANES; j += OF_A_LINE)
            __builtin_prefetch((const void *)((uintptr_t)(z + j) + FAR_AHEAD));
        EACH (v, SEEN) {
            vd x = vd_load(z + i + v * LANES);
            top[v] = vd_max(x, top[v]);
            sum[v] += x;
        }
    }
    for (; i < n; i += LANES) {
        vd x = get_vector(z, i, n);
        top[0] = vd_max(x, top[0]);
        sum[0] += x;
    }
    vd max = vd_max(vd_max(top[0], top[1]), vd_max(top[2], top[3]));
    vd all = (sum[0] + sum[1]) + (sum[2] + sum[3]);
    for (int half = LANES / 2; half; half /= 2)
        max = vd_max(vd_beside(max, half), max);
    if (vl_any((vl)(all != all)) && nonfinite_double(z, n, true) < n)
        return (double)NAN;
    return max[0] < INF ? max[0] : (double)NAN;
}

FIRST_WHERE(first_equal, IS_EQUAL, double, vd, vl, PART_DOUBLE)

/* A step for all rows before the next: what one row's waits for, others'
 * fill. One that is shorter than what lies ahead is followed by its
 * exponentials, which bring the next one while memory has less to do. */
static void row_maxima(const struct smx_row_group *rows, size_t n,
                       double *maxima, size_t *at)
{
    bool far = rows->stride || n * sizeof *maxima >= FAR_AHEAD;
    for (size_t r = 0; r < rows->count; r++)
        maxima[r] = largest(rows->z + r * rows->stride, n, far);
    for (size_t r = 0; r < rows->count; r++) {
        size_t i = first_equal(rows->z + r * rows->stride, n, maxima[r]);
        at[r] = i < n ? i : 0;
    }
}

/* ---- exponentials and sums ----------------------------------------------- */

enum course { LINE, BEND_CLOSE, BEND };

static enum course course_of(const struct smx_shift *how)
{
    if (!how->capped)
        return LINE;
    return how->close ? BEND_CLOSE : BEND;
}

/* d of the block at i, -INFINITY behind n, and what else is wanted of it. */
INLINE void shift_block(enum course course, size_t i, const double *z, size_t n,
                        const struct smx_shift *how, const struct summit *s,
                        const struct smx_tile *out, struct vdd d[VECS])
{
    vd x[VECS], slope[VECS];
    bool sloped = course != LINE && out->slope;
    EACH (v, VECS) {
        x[v] = get_vector(z, i + (size_t)v * LANES, n) * vd_all(how->before);
        d[v] = vdd_sum(x[v], -s->top);
    }
    if (course == BEND_CLOSE)
        bend_close(x, s, how, d, sloped ? slope : NULL, VECS);
    else
        EACH (v, VECS) {
            vd *rise = sloped ? &slope[v] : NULL;
            d[v] = course == LINE ? straight(d[v], how)
                                  : bend(x[v], d[v], s, how, rise);
        }
    EACH (v, VECS) {
        size_t j = i + (size_t)v * LANES;
        if (out->hi) {
            vd_store(out->hi + j, d[v].hi);
            vd_store(out->lo + j, vdd_settle(d[v]).lo);
        }
        if (sloped)
            vd_store(out->slope + j, slope[v]);
    }
}

/* Block i of the next tile or row arrives while this one is computed, and so
 * does that of what is read next. */
INLINE void fetch_tile(const double *z, size_t n, const struct smx_tile *out,
                       size_t i)
{
    /* not as pointers, which could leave the tensors */
    uintptr_t at = i * sizeof *z, ahead = at + n * sizeof *z;
    uintptr_t from = (uintptr_t)(out->from ? out->from : z) + ahead;
    uintptr_t e = (uintptr_t)out->e + ahead;
    uintptr_t next = (uintptr_t)(out->next ? out->next : z) + at;
    for (size_t c = 0; c < BLOCK * sizeof *z; c += CACHE_LINE) {
        __builtin_prefetch((const void *)(from + c));
        __builtin_prefetch((const void *)(e + c), 1);
        __builtin_prefetch((const void *)(next + c));
    }
}

/* Vectors of a step: so many chains of operations, of which one's fill what
 * another's wait for, and at least a block. */
#define CHAINS (VECS < 4 ? 4 : VECS)
#define STRIDE ((size_t)CHAINS * LANES)

/* Of LINE without large logits. scaled is a constant where this is inlined. */
INLINE void fill_near(bool scaled, const double *z, size_t n,
                      const struct smx_shift *how, const struct smx_tile *out)
{
    struct near near = near_of(how->temperature, how->inverse.hi);
    const struct smx_tile tile = *out;
    double *e = tile.e;
    struct near_reduced next[CHAINS];
    size_t i = 0;
    near_move(&near, vd_all(how->top));
    if (n >= STRIDE)
        EACH (v, CHAINS)
            next[v] = near_reduce(vd_load(z + v * LANES), &near, scaled);
    for (; i + 2 * STRIDE <= n; i += STRIDE) {
        for (size_t j = i; j < i + STRIDE; j += BLOCK)
            fetch_tile(z, n, &tile, j);
        EACH (v, CHAINS) {
            size_t j = i + (size_t)v * LANES;
            vd_store(e + j, near_power(next[v], vd_load(z + j), &near));
            next[v] = near_reduce(vd_load(z + j + STRIDE), &near, scaled);
        }
    }
    if (n >= STRIDE) {
        EACH (v, CHAINS) {
            size_t j = i + (size_t)v * LANES;
            vd_store(e + j, near_power(next[v], vd_load(z + j), &near));
        }
        i += STRIDE;
    }
    for (size_t end = smx_blocks(n); i < end; i += LANES) {
        vd x = get_vector(z, i, n);
        vd_store(e + i, near_power(near_reduce(x, &near, scaled), x, &near));
    }
}

/* course is a constant where this is inlined. */
INLINE void fill_rows(enum course course, const double *z, size_t n,
                      const struct smx_shift *how, const struct smx_tile *out)
{
    const struct smx_shift d = *how;
    const struct smx_tile tile = *out;
    struct summit s = climb(&d, vd_all(d.top));
    struct vdd now[VECS], next[VECS];
    shift_block(course, 0, z, n, &d, &s, &tile, next);
    for (size_t i = 0; i < n; i += BLOCK) {
        fetch_tile(z, n, &tile, i);
        EACH (v, VECS)
            now[v] = next[v];
        if (i + BLOCK < n)
            shift_block(course, i + BLOCK, z, n, &d, &s, &tile, next);
        EACH (v, VECS)
            vd_store(tile.e + i + v * LANES, vdd_exp(now[v]));
    }
}

/* Not inlined: beside other courses the constants of one would not stay in
 * registers. */
#define FILL(name, fill)                                                       \
    static __attribute__((noinline)) void name(const double *z, size_t n,      \
                                               const struct smx_shift *how,    \
                                               const struct smx_tile *out)     \
    {                                                                          \
        fill;                                                                  \
    }
FILL(fill_plain, fill_near(false, z, n, how, out))
FILL(fill_cooled, fill_near(true, z, n, how, out))
FILL(fill_line, fill_rows(LINE, z, n, how, out))
FILL(fill_close, fill_rows(BEND_CLOSE, z, n, how, out))
FILL(fill_bend, fill_rows(BEND, z, n, how, out))

/* Are products of the temperature with what is above 2^-900 exact? */
static bool is_near(const struct smx_shift *how)
{
    double t = how->temperature;
    return !how->capped && how->before == 1 && t >= 0x1p-100 && t <= 0x1p100 &&
           fabs(how->top) <= NEAR_MOST * t;
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

INLINE void add_narrow(const double *e, size_t i, size_t n, size_t skip,
                       struct vdd sums[VECS])
{
    EACH (v, VECS) {
        vd x[NARROW];
        EACH (b, NARROW)
            x[b] = get_but(e, i + (size_t)(b * BLOCK + v * LANES), n, skip);
        vdd_accumulate_double(&sums[v], (x[0] + x[1]) + (x[2] + x[3]));
    }
}

/* The lanes of the sum of e without element skip; whole blocks. */
INLINE void sum_but(const double *e, size_t n, size_t skip,
                    struct vdd lanes[VECS])
{
    struct vdd sums[VECS] = {{{0}, {0}}};
    for (size_t i = 0; i < n; i += NARROW * BLOCK) {
        if (skip - i < NARROW * BLOCK)
            add_narrow(e, i, n, skip, sums);
        else if (n - i < NARROW * BLOCK)
            add_narrow(e, i, n, SIZE_MAX, sums);
        else
            add_narrow(e, i, SIZE_MAX, SIZE_MAX, sums);
    }
    EACH (v, VECS)
        lanes[v] = sums[v];
}

INLINE struct smx_tile tile_of(const struct smx_tile *first, size_t at)
{
    struct smx_tile tile = {
        .e = first->e + at, .next = first->next, .from = first->from};
    if (first->hi) {
        tile.hi = first->hi + at;
        tile.lo = first->lo + at;
    }
    if (first->slope)
        tile.slope = first->slope + at;
    return tile;
}

INLINE void distances_as(enum course course, const double *z, size_t n,
                         const struct smx_shift *how,
                         const struct smx_tile *out)
{
    struct summit s = climb(how, vd_all(how->top));
    struct vdd d[VECS];
    for (size_t i = 0; i < n; i += BLOCK)
        shift_block(course, i, z, n, how, &s, out, d);
}

static void shifted(const double *z, size_t n, const struct smx_shift *how,
                    const struct smx_tile *out)
{
    switch (course_of(how)) {
    case LINE:
        distances_as(LINE, z, n, how, out);
        return;
    case BEND_CLOSE:
        distances_as(BEND_CLOSE, z, n, how, out);
        return;
    default:
        distances_as(BEND, z, n, how, out);
    }
}

static void fill_row(const double *z, size_t n, const struct smx_shift *how,
                     const struct smx_tile *out)
{
    static void (*const FILLS[])(
        const double *, size_t, const struct smx_shift *,
        const struct smx_tile *) = {fill_line, fill_close, fill_bend};
    if (!is_near(how)) {
        FILLS[course_of(how)](z, n, how, out);
        return;
    }
    if (out->hi)
        shifted(z, n, how, out);
    if (how->scaled)
        fill_cooled(z, n, how, out);
    else
        fill_plain(z, n, how, out);
}

/* As for peaks: first what fills the lanes, then their sums. */
static void dd_exponentials(const struct smx_row_group *rows, size_t n,
                            const struct smx_shift *how,
                            const struct smx_tile *out,
                            struct smx_row_dds *sums)
{
    struct vdd lanes[SMX_ROW_GROUP][VECS];
    struct smx_shift d = *how;
    for (size_t r = 0; r < rows->count; r++) {
        const struct smx_tile tile = tile_of(out, r * rows->slot);
        d.top = rows->maxima[r] * d.before;
        fill_row(rows->z + r * rows->stride, n, &d, &tile);
        sum_but(tile.e, n, rows->skip[r], lanes[r]);
    }
    for (size_t r = 0; r < rows->count; r++) {
        struct smx_dd total = vdd_total(lanes[r]);
        sums->hi[r] = total.hi;
        sums->lo[r] = total.lo;
    }
}

/* ---- what is answered ---------------------------------------------------- */

static void inverse_of_rest(const struct smx_row_dds *x, size_t n,
                            struct smx_row_dds *inverse)
{
    const struct vdd one = vdd_all((struct smx_dd){1, 0});
    VECTORS (i, n) {
        struct vdd sum = vdd_sum(one.hi, vd_load(x->hi + i));
        sum = vdd_fast(sum.hi, sum.lo + vd_load(x->lo + i));
        sum = vdd_div(one, sum);
        vd_store(inverse->hi + i, sum.hi);
        vd_store(inverse->lo + i, sum.lo);
    }
}

static void log1p_dds(const struct smx_row_dds *x, size_t n,
                      struct smx_row_dds *log)
{
    VECTORS (i, n) {
        struct vdd y = {vd_load(x->hi + i), vd_load(x->lo + i)};
        y = vdd_log1p(y);
        vd_store(log->hi + i, y.hi);
        vd_store(log->lo + i, y.lo);
    }
}

static struct smx_dd cap(double z, double softcap, const struct smx_shift *how)
{
    struct vdd t = vdd_cap(vd_all(z), softcap, how);
    return (struct smx_dd){t.hi[0], t.lo[0]};
}

static void complement_powers(const struct smx_row_dds *log, size_t n,
                              double power, struct smx_complements *out)
{
    VECTORS (i, n) {
        struct vdd x = {vd_load(log->hi + i), vd_load(log->lo + i)};
        const struct complement c = vdd_complement(x, power);
        vd_store(out->power + i, c.power);
        vd_store(out->base + i, c.base);
        vd_store(out->p + i, c.p);
    }
}

const struct smx_row_kernels TIER(row_kernels) = {
    .nonfinite_float = nonfinite_float,
    .nonfinite_double = nonfinite_double,
    .within = within,
    .widen = widen_tile,
    .narrow = narrow_tile,
    .row_maxima = row_maxima,
    .cap = cap,
    .exponentials = dd_exponentials,
    .shifted = shifted,
    .sum = sum_tile,
    .dot = dot_tile,
    .stream = stream_tile,
    .inverse = inverse_of_rest,
    .log1p = log1p_dds,
    .complement_powers = complement_powers,
    .scale = scale_tile,
    .logs = logs,
    .terms = terms,
    .times = times,
    .smooth = smooth,
    .costs = costs,
    .distances = distances,
    .grad_store = store_tile_grad,
    .vjp = store_tile_vjp,
};
