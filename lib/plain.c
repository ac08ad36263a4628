/* SPDX-License-Identifier: MIT */
/* Nothing may be written before every logit has been looked at, and a logit
 * should be read from memory as seldom as possible. Short rows: one sweep
 * for NaN and +INFINITY, one that computes a row while it is in the cache.
 * Long rows: the first sweep sums the exponentials of each chunk too, the
 * second computes them again, which costs less than to store and fetch them. */
#include "plain.h"

#include <float.h>
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "kernels.h"
#include "power.h"
#include "sums.h"

#define ALIGNED __attribute__((aligned(64)))

/* Chunks of a row whose exponentials are kept between the sweeps. */
#define SHORT 2

/* Rows at most that share a sweep. */
#define GROUP 512

struct plain_call {
    const struct smx_kernels *kernels;
    const float *logits;
    float *values;
    size_t rows, classes;
    size_t chunks;    /* a row */
    size_t per_slice; /* rows, or with long rows chunks */
    size_t slices;
    bool log;
    double inverse_temperature;
    double scale;         /* nats to sixteenths of a binade, 1/T included */
    struct smx_sum *sums; /* long rows: one a chunk */
    struct smx_sum *row_sums;
    atomic_bool wild;      /* a logit is out of reach of reference 0 */
    atomic_size_t refused; /* first bad logit; SIZE_MAX: none */
};

bool smx_plain(const struct smx_logits *z)
{
    return z->dtype == SMX_FLOAT32 && z->inner == 1 && !z->mask && !z->softcap;
}

/* The smallest index wins, whichever thread is first. */
static void refuse(struct plain_call *call, size_t start, size_t n)
{
    size_t i = start, seen = atomic_load(&call->refused);
    while (i < start + n && call->logits[i] < INFINITY)
        i++;
    while (i < seen && !atomic_compare_exchange_weak(&call->refused, &seen, i))
        ;
}

static size_t chunk_length(const struct plain_call *call, size_t chunk)
{
    size_t left = call->classes - chunk * SMX_CHUNK;
    return left < SMX_CHUNK ? left : SMX_CHUNK;
}

/* max and sum of one chunk; e: its exponentials. */
static struct smx_sum sum_chunk(struct plain_call *call, size_t row,
                                size_t chunk, double *e)
{
    struct smx_sum sum = {-INFINITY, 0, 0};
    size_t start = row * call->classes + chunk * SMX_CHUNK;
    size_t n = chunk_length(call, chunk);
    float max;
    if (!call->kernels->peak(call->logits + start, n, &max)) {
        refuse(call, start, n);
    } else if (max != -INFINITY) {
        sum.max = max;
        sum.reference = smx_reference(max, call->scale);
        sum.sum = call->kernels->exponentials(call->logits + start, n,
                                              sum.reference, call->scale, e);
    }
    return sum;
}

static void fill(float *out, size_t n, float value)
{
    for (size_t i = 0; i < n; i++)
        out[i] = value;
}

/* log of the sum relative to the maximum, 1 + rest. The maximum's own
 * exponential leaves the sum with the very bits it came in with; a rest lost
 * in the sum is added up again. */
static double log_of_sum(const struct plain_call *call, size_t row,
                         const struct smx_sum *sum)
{
    double top = smx_power((sum->max - sum->reference) * call->scale);
    double rest = (sum->sum - top) / top;
    if (rest < 0x1p-20) {
        const float *z = call->logits + row * call->classes;
        size_t equal = 0;
        rest = 0;
        for (size_t k = 0; k < call->chunks; k++)
            rest +=
                call->kernels->rest(z + k * SMX_CHUNK, chunk_length(call, k),
                                    sum->max, call->scale);
        for (size_t c = 0; c < call->classes; c++)
            equal += z[c] == sum->max;
        rest += (double)(equal - 1);
    }
    return smx_log1p_fast(rest);
}

/* One chunk of the answer. e: the exponentials of the chunk. */
static void put_chunk(const struct plain_call *call, size_t row, size_t chunk,
                      const struct smx_sum *part, const struct smx_sum *whole,
                      double offset, const double *e)
{
    size_t start = row * call->classes + chunk * SMX_CHUNK;
    size_t n = chunk_length(call, chunk);
    float *out = call->values + start;
    if (call->log && whole->sum > 0)
        call->kernels->shift(call->logits + start, n, whole->max,
                             call->inverse_temperature, offset, out);
    else if (part->sum > 0)
        call->kernels->scale(e, n, smx_sum_weight(part, whole, call->scale),
                             out);
    else
        fill(out, n, call->log ? -INFINITY : 0);
}

/* ---- short rows ------------------------------------------------------- */

static size_t slice_end(const struct plain_call *call, size_t slice)
{
    size_t end = (slice + 1) * call->per_slice;
    return end < call->rows ? end : call->rows;
}

static void check_rows(void *argument, size_t slice)
{
    struct plain_call *call = argument;
    size_t start = slice * call->per_slice * call->classes;
    size_t n = slice_end(call, slice) * call->classes - start;
    float max;
    if (!call->kernels->peak(call->logits + start, n, &max))
        refuse(call, start, n);
    else if (max * call->scale > SMX_TAME)
        call->wild = true;
}

static void put_row(struct plain_call *call, size_t row,
                    double e[SHORT * SMX_CHUNK])
{
    struct smx_sum sums[SHORT];
    for (size_t k = 0; k < call->chunks; k++)
        sums[k] = sum_chunk(call, row, k, e + k * SMX_CHUNK);
    struct smx_sum whole = smx_sum_merge(sums, call->chunks, call->scale);
    double offset =
        call->log && whole.sum > 0 ? log_of_sum(call, row, &whole) : 0;
    for (size_t k = 0; k < call->chunks; k++)
        put_chunk(call, row, k, &sums[k], &whole, offset, e + k * SMX_CHUNK);
}

/* Several rows in one sweep, when all of them have the reference 0: a sum as
 * small as this may come from a maximum too low for that. */
static bool put_group(struct plain_call *call, size_t row, size_t rows,
                      double e[SHORT * SMX_CHUNK])
{
    double sums[GROUP], least = 0x1.01p-800 * (double)call->classes;
    size_t start = row * call->classes, n = rows * call->classes;
    const float *z = call->logits + start;
    sums[0] = call->kernels->exponentials(z, n, 0, call->scale, e);
    if (rows > 1)
        call->kernels->sums(e, rows, call->classes, sums);
    for (size_t r = 0; r < rows; r++)
        if (!(sums[r] > least))
            return false;
    call->kernels->divide(e, rows, call->classes, sums, call->values + start);
    return true;
}

static void put_rows(void *argument, size_t slice)
{
    struct plain_call *call = argument;
    ALIGNED double e[SHORT * SMX_CHUNK];
    size_t group = SMX_CHUNK / call->classes;
    group = group < 1 ? 1 : group > GROUP ? GROUP : group;
    bool grouped = !call->wild && !call->log && call->chunks == 1;
    size_t end = slice_end(call, slice);
    for (size_t r = slice * call->per_slice; r < end; r += group) {
        size_t rows = end - r < group ? end - r : group;
        if (grouped && put_group(call, r, rows, e))
            continue;
        for (size_t i = 0; i < rows; i++)
            put_row(call, r + i, e);
    }
}

/* ---- long rows -------------------------------------------------------- */

static void sum_chunks(void *argument, size_t slice)
{
    struct plain_call *call = argument;
    ALIGNED double e[SMX_CHUNK];
    size_t i = slice * call->per_slice, all = call->rows * call->chunks;
    for (size_t end = i + call->per_slice; i < end && i < all; i++)
        call->sums[i] = sum_chunk(call, i / call->chunks, i % call->chunks, e);
}

/* Backwards, as the end of the tensor is what the cache still holds. */
static void put_chunks(void *argument, size_t slice)
{
    struct plain_call *call = argument;
    ALIGNED double e[SMX_CHUNK];
    size_t i = (call->slices - 1 - slice) * call->per_slice;
    size_t all = call->rows * call->chunks;
    for (size_t end = i + call->per_slice; i < end && i < all; i++) {
        size_t row = i / call->chunks, chunk = i % call->chunks;
        const struct smx_sum *whole = &call->row_sums[row];
        if (!call->log)
            sum_chunk(call, row, chunk, e);
        put_chunk(call, row, chunk, &call->sums[i], whole,
                  whole[call->rows].sum, e);
    }
}

/* row_sums: the sums of the rows, then the logarithms of these sums. */
static void merge_rows(struct plain_call *call)
{
    for (size_t r = 0; r < call->rows; r++) {
        struct smx_sum *whole = &call->row_sums[r];
        *whole = smx_sum_merge(call->sums + r * call->chunks, call->chunks,
                               call->scale);
        if (call->log && whole->sum > 0)
            whole[call->rows].sum = log_of_sum(call, r, whole);
    }
}

static enum smx_status long_rows(struct smx_context *context,
                                 struct plain_call *call)
{
    size_t all = call->rows * call->chunks;
    call->sums = malloc((all + 2 * call->rows) * sizeof *call->sums);
    if (!call->sums)
        return SMX_ENOMEM;
    call->row_sums = call->sums + all;
    call->per_slice = SMX_SMALL / SMX_CHUNK;
    call->slices = (all + call->per_slice - 1) / call->per_slice;
    smx_pool_for(context->pool, call->slices, sum_chunks, call);
    if (call->refused == SIZE_MAX) {
        merge_rows(call);
        smx_pool_for(context->pool, call->slices, put_chunks, call);
    }
    free(call->sums);
    return SMX_OK;
}

static void short_rows(struct smx_context *context, struct plain_call *call)
{
    call->per_slice = SMX_SMALL / call->classes;
    call->slices = (call->rows + call->per_slice - 1) / call->per_slice;
    if (call->slices <= 8) /* a look takes less than a wake-up */
        for (size_t i = 0; i < call->slices; i++)
            check_rows(call, i);
    else
        smx_pool_for(context->pool, call->slices, check_rows, call);
    if (call->refused == SIZE_MAX)
        smx_pool_for(context->pool, call->slices, put_rows, call);
}

enum smx_status smx_plain_softmax(struct smx_context *context,
                                  const struct smx_logits *z, bool log,
                                  float *values, struct smx_where *where)
{
    /* an infinite factor would make 0 * inf of the largest logit */
    double t = z->temperature ? z->temperature : 1;
    struct plain_call call = {.kernels = context->kernels,
                              .logits = z->data,
                              .values = values,
                              .rows = z->outer,
                              .classes = z->classes,
                              .chunks = (z->classes - 1) / SMX_CHUNK + 1,
                              .log = log,
                              .inverse_temperature = fmin(1 / t, DBL_MAX),
                              .scale = fmin(SMX_POWER_NAT / t, DBL_MAX),
                              .refused = SIZE_MAX};
    enum smx_status status = SMX_OK;
    if (call.chunks <= SHORT)
        short_rows(context, &call);
    else
        status = long_rows(context, &call);
    if (call.refused == SIZE_MAX)
        return status;
    if (where)
        *where = (struct smx_where){SMX_LOGITS, call.refused};
    return SMX_ENONFINITE;
}
