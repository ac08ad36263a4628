/* SPDX-License-Identifier: MIT */
/* The kernels of in-range rows (split_exp.h says what each does), compiled once
 * an instruction set. */
#include "kernels.h"
#include "simd/narrow_vec.h"
#include "simd/split_exp_vec.h"

extern const struct smx_split_kernels TIER(split_kernels);
extern size_t TIER(narrow_columns)(const float *x, size_t step, size_t rows,
                                   size_t classes,
                                   const struct smx_split_exp *split,
                                   float *out);
extern bool TIER(narrow_softmax)(const float *x, size_t rows, size_t classes,
                                 const struct smx_split_exp *split, float *out,
                                 double *sums);

/* Elements whose s q are added up in float32. */
#define RUN ((size_t)8 * BLOCK)

/* ---- sums -------------------------------------------------------------- */

/* Lane i of a block sums elements i mod 16: s in double, rest in float32 for
 * a RUN, where it is small enough, then in double too. */
struct sums {
    vd even[PARTS], odd[PARTS]; /* of s, as vf_even and vf_odd have it */
    vd rest[VECS];
    vf run[PARTS];
    vf top;
    struct moments {
        vd even[PARTS], odd[PARTS], rest[VECS];
        vf run[PARTS];
    } moments;
};

INLINE void add_pairs(struct sums *sums, int v, vf s, vf rest)
{
    sums->even[v] += vf_even(s);
    sums->odd[v] += vf_odd(s);
    sums->run[v] += rest;
}

/* e t with t = k + f: s (SMX_SPLIT_ABOVE - k), both of 12 bits, is exact, and
 * positive; what is left of it is small enough for float32. */
INLINE void add_moment(struct moments *sums, int v, vf x, const struct parts *e,
                       float scale)
{
    vf s = e->s[v], below = s * (vf_all(SMX_SPLIT_ABOVE) - e->k[v]);
    sums->even[v % PARTS] += narrow_even(below);
    sums->odd[v % PARTS] += narrow_odd(below);
    sums->run[v % PARTS] +=
        s * (e->f[v] * vf_all(scale)) + e->rest[v] * (x * vf_all(scale));
}

INLINE void end_run(vf run[PARTS], vd rest[VECS])
{
    float lanes[BLOCK];
    EACH (v, PARTS) {
        vf_store(lanes + v * FLOATS, run[v]);
        run[v] = vf_all(0);
    }
    EACH (v, VECS)
        rest[v] += vd_widen(lanes + v * LANES);
}

INLINE void end_runs(struct sums *sums, bool moment)
{
    end_run(sums->run, sums->rest);
    if (moment)
        end_run(sums->moments.run, sums->moments.rest);
}

/* Neighbours, then pair i + pair i + 4, down to one. */
INLINE double sum_of(const struct sums *sums)
{
    vd pairs[PARTS];
    EACH (v, PARTS)
        pairs[v] = (sums->even[v] + sums->odd[v]) * vd_all(VF_HALVES);
    return vd_sum(vd_fold(pairs, PARTS)) + block_sum(sums->rest);
}

INLINE double moment_of(const struct sums *sums)
{
    const struct moments *m = &sums->moments;
    vd pairs[PARTS];
    EACH (v, PARTS)
        pairs[v] = ((sums->even[v] + sums->odd[v]) * vd_all(SMX_SPLIT_ABOVE) -
                    (m->even[v] + m->odd[v])) *
                   vd_all(VF_HALVES);
    return vd_sum(vd_fold(pairs, PARTS)) + block_sum(m->rest);
}

/* What lies so far ahead arrives while this step is computed. Not past the
 * caches (prefetchnta): Intel's take twice as long for it. How far is not asked
 * of the machine's caches at start: rows of 128,256 take as long as here, or up
 * to 22 % longer, at 1/4, 1/2, 2, 4 and 8 times as far, 58 % without; shorter
 * ones gain 4 % at most (Xeon, 2 MiB second cache, one thread). */
INLINE void fetch_split(const float *x, size_t ahead)
{
    EACH (i, (int)(STEP / BLOCK))
        __builtin_prefetch(
            (const void *)((uintptr_t)(x + i * BLOCK) + ahead * sizeof *x));
}

/* n elements, count registers of them, the last in part; high and rest: where
 * they are kept, or NULL. */
INLINE void sum_step(struct sums *sums, const vf *x, size_t n, int count,
                     const struct smx_split_exp *split, bool top, bool moment,
                     float *high, float *rest)
{
    vf z[WIDE];
    EACH (v, count) {
        z[v] = vf_at_least(x[v], split->lowest);
        if (top) { /* NaN stays NaN */
            z[v] = vf_max(vf_all(split->lowest), x[v]);
            sums->top = vf_max(x[v], sums->top);
        }
    }
    struct parts e = exponentials(z, count, split);
    EACH (v, count) {
        size_t i = (size_t)v * FLOATS;
        add_pairs(sums, v % PARTS, e.s[v], e.rest[v]);
        if (moment)
            add_moment(&sums->moments, v, z[v], &e, split->scale);
        if (rest)
            vf_store(rest + i, e.rest[v]);
        if (rest && n >= i + FLOATS)
            vf_store(high + i, e.s[v]);
        else if (rest && n > i)
            vf_store_part(high + i, e.s[v], n - i);
    }
}

/* ---- quotients --------------------------------------------------------- */

struct quotients {
    struct smx_cached_exp of;
    struct factor by;
    vf least;
};

INLINE struct quotients quotients_of(const struct smx_cached_exp *cached)
{
    return (struct quotients){*cached, factor_of(1 / cached->sum),
                              vf_all((float)(0x1p-152 * cached->sum))};
}

/* Products below half of the least float32 are not computed. */
INLINE vf quotient(vf s, vf rest, const struct quotients *q)
{
    return vf_mul_above(s, q->by.high, s, q->least) +
           (vf_mul_above(rest, q->by.whole, s, q->least) +
            vf_mul_above(s, q->by.low, s, q->least));
}

INLINE void put_quotients(const struct quotients *q, size_t i, int count)
{
    EACH (v, count) {
        size_t at = i + (size_t)v * FLOATS;
        vf_store(q->of.out + at, quotient(vf_load(q->of.high + at),
                                          vf_load(q->of.rest + at), q));
    }
}

/* Those from i on. */
INLINE void end_quotients(const struct quotients *q, size_t i, size_t n)
{
    for (; n - i >= FLOATS; i += FLOATS)
        put_quotients(q, i, 1);
    if (i < n) {
        vf s = vf_load_part(q->of.high + i, n - i, 0);
        vf r = vf_load_part(q->of.rest + i, n - i, 0);
        vf_store_part(q->of.out + i, quotient(s, r, q), n - i);
    }
}

static void divide_split(const struct smx_cached_exp *cached, size_t n)
{
    const struct quotients q = quotients_of(cached);
    end_quotients(&q, 0, n);
}

/* ---- sums and what is kept of them ------------------------------------- */

/* What is read and computed goes on beside what is written of others. */
INLINE double sum_cached(const float *x, size_t n,
                         const struct smx_split_exp *by, float *max,
                         double *moment, float *high, float *rest,
                         const struct smx_cached_exp *before)
{
    const struct smx_split_exp split =
        *by; /* nothing that is stored changes it */
    struct sums sums = {.top = vf_all(-__builtin_inff())};
    struct quotients q;
    vf z[WIDE];
    size_t i = 0;
    if (before)
        q = quotients_of(before);
    while (n - i >= RUN) {
        for (size_t end = i + RUN; i < end; i += STEP) {
            fetch_split(x + i, rest ? SMX_CHUNK / 2 : SMX_CHUNK);
            load(x + i, WIDE, z);
            if (before)
                put_quotients(&q, i, WIDE);
            sum_step(&sums, z, STEP, WIDE, &split, max, moment,
                     rest ? high + i : NULL, rest ? rest + i : NULL);
        }
        end_runs(&sums, moment);
    }
    if (before)
        end_quotients(&q, i, n);
    for (; n - i >= BLOCK; i += BLOCK) {
        load(x + i, PARTS, z);
        sum_step(&sums, z, BLOCK, PARTS, &split, max, moment,
                 rest ? high + i : NULL, rest ? rest + i : NULL);
    }
    if (i < n) {
        load_part(x + i, n - i, z);
        sum_step(&sums, z, n - i, PARTS, &split, max, moment,
                 rest ? high + i : NULL, rest ? rest + i : NULL);
    }
    end_runs(&sums, moment);
    if (moment)
        *moment = moment_of(&sums);
    if (max)
        *max = vf_top(sums.top);
    return sum_of(&sums);
}

static double sum_split(const float *x, size_t n,
                        const struct smx_split_exp *split, float *max,
                        double *moment)
{
    return moment ? sum_cached(x, n, split, max, moment, NULL, NULL, NULL)
                  : sum_cached(x, n, split, max, NULL, NULL, NULL, NULL);
}

static double cache_split(const float *x, size_t n,
                          const struct smx_split_exp *split, float *max,
                          double *moment, float *high, float *rest,
                          const struct smx_cached_exp *before)
{
    if (moment)
        return before ? sum_cached(x, n, split, max, moment, high, rest, before)
                      : sum_cached(x, n, split, max, moment, high, rest, NULL);
    if (!before)
        return max ? sum_cached(x, n, split, max, NULL, high, rest, NULL)
                   : sum_cached(x, n, split, NULL, NULL, high, rest, NULL);
    return max ? sum_cached(x, n, split, max, NULL, high, rest, before)
               : sum_cached(x, n, split, NULL, NULL, high, rest, before);
}

/* ---- products ---------------------------------------------------------- */

/* Exponentials times a factor, 2^binade less; what is not above the least comes
 * to nothing. */
struct scaled {
    struct smx_split_exp split;
    float binade, least;
};

/* The factor's leading 12 bits go into the table, whose entries may have 24,
 * and the logarithm of the rest into that of what the table rounded. */
INLINE struct scaled scaled_by(const struct smx_split_exp *split, double factor)
{
    static const int32_t steps[BLOCK] = {
        0 << 19,  1 << 19,  2 << 19,  3 << 19, 4 << 19,  5 << 19,
        6 << 19,  7 << 19,  8 << 19,  9 << 19, 10 << 19, 11 << 19,
        12 << 19, 13 << 19, 14 << 19, 15 << 19};
    double binade = smx_binade(factor);
    struct scaled by = {*split, (float)binade, (float)(0x1p-150 / binade)};
    float high = smx_twelve_bits(factor / binade);
    double d = factor / binade / high - 1; /* less than 2^-11 */
    float rest = (float)(d * (1 - d * (0.5 - d * (1.0 / 3)))) / split->c1;
    EACH (v, PARTS) {
        vi step;
        memcpy(&step, steps + v * FLOATS, sizeof step);
        vf power = (vf)((vi)vf_load(split->table + v * FLOATS) + step);
        power = (vf)((vi)(power * vf_all(high)) - step);
        vf_store(by.split.table + v * FLOATS, power);
        vf_store(by.split.rest + v * FLOATS,
                 vf_load(split->rest + v * FLOATS) - vf_all(rest));
    }
    return by;
}

INLINE vf scale_split(vf e, const struct scaled *by)
{
    return vf_mul_above(e, vf_all(by->binade), e, vf_all(by->least));
}

/* n elements, at most a block. */
INLINE void put_part(const float *x, size_t n, const struct scaled *by,
                     float *out)
{
    vf z[PARTS];
    load_part(x, n, z);
    bound(z, PARTS, &by->split);
    struct parts e = exponentials(z, PARTS, &by->split);
    EACH (v, PARTS) {
        size_t i = (size_t)v * FLOATS;
        vf p = scale_split(e.s[v] + e.rest[v], by);
        if (n >= i + FLOATS)
            vf_store(out + i, p);
        else if (n > i)
            vf_store_part(out + i, p, n - i);
    }
}

/* Whole steps; how many elements that were. */
INLINE size_t put_steps(const float *x, size_t n, const struct scaled *by,
                        bool stream, float *out)
{
    size_t i = 0;
    for (; n - i >= STEP; i += STEP) {
        vf z[WIDE];
        if (stream)
            fetch_split(x + i, SMX_CHUNK / 4);
        load(x + i, WIDE, z);
        bound(z, WIDE, &by->split);
        struct parts e = exponentials(z, WIDE, &by->split);
        EACH (v, WIDE) {
            vf p = scale_split(e.s[v] + e.rest[v], by);
            if (stream)
                vf_stream(out + i + v * FLOATS, p);
            else
                vf_store(out + i + v * FLOATS, p);
        }
    }
    return i;
}

static void stream(const float *x, size_t n, float *out)
{
    size_t i = before_line(out, sizeof *out, n);
    memcpy(out, x, i * sizeof *out);
    for (; n - i >= BLOCK; i += BLOCK)
        EACH (v, PARTS)
            vf_stream(out + i + v * FLOATS, vf_load(x + i + v * FLOATS));
    memcpy(out + i, x + i, (n - i) * sizeof *out);
}

static void store_split(const float *x, size_t n,
                        const struct smx_split_exp *split, double factor,
                        bool stream, float *out)
{
    const struct scaled by = scaled_by(split, factor);
    size_t i = 0;
    if (stream) {
        i = before_line(out, sizeof *out, n);
        put_part(x, i, &by, out);
        i += put_steps(x + i, n - i, &by, true, out + i);
    } else {
        i = put_steps(x, n, &by, false, out);
    }
    for (; i < n; i += BLOCK)
        put_part(x + i, n - i < BLOCK ? n - i : BLOCK, &by, out + i);
}

/* ---- differences of products ------------------------------------------- */

/* n elements, at most count registers of them. */
INLINE void put_differences(const float *const x[2], size_t i, size_t n,
                            int count, const struct scaled by[2], bool stream,
                            float *out)
{
    struct parts e[2];
    EACH (s, 2) {
        vf z[WIDE];
        if (count == PARTS)
            load_part(x[s] + i, n, z);
        else
            load(x[s] + i, count, z);
        bound(z, count, &by[s].split);
        e[s] = exponentials(z, count, &by[s].split);
        EACH (v, count) {
            vf power = vf_all(by[s].binade), least = vf_all(by[s].least);
            e[s].rest[v] = vf_mul_above(e[s].rest[v], power, e[s].s[v], least);
            e[s].s[v] = vf_mul_above(e[s].s[v], power, e[s].s[v], least);
        }
    }
    EACH (v, count) {
        size_t at = (size_t)v * FLOATS;
        vf d = (e[0].s[v] - e[1].s[v]) + (e[0].rest[v] - e[1].rest[v]);
        d += vf_all(0); /* no negative zeros */
        if (stream)
            vf_stream(out + i + at, d);
        else if (n >= at + FLOATS)
            vf_store(out + i + at, d);
        else if (n > at)
            vf_store_part(out + i + at, d, n - at);
    }
}

static void store_differences(const float *const x[2], size_t n,
                              const struct smx_split_exp split[2],
                              const double factor[2], bool stream, float *out)
{
    const struct scaled by[2] = {scaled_by(&split[0], factor[0]),
                                 scaled_by(&split[1], factor[1])};
    const size_t some = STEP / 2;
    size_t i = stream ? before_line(out, sizeof *out, n) : 0;
    if (i)
        put_differences(x, 0, i, PARTS, by, false, out);
    for (; n - i >= some; i += some) {
        for (size_t b = 0; b < some; b += BLOCK)
            EACH (s, 2)
                fetch_ahead(x[s] + i + b);
        if (stream)
            put_differences(x, i, some, WIDE / 2, by, true, out);
        else
            put_differences(x, i, some, WIDE / 2, by, false, out);
    }
    for (; i < n; i += BLOCK)
        put_differences(x, i, n - i < BLOCK ? n - i : BLOCK, PARTS, by, false,
                        out);
}

static bool below(const float *x, size_t n, float highest)
{
    vi fine[4];
    EACH (v, 4)
        fine[v] = vf_all(0) == vf_all(0);
    size_t i = 0;
    for (; n - i >= 4 * FLOATS; i += 4 * FLOATS)
        EACH (v, 4)
            fine[v] &= vf_load(x + i + v * FLOATS) < vf_all(highest);
    for (; i < n; i += FLOATS)
        fine[0] &= vf_load_part(x + i, n - i, -highest) < vf_all(highest);
    return !vi_any(~(fine[0] & fine[1] & fine[2] & fine[3]));
}

const struct smx_split_kernels TIER(split_kernels) = {
    .below = below,
    .sum = sum_split,
    .keep = cache_split,
    .divide = divide_split,
    .put = store_split,
    .difference = store_differences,
    .stream = stream,
    .narrow = TIER(narrow_softmax),
    .columns = TIER(narrow_columns),
};
