/* SPDX-License-Identifier: MIT */
/* The kernels, compiled once an instruction set (kernels.h says what each
 * does). float32 is computed in double: the difference to the maximum is
 * exact there, and products and sums keep 29 bits more than are answered. */
#include "stored_vec.h"
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
 * fetched; they are kept; struct smx_moments, in its order, for the sum; their
 * sum times g, or that of g alone, for the second of these. A constant where
 * this is inlined. */
enum beside { ALONE, KEPT, MOMENTS, DOT, LOG_DOT };

/* The next chunk arrives while this one is computed. */
INLINE void fetch_chunk(const float *x)
{
    __builtin_prefetch((const void *)((uintptr_t)x + SMX_CHUNK * sizeof *x));
}

/* Of a block. */
INLINE void add_powers(enum beside beside, bool capped, const vd *e,
                       const float *x, const float *g,
                       const struct smx_exponents *by, vd sums[3 * VECS],
                       double *out)
{
    EACH (v, VECS) {
        size_t at = (size_t)v * LANES;
        if (beside == KEPT)
            vd_store(out + at, e[v]);
        if (beside == DOT)
            sums[VECS + v] += e[v] * vd_widen(g + at);
        if (beside == LOG_DOT)
            sums[VECS + v] += vd_widen(g + at);
        if (beside != MOMENTS) {
            sums[v] += e[v];
            continue;
        }
        vd d =
            vd_all(by->reference) - load_logits(capped, x + at, &by->cap, NULL);
        sums[v] += (vd)((vl)e[v] & (vl)(d > vd_all(0)));
        sums[VECS + v] += (vd)((vl)e[v] & (vl)(d == vd_all(0)));
        sums[2 * VECS + v] += (vd)((vl)(e[v] * d) & (vl)(e[v] > vd_all(0)));
    }
}

INLINE struct smx_moments sum_powers(enum beside beside, bool capped,
                                     const float *x, const float *g, size_t n,
                                     const struct smx_exponents *by,
                                     double *out)
{
    vd sums[3 * VECS] = {{0}}, e[WIDE];
    const bool upstream = beside >= DOT;
    size_t i = 0;
    for (; i + STEP <= n; i += STEP) {
        EACH (b, WIDE / VECS)
            if (upstream)
                fetch_ahead(g + i + b * BLOCK);
            else if (beside != KEPT)
                fetch_chunk(x + i + b * BLOCK);
        load_power(capped, x + i, by, e, NULL, WIDE);
        EACH (b, WIDE / VECS)
            add_powers(beside, capped, e + b * VECS, x + i + b * BLOCK,
                       upstream ? g + i + b * BLOCK : NULL, by, sums,
                       beside == KEPT ? out + i + b * BLOCK : NULL);
    }
    for (; i < n; i += BLOCK) {
        float block[BLOCK], other[BLOCK];
        pad(block, x + i, n - i, -__builtin_inff());
        if (upstream)
            pad(other, g + i, n - i, 0);
        load_power(capped, block, by, e, NULL, VECS);
        add_powers(beside, capped, e, block, other, by, sums,
                   beside == KEPT ? out + i : NULL);
    }
    return (struct smx_moments){block_sum(sums), block_sum(sums + VECS),
                                block_sum(sums + 2 * VECS)};
}

INLINE struct smx_moments sum_beside(enum beside beside, const float *x,
                                     const float *g, size_t n,
                                     const struct smx_exponents *from,
                                     double *out)
{
    const struct smx_exponents by = *from, raw = {0, by.scale, by.nats, by.cap};
    if (by.cap.possible)
        return sum_powers(beside, true, x, g, n, &by, out);
    return by.reference == 0 ? sum_powers(beside, false, x, g, n, &raw, out)
                             : sum_powers(beside, false, x, g, n, &by, out);
}

static double sum_f64(const float *x, size_t n, const struct smx_exponents *by)
{
    return sum_beside(ALONE, x, NULL, n, by, NULL).below;
}

static double f64_exponentials(const float *x, size_t n,
                               const struct smx_exponents *by, double *e)
{
    return sum_beside(KEPT, x, NULL, n, by, e).below;
}

static struct smx_moments moments_f64(const float *x, size_t n,
                                      const struct smx_exponents *by)
{
    return sum_beside(MOMENTS, x, NULL, n, by, NULL);
}

static double dot_f64(const float *x, const float *g, size_t n,
                      const struct smx_exponents *by, bool log, double *other)
{
    const struct smx_moments sums = log ? sum_beside(LOG_DOT, x, g, n, by, NULL)
                                        : sum_beside(DOT, x, g, n, by, NULL);
    *other = sums.equal;
    return sums.below;
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

static const struct smx_mass NO_MASS;

static void put_f64(const float *x, size_t n, const struct smx_exponents *from,
                    double factor, bool stream, float *out)
{
    const struct smx_exponents by = *from;
    const struct how how = {.factor = factor, .mass = &NO_MASS};
    if (by.cap.possible)
        store_as(true, false, STORED_VALUE, x, n, &by, &how, stream, out);
    else
        store_as(false, false, STORED_VALUE, x, n, &by, &how, stream, out);
}

static void put_logs(const float *x, size_t n, const struct smx_exponents *from,
                     double factor, double offset, bool stream, float *out)
{
    const struct smx_exponents by = *from;
    const struct how how = {factor, 0, offset, &NO_MASS};
    if (by.cap.possible)
        store_as(true, false, STORED_LOG, x, n, &by, &how, stream, out);
    else
        store_as(false, false, STORED_LOG, x, n, &by, &how, stream, out);
}

const struct smx_kernels TIER(kernels) = {
    .row_max = row_max,
    .cap = cap_logits,
    .sum = sum_f64,
    .moments = moments_f64,
    .dot = dot_f64,
    .exponentials = f64_exponentials,
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
