/* SPDX-License-Identifier: MIT */
/* Cross-entropy: the row losses, then their reduction in the order of rows. */
#include <math.h>
#include <stdlib.h>

#include "criterion.h"
#include "loss.h"
#include "plain_loss.h"

enum part { ENTROPY, SQUARE, PARTS }; /* of a row: -sum v log p, L lse^2 */

struct loss_call {
    const struct smx_logits *logits;
    const struct smx_criterion *criterion;
    const struct smx_loss_out *out;
    double (*parts)[PARTS]; /* one a row */
    bool *hits;
};

static size_t first_target(const struct smx_logits *z, const void *targets,
                           size_t r)
{
    size_t best = 0;
    double top = -INFINITY;
    for (size_t c = 0; c < z->classes; c++) {
        double t = smx_get(targets, z->dtype, smx_rows_index(z, r, c));
        if (t > top) {
            top = t;
            best = c;
        }
    }
    return best;
}

static void take_row(void *argument, struct smx_row *row, size_t r)
{
    struct loss_call *call = argument;
    const struct smx_criterion *criterion = call->criterion;
    const struct smx_logits *z = call->logits;
    bool ignored = smx_criterion_ignores(criterion, r);
    double lse = row->lse;
    call->parts[r][ENTROPY] =
        ignored ? 0 : smx_criterion_loss(z, criterion, row, r);
    call->parts[r][SQUARE] =
        ignored || row->empty
            ? 0
            : smx_times(smx_times(criterion->z_loss, lse), lse);
    call->hits[r] =
        !ignored &&
        row->argmax == (criterion->labels
                            ? (size_t)criterion->labels[r]
                            : first_target(z, criterion->targets, r));
    if (call->out->logsumexp)
        smx_set(call->out->logsumexp, z->dtype, r, lse);
    if (call->out->argmax)
        call->out->argmax[r] = (int64_t)row->argmax;
}

static double sum_of(double (*parts)[PARTS], enum part part, size_t rows)
{
    struct smx_two sum = {0, 0};
    for (size_t r = 0; r < rows; r++)
        two_accumulate(&sum, (struct smx_two){parts[r][part], 0});
    double whole = two_settle(sum).hi;
    return isnan(whole) ? INFINITY : whole;
}

static void put_loss(const struct loss_call *call, double divisor, size_t rows)
{
    enum smx_dtype dtype = call->logits->dtype;
    size_t all = smx_rows_count(call->logits);
    void *loss = call->out->loss;
    if (call->criterion->reduction == SMX_NONE) {
        for (size_t r = 0; r < all; r++)
            smx_set(loss, dtype, r,
                    smx_plus(call->parts[r][ENTROPY], call->parts[r][SQUARE],
                             INFINITY));
        return;
    }
    double entropy = sum_of(call->parts, ENTROPY, all);
    double square = sum_of(call->parts, SQUARE, all);
    if (call->criterion->reduction == SMX_MEAN) {
        entropy = divisor == 0 ? 0 : entropy / divisor;
        square = divisor == 0 ? 0 : square / (double)rows;
    }
    smx_set(loss, dtype, 0, smx_plus(entropy, square, INFINITY));
}

enum smx_status smx_loss_checked(struct smx_rows *rows_open,
                                 const struct smx_logits *logits,
                                 const struct smx_criterion *criterion,
                                 const struct smx_loss_out *out)
{
    size_t all = smx_rows_count(logits), rows, hits = 0;
    double divisor;
    struct loss_call call = {logits, criterion, out, NULL, NULL};
    call.parts = malloc((all + 1) * sizeof *call.parts);
    call.hits = malloc(all + 1);
    enum smx_status status = SMX_ENOMEM;
    if (!call.parts || !call.hits)
        goto out;
    status = SMX_OK;
    smx_rows_run(rows_open, take_row, &call);
    smx_criterion_count(logits, criterion, &divisor, &rows);
    for (size_t r = 0; r < all; r++)
        hits += call.hits[r];
    if (out->loss)
        put_loss(&call, divisor, rows);
    if (out->divisor)
        *out->divisor = divisor;
    if (out->rows)
        *out->rows = rows;
    if (out->accuracy)
        *out->accuracy = rows ? (double)hits / (double)rows : 0;
out:
    free(call.hits);
    free(call.parts);
    return status;
}

enum smx_status smx_loss(struct smx_context *context,
                         const struct smx_logits *logits,
                         const struct smx_criterion *criterion,
                         const struct smx_loss_out *out,
                         struct smx_where *where)
{
    enum smx_status status = smx_rows_check(logits);
    if (!status &&
        smx_plain_loss(context, logits, criterion, NULL, NULL, out, &status))
        return status;
    if (!status)
        status = smx_rows_finite(logits->data, logits->dtype,
                                 smx_rows_count(logits) * logits->classes, true,
                                 SMX_LOGITS, where);
    if (!status)
        status = smx_criterion_check(logits, criterion, where);
    if (status)
        return status;
    struct smx_rows rows;
    status = smx_rows_open(&rows, context, logits, 0);
    if (!status)
        status = smx_loss_checked(&rows, logits, criterion, out);
    smx_rows_close(&rows);
    return status;
}
