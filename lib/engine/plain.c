/* SPDX-License-Identifier: MIT */
/* Nothing may be written before every logit has been looked at, and a logit
 * should be read from memory as seldom as possible. Short rows: one sweep
 * for NaN and +INFINITY, one that computes a row while it is in the cache.
 * Long rows: the first sweep sums the exponentials of each chunk too, the
 * second computes them again, which costs less than to store and fetch them.
 * Tame rows (tame.h) are computed in float32, the others, which are called
 * wild here, and logarithms in double. */
#include "plain.h"

#include <float.h>
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "few.h"
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

struct plain_call {
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
    struct smx_tame tame; /* not possible: no row is tame (tame.h) */
    atomic_bool wild;     /* a logit is above the highest tame */
    bool stream, few, beside;
    double *tame_sums;    /* long rows: one a chunk; NaN: wild */
    double *factors;      /* long rows: 1 / their tame sum; 0: wild */
    double *totals;       /* tame sum of each row, 0: wild; or NULL */
    struct smx_sum *sums; /* long wild rows: one a chunk */
    struct smx_sum *row_sums;
    atomic_size_t refused; /* first bad logit; SIZE_MAX: none */
};

bool smx_plain(const struct smx_logits *z)
{
    return z->dtype == SMX_FLOAT32 && !smx_rows_moved(z) && !z->mask &&
           !z->softcap;
}

static size_t chunks_of(size_t classes)
{
    return (classes - 1) / SMX_CHUNK + 1;
}

/* The first that is not below +INFINITY. */
static void refuse(struct plain_call *call, size_t start, size_t n)
{
    size_t i = start;
    while (i < start + n && call->logits[i] < INFINITY)
        i++;
    smx_pool_least(&call->refused, i);
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

static bool expects_tame(const struct plain_call *call, size_t start, size_t n)
{
    return smx_tame_expected(call->kernels->tame, &call->tame, call->wild,
                             call->logits + start, n);
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
    if (rest < 0x1p-20) { /* no other is equal to the maximum */
        const float *z = call->logits + row * call->classes;
        rest = 0;
        for (size_t k = 0; k < call->chunks; k++)
            rest +=
                call->kernels->rest(z + k * SMX_CHUNK, chunk_length(call, k),
                                    sum->max, call->scale);
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

/* Rows that are computed together, and about how many elements. */
#define GROUP 8
#define GROUP_ELEMENTS ((size_t)2048)

union exponentials {
    double wild[SHORT * SMX_CHUNK];
    float tame[2 * SHORT * SMX_CHUNK];
};

/* The first row of a slice; of slice slices: rows. */
static size_t slice_start(const struct plain_call *call, size_t slice)
{
    size_t units = (call->rows + call->unit - 1) / call->unit;
    size_t row = smx_pool_first(units, call->slices, slice) * call->unit;
    return row < call->rows ? row : call->rows;
}

static void check_rows(void *argument, size_t slice)
{
    struct plain_call *call = argument;
    size_t start = slice_start(call, slice) * call->classes;
    size_t n = slice_start(call, slice + 1) * call->classes - start;
    if (smx_tame_expected(call->kernels->tame, &call->tame, true,
                          call->logits + start, n))
        return;
    float max;
    if (!call->kernels->peak(call->logits + start, n, &max))
        refuse(call, start, n);
    call->wild = true;
}

static void put_row(struct plain_call *call, size_t row,
                    double e[SHORT * SMX_CHUNK])
{
    struct smx_sum sums[SHORT];
    if (call->totals)
        call->totals[row] = 0;
    for (size_t k = 0; k < call->chunks; k++)
        sums[k] = sum_chunk(call, row, k, e + k * SMX_CHUNK);
    struct smx_sum whole = smx_sum_merge(sums, call->chunks, call->scale);
    double offset =
        call->log && whole.sum > 0 ? log_of_sum(call, row, &whole) : 0;
    for (size_t k = 0; k < call->chunks; k++)
        put_chunk(call, row, k, &sums[k], &whole, offset, e + k * SMX_CHUNK);
}

/* Rows of few classes together, or either half of them if they are not all
 * tame. e: room for the answers of tame rows that are streamed, or for the
 * exponentials of a wild one; not in each frame of the recursion, as the stack
 * of a call is promised (softmax.h). */
static void put_few_rows(struct plain_call *call, size_t row, size_t rows,
                         union exponentials *e)
{
    size_t start = row * call->classes, n = rows * call->classes;
    float *out = call->stream ? e->tame : call->values + start;
    if (expects_tame(call, start, n) &&
        call->kernels->tame->few(call->logits + start, rows, call->classes,
                                 &call->tame, out,
                                 call->totals ? call->totals + row : NULL)) {
        if (call->stream)
            call->kernels->tame->stream(out, n, call->values + start);
        return;
    }
    if (rows == 1) {
        put_row(call, row, e->wild);
        return;
    }
    put_few_rows(call, row, rows / 2, e);
    put_few_rows(call, row + rows / 2, rows - rows / 2, e);
}

/* The exponentials of a row that wait to be divided; sum 0: none do. */
struct kept {
    float *high, *rest;
    size_t start;
    double sum;
};

static void divide_rows(const struct plain_call *call, struct kept *kept,
                        size_t places)
{
    for (; places; places--, kept++) {
        if (kept->sum == 0)
            continue;
        float *values = call->values + kept->start;
        struct smx_tame_kept row = {kept->high, kept->rest, kept->sum,
                                    call->stream ? kept->high : values};
        call->kernels->tame->divide(&row, call->classes);
        if (call->stream)
            call->kernels->tame->stream(kept->high, call->classes, values);
        kept->sum = 0;
    }
}

/* The next row in its place, and meanwhile, what was there is divided; false
 * if the row is not tame. */
static bool keep_row(const struct plain_call *call, size_t row,
                     struct kept *kept)
{
    const float *z = call->logits + row * call->classes;
    double sum = 0;
    if (!expects_tame(call, row * call->classes, call->classes))
        return false;
    for (size_t k = 0, c = 0; k < call->chunks; k++, c += SMX_CHUNK) {
        float *high = kept->high + c, *rest = kept->rest + c;
        struct smx_tame_kept before = {high, rest, kept->sum,
                                       call->values + kept->start + c};
        sum += call->kernels->tame->keep(z + c, chunk_length(call, k),
                                         &call->tame, NULL, high, rest,
                                         kept->sum != 0 ? &before : NULL);
    }
    kept->start = row * call->classes;
    kept->sum = smx_tame_sum(sum, call->classes) ? sum : 0;
    if (call->totals)
        call->totals[row] = kept->sum;
    return kept->sum != 0;
}

/* Some rows wait at a time, at most GROUP, so that none waits for the sum of
 * the one before. */
static void put_kept_rows(struct plain_call *call, size_t row, size_t end,
                          union exponentials *e)
{
    size_t places = GROUP_ELEMENTS / call->classes;
    size_t width = smx_blocks(call->classes);
    struct kept kept[GROUP];
    places = places < GROUP ? places ? places : 1 : GROUP;
    for (size_t i = 0; i < places; i++)
        kept[i] =
            (struct kept){.high = e->tame + i * width,
                          .rest = e->tame + SHORT * SMX_CHUNK + i * width};
    for (size_t i = 0; row < end; row++, i = (i + 1) % places) {
        if (i == 0 && !call->beside)
            divide_rows(call, kept, places);
        if (keep_row(call, row, &kept[i]))
            continue;
        divide_rows(call, kept, places);
        put_row(call, row, e->wild);
    }
    divide_rows(call, kept, places);
}

static void put_rows(void *argument, size_t slice)
{
    struct plain_call *call = argument;
    ALIGNED union exponentials e;
    size_t r = slice_start(call, slice), end = slice_start(call, slice + 1);
    size_t step = smx_few_rows(call->classes);
    if (!call->few && (!call->cap.possible || call->classes > SMX_FEW)) {
        put_kept_rows(call, r, end, &e);
        return;
    }
    for (size_t n; call->cap.possible && r < end; r += n) {
        size_t start = r * call->classes;
        n = end - r < step ? end - r : step;
        smx_cap_rows(call->kernels, &call->cap, call->logits + start, n,
                     call->classes, e.wild, call->values + start);
    }
    for (; r < end; r += step)
        put_few_rows(call, r, end - r < step ? end - r : step, &e);
}

/* ---- long rows -------------------------------------------------------- */

/* The first chunk of a slice; of slice slices: all. */
static size_t slice_chunk(const struct plain_call *call, size_t slice)
{
    return smx_pool_first(call->rows * call->chunks, call->slices, slice);
}

/* NaN: it is wild. After the first of those, others are expected. */
static double sum_tame_chunk(struct plain_call *call, size_t start, size_t n)
{
    const float *z = call->logits + start;
    float max = INFINITY;
    double sum = NAN;
    if (expects_tame(call, start, n))
        sum = call->kernels->tame->sum(z, n, &call->tame, &max);
    if (max < call->tame.highest && !isnan(sum))
        return sum;
    if (!call->kernels->peak(z, n, &max))
        refuse(call, start, n);
    call->wild = true;
    return NAN;
}

static void sum_tame_chunks(void *argument, size_t slice)
{
    struct plain_call *call = argument;
    size_t i = slice_chunk(call, slice), end = slice_chunk(call, slice + 1);
    for (; i < end; i++) {
        size_t chunk = i % call->chunks;
        size_t start = i / call->chunks * call->classes + chunk * SMX_CHUNK;
        call->tame_sums[i] =
            sum_tame_chunk(call, start, chunk_length(call, chunk));
    }
}

static void sum_wild_chunks(void *argument, size_t slice)
{
    struct plain_call *call = argument;
    ALIGNED double e[SMX_CHUNK];
    size_t i = slice_chunk(call, slice), end = slice_chunk(call, slice + 1);
    for (; i < end; i++)
        if (call->factors[i / call->chunks] == 0)
            call->sums[i] =
                sum_chunk(call, i / call->chunks, i % call->chunks, e);
}

static void put_wild_chunk(struct plain_call *call, size_t i, size_t row,
                           size_t chunk, double e[SMX_CHUNK])
{
    const struct smx_sum *whole = &call->row_sums[row];
    if (!call->log)
        sum_chunk(call, row, chunk, e);
    put_chunk(call, row, chunk, &call->sums[i], whole, whole[call->rows].sum,
              e);
}

static void put_chunks(void *argument, size_t slice)
{
    struct plain_call *call = argument;
    ALIGNED double e[SMX_CHUNK];
    size_t i = slice_chunk(call, slice), end = slice_chunk(call, slice + 1);
    for (; i < end; i++) {
        size_t row = i / call->chunks, chunk = i % call->chunks;
        size_t start = row * call->classes + chunk * SMX_CHUNK;
        if (call->factors[row] != 0)
            call->kernels->tame->put(
                call->logits + start, chunk_length(call, chunk), &call->tame,
                call->factors[row], call->stream, call->values + start);
        else
            put_wild_chunk(call, i, row, chunk, e);
    }
}

/* The factors of tame rows; are there others? */
static bool merge_tame_rows(struct plain_call *call)
{
    bool wild = false;
    for (size_t r = 0; r < call->rows; r++) {
        double sum = 0;
        for (size_t k = 0; k < call->chunks; k++)
            sum += call->tame_sums[r * call->chunks + k];
        bool tame = smx_tame_sum(sum, call->classes);
        call->factors[r] = tame ? 1 / sum : 0;
        if (call->totals)
            call->totals[r] = tame ? sum : 0;
        wild |= !tame;
    }
    return wild;
}

/* row_sums: the sums of the rows, then the logarithms of these sums. */
static void merge_wild_rows(struct plain_call *call)
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

static void long_rows(struct smx_context *context, struct plain_call *call)
{
    call->slices = smx_pool_slices(context->pool, call->rows * call->chunks,
                                   SMX_SMALL / SMX_CHUNK);
    smx_pool_for(context->pool, call->slices, sum_tame_chunks, call);
    if (call->refused != SIZE_MAX)
        return;
    if (merge_tame_rows(call)) {
        smx_pool_for(context->pool, call->slices, sum_wild_chunks, call);
        merge_wild_rows(call);
    }
    smx_pool_back(context->pool, call->slices, put_chunks, call);
}

static void short_rows(struct smx_context *context, struct plain_call *call)
{
    call->unit = call->few ? 16 : 1; /* slices begin with whole registers */
    call->slices = smx_pool_slices(context->pool,
                                   (call->rows + call->unit - 1) / call->unit,
                                   SMX_SMALL / call->classes / call->unit);
    smx_pool_look(context->pool, call->slices, check_rows, call);
    if (call->refused == SIZE_MAX)
        smx_pool_back(context->pool, call->slices, put_rows, call);
}

/* Of long rows: sums, row_sums, factors and tame_sums, in this order. */
size_t smx_plain_room(size_t rows, size_t classes)
{
    size_t chunks = chunks_of(classes), all = rows * chunks;
    return chunks <= SHORT ? 0
                           : (all + 2 * rows) * sizeof(struct smx_sum) +
                                 (rows + all) * sizeof(double);
}

enum smx_status smx_plain_rows(struct smx_context *context,
                               const struct smx_logits *z, bool log,
                               float *values, double *totals, void *room,
                               struct smx_where *where)
{
    /* an infinite factor would make 0 * inf of the largest logit */
    double t = z->temperature ? z->temperature : 1;
    struct plain_call call = {.kernels = context->kernels,
                              .logits = z->data,
                              .values = values,
                              .rows = z->outer,
                              .classes = z->classes,
                              .chunks = chunks_of(z->classes),
                              .log = log,
                              .inverse_temperature = fmin(1 / t, DBL_MAX),
                              .scale = fmin(SMX_POWER_NAT / t, DBL_MAX),
                              .tame = smx_tame_of(t),
                              .sums = room,
                              .totals = totals,
                              .refused = SIZE_MAX};
    size_t cached = call.chunks <= SHORT ? STREAMED_SHORT : SMX_STREAMED;
    call.stream = call.rows * call.classes >= cached && values != z->data;
    call.beside = smx_tame_beside(call.rows, call.classes) && !call.stream;
    if (z->softcap)
        call.cap = smx_cap_of(z);
    call.tame.possible &= !log && !z->softcap;
    call.few = call.classes <= SMX_FEW && call.tame.possible;
    if (call.chunks <= SHORT) {
        short_rows(context, &call);
    } else {
        call.row_sums = call.sums + call.rows * call.chunks;
        call.factors = (double *)(call.row_sums + 2 * call.rows);
        call.tame_sums = call.factors + call.rows;
        long_rows(context, &call);
    }
    if (call.refused == SIZE_MAX)
        return SMX_OK;
    return smx_blame(SMX_ENONFINITE, where, SMX_FIELD_LOGITS, call.refused);
}
