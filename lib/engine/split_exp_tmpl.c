/* SPDX-License-Identifier: MIT */
/* The kernels of in-range rows (split_exp.h says what each does), compiled once
 * an instruction set. */
#include "split_scaled_vec.h"
#include "split_sums_vec.h"
#include "tiers.h"

/* ---- steps -------------------------------------------------------------- */

/* What lies so far ahead arrives while this step is computed. Not past the
 * caches (prefetchnta): Intel's take twice as long for it. How far is not asked
 * of the machine's caches at start: rows of 128,256 take as long as here, or up
 * to 22 % longer, at 1/4, 1/2, 2, 4 and 8 times as far, 58 % without; shorter
 * ones gain 4 % at most (Xeon, 2 MiB second cache, one thread). */
INLINE void fetch_split(const float *x, size_t n, size_t ahead)
{
    EACH (i, (int)(n / BLOCK))
        __builtin_prefetch(
            (const void *)((uintptr_t)(x + i * BLOCK) + ahead * sizeof *x));
}

/* n elements, count registers of them, the last in part; behind: NULL, or if
 * their extent is asked for, as note_extent has it; high and rest: where they
 * are kept, or NULL. */
INLINE void sum_step(struct sums *sums, const vf *x, const vf *behind, size_t n,
                     int count, const struct smx_split_exp *split, bool moment,
                     float *high, float *rest)
{
    vf z[WIDE];
    EACH (v, count)
        z[v] = vf_at_least(x[v], split->lowest);
    if (behind)
        note_extent(sums, x, behind, count, split, z);
    struct parts e = exponentials(z, count, split);
    EACH (v, count) {
        size_t i = (size_t)v * FLOATS;
        add_pairs(sums, v % PARTS, e.s[v], e.rest[v]);
        if (moment)
            add_moment(&sums->moments, v % PARTS,
                       moment_of(e.s[v], e.q[v], e.k[v], 0,
                                 e.f[v] * vf_all(split->scale),
                                 sums->moments.origin));
        if (rest)
            vf_store(rest + i, e.rest[v]);
        if (rest)
            store_first(false, high + i, e.s[v], left_of(v, n));
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

/* The same of one that is not denormal: the product of s with 12 bits is
 * exact. */
INLINE vf normal_quotient(vf s, vf rest, const struct quotients *q)
{
    return vf_plus_product(rest * q->by.whole + s * q->by.low, s, q->by.high);
}

INLINE void put_quotients(const struct quotients *q, size_t i, int count,
                          bool normal)
{
    EACH (v, count) {
        size_t at = i + (size_t)v * FLOATS;
        vf s = vf_load(q->of.high + at), rest = vf_load(q->of.rest + at);
        vf_store(q->of.out + at,
                 normal ? normal_quotient(s, rest, q) : quotient(s, rest, q));
    }
}

/* Those from i on. */
INLINE void end_quotients(const struct quotients *q, size_t i, size_t n)
{
    for (; n - i >= FLOATS; i += FLOATS)
        put_quotients(q, i, 1, false);
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

/* A pair of x. */
INLINE void pipe_load(struct pipe *pipe, struct sums *sums, const float *x,
                      const struct smx_split_exp *split, bool extent)
{
    EACH (v, PAIR) {
        vf z = vf_load(x + v * FLOATS);
        pipe->x[v] = vf_at_least(z, split->lowest);
        if (extent)
            note_extent(sums, &z, &z, 1, split, &pipe->x[v]);
        pipe->shifted[v] = shifted_of(pipe->x[v], split);
    }
}

INLINE void sum_pair(struct sums *sums, const struct pipe *pipe, bool moment,
                     float *high, float *rest)
{
    EACH (v, PAIR) {
        vf e = pipe->s[v] * pipe->q[v];
        add_pairs(sums, v % PARTS, pipe->s[v], e);
        if (moment)
            add_moment(&sums->moments, v % PARTS, pipe->moment[v]);
        if (rest) {
            vf_store(high + v * FLOATS, pipe->s[v]);
            vf_store(rest + v * FLOATS, e);
        }
    }
}

/* The pair behind i; where there is none, i again. */
INLINE size_t next_pair(size_t i, size_t end)
{
    return i + PAIR_FLOATS < end ? i + PAIR_FLOATS : i;
}

/* As sum_runs, but whole pairs, each a stage further than the next. */
INLINE void pipe_runs(struct sums *sums, const float *x, size_t end,
                      const struct smx_split_exp *split, bool extent,
                      bool moment, float *high, float *rest,
                      const struct quotients *q)
{
    struct pipe pipe;
    size_t i = 0, next = next_pair(i, end);
    pipe_load(&pipe, sums, x, split, extent);
    pipe_reduce(&pipe, split, moment);
    pipe_load(&pipe, sums, x + next, split, extent);
    pipe_raise(&pipe, split, moment, sums->moments.origin);
    pipe_reduce(&pipe, split, moment);
    next = next_pair(next, end);
    pipe_load(&pipe, sums, x + next, split, extent);
    while (i < end) {
        size_t run = end - i < RUN ? end : i + RUN;
        for (; i < run; i += PAIR_FLOATS) {
            fetch_split(x + i, PAIR_FLOATS, rest ? SMX_CHUNK / 2 : SMX_CHUNK);
            if (q)
                put_quotients(q, i, PAIR, VF_FUSED);
            sum_pair(sums, &pipe, moment, rest ? high + i : NULL,
                     rest ? rest + i : NULL);
            pipe_raise(&pipe, split, moment, sums->moments.origin);
            pipe_reduce(&pipe, split, moment);
            next = next_pair(next, end);
            pipe_load(&pipe, sums, x + next, split, extent);
        }
        if (i % RUN == 0)
            end_runs(sums, moment);
    }
}

/* Elements before end, whole runs, or pairs where they are pipelined. q: NULL,
 * or what is divided meanwhile. */
INLINE void sum_runs(struct sums *sums, const float *x, size_t end,
                     const struct smx_split_exp *split, bool extent,
                     bool moment, float *high, float *rest,
                     const struct quotients *q)
{
    vf z[WIDE];
    if (PIPELINED && end) {
        pipe_runs(sums, x, end, split, extent, moment, high, rest, q);
        return;
    }
    for (size_t i = 0; i < end;) {
        for (size_t run = i + RUN; i < run; i += STEP) {
            fetch_split(x + i, STEP, rest ? SMX_CHUNK / 2 : SMX_CHUNK);
            load(x + i, STEP, WIDE, z);
            if (q)
                put_quotients(q, i, WIDE, VF_FUSED);
            sum_step(sums, z, extent ? z : NULL, STEP, WIDE, split, moment,
                     rest ? high + i : NULL, rest ? rest + i : NULL);
        }
        end_runs(sums, moment);
    }
}

/* Those from i on, less than that. */
INLINE void sum_end(struct sums *sums, const float *x, size_t i, size_t n,
                    const struct smx_split_exp *split, bool extent, bool moment,
                    float *high, float *rest)
{
    vf z[WIDE], zeros[WIDE];
    for (; n - i >= BLOCK; i += BLOCK) {
        load(x + i, BLOCK, PARTS, z);
        sum_step(sums, z, extent ? z : NULL, BLOCK, PARTS, split, moment,
                 rest ? high + i : NULL, rest ? rest + i : NULL);
    }
    if (i < n) {
        load(x + i, n - i, PARTS, z);
        EACH (v, PARTS)
            zeros[v] = load_first(x + i + v * FLOATS, left_of(v, n - i), 0);
        sum_step(sums, z, extent ? zeros : NULL, n - i, PARTS, split, moment,
                 rest ? high + i : NULL, rest ? rest + i : NULL);
    }
    end_runs(sums, moment);
}

/* What is read and computed goes on beside what is written of others. */
INLINE double sum_cached(const float *x, size_t n,
                         const struct smx_split_exp *by,
                         struct smx_extent *extent, double *moment, float *high,
                         float *rest, const struct smx_cached_exp *before)
{
    const struct smx_split_exp split =
        *by; /* nothing that is stored changes it */
    const size_t unit = PIPELINED ? PAIR_FLOATS : RUN;
    const size_t end = n - n % unit;
    struct sums sums = {.top = vf_all(-__builtin_inff()),
                        .highest = (vi)vf_all(-0.0F)};
    struct quotients q;
    if (moment)
        sums.moments.origin = origin_of(x, by);
    if (before)
        q = quotients_of(before);
    sum_runs(&sums, x, end, &split, extent, moment, high, rest,
             before ? &q : NULL);
    if (before)
        end_quotients(&q, end, n);
    sum_end(&sums, x, end, n, &split, extent, moment, high, rest);
    if (moment)
        *moment = whole_moment(&sums);
    if (extent)
        *extent = extent_of(&sums, x, n);
    return extent && is_nan_signed(&sums) ? __builtin_nan("") : sum_of(&sums);
}

static double sum_split(const float *x, size_t n,
                        const struct smx_split_exp *split,
                        struct smx_extent *extent, double *moment)
{
    return moment ? sum_cached(x, n, split, extent, moment, NULL, NULL, NULL)
                  : sum_cached(x, n, split, extent, NULL, NULL, NULL, NULL);
}

static double cache_split(const float *x, size_t n,
                          const struct smx_split_exp *split,
                          struct smx_extent *extent, double *moment,
                          float *high, float *rest,
                          const struct smx_cached_exp *before)
{
    if (VF_FUSED && before && !before->normal) {
        divide_split(before, n);
        before = NULL;
    }
    if (moment)
        return before
                   ? sum_cached(x, n, split, extent, moment, high, rest, before)
                   : sum_cached(x, n, split, extent, moment, high, rest, NULL);
    return before ? sum_cached(x, n, split, extent, NULL, high, rest, before)
                  : sum_cached(x, n, split, extent, NULL, high, rest, NULL);
}

/* ---- products ---------------------------------------------------------- */

/* n elements, at most count registers of them. */
INLINE void put_some(const float *x, size_t n, int count,
                     const struct scaled *by, enum scaling how, bool stream,
                     float *out)
{
    vf z[WIDE];
    load(x, n, count, z);
    if (how != SCALED_PLAINLY)
        bound(z, count, &by->split);
    struct parts e = exponentials(z, count, &by->split);
    EACH (v, count)
        store_first(stream, out + v * FLOATS, scale_split(how, &e, v, by),
                    left_of(v, n));
}

/* Whole steps; how many elements that were. */
INLINE size_t put_steps(const float *x, size_t n, const struct scaled *by,
                        enum scaling how, bool stream, float *out)
{
    const struct scaled own = *by; /* nothing that is stored changes it */
    size_t i = 0;
    for (; n - i >= STEP; i += STEP) {
        fetch_split(x + i, STEP, SMX_CHUNK / 4);
        put_some(x + i, STEP, WIDE, &own, how, stream, out + i);
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

INLINE void store_scaled(const float *x, size_t n, const struct scaled *by,
                         enum scaling how, bool stream, float *out)
{
    enum scaling bounded = how == BENT ? BENT : SCALED;
    size_t i = 0;
    if (stream) {
        i = before_line(out, sizeof *out, n);
        put_some(x, i, PARTS, by, bounded, false, out);
        i += put_steps(x + i, n - i, by, how, true, out + i);
    } else {
        i = put_steps(x, n, by, how, false, out);
    }
    if (n - i > BLOCK) /* two blocks, one after the other, take longer */
        put_some(x + i, n - i, WIDE, by, bounded, false, out + i);
    else if (i < n)
        put_some(x + i, n - i, PARTS, by, bounded, false, out + i);
}

static __attribute__((noinline)) void
store_bent(const float *x, size_t n, const struct smx_split_exp *split,
           double factor, double bend, bool stream, float *out)
{
    const struct scaled by = bent_by(split, factor, bend);
    store_scaled(x, n, &by, BENT, stream, out);
}

static void store_split(const float *x, size_t n,
                        const struct smx_split_exp *split, double factor,
                        double bend, float min, bool stream, float *out)
{
    if (bend != 0) {
        store_bent(x, n, split, factor, bend, stream, out);
        return;
    }
    const struct scaled by = scaled_by(split, factor);
    if (factor > 0 && min >= split->lowest &&
        smx_divides_normally(split, min, 1 / factor))
        store_scaled(x, n, &by, SCALED_PLAINLY, stream, out);
    else
        store_scaled(x, n, &by, SCALED, stream, out);
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
        load(x[s] + i, n, count, z);
        bound(z, count, &by[s].split);
        e[s] = exponentials(z, count, &by[s].split);
        EACH (v, count) {
            vf power = vf_all(by[s].binade), least = vf_all(by[s].least);
            e[s].rest[v] = vf_mul_above(e[s].rest[v], power, e[s].s[v], least);
            e[s].s[v] = vf_mul_above(e[s].s[v], power, e[s].s[v], least);
        }
    }
    EACH (v, count) {
        vf d = (e[0].s[v] - e[1].s[v]) + (e[0].rest[v] - e[1].rest[v]);
        d += vf_all(0); /* no negative zeros */
        store_first(stream, out + i + v * FLOATS, d, left_of(v, n));
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
    .dot = TIER(split_dot),
    .multiply = TIER(split_multiply),
    .stream = stream,
    .narrow = TIER(narrow_softmax),
    .columns = TIER(narrow_columns),
};
