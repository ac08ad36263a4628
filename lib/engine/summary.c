/* SPDX-License-Identifier: MIT */
/* Each summary comes from the logits by sweeps of its own, or from sums that
 * another sweep has found with the same kernel, so that what it answers depends
 * neither on what else is asked nor on the way that values take. Of a row in
 * range (split_exp.h) the sum has the log-sum-exp, and the sum and its moment
 * have the entropy. Where one of these is near 0, and digits would be missing,
 * and of other rows it is found in double: relative to the largest logit, from
 * the exponentials of all others. Parts of a row are put together in the order
 * of its chunks. */
#include "summary.h"

#include <float.h>
#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "lanes.h"
#include "loss_kernels.h"
#include "narrow.h"
#include "plan.h"
#include "simd/power.h"
#include "summary_kernels.h"
#include "tuning.h"

/* Rows whose logarithms are found at once: narrow ones, and others, as long as
 * a thread has no more of them than are worth to be shared. */
#define BATCH SMX_NARROW_ROWS
#define WIDE_BATCH ((size_t)8)

static size_t wide_batch(size_t classes)
{
    size_t most = SMX_SMALL / classes;
    return most < WIDE_BATCH ? most : WIDE_BATCH;
}

/* In-range sums are within 2^-26.5: the logarithm of one has the digits of a
 * float unless it is nearer to 0. */
#define LEAST_LOG 0.25

struct chunk { /* of a row, or all of it */
    float max;
    double total;  /* sum of in-range exponentials; 0: it is not */
    double moment; /* with an entropy: of these times t (split_exp.h) */
};

struct row {
    float max;
    bool lse, entropy; /* yet to be found in double */
};

struct summary_call {
    const struct smx_kernels *kernels;
    const float *z;
    size_t rows, classes, chunks;
    double temperature;
    struct smx_split_exp split;
    struct smx_seen seen;
    struct smx_summaries out;
    atomic_bool nonfinite, out_of_range, more;
    const struct smx_lanes *narrow; /* NULL: rows are taken as wide ones are */
    size_t batch;                   /* rows at once, of few chunks */
    struct row *row;
    struct chunk *parts;         /* one a chunk */
    struct smx_moments *moments; /* likewise */
};

/* The logarithm of a sum relative to the largest logit. */
static double log_of_moments(const struct summary_call *call,
                             const struct smx_moments *moments)
{
    double log = 0;
    if (moments->equal > 0)
        log = moments->below + (moments->equal - 1);
    call->kernels->loss->log1p(&log, 1);
    return log;
}

static float entropy_of_moments(const struct summary_call *call, float max,
                                const struct smx_moments *moments, double log)
{
    double sum = moments->below + moments->equal;
    if (max == -INFINITY)
        return 0;
    return (float)(log + moments->moment / sum / call->temperature);
}

size_t smx_first_max(const struct smx_kernels *kernels, const float *x,
                     size_t n, float max)
{
    size_t at = kernels->summary->first_above(x, n, nextafterf(max, -INFINITY));
    return at < n ? at : 0;
}

/* ---- narrow rows --------------------------------------------------------- */

/* 0 where a row is not in-range. */
static void find_totals(const struct summary_call *call, const float *z,
                        size_t n, double *totals)
{
    const struct smx_split_kernels *split = call->kernels->split;
    float highest = call->split.highest;
    struct smx_narrow narrow;
    if (!call->split.possible) {
        memset(totals, 0, n * sizeof *totals);
        return;
    }
    bool all = split->below(z, n * call->classes, highest);
    call->kernels->loss->narrow_keep(z, n, call->classes, &call->split,
                                     &narrow);
    call->kernels->loss->narrow_sum(&narrow, n, call->classes);
    for (size_t r = 0; r < n; r++, z += call->classes) {
        bool in_range = (all || split->below(z, call->classes, highest)) &&
                        smx_sum_in_range(narrow.sums[r], call->classes);
        totals[r] = in_range ? narrow.sums[r] : 0;
    }
}

/* In double, a row a lane. */
static void store_in_double(const struct summary_call *call, const float *z,
                            size_t n, float *logsumexp, float *entropy)
{
    struct smx_logits rows = *call->narrow->logits;
    struct smx_lanes lanes = *call->narrow;
    rows.data = z;
    lanes.logits = &rows;
    lanes.logsumexp = logsumexp;
    lanes.entropy = entropy;
    call->kernels->lanes(&lanes, 0, n, NULL);
}

/* Those of the rows again, computed in double. */
static void store_lses_again(const struct summary_call *call, size_t first,
                             const size_t *again, size_t count)
{
    float z[SMX_NARROW_ELEMENTS], lse[BATCH];
    for (size_t i = 0; i < count; i++)
        memcpy(z + i * call->classes,
               call->z + (first + again[i]) * call->classes,
               call->classes * sizeof *z);
    store_in_double(call, z, count, lse, NULL);
    for (size_t i = 0; i < count; i++)
        call->out.logsumexp[first + again[i]] = lse[i];
}

static void store_narrow_lse(const struct summary_call *call, size_t first,
                             size_t n)
{
    float *lse = call->out.logsumexp + first;
    double found[BATCH], logs[BATCH];
    const double *totals = found;
    size_t again[BATCH], count = 0;
    if (call->seen.totals)
        totals = call->seen.totals + first;
    else
        find_totals(call, call->z + first * call->classes, n, found);
    call->kernels->loss->log_totals(totals, n, logs);
    for (size_t r = 0; r < n; r++) {
        lse[r] = (float)logs[r];
        again[count] = r;
        count += (totals[r] == 0) | (fabs(logs[r]) < LEAST_LOG);
    }
    if (count)
        store_lses_again(call, first, again, count);
}

static void summarise_batch(const struct summary_call *call, size_t first,
                            size_t n)
{
    const float *z = call->z + first * call->classes;
    if (call->out.logsumexp)
        store_narrow_lse(call, first, n);
    if (call->out.argmax)
        call->kernels->summary->narrow_first_max(z, n, call->classes,
                                                 call->out.argmax + first);
    if (call->out.entropy)
        store_in_double(call, z, n, NULL, call->out.entropy + first);
}

/* ---- other rows ---------------------------------------------------------- */

static const float *chunk_at(const struct summary_call *call, size_t i,
                             size_t *n)
{
    size_t chunk = i % call->chunks;
    *n = smx_chunk_classes(call->classes, chunk);
    return call->z + i / call->chunks * call->classes + chunk * SMX_CHUNK;
}

/* Sums what is asked for, and finds NaN and +INFINITY. */
static void find_chunk(struct summary_call *call, const float *z, size_t n,
                       struct chunk *part)
{
    const struct smx_split_kernels *split = call->kernels->split;
    bool sums =
        call->out.entropy || (call->out.logsumexp && !call->seen.totals);
    *part = (struct chunk){.max = INFINITY};
    if (sums &&
        smx_expect_in_range(split, &call->split, call->out_of_range, z, n)) {
        double *moment = call->out.entropy ? &part->moment : NULL;
        struct smx_extent extent;
        part->total = split->sum(z, n, &call->split, &extent, moment);
        part->max = extent.max;
        call->out_of_range |= !(part->max < call->split.highest);
    }
    if (part->max < call->split.highest) {
        call->nonfinite |= isnan(part->total);
        return;
    }
    part->total = 0;
    call->nonfinite |= !call->kernels->row_max(z, n, &part->max);
}

static void find_chunk_at(void *argument, size_t i)
{
    struct summary_call *call = argument;
    size_t n;
    const float *z = chunk_at(call, i, &n);
    if (!call->nonfinite)
        find_chunk(call, z, n, &call->parts[i]);
}

/* Is there anything left to be found by a sweep of sums? */
static bool is_found(const struct summary_call *call)
{
    return call->seen.maxima && (!call->out.entropy || call->seen.moments);
}

/* As a sweep elsewhere has found it, or from the row's chunks. */
static struct chunk whole_row(const struct summary_call *call, size_t r,
                              const struct chunk *parts)
{
    const struct smx_seen *seen = &call->seen;
    struct chunk whole = {.max = -INFINITY};
    bool in_range = true;
    if (is_found(call))
        return (struct chunk){seen->maxima[r], seen->totals[r],
                              seen->moments ? seen->moments[r] : 0};
    for (size_t k = 0; k < call->chunks; k++) {
        in_range &= parts[k].total != 0;
        whole.total += parts[k].total;
        whole.moment += parts[k].moment;
        whole.max = parts[k].max > whole.max ? parts[k].max : whole.max;
    }
    if (!in_range || !smx_sum_in_range(whole.total, call->classes))
        whole.total = 0;
    if (seen->totals)
        whole.total = seen->totals[r];
    return whole;
}

/* Answers what the sums of a row settle; log: of its total. */
static struct row settle_row(const struct summary_call *call, size_t r,
                             const struct chunk *whole, double log)
{
    const struct smx_summaries *out = &call->out;
    bool in_range = whole->total != 0;
    double lse = in_range ? log : 0, entropy = 0;
    if (in_range)
        entropy = smx_entropy_in_range(log, whole->moment, whole->total);
    if (out->argmax)
        out->argmax[r] =
            (int64_t)smx_first_max(call->kernels, call->z + r * call->classes,
                                   call->classes, whole->max);
    if (out->logsumexp)
        out->logsumexp[r] = (float)lse;
    if (out->entropy)
        out->entropy[r] = (float)entropy;
    return (struct row){whole->max, out->logsumexp && fabs(lse) < LEAST_LOG,
                        out->entropy && entropy < SMX_LEAST_ENTROPY};
}

static void find_moments(const struct summary_call *call, const float *z,
                         size_t n, float max, struct smx_moments *moments)
{
    const struct smx_exponents by = {
        .reference = max == -INFINITY ? 0 : max,
        .scale = fmin(SMX_POWER_NAT / call->temperature, DBL_MAX)};
    *moments = call->kernels->moments(z, n, &by);
}

/* Answers the rest. */
static void store_row(const struct summary_call *call, size_t r,
                      const struct row *row, const struct smx_moments *parts)
{
    struct smx_moments moments = parts[0];
    for (size_t k = 1; k < call->chunks; k++) {
        moments.below += parts[k].below;
        moments.equal += parts[k].equal;
        moments.moment += parts[k].moment;
    }
    double log = log_of_moments(call, &moments);
    if (row->lse)
        call->out.logsumexp[r] =
            (float)((double)row->max / call->temperature + log);
    if (row->entropy)
        call->out.entropy[r] =
            entropy_of_moments(call, row->max, &moments, log);
}

/* Rows of one chunk are finished while they are in the cache. */
static void summarise_rows(struct summary_call *call, size_t first, size_t n)
{
    struct chunk whole[WIDE_BATCH];
    double totals[WIDE_BATCH] = {0}, logs[WIDE_BATCH];
    for (size_t i = 0; i < n; i++) {
        struct chunk part = {0};
        if (!is_found(call))
            find_chunk(call, call->z + (first + i) * call->classes,
                       call->classes, &part);
        whole[i] = whole_row(call, first + i, &part);
        totals[i] = whole[i].total;
    }
    call->kernels->loss->log_totals(totals, n, logs);
    for (size_t i = 0; i < n; i++) {
        size_t r = first + i;
        const struct row row = settle_row(call, r, &whole[i], logs[i]);
        if (row.lse || row.entropy) {
            struct smx_moments moments;
            find_moments(call, call->z + r * call->classes, call->classes,
                         row.max, &moments);
            store_row(call, r, &row, &moments);
        }
    }
}

static void settle_row_at(void *argument, size_t r)
{
    struct summary_call *call = argument;
    const struct chunk whole =
        whole_row(call, r, call->parts + r * call->chunks);
    double log;
    call->kernels->loss->log_totals(&whole.total, 1, &log);
    call->row[r] = settle_row(call, r, &whole, log);
    call->more |= call->row[r].lse || call->row[r].entropy;
}

static void sum_chunk_moments(void *argument, size_t i)
{
    const struct summary_call *call = argument;
    const struct row *row = &call->row[i / call->chunks];
    size_t n;
    const float *z = chunk_at(call, i, &n);
    if (row->lse || row->entropy)
        find_moments(call, z, n, row->max, &call->moments[i]);
}

static void summarise_chunks(struct smx_context *context,
                             struct summary_call *call)
{
    struct smx_pool *pool = context->pool;
    size_t chunks = call->rows * call->chunks, most = SMX_SMALL / SMX_CHUNK;
    if (!is_found(call))
        smx_pool_each(pool, chunks, most, find_chunk_at, call);
    if (call->nonfinite)
        return;
    smx_pool_each(pool, call->rows, most / call->chunks, settle_row_at, call);
    if (!call->more)
        return;
    smx_pool_each(pool, chunks, most, sum_chunk_moments, call);
    for (size_t r = 0; r < call->rows; r++)
        if (call->row[r].lse || call->row[r].entropy)
            store_row(call, r, &call->row[r], call->moments + r * call->chunks);
}

/* ---- all of them --------------------------------------------------------- */

static void summarise_batch_at(void *argument, size_t batch)
{
    struct summary_call *call = argument;
    size_t r = batch * call->batch, left = call->rows - r;
    size_t n = left < call->batch ? left : call->batch;
    if (call->narrow)
        summarise_batch(call, r, n);
    else
        summarise_rows(call, r, n);
}

static void summarise_batches(struct smx_context *context,
                              struct summary_call *call, size_t batch)
{
    call->batch = batch;
    smx_pool_each(context->pool, (call->rows + batch - 1) / batch,
                  SMX_SMALL / call->classes / batch, summarise_batch_at, call);
}

/* Of temperatures that lanes do not take one after the other. */
static void summarise_narrow(struct smx_context *context,
                             struct summary_call *call)
{
    const struct smx_logits rows = {.dtype = SMX_FLOAT32,
                                    .outer = call->rows,
                                    .classes = call->classes,
                                    .inner = 1,
                                    .stride = call->classes,
                                    .out_stride = call->classes,
                                    .temperature = call->temperature};
    const struct smx_lanes lanes = smx_lanes_of(&rows);
    call->narrow = smx_plan_lanes(&rows, NULL) ? &lanes : NULL;
    summarise_batches(context, call,
                      call->narrow ? smx_narrow_rows(call->classes)
                                   : wide_batch(call->classes));
}

size_t smx_summary_bytes(size_t rows, size_t classes)
{
    size_t part = sizeof(struct chunk) + sizeof(struct smx_moments);
    size_t chunks = smx_chunks(classes);
    return chunks == 1 ? 0 : rows * (chunks * part + sizeof(struct row));
}

bool smx_summary_scans(size_t classes)
{
    return smx_chunks(classes) > 1;
}

bool smx_summarise(struct smx_context *context, const float *z, size_t rows,
                   size_t classes, double temperature,
                   const struct smx_seen *seen, const struct smx_summaries *out,
                   void *workspace)
{
    if (!out->logsumexp && !out->entropy && !out->argmax)
        return true;
    struct summary_call call = {.kernels = context->kernels,
                                .z = z,
                                .rows = rows,
                                .classes = classes,
                                .chunks = smx_chunks(classes),
                                .temperature = temperature,
                                .split = smx_split_exp_of(temperature),
                                .out = *out};
    if (seen)
        call.seen = *seen;
    if (call.chunks > 1) {
        call.moments = workspace;
        call.parts = (struct chunk *)(call.moments + rows * call.chunks);
        call.row = (struct row *)(call.parts + rows * call.chunks);
        summarise_chunks(context, &call);
        return !call.nonfinite;
    }
    if (classes <= SMX_NARROW)
        summarise_narrow(context, &call);
    else
        summarise_batches(context, &call, wide_batch(classes));
    return true;
}
