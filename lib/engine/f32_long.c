/* SPDX-License-Identifier: MIT */
/* Rows by chunks: one sweep sums the exponentials of each chunk of each row and
 * finds NaN and +INFINITY, then rows are put together from their chunks, and
 * then a sweep computes the exponentials again, which costs less than to store
 * and fetch them, or those of chosen classes alone. What may be written early
 * is so row by row, while the row is in the cache. */
#include <math.h>

#include "f32_call.h"
#include "loss_kernels.h"
#include "tuning.h"
#include "simd/power.h"

/* Sums of a row in range are within 2^-26.5: the logarithm of one, relative to
 * the maximum, has the digits of a float unless it is nearer to 0 than 1/4.
 * This is exp(1/4) - 1. */
#define LEAST_REST 0.2840254166877415

void smx_f32_note_nonfinite(struct smx_f32_call *call, size_t i, size_t n)
{
    for (size_t end = i + n; i < end && call->logits[i] < INFINITY;)
        i++;
    smx_pool_least(&call->nonfinite, i);
}

struct smx_sum smx_f32_sum_chunk(struct smx_f32_call *call, size_t row,
                                 size_t chunk, double *e)
{
    struct smx_sum sum = {-INFINITY, 0, 0};
    size_t start = row * call->classes + chunk * SMX_CHUNK;
    size_t n = smx_chunk_classes(call->classes, chunk);
    float max;
    if (!call->kernels->row_max(call->logits + start, n, &max)) {
        smx_f32_note_nonfinite(call, start, n);
    } else if (max != -INFINITY) {
        sum.max = smx_logit(call->kernels, &call->by, max, NULL);
        if (!call->values)
            return sum; /* the summaries have their own */
        sum.reference = smx_reference(sum.max, call->by.scale);
        const struct smx_exponents by =
            smx_relative_to(&call->by, sum.reference);
        sum.sum =
            e ? call->kernels->exponentials(call->logits + start, n, &by, e)
              : call->kernels->sum(call->logits + start, n, &by);
    }
    return sum;
}

static void fill_value(float *out, size_t n, float value)
{
    for (size_t i = 0; i < n; i++)
        out[i] = value;
}

/* The maximum's own exponential leaves the sum with the very bits it came in
 * with, but for a row in range, where it has others; a rest lost in the sum is
 * added up again. */
double smx_f32_log_sum(const struct smx_f32_call *call, size_t row,
                       const struct smx_sum *sum, bool in_range)
{
    double top = smx_power((sum->max - sum->reference) * call->by.scale);
    double rest = (sum->sum - top) / top;
    if (rest < (in_range ? LEAST_REST : 0x1p-20)) {
        const float *z = call->logits + row * call->classes;
        const struct smx_exponents by = smx_relative_to(&call->by, sum->max);
        rest = 0;
        for (size_t k = 0; k < call->chunks; k++)
            rest += call->kernels
                        ->moments(z + k * SMX_CHUNK,
                                  smx_chunk_classes(call->classes, k), &by)
                        .below;
    }
    return smx_log1p_fast(rest);
}

void smx_f32_store_chunk(const struct smx_f32_call *call, size_t row,
                         size_t chunk, const struct smx_sum *part,
                         const struct smx_sum *whole, double offset,
                         const double *e)
{
    size_t start = row * call->classes + chunk * SMX_CHUNK;
    size_t n = smx_chunk_classes(call->classes, chunk);
    const float *z = call->logits + start;
    float *out = call->values + start;
    const struct smx_exponents by =
        smx_relative_to(&call->by, call->log ? whole->max : part->reference);
    double weight = smx_sum_weight(part, whole, call->by.scale);
    if (call->log && whole->sum > 0)
        call->kernels->shift(z, n, &by, by.nats, offset, call->stream, out);
    else if (part->sum > 0 && e)
        call->kernels->scale(e, n, weight, out);
    else if (part->sum > 0)
        call->kernels->put(z, n, &by, weight, call->stream, out);
    else
        fill_value(out, n, call->log ? -INFINITY : 0);
}

/* ---- sums --------------------------------------------------------------- */

/* A chunk that is out of range is summed in double at once: its row is, too.
 * After the first of those, others are expected. */
static void sum_chunk(void *argument, size_t i)
{
    struct smx_f32_call *call = argument;
    size_t row = i / call->chunks, chunk = i % call->chunks;
    size_t start = row * call->classes + chunk * SMX_CHUNK;
    size_t n = smx_chunk_classes(call->classes, chunk);
    double *moment = call->seen.moments ? &call->moments[i] : NULL;
    double sum = NAN;
    struct smx_extent extent = {INFINITY, -INFINITY};
    if (moment)
        *moment = 0;
    if (smx_f32_expects(call, start, n))
        sum = call->kernels->split->sum(call->logits + start, n, &call->split,
                                        &extent, moment);
    call->split_sums[i] = extent.max < call->split.highest ? sum : NAN;
    call->sums[i].max = extent.max;
    call->minima[i] = extent.min;
    if (!isnan(call->split_sums[i]))
        return;
    call->sums[i] = smx_f32_sum_chunk(call, row, chunk, NULL);
    call->out_of_range = true;
}

/* In double what is yet to be: chunks in range of a row that is not. */
static void sum_chunk_again(void *argument, size_t i)
{
    struct smx_f32_call *call = argument;
    size_t row = i / call->chunks;
    if (call->row[row].total == 0 && !isnan(call->split_sums[i]))
        call->sums[i] = smx_f32_sum_chunk(call, row, i % call->chunks, NULL);
}

/* The sum of a row; is it in range? */
static bool merge_split_row(const struct smx_f32_call *call, size_t r)
{
    double sum = 0, moment = 0, max = -INFINITY;
    for (size_t k = r * call->chunks, n = call->chunks; n; n--, k++) {
        sum += call->split_sums[k];
        moment += call->seen.moments ? call->moments[k] : 0;
        max = fmax(max, call->sums[k].max);
    }
    bool in_range = smx_sum_in_range(sum, call->classes);
    call->row[r].total = in_range ? sum : 0;
    smx_f32_tell(call, r, call->row[r].total, moment, max);
    return in_range;
}

/* The sums of rows in range; are there others? */
static bool merge_split_rows(const struct smx_f32_call *call)
{
    bool others = false;
    for (size_t r = 0; r < call->rows; r++)
        others |= !merge_split_row(call, r);
    return others;
}

static void merge_row(void *argument, size_t r)
{
    const struct smx_f32_call *call = argument;
    const struct smx_sum *sums = call->sums + r * call->chunks;
    struct smx_f32_row *row = &call->row[r];
    bool in_range = row->total != 0;
    if (!in_range) {
        row->whole = smx_sum_merge(sums, call->chunks, call->by.scale);
    } else if (call->log) {
        row->whole =
            (struct smx_sum){sums[0].max, 0, row->total * SMX_SPLIT_UNIT};
        for (size_t k = 1; k < call->chunks; k++)
            row->whole.max = fmax(row->whole.max, sums[k].max);
    }
    if (call->log && row->whole.sum > 0)
        row->logsum = smx_f32_log_sum(call, r, &row->whole, in_range);
}

/* ---- all classes -------------------------------------------------------- */

static void store_chunk(void *argument, size_t i)
{
    const struct smx_f32_call *call = argument;
    size_t r = i / call->chunks, chunk = i % call->chunks;
    const struct smx_f32_row *row = &call->row[r];
    size_t start = r * call->classes + chunk * SMX_CHUNK;
    if (row->total != 0 && !call->log)
        call->kernels->split->put(
            call->logits + start, smx_chunk_classes(call->classes, chunk),
            &call->split, 1 / row->total, 0, (float)call->minima[i],
            call->stream, call->values + start);
    else
        smx_f32_store_chunk(call, r, chunk, &call->sums[i], &row->whole,
                            row->logsum, NULL);
}

/* Row by row, while it is in the cache. What is refused is looked for to the
 * end, as the first is told. */
static void answer_row(void *argument, size_t r)
{
    struct smx_f32_call *call = argument;
    size_t first = r * call->chunks, end = first + call->chunks;
    for (size_t i = first; i < end; i++)
        sum_chunk(call, i);
    if (call->nonfinite != SIZE_MAX)
        return;
    merge_split_row(call, r);
    for (size_t i = first; i < end; i++)
        sum_chunk_again(call, i);
    merge_row(call, r);
    for (size_t i = first; i < end; i++)
        store_chunk(call, i);
}

/* ---- chosen classes ----------------------------------------------------- */

/* Classes that are gathered at once. */
#define GATHERED ((size_t)256)

/* A probability of a row that is not in range, as its chunk computes it. */
static float f64_probability(const struct smx_f32_call *call, size_t r,
                             size_t class, float x)
{
    const struct smx_sum *part =
        &call->sums[r * call->chunks + class / SMX_CHUNK];
    float p;
    if (part->sum == 0)
        return 0;
    const struct smx_exponents by = smx_relative_to(&call->by, part->reference);
    call->kernels->put(
        &x, 1, &by, smx_sum_weight(part, &call->row[r].whole, call->by.scale),
        false, &p);
    return p;
}

static void store_chosen_split(const struct smx_f32_call *call, const float *x,
                               size_t n, double total, float *out)
{
    SMX_ALIGNED float high[GATHERED], rest[GATHERED];
    if (call->chunks > SMX_F32_SHORT) {
        call->kernels->split->put(x, n, &call->split, 1 / total, 0, -INFINITY,
                                  false, out);
        return;
    }
    call->kernels->split->keep(x, n, &call->split, NULL, NULL, high, rest,
                               NULL);
    const struct smx_cached_exp exponentials = {
        .high = high, .rest = rest, .sum = total, .out = out};
    call->kernels->split->divide(&exponentials, n);
}

static void store_gathered(const struct smx_f32_call *call, size_t r,
                           const int64_t *chosen, size_t n, float *out)
{
    const struct smx_f32_row *row = &call->row[r];
    const float *z = call->logits + r * call->classes;
    const struct smx_exponents by = smx_relative_to(&call->by, row->whole.max);
    SMX_ALIGNED float x[GATHERED];
    for (size_t i = 0; i < n; i++)
        x[i] = z[chosen[i]];
    if (call->log && row->whole.sum > 0)
        call->kernels->shift(x, n, &by, by.nats, row->logsum, false, out);
    else if (call->log)
        fill_value(out, n, -INFINITY);
    else if (row->total != 0)
        store_chosen_split(call, x, n, row->total, out);
    else
        for (size_t i = 0; i < n; i++)
            out[i] = f64_probability(call, r, (size_t)chosen[i], x[i]);
}

static void store_chosen_row(void *argument, size_t r)
{
    const struct smx_f32_call *call = argument;
    for (size_t i = 0; i < call->k; i += GATHERED) {
        size_t left = call->k - i, at = r * call->k + i;
        store_gathered(call, r, call->chosen + at,
                       left < GATHERED ? left : GATHERED, call->values + at);
    }
}

/* ---- all of it ---------------------------------------------------------- */

/* Of each chunk its sums, then of each row. No rows need no workspace. */
size_t smx_f32_place(struct smx_f32_call *call, size_t rows, size_t chunks,
                     void *workspace)
{
    size_t all = rows * chunks;
    if (workspace) {
        call->sums = workspace;
        call->row = (struct smx_f32_row *)(call->sums + all);
        call->split_sums = (double *)(call->row + rows);
        call->moments = call->split_sums + all;
        call->minima = call->moments + all;
    }
    return all * (sizeof *call->sums + 3 * sizeof *call->split_sums) +
           rows * sizeof *call->row;
}

void smx_f32_long_rows(struct smx_context *context, struct smx_f32_call *call)
{
    struct smx_pool *pool = context->pool;
    size_t rows = call->rows, most_rows = SMX_SMALL / call->classes + 1;
    size_t chunks = rows * call->chunks;
    size_t most = SMX_SMALL / smx_chunk_classes(call->classes, 0);
    call->early &= call->values && !call->k && rows >= smx_pool_threads(pool);
    if (call->early) {
        smx_pool_each(pool, rows, most_rows, answer_row, call);
        return;
    }
    smx_pool_each(pool, chunks, most, sum_chunk, call);
    if (call->nonfinite != SIZE_MAX)
        return;
    bool others = merge_split_rows(call);
    if (!call->values)
        return;
    if (others)
        smx_pool_each(pool, chunks, most, sum_chunk_again, call);
    if (others || call->log)
        smx_pool_each(pool, rows, most_rows, merge_row, call);
    if (call->k)
        smx_pool_each(pool, rows, most_rows, store_chosen_row, call);
    else
        smx_pool_each(pool, chunks, most, store_chunk, call);
}
