/* SPDX-License-Identifier: MIT */
/* Cross-entropy: the row losses, then their reduction in the order of rows. */
#include "loss.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "arguments.h"
#include "criterion.h"
#include "engine/divergence.h"
#include "engine/f32_loss.h"
#include "engine/lanes.h"
#include "engine/plan.h"

struct loss_call {
    const struct smx_logits *logits;
    const struct smx_criterion *criterion;
    const struct smx_loss_out *out; /* NULL: none */
    const struct smx_loss_also *also;
    struct smx_factors factors;
    bool sums; /* a row's loss is a sum, whose terms can leave the doubles */
    double *losses, *squares; /* one a row: -sum v log p, and the rest */
    atomic_size_t hits;
};

static struct smx_dd peak_of_targets(const void *argument, struct smx_row *row)
{
    (void)argument;
    smx_row_get(row, row->mass);
    return smx_row_tile_max(row->kernels, row->mass, row->first, row->count);
}

static size_t first_target(struct smx_row *row)
{
    struct smx_dd top = smx_row_sweep(row, SMX_ROW_PLACE, peak_of_targets, NULL,
                                      smx_row_larger);
    return (size_t)top.lo;
}

static bool hits(const struct smx_criterion *criterion, struct smx_row *row)
{
    size_t class = criterion->labels ? (size_t)criterion->labels[row->r]
                                     : first_target(row);
    return class == row->argmax;
}

/* What does not depend on the label. */
static double regularizers(const struct smx_criterion *criterion,
                           struct smx_row *row, double lse)
{
    double sum = criterion->z_loss * lse * lse;
    if (criterion->entropy_weight != 0)
        sum -= criterion->entropy_weight * smx_row_entropy(row);
    return sum;
}

static void add_loss(struct loss_call *call, struct smx_row *row, size_t r)
{
    const struct smx_criterion *criterion = call->criterion;
    double weight = smx_criterion_row_weight(criterion, call->logits->dtype, r);
    bool square = criterion->z_loss != 0 && !row->empty;
    call->losses[r] = call->squares[r] = 0;
    if (smx_criterion_ignores(criterion, r))
        return;
    if (call->out->accuracy)
        call->hits += hits(criterion, row);
    if (weight == 0) /* 0 times an infinity is 0 */
        return;
    double lse = square ? smx_row_lse(row) : 0;
    double loss = smx_criterion_loss(criterion, row);
    if (call->factors.extended || (square && !smx_is_moderate(lse)) ||
        (call->sums && !smx_is_moderate(loss))) {
        call->losses[r] = smx_extended_loss(criterion, &call->factors, row,
                                            &call->squares[r]);
        return;
    }
    call->losses[r] = weight * loss;
    call->squares[r] = weight * regularizers(criterion, row, lse);
}

static void loss_row(void *argument, struct smx_row *row, size_t r)
{
    struct loss_call *call = argument;
    const struct smx_loss_out *out = call->out;
    if (out) {
        add_loss(call, row, r);
        if (out->logsumexp)
            smx_set(out->logsumexp, call->logits->dtype, r, smx_row_lse(row));
        if (out->argmax)
            out->argmax[r] = (int64_t)row->argmax;
    }
    if (call->also)
        call->also->work(call->also->argument, &call->factors, row);
}

/* Of numbers, not traps: infinities of both signs make one. */
static double add_rows_up(const double *rows, size_t count, size_t per_part)
{
    struct smx_dd sum = {0, 0};
    for (size_t r = 0; r < count;) {
        size_t end = count - r < per_part ? count : r + per_part;
        struct smx_dd part = {0, 0};
        for (; r < end; r++)
            dd_accumulate(&part, (struct smx_dd){rows[r], 0});
        dd_accumulate(&sum, part);
    }
    double all = dd_settle(sum).hi;
    return isnan(all) ? INFINITY : all;
}

static void store_dd_loss(const struct loss_call *call,
                          const struct smx_counts *n)
{
    enum smx_dtype dtype = call->logits->dtype;
    size_t rows = smx_rows_count(call->logits);
    if (call->criterion->reduction == SMX_REDUCTION_NONE) {
        for (size_t r = 0; r < rows; r++)
            smx_set(call->out->loss, dtype, r,
                    smx_plus(call->losses[r], call->squares[r], INFINITY));
        return;
    }
    size_t per_part = smx_rows_slice(call->logits);
    double entropy = add_rows_up(call->losses, rows, per_part);
    double square = add_rows_up(call->squares, rows, per_part);
    if (call->criterion->reduction == SMX_REDUCTION_MEAN &&
        !call->factors.extended) {
        entropy = n->divisor == 0 ? 0 : entropy / n->divisor;
        square = n->divisor == 0 ? 0 : square / n->weight;
    }
    smx_set(call->out->loss, dtype, 0, smx_plus(entropy, square, INFINITY));
}

static void store_loss_out(const struct loss_call *call,
                           const struct smx_counts *n)
{
    const struct smx_loss_out *out = call->out;
    if (out->loss)
        store_dd_loss(call, n);
    if (out->divisor)
        *out->divisor = n->divisor;
    if (out->rows)
        *out->rows = n->rows;
    if (out->accuracy)
        *out->accuracy = n->rows ? (double)call->hits / (double)n->rows : 0;
}

static void run_in_lanes(struct smx_context *context, struct loss_call *call,
                         const struct smx_rows_work *work,
                         const struct smx_counts *n)
{
    struct smx_lanes lanes = smx_lanes_of(call->logits);
    smx_lanes_set_criterion(&lanes, call->criterion, n->divisor, n->weight);
    lanes.losses = call->losses;
    lanes.squares = call->squares;
    if (call->out) {
        lanes.logsumexp = call->out->logsumexp;
        lanes.argmax = call->out->argmax;
    }
    if (call->also) {
        lanes.gradient = call->also->gradient;
        lanes.upstream = call->also->upstream;
    }
    size_t hits = smx_lanes_run(context, &lanes, work);
    call->hits = hits; /* of all rows, in place of those that declined */
}

enum smx_status smx_loss_checked(struct smx_context *context,
                                 const struct smx_logits *logits,
                                 const struct smx_dd *maxima,
                                 const struct smx_criterion *criterion,
                                 const struct smx_loss_out *out,
                                 struct smx_beside *beside,
                                 const struct smx_loss_also *also)
{
    size_t rows = smx_rows_count(logits);
    struct loss_call call = {.logits = logits,
                             .criterion = criterion,
                             .out = out,
                             .also = also,
                             .sums = !smx_criterion_is_single(criterion)};
    struct smx_counts n;
    call.factors =
        smx_factors_of(logits, criterion, also ? also->upstream : NULL, &n);
    if (out) {
        call.losses = calloc(rows + 1, 2 * sizeof *call.losses);
        if (!call.losses)
            return SMX_ENOMEM;
        call.squares = call.losses + rows;
    }
    smx_beside_answer(context, beside);
    /* a softcap's shifted logits are worth keeping even for one of them */
    bool logs = call.sums || logits->softcap != 0;
    bool entropy = criterion->entropy_weight != 0;
    bool nats = out || criterion->focal != 0;
    const struct smx_rows_work work = {.run = loss_row,
                                       .argument = &call,
                                       .input = criterion->targets,
                                       .output = also ? also->gradient : NULL,
                                       .maxima = maxima,
                                       .logs = (nats && logs) || entropy,
                                       .logsum = nats || entropy ||
                                                 criterion->z_loss != 0,
                                       .slope = also != NULL};
    enum smx_status status = SMX_OK;
    enum smx_way way = smx_plan_loss(logits, criterion, also != NULL);
    if (way == SMX_WAY_DD_LANES && !call.factors.extended)
        run_in_lanes(context, &call, &work, &n);
    else
        status = smx_rows_run(context, logits, &work);
    if (out && !status)
        store_loss_out(&call, &n);
    free(call.losses);
    return status;
}

static enum smx_status
loss_of(struct smx_context *context, const struct smx_logits *logits,
        const struct smx_criterion *criterion, const struct smx_loss_out *out,
        struct smx_beside *beside, struct smx_where *where)
{
    struct smx_dd *maxima = NULL;
    enum smx_status status = SMX_OK;
    if (criterion->teacher)
        return smx_divergence(context, logits, criterion, NULL, NULL, out,
                              beside, where);
    if (smx_f32_loss(context, logits, criterion, NULL, NULL, out, beside,
                     &status))
        return status;
    status = smx_rows_scan_maxima(context, logits, &maxima, where);
    if (!status)
        status = smx_criterion_check(context, logits, criterion, where);
    if (!status)
        status = smx_loss_checked(context, logits, maxima, criterion, out,
                                  beside, NULL);
    free(maxima);
    return status;
}

enum smx_status smx_loss(struct smx_context *context,
                         const struct smx_logits *logits,
                         const struct smx_criterion *criterion,
                         const struct smx_loss_out *out,
                         struct smx_where *where)
{
    struct smx_logits z;
    struct smx_criterion k;
    struct smx_loss_out wanted;
    struct smx_beside beside = {0};
    enum smx_status status = smx_where_begin(where);
    if (!status)
        status = smx_read_logits(logits, &z, where);
    if (!status)
        status = smx_read_criterion(criterion, &k, where);
    if (!status)
        status = smx_read_loss_out(out, &wanted, where);
    if (!status)
        status = smx_beside_open(context, &beside, &z, &k, &wanted, where);
    if (!status)
        status = loss_of(context, &z, &k, out ? &wanted : NULL, &beside, where);
    smx_beside_close(&beside);
    return status;
}
