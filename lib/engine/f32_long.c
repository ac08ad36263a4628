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

static struct smx_sum sum_double_chunk(struct smx_f32_call *call, size_t row,
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

static void store_double_chunk(const struct smx_f32_call *call, size_t row,
                               size_t chunk, const struct smx_sum *part,
                               const struct smx_f32_row *of, const double *e)
{
    size_t start = row * call->classes + chunk * SMX_CHUNK;
    size_t n = smx_chunk_classes(call->classes, chunk);
    const float *z = call->logits + start;
    float *out = call->values + start;
    const struct smx_exponents by =
        smx_relative_to(&call->by, call->log ? of->whole.max : part->reference);
    double weight = smx_sum_weight(part, &of->whole, call->by.scale);
    if (call->log && of->whole.sum > 0)
        call->kernels->shift(z, n, &by, by.nats, of->logsum, call->stream, out);
    else if (part->sum > 0 && e)
        call->kernels->scale(e, n, weight, out);
    else if (part->sum > 0)
        call->kernels->put(z, n, &by, weight, call->stream, out);
    else
        fill_value(out, n, call->log ? -INFINITY : 0);
}

/* In the order of the chunks. */
static struct smx_sum merge_sums(const struct smx_f32_call *call,
                                 const struct smx_f32_part *parts)
{
    double scale = call->by.scale;
    struct smx_sum row = {-INFINITY, 0, 0};
    for (size_t k = 0; k < call->chunks; k++)
        row.max = fmax(row.max, parts[k].sum.max);
    row.reference = smx_reference(row.max, scale);
    for (size_t k = 0; k < call->chunks; k++) {
        const struct smx_sum *sum = &parts[k].sum;
        if (sum->sum > 0)
            row.sum +=
                sum->sum * smx_power((sum->reference - row.reference) * scale);
    }
    return row;
}

void smx_f32_answer_in_double(struct smx_f32_call *call, size_t r, double *e)
{
    struct smx_f32_part parts[SMX_F32_SHORT];
    for (size_t k = 0; k < call->chunks; k++)
        parts[k].sum = sum_double_chunk(call, r, k, e + k * SMX_CHUNK);
    if (call->nonfinite != SIZE_MAX)
        return;
    const struct smx_f32_row row = {.whole = merge_sums(call, parts)};
    smx_f32_tell(call, r, 0, 0, row.whole.max);
    for (size_t k = 0; k < call->chunks; k++)
        store_double_chunk(call, r, k, &parts[k].sum, &row, e + k * SMX_CHUNK);
}

/* ---- sums --------------------------------------------------------------- */

/* A chunk that is out of range is summed in double at once: its row is, too.
 * After the first of those, others are expected. */
static void sum_chunk(struct smx_f32_call *call, size_t row, size_t chunk,
                      struct smx_f32_part *part)
{
    size_t start = row * call->classes + chunk * SMX_CHUNK;
    size_t n = smx_chunk_classes(call->classes, chunk);
    struct smx_extent extent = {INFINITY, -INFINITY};
    double sum = NAN;
    part->moment = 0;
    if (smx_f32_expects(call, start, n))
        sum = call->kernels->split->sum(
            call->logits + start, n, &call->split, &extent,
            call->seen.moments ? &part->moment : NULL);
    part->total = extent.max < call->split.highest ? sum : NAN;
    part->min = extent.min;
    part->sum.max = extent.max;
    if (!isnan(part->total))
        return;
    part->sum = sum_double_chunk(call, row, chunk, NULL);
    call->out_of_range = true;
}

/* What chunks in range of a row come to; false: it is out of range. */
static bool merge_totals(const struct smx_f32_call *call, size_t r,
                         const struct smx_f32_part *parts,
                         struct smx_f32_row *row)
{
    double sum = 0, moment = 0, max = -INFINITY;
    for (size_t k = 0; k < call->chunks; k++) {
        sum += parts[k].total;
        moment += parts[k].moment;
        max = fmax(max, parts[k].sum.max);
    }
    bool in_range = smx_sum_in_range(sum, call->classes);
    row->total = in_range ? sum : 0;
    row->whole = (struct smx_sum){max, 0, sum * SMX_SPLIT_UNIT};
    smx_f32_tell(call, r, row->total, moment, max);
    return in_range;
}

/* Chunks in range of a row that is not are summed again. */
static void merge_row(struct smx_f32_call *call, size_t r,
                      struct smx_f32_part *parts, struct smx_f32_row *row)
{
    bool in_range = merge_totals(call, r, parts, row);
    if (!call->values)
        return;
    for (size_t k = 0; !in_range && k < call->chunks; k++)
        if (!isnan(parts[k].total))
            parts[k].sum = sum_double_chunk(call, r, k, NULL);
    if (!in_range)
        row->whole = merge_sums(call, parts);
    if (call->log && row->whole.sum > 0)
        row->logsum = smx_log1p_fast(
            smx_sum_rest(call->kernels, call->z, r, &call->by, &row->whole,
                         in_range ? LEAST_REST : 0x1p-20));
}

/* ---- all classes -------------------------------------------------------- */

static void store_chunk(const struct smx_f32_call *call, size_t r, size_t chunk,
                        const struct smx_f32_part *part,
                        const struct smx_f32_row *row)
{
    size_t start = r * call->classes + chunk * SMX_CHUNK;
    if (row->total != 0 && !call->log)
        call->kernels->split->put(call->logits + start,
                                  smx_chunk_classes(call->classes, chunk),
                                  &call->split, 1 / row->total, 0, part->min,
                                  call->stream, call->values + start);
    else
        store_double_chunk(call, r, chunk, &part->sum, row, NULL);
}

/* What is refused is looked for to the end, as the first is told. */
void smx_f32_answer_rows(struct smx_f32_call *call, size_t first, size_t n,
                         struct smx_f32_part *parts, struct smx_f32_row *rows)
{
    size_t chunks = call->chunks, all = n * chunks;
    for (size_t i = 0; i < all; i++)
        sum_chunk(call, first + i / chunks, i % chunks, &parts[i]);
    if (call->nonfinite != SIZE_MAX)
        return;
    for (size_t r = 0; r < n; r++)
        merge_row(call, first + r, parts + r * chunks, &rows[r]);
    for (size_t i = 0; i < all; i++)
        store_chunk(call, first + i / chunks, i % chunks, &parts[i],
                    &rows[i / chunks]);
}

/* ---- chosen classes ----------------------------------------------------- */

/* Classes that are gathered at once. */
#define GATHERED ((size_t)256)

/* A probability of a row that is not in range, as its chunk computes it. */
static float f64_probability(const struct smx_f32_call *call, size_t r,
                             size_t class, float x)
{
    const struct smx_sum *part =
        &call->parts[r * call->chunks + class / SMX_CHUNK].sum;
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

static void answer_row_at(void *argument, size_t r)
{
    struct smx_f32_call *call = argument;
    smx_f32_answer_rows(call, r, 1, call->parts + r * call->chunks,
                        &call->row[r]);
}

static void sum_chunk_at(void *argument, size_t i)
{
    struct smx_f32_call *call = argument;
    sum_chunk(call, i / call->chunks, i % call->chunks, &call->parts[i]);
}

static void merge_row_at(void *argument, size_t r)
{
    struct smx_f32_call *call = argument;
    merge_row(call, r, call->parts + r * call->chunks, &call->row[r]);
}

static void store_chunk_at(void *argument, size_t i)
{
    const struct smx_f32_call *call = argument;
    size_t r = i / call->chunks;
    store_chunk(call, r, i % call->chunks, &call->parts[i], &call->row[r]);
}

void smx_f32_long_rows(struct smx_context *context, struct smx_f32_call *call)
{
    struct smx_pool *pool = context->pool;
    size_t rows = call->rows, most_rows = SMX_SMALL / call->classes + 1;
    size_t chunks = rows * call->chunks;
    size_t most = SMX_SMALL / smx_chunk_classes(call->classes, 0);
    call->early &= call->values && !call->k && rows >= smx_pool_threads(pool);
    if (call->early) {
        smx_pool_each(pool, rows, most_rows, answer_row_at, call);
        return;
    }
    smx_pool_each(pool, chunks, most, sum_chunk_at, call);
    if (call->nonfinite != SIZE_MAX)
        return;
    smx_pool_each(pool, rows, most_rows, merge_row_at, call);
    if (!call->values)
        return;
    if (call->k)
        smx_pool_each(pool, rows, most_rows, store_chosen_row, call);
    else
        smx_pool_each(pool, chunks, most, store_chunk_at, call);
}
