/* SPDX-License-Identifier: MIT */
/* The kernels of tame rows (tame.h says what each does), compiled once an
 * instruction set. */
#include "kernels.h"
#include "tame_vec.h"

extern const struct smx_tame_kernels TIER(tame_kernels);
extern bool TIER(few_tame)(const float *x, size_t rows, size_t classes,
                           const struct smx_tame *tame, float *out);

/* Elements whose s q are added up in float32. */
#define RUN ((size_t)8 * BLOCK)

/* ---- sums -------------------------------------------------------------- */

/* Lane i of a block sums elements i mod 16: s in double, rest in float32 for
 * a RUN, where it is small enough, then in double too. */
struct sums {
    vd even[PARTS], odd[PARTS]; /* of s, as vf_even and vf_odd have it */
    vd rest[VECS];
    vf run[PARTS];
};

INLINE void add(struct sums *sums, const struct parts *e, int count)
{
    EACH (v, count) {
        sums->even[v % PARTS] += vf_even(e->s[v]);
        sums->odd[v % PARTS] += vf_odd(e->s[v]);
        sums->run[v % PARTS] += e->rest[v];
    }
}

INLINE void end_run(struct sums *sums)
{
    float run[BLOCK];
    EACH (v, PARTS) {
        vf_store(run + v * FLOATS, sums->run[v]);
        sums->run[v] = vf_all(0);
    }
    EACH (v, VECS)
        sums->rest[v] += vd_widen(run + v * LANES);
}

/* Neighbours, then pair i + pair i + 4, down to one. */
INLINE double sum_of(const struct sums *sums)
{
    vd pairs[PARTS];
    EACH (v, PARTS)
        pairs[v] = (sums->even[v] + sums->odd[v]) * vd_all(VF_HALVES);
#if VECS > 4
    pairs[0] += pairs[2];
    pairs[1] += pairs[3];
#endif
#if VECS > 2
    pairs[0] += pairs[1];
#endif
    return vd_sum(pairs[0]) + block_sum(sums->rest);
}

/* What lies a chunk further arrives while this is computed. */
INLINE void fetch(const float *x)
{
    EACH (i, (int)(STEP / BLOCK))
        __builtin_prefetch(
            (const void *)((uintptr_t)(x + i * BLOCK) + SMX_CHUNK * sizeof *x));
}

INLINE void sum_step(struct sums *sums, const vf *x, int count,
                     const struct smx_tame *tame, float *high, float *rest)
{
    struct parts parts = exponentials(x, count, tame);
    add(sums, &parts, count);
    if (!rest)
        return;
    EACH (v, count) {
        vf_store(high + v * FLOATS, parts.s[v]);
        vf_store(rest + v * FLOATS, parts.rest[v]);
    }
}

INLINE double sum_kept(const float *x, size_t n, const struct smx_tame *by,
                       float *high, float *rest)
{
    const struct smx_tame tame = *by; /* nothing that is stored changes it */
    struct sums sums = {0};
    vf z[WIDE];
    size_t i = 0;
    while (n - i >= RUN) {
        for (size_t end = i + RUN; i < end; i += STEP) {
            fetch(x + i);
            load(x + i, WIDE, z);
            sum_step(&sums, z, WIDE, &tame, rest ? high + i : NULL,
                     rest ? rest + i : NULL);
        }
        end_run(&sums);
    }
    for (; i < n; i += BLOCK) {
        float last[BLOCK] = {0};
        bool part = n - i < BLOCK;
        float *to = part ? last : rest ? high + i : NULL;
        load_part(x + i, n - i, &tame, z);
        sum_step(&sums, z, PARTS, &tame, to, rest ? rest + i : NULL);
        if (rest && part)
            memcpy(high + i, last, (n - i) * sizeof *high);
    }
    end_run(&sums);
    return sum_of(&sums);
}

static double sum(const float *x, size_t n, const struct smx_tame *tame)
{
    return sum_kept(x, n, tame, NULL, NULL);
}

static double keep(const float *x, size_t n, const struct smx_tame *tame,
                   float *high, float *rest)
{
    return sum_kept(x, n, tame, high, rest);
}

/* ---- products ---------------------------------------------------------- */

static void scale(const float *high, const float *rest, size_t n, double factor,
                  float *out)
{
    struct factor by = factor_of(factor);
    size_t i = 0, left = n % FLOATS;
    vf last = vf_all(0);
    if (n > FLOATS) /* the end as a whole register, before out is overwritten */
        last =
            product(vf_load(high + n - FLOATS), vf_load(rest + n - FLOATS), by);
    for (; n - i >= FLOATS; i += FLOATS)
        vf_store(out + i, product(vf_load(high + i), vf_load(rest + i), by));
    if (left && n > FLOATS)
        vf_store(out + n - FLOATS, last);
    else if (left)
        vf_store_part(
            out,
            product(vf_load_part(high, n, 0), vf_load_part(rest, n, 0), by), n);
}

INLINE void products(const vf *x, int count, const struct smx_tame *tame,
                     struct factor by, vf p[WIDE])
{
    struct parts e = exponentials(x, count, tame);
    EACH (v, count)
        p[v] = product(e.s[v], e.rest[v], by);
}

/* n elements, at most a block. */
INLINE void put_part(const float *x, size_t n, const struct smx_tame *tame,
                     struct factor by, float *out)
{
    vf z[PARTS], p[WIDE];
    load_part(x, n, tame, z);
    products(z, PARTS, tame, by, p);
    EACH (v, PARTS) {
        size_t i = (size_t)v * FLOATS;
        if (n >= i + FLOATS)
            vf_store(out + i, p[v]);
        else if (n > i)
            vf_store_part(out + i, p[v], n - i);
    }
}

/* Whole steps; how many elements that were. */
INLINE size_t put_steps(const float *x, size_t n, const struct smx_tame *tame,
                        struct factor by, bool stream, float *out)
{
    size_t i = 0;
    for (; n - i >= STEP; i += STEP) {
        vf z[WIDE], p[WIDE];
        load(x + i, WIDE, z);
        products(z, WIDE, tame, by, p);
        EACH (v, WIDE)
            if (stream)
                vf_stream(out + i + v * FLOATS, p[v]);
            else
                vf_store(out + i + v * FLOATS, p[v]);
    }
    return i;
}

static void put(const float *x, size_t n, const struct smx_tame *by,
                double factor, bool stream, float *out)
{
    const struct smx_tame tame = *by;
    struct factor f = factor_of(factor);
    size_t i = 0;
    if (stream) { /* to whole cache lines only */
        size_t past = (uintptr_t)out / sizeof *out % BLOCK;
        i = past ? BLOCK - past : 0;
        i = i < n ? i : n;
        put_part(x, i, &tame, f, out);
        i += put_steps(x + i, n - i, &tame, f, true, out + i);
        vf_stream_end();
    } else {
        i = put_steps(x, n, &tame, f, false, out);
    }
    for (; i < n; i += BLOCK)
        put_part(x + i, n - i < BLOCK ? n - i : BLOCK, &tame, f, out + i);
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

const struct smx_tame_kernels TIER(tame_kernels) = {
    .below = below,
    .sum = sum,
    .keep = keep,
    .scale = scale,
    .put = put,
    .few = TIER(few_tame),
};
