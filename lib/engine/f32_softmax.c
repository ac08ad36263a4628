/* SPDX-License-Identifier: MIT */
/* Unless it is early, nothing may be written before every logit has been looked
 * at, and a logit should be read from memory as seldom as possible. Short rows:
 * one sweep for NaN and +INFINITY, one that computes a row while it is in the
 * cache, and alone finds them too. Long rows: the first sweep sums the
 * exponentials of each chunk too, the second computes them again, which costs
 * less than to store and fetch them.
 * Rows in range (split_exp.h) are computed in float32, others in double. */
#include "engine.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "narrow.h"
#include "api/arguments.h"
#include "f32_call.h"
#include "kernels.h"
#include "plan.h"
#include "rows.h"
#include "sums.h"
#include "tuning.h"
#include "waiting.h"

/* ---- short rows ------------------------------------------------------- */

/* Rows that wait together, at most. */
#define GROUP 8

static size_t rows_at_once(size_t classes)
{
    size_t rows = SMX_RESIDENT_ELEMENTS / classes;
    return rows < GROUP ? rows ? rows : 1 : GROUP;
}

union exponentials {
    double f64[SMX_CACHED];
    float split[2 * SMX_CACHED];
};

/* The first row of a slice; of slice slices: rows. */
static size_t slice_start(const struct smx_f32_call *call, size_t slice)
{
    size_t units = (call->rows + call->unit - 1) / call->unit;
    size_t row = smx_pool_first(units, call->slices, slice) * call->unit;
    return row < call->rows ? row : call->rows;
}

static void check_rows(void *argument, size_t slice)
{
    struct smx_f32_call *call = argument;
    size_t start = slice_start(call, slice) * call->classes;
    size_t n = slice_start(call, slice + 1) * call->classes - start;
    if (smx_expect_in_range(call->kernels->split, &call->split, true,
                            call->logits + start, n))
        return;
    float max;
    if (!call->kernels->row_max(call->logits + start, n, &max))
        smx_f32_note_nonfinite(call, start, n);
    call->out_of_range = true;
}

/* What lanes need to know is made where a slice first needs them. */
struct narrow_slice {
    struct smx_f32_call *call;
    struct smx_lanes lanes; /* without logits: not yet */
    float streamed[SMX_NARROW_PLACES];
};

static void store_in_lanes(struct narrow_slice *slice, size_t row, size_t end)
{
    const struct smx_f32_call *call = slice->call;
    if (!slice->lanes.logits) {
        slice->lanes = smx_lanes_of(call->z);
        slice->lanes.values = call->values;
        slice->lanes.log = call->log;
    }
    call->kernels->lanes(&slice->lanes, row, end - row, NULL);
    for (; call->seen.totals && row < end; row++)
        call->seen.totals[row] = 0;
}

/* Rows of few classes together, or either half of them if they are not all
 * in-range. */
static void store_narrow_rows(struct narrow_slice *slice, size_t row,
                              size_t rows)
{
    const struct smx_f32_call *call = slice->call;
    size_t start = row * call->classes, n = rows * call->classes;
    float *out = call->stream ? slice->streamed : call->values + start;
    if (smx_f32_expects(call, start, n) &&
        call->kernels->split->narrow(
            call->logits + start, rows, call->classes, &call->split, out,
            call->seen.totals ? call->seen.totals + row : NULL)) {
        if (call->stream)
            call->kernels->split->stream(out, n, call->values + start);
        return;
    }
    if (rows > 1) {
        store_narrow_rows(slice, row, rows / 2);
        store_narrow_rows(slice, row + rows / 2, rows - rows / 2);
    } else {
        store_in_lanes(slice, row, row + 1);
    }
}

static void store_narrow_slice(struct smx_f32_call *call, size_t row,
                               size_t end)
{
    SMX_ALIGNED struct narrow_slice slice;
    size_t step = smx_narrow_rows(call->classes);
    slice.call = call;
    slice.lanes.logits = NULL;
    if (call->way == SMX_WAY_LANES)
        store_in_lanes(&slice, row, end);
    for (; call->way == SMX_WAY_NARROW && row < end; row += step)
        store_narrow_rows(&slice, row, end - row < step ? end - row : step);
}

/* The next row in its place, and meanwhile, what was there is divided; false
 * if the row is not in-range. */
static bool cache_row(struct smx_f32_call *call, size_t row,
                      struct smx_waiting *cached)
{
    const float *z = call->logits + row * call->classes;
    double sum = 0, moment = 0, part = 0;
    struct smx_extent all = {-INFINITY, INFINITY}, extent;
    if (!smx_f32_expects(call, row * call->classes, call->classes))
        return false;
    for (size_t k = 0, c = 0; k < call->chunks; k++, c += SMX_CHUNK) {
        const struct smx_cached_exp before = smx_waiting_from(cached, c);
        sum += call->kernels->split->keep(
            z + c, smx_chunk_classes(call->classes, k), &call->split, &extent,
            call->seen.moments ? &part : NULL, cached->high + c,
            cached->rest + c, cached->sum != 0 ? &before : NULL);
        moment += part;
        all.max = fmaxf(all.max, extent.max);
        all.min = fminf(all.min, extent.min);
    }
    smx_waiting_end(call->kernels, cached, call->classes);
    cached->out = call->values + row * call->classes;
    bool below = all.max < call->split.highest;
    if (!below) /* so may others be */
        call->out_of_range = true;
    cached->sum = below && smx_sum_in_range(sum, call->classes) ? sum : 0;
    cached->normal = cached->sum != 0 &&
                     smx_divides_normally(&call->split, all.min, cached->sum);
    smx_f32_tell(call, row, cached->sum, moment, all.max);
    return cached->sum != 0;
}

/* Some rows wait at a time, at most GROUP, so that none waits for the sum of
 * the one before. */
static void store_cached_rows(struct smx_f32_call *call, size_t row, size_t end)
{
    SMX_ALIGNED union exponentials e;
    size_t places = rows_at_once(call->classes);
    struct smx_waiting cached[GROUP];
    bool pipelined =
        smx_waiting_place(cached, places, e.split, e.split + SMX_CACHED,
                          call->rows, call->classes, call->stream);
    for (size_t i = 0; row < end; row++, i = (i + 1) % places) {
        if (i == 0 && !pipelined)
            smx_waiting_divide(call->kernels, cached, places, call->classes);
        if (cache_row(call, row, &cached[i]))
            continue;
        smx_waiting_divide(call->kernels, cached, places, call->classes);
        smx_f32_answer_in_double(call, row, e.f64);
    }
    smx_waiting_divide(call->kernels, cached, places, call->classes);
}

/* Logarithms. So many rows at once that none waits for the sum of the one
 * before. */
static void store_log_rows(struct smx_f32_call *call, size_t row, size_t end)
{
    struct smx_f32_part parts[GROUP * SMX_F32_SHORT];
    struct smx_f32_row rows[GROUP];
    size_t most = rows_at_once(call->classes);
    for (size_t n; row < end; row += n) {
        n = end - row < most ? end - row : most;
        smx_f32_answer_rows(call, row, n, parts, rows);
    }
}

static bool is_for_narrow_rows(enum smx_way way)
{
    return way == SMX_WAY_NARROW || way == SMX_WAY_LANES;
}

static void store_softmax_rows(void *argument, size_t slice)
{
    struct smx_f32_call *call = argument;
    size_t row = slice_start(call, slice), end = slice_start(call, slice + 1);
    if (is_for_narrow_rows(call->way))
        store_narrow_slice(call, row, end);
    else if (call->way == SMX_WAY_LOGS)
        store_log_rows(call, row, end);
    else
        store_cached_rows(call, row, end);
}

static void short_rows(struct smx_context *context, struct smx_f32_call *call)
{
    /* slices begin with whole registers */
    call->unit = call->way == SMX_WAY_NARROW ? 16 : 1;
    size_t units = (call->rows + call->unit - 1) / call->unit;
    size_t most = SMX_SMALL / call->classes / call->unit;
    if (call->way == SMX_WAY_RESIDENT)
        most = smx_resident_rows(units, most, smx_pool_threads(context->pool));
    call->slices = smx_pool_slices(context->pool, units, most);
    bool alone = call->way == SMX_WAY_RESIDENT || call->way == SMX_WAY_LOGS;
    if (!call->early || !alone)
        smx_pool_for_scan(context->pool, call->slices, check_rows, call);
    if (call->nonfinite == SIZE_MAX)
        smx_pool_for(context->pool, call->slices, store_softmax_rows, call);
}

size_t smx_f32_workspace(size_t rows, size_t classes, size_t k)
{
    size_t chunks = smx_chunks(classes);
    size_t row = chunks * sizeof(struct smx_f32_part);
    return chunks <= SMX_F32_SHORT && !k
               ? 0
               : rows * (row + sizeof(struct smx_f32_row));
}

enum smx_status smx_f32_rows(struct smx_context *context,
                             const struct smx_logits *z, bool log, size_t k,
                             const int64_t *chosen, float *values,
                             const struct smx_seen *seen, void *workspace,
                             bool early, size_t whole, struct smx_where *where)
{
    double t = smx_temperature_of(z);
    struct smx_f32_call call = {.kernels = context->kernels,
                                .z = z,
                                .logits = z->data,
                                .values = values,
                                .rows = z->outer,
                                .classes = z->classes,
                                .chunks = smx_chunks(z->classes),
                                .log = log,
                                .way = smx_plan_softmax(z, log, !k && values),
                                .early = early,
                                .split = smx_context_split(context, t),
                                .k = k,
                                .chosen = chosen,
                                .nonfinite = SIZE_MAX};
    call.stream = whole >= smx_streamed(call.chunks, context->third_cache) &&
                  values != z->data;
    call.split.possible = smx_plan_splits_softmax(z, log);
    if (!is_for_narrow_rows(call.way))
        call.by = smx_exponents_of(z);
    if (seen)
        call.seen = *seen;
    if (workspace) {
        call.parts = workspace;
        call.row = (void *)(call.parts + call.rows * call.chunks);
    }
    if (call.way != SMX_WAY_CHUNKS)
        short_rows(context, &call);
    else
        smx_f32_long_rows(context, &call);
    if (call.nonfinite == SIZE_MAX)
        return SMX_OK;
    return smx_blame(SMX_ENONFINITE, where, SMX_FIELD_LOGITS, call.nonfinite);
}
