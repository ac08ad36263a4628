/* SPDX-License-Identifier: MIT */
/* The kernels, compiled once an instruction set (kernels.h says what each
 * does). float32 is computed in double: the difference to the maximum is
 * exact there, and products and sums keep 29 bits more than are answered. */
#include "exponents_vec.h"
#include "tiers.h"

static bool row_max(const float *x, size_t n, float *max)
{
    vf top[4];
    vi nonfinite = {0};
    size_t i = 0;
    EACH (v, 4)
        top[v] = vf_all(-__builtin_inff());
    for (; i + 4 * FLOATS <= n; i += 4 * FLOATS)
        EACH (v, 4) {
            vf z = vf_load(x + i + v * FLOATS);
            if (v * FLOATS % BLOCK == 0)
                fetch_ahead(x + i + v * FLOATS);
            nonfinite |= vf_nonfinite(z);
            top[v] = vf_max(z, top[v]);
        }
    for (; i < n; i += FLOATS) {
        vf z = vf_load_part(x + i, n - i, -__builtin_inff());
        nonfinite |= vf_nonfinite(z);
        top[0] = vf_max(z, top[0]);
    }
    *max = vf_top(vf_max(vf_max(top[0], top[1]), vf_max(top[2], top[3])));
    return !vi_any(nonfinite);
}

/* What comes of exponentials beside their sum: nothing, but what lies behind is
 * fetched; they are kept; struct smx_moments, in its order, for the sum. A
 * constant where this is inlined. */
enum beside { ALONE, KEPT, MOMENTS };

/* The next chunk arrives while this one is computed. */
INLINE void fetch_chunk(const float *x)
{
    __builtin_prefetch((const void *)((uintptr_t)x + SMX_CHUNK * sizeof *x));
}

INLINE void add_powers(enum beside beside, bool capped, const vd *e,
                       const float *x, const struct smx_exponents *by,
                       vd sums[3 * VECS], double *out)
{
    EACH (v, VECS) {
        if (beside == KEPT)
            vd_store(out + v * LANES, e[v]);
        if (beside != MOMENTS) {
            sums[v] += e[v];
            continue;
        }
        vd d = vd_all(by->reference) -
               load_logits(capped, x + v * LANES, &by->cap, NULL);
        sums[v] += (vd)((vl)e[v] & (vl)(d > vd_all(0)));
        sums[VECS + v] += (vd)((vl)e[v] & (vl)(d == vd_all(0)));
        sums[2 * VECS + v] += (vd)((vl)(e[v] * d) & (vl)(e[v] > vd_all(0)));
    }
}

INLINE struct smx_moments sum_powers(enum beside beside, bool capped,
                                     const float *x, size_t n,
                                     const struct smx_exponents *by,
                                     double *out)
{
    vd sums[3 * VECS] = {{0}}, e[WIDE];
    size_t i = 0;
    for (; i + STEP <= n; i += STEP) {
        EACH (b, WIDE / VECS)
            if (beside != KEPT)
                fetch_chunk(x + i + b * BLOCK);
        load_power(capped, x + i, by, e, NULL, WIDE);
        EACH (b, WIDE / VECS)
            add_powers(beside, capped, e + b * VECS, x + i + b * BLOCK, by,
                       sums, beside == KEPT ? out + i + b * BLOCK : NULL);
    }
    for (; i < n; i += BLOCK) {
        float block[BLOCK];
        pad(block, x + i, n - i, -__builtin_inff());
        load_power(capped, block, by, e, NULL, VECS);
        add_powers(beside, capped, e, block, by, sums,
                   beside == KEPT ? out + i : NULL);
    }
    return (struct smx_moments){block_sum(sums), block_sum(sums + VECS),
                                block_sum(sums + 2 * VECS)};
}

INLINE struct smx_moments sum_beside(enum beside beside, const float *x,
                                     size_t n, const struct smx_exponents *from,
                                     double *out)
{
    const struct smx_exponents by = *from, raw = {0, by.scale, by.nats, by.cap};
    if (by.cap.possible)
        return sum_powers(beside, true, x, n, &by, out);
    return by.reference == 0 ? sum_powers(beside, false, x, n, &raw, out)
                             : sum_powers(beside, false, x, n, &by, out);
}

static double sum_f64(const float *x, size_t n, const struct smx_exponents *by)
{
    return sum_beside(ALONE, x, n, by, NULL).below;
}

static double f64_exponentials(const float *x, size_t n,
                               const struct smx_exponents *by, double *e)
{
    return sum_beside(KEPT, x, n, by, e).below;
}

static struct smx_moments moments_f64(const float *x, size_t n,
                                      const struct smx_exponents *by)
{
    return sum_beside(MOMENTS, x, n, by, NULL);
}

INLINE double rest_as(bool capped, const float *x, size_t n,
                      const struct smx_exponents *by)
{
    vd sum[VECS] = {{0}}, e[WIDE];
    for (size_t i = 0; i < n; i += BLOCK) {
        float block[BLOCK];
        pad(block, x + i, n - i, -__builtin_inff());
        load_power(capped, block, by, e, NULL, VECS);
        EACH (v, VECS) {
            vd z = load_logits(capped, block + v * LANES, &by->cap, NULL);
            vl below = z < vd_all(by->reference);
            sum[v] += (vd)((vl)e[v] & below);
        }
    }
    return block_sum(sum);
}

static double rest_f64(const float *x, size_t n,
                       const struct smx_exponents *from)
{
    const struct smx_exponents by = *from;
    return by.cap.possible ? rest_as(true, x, n, &by)
                           : rest_as(false, x, n, &by);
}

static void cap_logits(const float *x, size_t n, const struct smx_cap *cap,
                       double *z, double *slope)
{
    float block[BLOCK];
    double logits[BLOCK], slopes[BLOCK];
    pad(block, x, n, -__builtin_inff());
    EACH (v, VECS) {
        vd rise;
        vd_store(logits + v * LANES,
                 load_logits(true, block + v * LANES, cap, &rise));
        vd_store(slopes + v * LANES, rise);
    }
    memcpy(z, logits, n * sizeof *z);
    memcpy(slope, slopes, n * sizeof *slope);
}

static void scale_f64(const double *e, size_t n, double factor, float *out)
{
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        vh_store(out + i, vd_narrow(vd_load(e + i) * vd_all(factor)));
    for (; i < n; i++)
        out[i] = (float)(e[i] * factor);
}

/* What is stored of z: its exponential times the factor, or logs: the
 * difference from the reference times that, less the offset. Constants where
 * this is inlined: capped, logs, vectors. */
INLINE void put_vectors(bool capped, bool logs, const float *x,
                        const struct smx_exponents *by, double factor,
                        double offset, int vectors, bool stream, float *out)
{
    vd v[WIDE];
    vh p[WIDE];
    if (logs)
        load_vectors(capped, x, &by->cap, v, NULL, vectors);
    else
        load_power(capped, x, by, v, NULL, vectors);
    EACH (k, vectors) {
        if (logs)
            v[k] = (v[k] - vd_all(by->reference)) * vd_all(factor) -
                   vd_all(offset);
        else
            v[k] *= vd_all(factor);
        p[k] = vd_narrow(v[k]);
    }
    EACH (k, vectors)
        if (stream)
            vh_stream(out + k * LANES, p[k]);
        else
            vh_store(out + k * LANES, p[k]);
}

INLINE void put_as(bool capped, bool logs, const float *x, size_t n,
                   const struct smx_exponents *by, double factor, double offset,
                   bool stream, float *out)
{
    const int vectors = logs && !capped ? VECS : WIDE; /* of a short chain */
    const size_t step = (size_t)vectors * LANES;
    size_t i = 0, first = stream ? before_line(out, sizeof *out, n) : 0;
    for (size_t end; i < n; i = end) {
        float block[BLOCK];
        end = i < first ? first : n;
        for (; end - i >= step; i += step)
            put_vectors(capped, logs, x + i, by, factor, offset, vectors,
                        stream, out + i);
        for (size_t some; i < end; i += some) {
            some = end - i < BLOCK ? end - i : BLOCK;
            pad(block, x + i, some, 0);
            put_vectors(capped, logs, block, by, factor, offset, VECS, false,
                        block);
            memcpy(out + i, block, some * sizeof *out);
        }
    }
}

static void put_f64(const float *x, size_t n, const struct smx_exponents *from,
                    double factor, bool stream, float *out)
{
    const struct smx_exponents by = *from;
    if (by.cap.possible)
        put_as(true, false, x, n, &by, factor, 0, stream, out);
    else
        put_as(false, false, x, n, &by, factor, 0, stream, out);
}

static void put_logs(const float *x, size_t n, const struct smx_exponents *from,
                     double factor, double offset, bool stream, float *out)
{
    const struct smx_exponents by = *from;
    if (by.cap.possible)
        put_as(true, true, x, n, &by, factor, offset, stream, out);
    else
        put_as(false, true, x, n, &by, factor, offset, stream, out);
}

const struct smx_kernels TIER(kernels) = {
    .row_max = row_max,
    .cap = cap_logits,
    .sum = sum_f64,
    .moments = moments_f64,
    .exponentials = f64_exponentials,
    .rest = rest_f64,
    .scale = scale_f64,
    .put = put_f64,
    .shift = put_logs,
    .lanes = TIER(lanes),
    .order = TIER(lanes_order),
    .load = &TIER(load_kernels),
    .loss = &TIER(loss_kernels),
    .summary = &TIER(summary_kernels),
    .split = &TIER(split_kernels),
    .dd = &TIER(row_kernels),
    .divergence = &TIER(divergence_kernels),
};
