/* SPDX-License-Identifier: MIT */
/* Each summary comes from the logits by sweeps of its own, so that what it
 * answers depends neither on what else is asked nor on the way that values
 * take. The log-sum-exp of an in-range row (split_exp.h) is the logarithm of
 * its sum, which the values need as well; where that is near 0, and digits
 * would be missing, and of other rows it is found in double, like the entropy:
 * relative to the largest logit, from the exponentials of all others. Rows of
 * one chunk are finished while they are in the cache; of longer ones the parts
 * are put together in the order of the chunks. */
#include "summary.h"

#include <float.h>
#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "narrow.h"
#include "loss_kernels.h"
#include "simd/power.h"
#include "summary_kernels.h"
#include "tuning.h"

/* Rows whose logarithms are found at once. */
#define BATCH SMX_NARROW_ROWS

/* In-range sums are within 2^-26.5: the logarithm of one has the digits of a
 * float unless it is nearer to 0. */
#define LEAST_LOG 0.25

#define LN2 0x1.62e42fefa39efp-1

struct chunk {
    float max;
    int64_t at;   /* of the first that is max */
    double total; /* sum of in-range exponentials; 0: it is not */
};

struct summary_call {
    const struct smx_kernels *kernels;
    const float *z;
    size_t rows, classes, chunks;
    double temperature, scale; /* scale: nats to sixteenths of a binade */
    struct smx_split_exp split;
    const double *totals; /* of the rows; NULL: yet to be found */
    struct smx_summaries out;
    bool scan; /* the logits have not been looked at */
    atomic_bool nonfinite;
    size_t slices;
    struct chunk *parts;
    struct smx_moments *moments; /* one a chunk */
};

/* The logarithms of n in-range sums: m 2^k with 1 <= m < 2. */
static void take_logs(const struct summary_call *call, const double *totals,
                      size_t n, double *logs)
{
    double exponents[BATCH];
    for (size_t r = 0; r < n; r++) {
        uint64_t bits;
        memcpy(&bits, &totals[r], sizeof bits);
        exponents[r] = (double)(int64_t)(bits >> 52) - (1023 + 54);
        bits = (bits & (UINT64_MAX >> 12)) | UINT64_C(1023) << 52;
        memcpy(&logs[r], &bits, sizeof bits);
        logs[r] -= 1;
    }
    call->kernels->loss->log1p(logs, n);
    for (size_t r = 0; r < n; r++)
        logs[r] += exponents[r] * LN2;
}

/* The logarithms of n sums relative to the largest logit. */
static void log_moments(const struct summary_call *call,
                        const struct smx_moments *moments, size_t n,
                        double *logs)
{
    for (size_t r = 0; r < n; r++)
        logs[r] = moments[r].equal > 0
                      ? moments[r].below + (moments[r].equal - 1)
                      : 0;
    call->kernels->loss->log1p(logs, n);
}

static float lse_of_moments(const struct summary_call *call, float max,
                            const struct smx_moments *moments)
{
    double log;
    log_moments(call, moments, 1, &log);
    return (float)((double)max / call->temperature + log);
}

static float entropy_of_moments(const struct summary_call *call, float max,
                                const struct smx_moments *moments, double log)
{
    double sum = moments->below + moments->equal;
    if (max == -INFINITY)
        return 0;
    return (float)(log + moments->moment / sum / call->temperature);
}

static float shift_of(float max)
{
    return max == -INFINITY ? 0 : max;
}

/* ---- rows of one chunk --------------------------------------------------- */

static void find_row_maxima(const struct summary_call *call, const float *z,
                            size_t n, float *max, int64_t *at)
{
    const struct smx_summary_kernels *kernels = call->kernels->summary;
    if (call->classes <= SMX_NARROW) {
        kernels->narrow_first_max(z, n, call->classes, max, at);
        return;
    }
    for (size_t r = 0; r < n; r++, z += call->classes)
        at[r] = (int64_t)kernels->first_max(z, call->classes, &max[r]);
}

static void sum_moments(const struct summary_call *call, const float *z,
                        size_t n, const float *max, struct smx_moments *moments)
{
    const struct smx_summary_kernels *kernels = call->kernels->summary;
    float shift[BATCH];
    for (size_t r = 0; r < n; r++)
        shift[r] = shift_of(max[r]);
    if (call->classes <= SMX_NARROW) {
        kernels->narrow_moments(z, n, call->classes, shift, call->scale,
                                moments);
        return;
    }
    for (size_t r = 0; r < n; r++, z += call->classes)
        moments[r] = kernels->moments(z, call->classes, shift[r], call->scale);
}

/* Of narrow rows side by side. */
static void sum_narrow(const struct summary_call *call, const float *z,
                       size_t n, double *totals)
{
    const struct smx_split_kernels *split = call->kernels->split;
    float highest = call->split.highest;
    struct smx_narrow narrow;
    bool all = split->below(z, n * call->classes, highest);
    call->kernels->loss->narrow_keep(z, n, call->classes, &call->split,
                                     &narrow);
    call->kernels->loss->narrow_sum(&narrow, n, call->classes);
    for (size_t r = 0; r < n; r++, z += call->classes)
        totals[r] =
            all || split->below(z, call->classes, highest) ? narrow.sums[r] : 0;
}

static double total_in_range(const struct summary_call *call, const float *z,
                             size_t n, float *max)
{
    double total = call->kernels->split->sum(z, n, &call->split, max);
    return *max < call->split.highest ? total : 0;
}

/* 0 where a row is not in-range. */
static void find_totals(const struct summary_call *call, const float *z,
                        size_t n, double *totals)
{
    float max;
    if (!call->split.possible)
        memset(totals, 0, n * sizeof *totals);
    else if (call->classes <= SMX_NARROW)
        sum_narrow(call, z, n, totals);
    else
        for (size_t r = 0; r < n; r++)
            totals[r] = total_in_range(call, z + r * call->classes,
                                       call->classes, &max);
    for (size_t r = 0; r < n; r++)
        if (!smx_sum_in_range(totals[r], call->classes))
            totals[r] = 0;
}

static float lse_of_row(const struct summary_call *call, const float *z)
{
    struct smx_moments moments;
    float max;
    int64_t at;
    find_row_maxima(call, z, 1, &max, &at);
    sum_moments(call, z, 1, &max, &moments);
    return lse_of_moments(call, max, &moments);
}

static void store_lse(const struct summary_call *call, size_t first, size_t n)
{
    const float *z = call->z + first * call->classes;
    double totals[BATCH] = {0}, logs[BATCH];
    if (call->totals)
        memcpy(totals, call->totals + first, n * sizeof *totals);
    else
        find_totals(call, z, n, totals);
    take_logs(call, totals, n, logs);
    for (size_t r = 0; r < n; r++) {
        bool fine = totals[r] != 0 && fabs(logs[r]) >= LEAST_LOG;
        call->out.logsumexp[first + r] =
            fine ? (float)logs[r] : lse_of_row(call, z + r * call->classes);
    }
}

static void summarise_batch(const struct summary_call *call, size_t first,
                            size_t n)
{
    const float *z = call->z + first * call->classes;
    float max[BATCH];
    int64_t at[BATCH];
    double logs[BATCH];
    struct smx_moments moments[BATCH];
    if (call->out.logsumexp)
        store_lse(call, first, n);
    if (call->out.argmax || call->out.entropy)
        find_row_maxima(call, z, n, max, at);
    for (size_t r = 0; call->out.argmax && r < n; r++)
        call->out.argmax[first + r] = at[r];
    if (!call->out.entropy)
        return;
    sum_moments(call, z, n, max, moments);
    log_moments(call, moments, n, logs);
    for (size_t r = 0; r < n; r++)
        call->out.entropy[first + r] =
            entropy_of_moments(call, max[r], &moments[r], logs[r]);
}

/* Rows of a batch. */
static size_t batch_of(size_t classes)
{
    size_t rows = smx_narrow_rows(classes);
    return classes <= SMX_NARROW            ? rows
           : classes < SMX_SUMMARY_ELEMENTS ? SMX_SUMMARY_ELEMENTS / classes + 1
                                            : 1;
}

static void summarise_slice(void *argument, size_t slice)
{
    const struct summary_call *call = argument;
    size_t end, r = smx_pool_slice(call->rows, call->slices, slice, &end);
    size_t batch = batch_of(call->classes);
    for (size_t n; r < end; r += n) {
        n = end - r < batch ? end - r : batch;
        summarise_batch(call, r, n);
    }
}

/* ---- longer rows --------------------------------------------------------- */

static const float *chunk_at(const struct summary_call *call, size_t i,
                             size_t *n)
{
    size_t start = i % call->chunks * SMX_CHUNK, left = call->classes - start;
    *n = left < SMX_CHUNK ? left : SMX_CHUNK;
    return call->z + i / call->chunks * call->classes + start;
}

/* Has the logarithm of a row's total, 0 of none, all digits? */
static bool is_settled(const struct summary_call *call, double total)
{
    double log = 0;
    if (total != 0)
        take_logs(call, &total, 1, &log);
    return fabs(log) >= LEAST_LOG;
}

static void find_chunks(void *argument, size_t slice)
{
    struct summary_call *call = argument;
    size_t all = call->rows * call->chunks, end, n;
    size_t i = smx_pool_slice(all, call->slices, slice, &end);
    bool sums = call->out.logsumexp && !call->totals && call->split.possible;
    bool classes =
        call->out.argmax || call->out.entropy || (!sums && !call->totals);
    for (; i < end; i++) {
        const float *z = chunk_at(call, i, &n);
        struct chunk *part = &call->parts[i];
        size_t at = 0;
        *part = (struct chunk){.max = -INFINITY};
        if (call->scan && !call->kernels->row_max(z, n, &part->max)) {
            call->nonfinite = true; /* no kernel else takes it */
            continue;
        }
        part->total = sums ? total_in_range(call, z, n, &part->max) : 0;
        if (classes ||
            (call->totals && !is_settled(call, call->totals[i / call->chunks])))
            at = call->kernels->summary->first_max(z, n, &part->max);
        part->at = (int64_t)(i % call->chunks * SMX_CHUNK + at);
    }
}

/* The first of the largest, and the sum. */
static struct chunk merge_chunks(const struct summary_call *call, size_t row)
{
    const struct chunk *part = call->parts + row * call->chunks;
    struct chunk whole = part[0];
    bool in_range = part[0].total != 0;
    for (size_t k = 1; k < call->chunks; k++) {
        in_range &= part[k].total != 0;
        whole.total += part[k].total;
        if (part[k].max > whole.max) {
            whole.max = part[k].max;
            whole.at = part[k].at;
        }
    }
    if (call->totals)
        whole.total = call->totals[row];
    else if (!in_range || !smx_sum_in_range(whole.total, call->classes))
        whole.total = 0;
    return whole;
}

static bool needs_moments(const struct summary_call *call,
                          const struct chunk *row)
{
    return call->out.entropy ||
           (call->out.logsumexp && !is_settled(call, row->total));
}

static void sum_chunk_moments(void *argument, size_t slice)
{
    const struct summary_call *call = argument;
    size_t all = call->rows * call->chunks, end, n;
    size_t i = smx_pool_slice(all, call->slices, slice, &end);
    for (; i < end; i++) {
        const struct chunk *row = &call->parts[i / call->chunks * call->chunks];
        const float *z = chunk_at(call, i, &n);
        call->moments[i] = (struct smx_moments){0, 0, 0};
        if (needs_moments(call, row))
            call->moments[i] = call->kernels->summary->moments(
                z, n, shift_of(row->max), call->scale);
    }
}

static void store_summary_row(const struct summary_call *call, size_t row)
{
    const struct smx_moments *part = call->moments + row * call->chunks;
    const struct chunk *whole = &call->parts[row * call->chunks];
    struct smx_moments moments = part[0];
    double log = 0;
    for (size_t k = 1; k < call->chunks; k++) {
        moments.below += part[k].below;
        moments.equal += part[k].equal;
        moments.moment += part[k].moment;
    }
    if (call->out.entropy) {
        log_moments(call, &moments, 1, &log);
        call->out.entropy[row] =
            entropy_of_moments(call, whole->max, &moments, log);
        log = 0;
    }
    if (!call->out.logsumexp)
        return;
    if (whole->total != 0)
        take_logs(call, &whole->total, 1, &log);
    call->out.logsumexp[row] = fabs(log) >= LEAST_LOG
                                   ? (float)log
                                   : lse_of_moments(call, whole->max, &moments);
}

/* A row's first chunk becomes the whole of it. */
static void summarise_chunks(struct smx_context *context,
                             struct summary_call *call)
{
    bool more = false;
    call->slices = smx_pool_slices(context->pool, call->rows * call->chunks,
                                   SMX_SMALL / SMX_CHUNK);
    smx_pool_for(context->pool, call->slices, find_chunks, call);
    if (call->nonfinite)
        return;
    for (size_t r = 0; r < call->rows; r++) {
        struct chunk *whole = &call->parts[r * call->chunks];
        *whole = merge_chunks(call, r);
        more |= needs_moments(call, whole);
        if (call->out.argmax)
            call->out.argmax[r] = whole->at;
    }
    if (more)
        smx_pool_for_reverse(context->pool, call->slices, sum_chunk_moments,
                             call);
    for (size_t r = 0; r < call->rows; r++)
        store_summary_row(call, r);
}

/* ---- all of them --------------------------------------------------------- */

size_t smx_summary_bytes(size_t rows, size_t classes)
{
    size_t chunks = smx_chunks(classes);
    size_t part = sizeof(struct chunk) + sizeof(struct smx_moments);
    return chunks == 1 ? 0 : rows * chunks * part;
}

bool smx_summary_scans(size_t classes)
{
    return smx_chunks(classes) > 1;
}

bool smx_summarise(struct smx_context *context, const float *z, size_t rows,
                   size_t classes, double temperature, const double *totals,
                   bool scan, const struct smx_summaries *out, void *workspace)
{
    if (!out->logsumexp && !out->entropy && !out->argmax)
        return true;
    struct summary_call call = {.kernels = context->kernels,
                                .z = z,
                                .rows = rows,
                                .classes = classes,
                                .chunks = smx_chunks(classes),
                                .temperature = temperature,
                                .scale =
                                    fmin(SMX_POWER_NAT / temperature, DBL_MAX),
                                .split = smx_split_exp_of(temperature),
                                .totals = totals,
                                .scan = scan,
                                .out = *out};
    if (call.chunks > 1) {
        call.moments = workspace;
        call.parts = (struct chunk *)(call.moments + rows * call.chunks);
        summarise_chunks(context, &call);
        return !call.nonfinite;
    }
    call.slices = smx_pool_slices(context->pool, rows, SMX_SMALL / classes);
    smx_pool_for(context->pool, call.slices, summarise_slice, &call);
    return true;
}
