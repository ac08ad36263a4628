/* SPDX-License-Identifier: MIT */
/* Nothing may be written before every logit has been looked at, and a logit
 * should be read from memory as seldom as possible. Short rows: one sweep
 * for NaN and +INFINITY, one that computes a row while it is in the cache.
 * Long rows: the first sweep sums the exponentials of each chunk too, the
 * second computes them again, which costs less than to store and fetch them.
 * Rows in range (split_exp.h) are computed in float32, others in double. */
#include "f32_softmax.h"

#include <float.h>
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "narrow.h"
#include "api/arguments.h"
#include "kernels.h"
#include "rows.h"
#include "simd/power.h"
#include "softcap.h"
#include "sums.h"

#define ALIGNED __attribute__((aligned(64)))

/* Elements beyond which the output of short rows, which takes one more copy
 * then, had better not pass through the cache. */
#define STREAMED_SHORT ((size_t)8 << 20)

/* Chunks of a row whose exponentials are kept between the sweeps. */
#define SHORT ((size_t)2)

struct softmax_call {
    const struct smx_kernels *kernels;
    const float *logits;
    float *values;
    size_t rows, classes;
    size_t chunks; /* a row */
    size_t unit;   /* rows that no slice divides */
    size_t slices; /* of units, or with long rows of chunks */
    bool log;
    double inverse_temperature;
    double scale; /* nats to sixteenths of a binade, 1/T included */
    struct smx_cap cap;
    struct smx_split_exp split; /* not possible: no row is in range */
    atomic_bool out_of_range;   /* a logit is above the highest in range */
    bool stream, narrow, pipelined;
    double *split_sums; /* long rows: one a chunk; NaN: out-of-range */
    double *factors;    /* long rows: 1 / their in-range sum; 0: out-of-range */
    double *totals;     /* in-range sum of each row, 0: out-of-range; or NULL */
    struct smx_sum *sums; /* long out-of-range rows: one a chunk */
    struct smx_sum *row_sums;
    atomic_size_t nonfinite; /* first bad logit; SIZE_MAX: none */
};

bool smx_f32_takes(const struct smx_logits *z)
{
    return z->dtype == SMX_FLOAT32 && !smx_rows_moved(z) && !z->mask &&
           !z->softcap;
}

static size_t chunks_of(size_t classes)
{
    return (classes - 1) / SMX_CHUNK + 1;
}

/* The first that is not below +INFINITY. */
static void note_nonfinite(struct softmax_call *call, size_t i, size_t n)
{
    for (size_t end = i + n; i < end && call->logits[i] < INFINITY;)
        i++;
    smx_pool_least(&call->nonfinite, i);
}

static size_t chunk_classes(const struct softmax_call *call, size_t chunk)
{
    size_t left = call->classes - chunk * SMX_CHUNK;
    return left < SMX_CHUNK ? left : SMX_CHUNK;
}

/* max and sum of one chunk; e: its exponentials. */
static struct smx_sum sum_f64_chunk(struct softmax_call *call, size_t row,
                                    size_t chunk, double *e)
{
    struct smx_sum sum = {-INFINITY, 0, 0};
    size_t start = row * call->classes + chunk * SMX_CHUNK;
    size_t n = chunk_classes(call, chunk);
    float max;
    if (!call->kernels->row_max(call->logits + start, n, &max)) {
        note_nonfinite(call, start, n);
    } else if (max != -INFINITY && call->cap.possible) {
        sum.max = 0; /* all are relative to 0 */
        sum.sum = call->kernels->capped_exponentials(call->logits + start, n,
                                                     &call->cap, e);
    } else if (max != -INFINITY) {
        sum.max = max;
        sum.reference = smx_reference(max, call->scale);
        sum.sum = call->kernels->exponentials(call->logits + start, n,
                                              sum.reference, call->scale, e);
    }
    return sum;
}

static bool expects_in_range(const struct softmax_call *call, size_t start,
                             size_t n)
{
    return smx_expect_in_range(call->kernels->split, &call->split,
                               call->out_of_range, call->logits + start, n);
}

static void fill_value(float *out, size_t n, float value)
{
    for (size_t i = 0; i < n; i++)
        out[i] = value;
}

/* log of the sum relative to the maximum, 1 + rest. The maximum's own
 * exponential leaves the sum with the very bits it came in with; a rest lost
 * in the sum is added up again. */
static double log_of_sum(const struct softmax_call *call, size_t row,
                         const struct smx_sum *sum)
{
    double top = smx_power((sum->max - sum->reference) * call->scale);
    double rest = (sum->sum - top) / top;
    if (rest < 0x1p-20) { /* no other is equal to the maximum */
        const float *z = call->logits + row * call->classes;
        rest = 0;
        for (size_t k = 0; k < call->chunks; k++)
            rest +=
                call->kernels->rest(z + k * SMX_CHUNK, chunk_classes(call, k),
                                    sum->max, call->scale);
    }
    return smx_log1p_fast(rest);
}

/* One chunk of the answer. e: the exponentials of the chunk. */
static void store_f64_chunk(const struct softmax_call *call, size_t row,
                            size_t chunk, const struct smx_sum *part,
                            const struct smx_sum *whole, double offset,
                            const double *e)
{
    size_t start = row * call->classes + chunk * SMX_CHUNK;
    size_t n = chunk_classes(call, chunk);
    float *out = call->values + start;
    if (call->log && whole->sum > 0)
        call->kernels->shift(call->logits + start, n, whole->max,
                             call->inverse_temperature, offset, out);
    else if (part->sum > 0)
        call->kernels->scale(e, n, smx_sum_weight(part, whole, call->scale),
                             out);
    else
        fill_value(out, n, call->log ? -INFINITY : 0);
}

/* ---- short rows ------------------------------------------------------- */

/* Rows that are computed together, and about how many elements. */
#define GROUP 8
#define GROUP_ELEMENTS ((size_t)2048)

union exponentials {
    double f64[SHORT * SMX_CHUNK];
    float split[2 * SHORT * SMX_CHUNK];
};

/* The first row of a slice; of slice slices: rows. */
static size_t slice_start(const struct softmax_call *call, size_t slice)
{
    size_t units = (call->rows + call->unit - 1) / call->unit;
    size_t row = smx_pool_first(units, call->slices, slice) * call->unit;
    return row < call->rows ? row : call->rows;
}

static void check_rows(void *argument, size_t slice)
{
    struct softmax_call *call = argument;
    size_t start = slice_start(call, slice) * call->classes;
    size_t n = slice_start(call, slice + 1) * call->classes - start;
    if (smx_expect_in_range(call->kernels->split, &call->split, true,
                            call->logits + start, n))
        return;
    float max;
    if (!call->kernels->row_max(call->logits + start, n, &max))
        note_nonfinite(call, start, n);
    call->out_of_range = true;
}

static void store_f64_row(struct softmax_call *call, size_t row,
                          double e[SHORT * SMX_CHUNK])
{
    struct smx_sum sums[SHORT];
    if (call->totals)
        call->totals[row] = 0;
    for (size_t k = 0; k < call->chunks; k++)
        sums[k] = sum_f64_chunk(call, row, k, e + k * SMX_CHUNK);
    struct smx_sum whole = smx_sum_merge(sums, call->chunks, call->scale);
    double offset =
        call->log && whole.sum > 0 ? log_of_sum(call, row, &whole) : 0;
    for (size_t k = 0; k < call->chunks; k++)
        store_f64_chunk(call, row, k, &sums[k], &whole, offset,
                        e + k * SMX_CHUNK);
}

/* Rows of few classes together, or either half of them if they are not all
 * in-range. e: room for the answers of in-range rows that are streamed, or for
 * the exponentials of an out-of-range one; not in each frame of the recursion,
 * as the stack of a call is promised (softmax.h). */
static void store_narrow_rows(struct softmax_call *call, size_t row,
                              size_t rows, union exponentials *e)
{
    size_t start = row * call->classes, n = rows * call->classes;
    float *out = call->stream ? e->split : call->values + start;
    if (expects_in_range(call, start, n) &&
        call->kernels->split->narrow(
            call->logits + start, rows, call->classes, &call->split, out,
            call->totals ? call->totals + row : NULL)) {
        if (call->stream)
            call->kernels->split->stream(out, n, call->values + start);
        return;
    }
    if (rows == 1) {
        store_f64_row(call, row, e->f64);
        return;
    }
    store_narrow_rows(call, row, rows / 2, e);
    store_narrow_rows(call, row + rows / 2, rows - rows / 2, e);
}

/* The exponentials of a row that wait to be divided; sum 0: none do. */
struct cached {
    float *high, *rest;
    size_t start;
    double sum;
};

static void divide_cached_rows(const struct softmax_call *call,
                               struct cached *cached, size_t places)
{
    for (; places; places--, cached++) {
        if (cached->sum == 0)
            continue;
        float *values = call->values + cached->start;
        struct smx_cached_exp row = {cached->high, cached->rest, cached->sum,
                                     call->stream ? cached->high : values};
        call->kernels->split->divide(&row, call->classes);
        if (call->stream)
            call->kernels->split->stream(cached->high, call->classes, values);
        cached->sum = 0;
    }
}

/* The next row in its place, and meanwhile, what was there is divided; false
 * if the row is not in-range. */
static bool cache_row(const struct softmax_call *call, size_t row,
                      struct cached *cached)
{
    const float *z = call->logits + row * call->classes;
    double sum = 0;
    if (!expects_in_range(call, row * call->classes, call->classes))
        return false;
    for (size_t k = 0, c = 0; k < call->chunks; k++, c += SMX_CHUNK) {
        float *high = cached->high + c, *rest = cached->rest + c;
        struct smx_cached_exp before = {high, rest, cached->sum,
                                        call->values + cached->start + c};
        sum += call->kernels->split->keep(z + c, chunk_classes(call, k),
                                          &call->split, NULL, high, rest,
                                          cached->sum != 0 ? &before : NULL);
    }
    cached->start = row * call->classes;
    cached->sum = smx_sum_in_range(sum, call->classes) ? sum : 0;
    if (call->totals)
        call->totals[row] = cached->sum;
    return cached->sum != 0;
}

/* Some rows wait at a time, at most GROUP, so that none waits for the sum of
 * the one before. */
static void store_cached_rows(struct softmax_call *call, size_t row, size_t end,
                              union exponentials *e)
{
    size_t places = GROUP_ELEMENTS / call->classes;
    size_t width = smx_blocks(call->classes);
    struct cached cached[GROUP];
    places = places < GROUP ? places ? places : 1 : GROUP;
    for (size_t i = 0; i < places; i++)
        cached[i] =
            (struct cached){.high = e->split + i * width,
                            .rest = e->split + SHORT * SMX_CHUNK + i * width};
    for (size_t i = 0; row < end; row++, i = (i + 1) % places) {
        if (i == 0 && !call->pipelined)
            divide_cached_rows(call, cached, places);
        if (cache_row(call, row, &cached[i]))
            continue;
        divide_cached_rows(call, cached, places);
        store_f64_row(call, row, e->f64);
    }
    divide_cached_rows(call, cached, places);
}

static void store_softmax_rows(void *argument, size_t slice)
{
    struct softmax_call *call = argument;
    ALIGNED union exponentials e;
    size_t r = slice_start(call, slice), end = slice_start(call, slice + 1);
    size_t step = smx_narrow_rows(call->classes);
    if (!call->narrow && (!call->cap.possible || call->classes > SMX_NARROW)) {
        store_cached_rows(call, r, end, &e);
        return;
    }
    for (size_t n; call->cap.possible && r < end; r += n) {
        size_t start = r * call->classes;
        n = end - r < step ? end - r : step;
        smx_cap_rows(call->kernels, &call->cap, call->logits + start, n,
                     call->classes, e.f64, call->values + start);
    }
    for (; r < end; r += step)
        store_narrow_rows(call, r, end - r < step ? end - r : step, &e);
}

/* ---- long rows -------------------------------------------------------- */

/* The first chunk of a slice; of slice slices: all. */
static size_t softmax_slice_chunk(const struct softmax_call *call, size_t slice)
{
    return smx_pool_first(call->rows * call->chunks, call->slices, slice);
}

/* NaN: out of range. After the first of those, others are expected. */
static double sum_split_chunk(struct softmax_call *call, size_t start, size_t n)
{
    const float *z = call->logits + start;
    float max = INFINITY;
    double sum = NAN;
    if (expects_in_range(call, start, n))
        sum = call->kernels->split->sum(z, n, &call->split, &max);
    if (max < call->split.highest && !isnan(sum))
        return sum;
    if (!call->kernels->row_max(z, n, &max))
        note_nonfinite(call, start, n);
    call->out_of_range = true;
    return NAN;
}

static void sum_split_chunks(void *argument, size_t slice)
{
    struct softmax_call *call = argument;
    size_t i = softmax_slice_chunk(call, slice),
           end = softmax_slice_chunk(call, slice + 1);
    for (; i < end; i++) {
        size_t chunk = i % call->chunks;
        size_t start = i / call->chunks * call->classes + chunk * SMX_CHUNK;
        call->split_sums[i] =
            sum_split_chunk(call, start, chunk_classes(call, chunk));
    }
}

static void sum_f64_chunks(void *argument, size_t slice)
{
    struct softmax_call *call = argument;
    ALIGNED double e[SMX_CHUNK];
    size_t i = softmax_slice_chunk(call, slice),
           end = softmax_slice_chunk(call, slice + 1);
    for (; i < end; i++)
        if (call->factors[i / call->chunks] == 0)
            call->sums[i] =
                sum_f64_chunk(call, i / call->chunks, i % call->chunks, e);
}

static void store_f64_chunk_again(struct softmax_call *call, size_t i,
                                  size_t row, size_t chunk, double e[SMX_CHUNK])
{
    const struct smx_sum *whole = &call->row_sums[row];
    if (!call->log)
        sum_f64_chunk(call, row, chunk, e);
    store_f64_chunk(call, row, chunk, &call->sums[i], whole,
                    whole[call->rows].sum, e);
}

static void store_softmax_chunks(void *argument, size_t slice)
{
    struct softmax_call *call = argument;
    ALIGNED double e[SMX_CHUNK];
    size_t i = softmax_slice_chunk(call, slice),
           end = softmax_slice_chunk(call, slice + 1);
    for (; i < end; i++) {
        size_t row = i / call->chunks, chunk = i % call->chunks;
        size_t start = row * call->classes + chunk * SMX_CHUNK;
        if (call->factors[row] != 0)
            call->kernels->split->put(
                call->logits + start, chunk_classes(call, chunk), &call->split,
                call->factors[row], call->stream, call->values + start);
        else
            store_f64_chunk_again(call, i, row, chunk, e);
    }
}

/* The factors of in-range rows; are there others? */
static bool merge_split_rows(struct softmax_call *call)
{
    bool others = false;
    for (size_t r = 0; r < call->rows; r++) {
        double sum = 0;
        for (size_t k = 0; k < call->chunks; k++)
            sum += call->split_sums[r * call->chunks + k];
        bool in_range = smx_sum_in_range(sum, call->classes);
        call->factors[r] = in_range ? 1 / sum : 0;
        if (call->totals)
            call->totals[r] = in_range ? sum : 0;
        others |= !in_range;
    }
    return others;
}

/* row_sums: the sums of the rows, then the logarithms of these sums. */
static void merge_f64_rows(struct softmax_call *call)
{
    for (size_t r = 0; r < call->rows; r++) {
        struct smx_sum *whole = &call->row_sums[r];
        if (call->factors[r] != 0)
            continue;
        *whole = smx_sum_merge(call->sums + r * call->chunks, call->chunks,
                               call->scale);
        if (call->log && whole->sum > 0)
            whole[call->rows].sum = log_of_sum(call, r, whole);
    }
}

static void long_rows(struct smx_context *context, struct softmax_call *call)
{
    call->slices = smx_pool_slices(context->pool, call->rows * call->chunks,
                                   SMX_SMALL / SMX_CHUNK);
    smx_pool_for(context->pool, call->slices, sum_split_chunks, call);
    if (call->nonfinite != SIZE_MAX)
        return;
    if (merge_split_rows(call)) {
        smx_pool_for(context->pool, call->slices, sum_f64_chunks, call);
        merge_f64_rows(call);
    }
    smx_pool_for_reverse(context->pool, call->slices, store_softmax_chunks,
                         call);
}

static void short_rows(struct smx_context *context, struct softmax_call *call)
{
    call->unit = call->narrow ? 16 : 1; /* slices begin with whole registers */
    call->slices = smx_pool_slices(context->pool,
                                   (call->rows + call->unit - 1) / call->unit,
                                   SMX_SMALL / call->classes / call->unit);
    smx_pool_for_scan(context->pool, call->slices, check_rows, call);
    if (call->nonfinite == SIZE_MAX)
        smx_pool_for_reverse(context->pool, call->slices, store_softmax_rows,
                             call);
}

/* Of long rows: sums, row_sums, factors and split_sums, in this order. */
size_t smx_f32_workspace(size_t rows, size_t classes)
{
    size_t chunks = chunks_of(classes), all = rows * chunks;
    return chunks <= SHORT ? 0
                           : (all + 2 * rows) * sizeof(struct smx_sum) +
                                 (rows + all) * sizeof(double);
}

enum smx_status smx_f32_rows(struct smx_context *context,
                             const struct smx_logits *z, bool log,
                             float *values, double *totals, void *workspace,
                             struct smx_where *where)
{
    /* an infinite factor would make 0 * inf of the largest logit */
    double t = z->temperature ? z->temperature : 1;
    struct softmax_call call = {.kernels = context->kernels,
                                .logits = z->data,
                                .values = values,
                                .rows = z->outer,
                                .classes = z->classes,
                                .chunks = chunks_of(z->classes),
                                .log = log,
                                .inverse_temperature = fmin(1 / t, DBL_MAX),
                                .scale = fmin(SMX_POWER_NAT / t, DBL_MAX),
                                .split = smx_split_exp_of(t),
                                .cap = smx_cap_of(z),
                                .sums = workspace,
                                .totals = totals,
                                .nonfinite = SIZE_MAX};
    size_t cached = call.chunks <= SHORT ? STREAMED_SHORT : SMX_STREAMED;
    call.stream = call.rows * call.classes >= cached && values != z->data;
    call.pipelined = smx_is_pipelined(call.rows, call.classes) && !call.stream;
    call.split.possible &= !log && !z->softcap;
    call.narrow = call.classes <= SMX_NARROW && call.split.possible;
    if (call.chunks <= SHORT) {
        short_rows(context, &call);
    } else {
        call.row_sums = call.sums + call.rows * call.chunks;
        call.factors = (double *)(call.row_sums + 2 * call.rows);
        call.split_sums = call.factors + call.rows;
        long_rows(context, &call);
    }
    if (call.nonfinite == SIZE_MAX)
        return SMX_OK;
    return smx_blame(SMX_ENONFINITE, where, SMX_FIELD_LOGITS, call.nonfinite);
}
