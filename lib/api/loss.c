/* SPDX-License-Identifier: MIT */
/* Cross-entropy: the row losses, then their reduction in the order of rows. */
#include "loss.h"

#include <math.h>
#include <stdlib.h>

#include "arguments.h"
#include "criterion.h"
#include "engine/divergence.h"
#include "engine/f32_loss.h"

/* Of the rows that one thread sums up in their order. */
struct part {
    struct smx_dd entropy, square; /* -sum v log p, L lse^2 - eta H */
    size_t hits;
};

struct loss_call {
    const struct smx_logits *logits;
    const struct smx_criterion *criterion;
    const struct smx_loss_out *out; /* NULL: none */
    const struct smx_loss_also *also;
    size_t per_part; /* rows */
    struct part *parts;
};

static struct smx_dd peak_of_targets(const void *argument, struct smx_row *row)
{
    const struct smx_criterion *criterion = argument;
    smx_row_get(row, criterion->targets, row->mass);
    return smx_row_tile_max(row->kernels, row->mass, row->first, row->count);
}

static size_t first_target(const struct smx_criterion *criterion,
                           struct smx_row *row)
{
    struct smx_dd top = smx_row_sweep(row, SMX_ROW_PLACE, peak_of_targets,
                                      criterion, smx_row_larger);
    return (size_t)top.lo;
}

static bool hits(const struct smx_criterion *criterion, struct smx_row *row)
{
    size_t class = criterion->labels ? (size_t)criterion->labels[row->r]
                                     : first_target(criterion, row);
    return class == row->argmax;
}

/* What does not depend on the label. */
static double regularizers(const struct smx_criterion *criterion,
                           struct smx_row *row)
{
    double sum = 0;
    if (!row->empty && criterion->z_loss != 0) {
        double lse = smx_row_lse(row);
        sum = smx_times(criterion->z_loss * lse, lse);
    }
    if (criterion->entropy_weight != 0)
        sum -= criterion->entropy_weight * smx_row_entropy(row);
    return sum;
}

static void add_loss(const struct loss_call *call, struct smx_row *row,
                     size_t r)
{
    const struct smx_criterion *criterion = call->criterion;
    struct part *part = &call->parts[r / call->per_part];
    struct smx_dd entropy = {0, 0}, square = {0, 0};
    enum smx_dtype dtype = call->logits->dtype;
    if (!smx_criterion_ignores(criterion, r)) {
        double weight = smx_criterion_row_weight(criterion, dtype, r);
        entropy.hi = smx_times(weight, smx_criterion_loss(criterion, row));
        square.hi = smx_times(weight, regularizers(criterion, row));
        if (call->out->accuracy)
            part->hits += hits(criterion, row);
    }
    dd_accumulate(&part->entropy, entropy);
    dd_accumulate(&part->square, square);
    if (criterion->reduction == SMX_REDUCTION_NONE && call->out->loss)
        smx_set(call->out->loss, dtype, r,
                smx_plus(entropy.hi, square.hi, INFINITY));
}

static void loss_row(void *argument, struct smx_row *row, size_t r)
{
    const struct loss_call *call = argument;
    const struct smx_loss_out *out = call->out;
    if (out) {
        add_loss(call, row, r);
        if (out->logsumexp)
            smx_set(out->logsumexp, call->logits->dtype, r, smx_row_lse(row));
        if (out->argmax)
            out->argmax[r] = (int64_t)row->argmax;
    }
    if (call->also)
        call->also->work(call->also->argument, row, r);
}

static void store_dd_loss(const struct loss_call *call, struct part sum,
                          const struct smx_counts *n)
{
    double entropy = dd_settle(sum.entropy).hi;
    double square = dd_settle(sum.square).hi;
    entropy = isnan(entropy) ? INFINITY : entropy;
    square = isnan(square) ? INFINITY : square;
    if (call->criterion->reduction == SMX_REDUCTION_MEAN) {
        entropy = n->divisor == 0 ? 0 : entropy / n->divisor;
        square = n->divisor == 0 ? 0 : square / n->weight;
    }
    if (call->criterion->reduction != SMX_REDUCTION_NONE)
        smx_set(call->out->loss, call->logits->dtype, 0,
                smx_plus(entropy, square, INFINITY));
}

static void put_sums(const struct loss_call *call, size_t parts)
{
    const struct smx_loss_out *out = call->out;
    struct part sum = {{0, 0}, {0, 0}, 0};
    const struct smx_counts n =
        smx_criterion_count(call->logits, call->criterion);
    for (size_t i = 0; i < parts; i++) {
        dd_accumulate(&sum.entropy, call->parts[i].entropy);
        dd_accumulate(&sum.square, call->parts[i].square);
        sum.hits += call->parts[i].hits;
    }
    if (out->loss)
        store_dd_loss(call, sum, &n);
    if (out->divisor)
        *out->divisor = n.divisor;
    if (out->rows)
        *out->rows = n.rows;
    if (out->accuracy)
        *out->accuracy = n.rows ? (double)sum.hits / (double)n.rows : 0;
}

enum smx_status smx_loss_checked(struct smx_context *context,
                                 const struct smx_logits *logits,
                                 const struct smx_dd *maxima,
                                 const struct smx_criterion *criterion,
                                 const struct smx_loss_out *out,
                                 struct smx_beside *beside,
                                 const struct smx_loss_also *also)
{
    size_t per_part = smx_rows_slice(logits);
    size_t parts = (smx_rows_count(logits) + per_part - 1) / per_part;
    struct loss_call call = {logits, criterion, out, also, per_part, NULL};
    if (out) {
        call.parts = calloc(parts + 1, sizeof *call.parts);
        if (!call.parts)
            return SMX_ENOMEM;
    }
    smx_beside_answer(context, beside);
    /* a softcap's shifted logits are worth keeping even for one of them */
    bool logs = !smx_criterion_is_single(criterion) || logits->softcap != 0;
    bool entropy = criterion->entropy_weight != 0;
    bool nats = out || criterion->focal != 0;
    const struct smx_rows_work work = {.run = loss_row,
                                       .argument = &call,
                                       .maxima = maxima,
                                       .logs = (nats && logs) || entropy,
                                       .logsum = nats || entropy ||
                                                 criterion->z_loss != 0,
                                       .slope = also != NULL};
    smx_rows_run(context, logits, &work);
    if (out)
        put_sums(&call, parts);
    free(call.parts);
    return SMX_OK;
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
    struct smx_beside beside = {.wanted = false};
    enum smx_status status = smx_where_begin(where);
    if (!status)
        status = smx_read_logits(logits, &z, where);
    if (!status)
        status = smx_read_criterion(criterion, &k, where);
    if (!status)
        status = smx_read_loss_out(out, &wanted, where);
    if (!status)
        status = smx_beside_open(&beside, &z, &k, &wanted, where);
    if (!status)
        status = loss_of(context, &z, &k, out ? &wanted : NULL, &beside, where);
    smx_beside_close(&beside);
    return status;
}
