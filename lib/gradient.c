/* SPDX-License-Identifier: MIT */
/* dL/dz_c = (sum_k v_k) p_c - v_c [+ 2 L lse p_c], v as in criterion.h. */
#include <math.h>
#include <string.h>

#include "criterion.h"
#include "elementary.h"
#include "loss.h"
#include "plain_loss.h"

struct gradient_call {
    const struct smx_logits *logits;
    const struct smx_criterion *criterion;
    const void *upstream;
    void *gradient;
    struct smx_two factor, z_factor; /* of the reduction */
};

/* sum_k v_k */
static struct smx_two mass_of(const struct gradient_call *call,
                              struct smx_row *row)
{
    struct smx_two mass = {0, 0};
    for (size_t c = 0; c < call->logits->classes; c += SMX_TILE) {
        if (smx_criterion_skips(call->criterion, row, c))
            continue;
        smx_row_tile(row, c, SMX_ROW_PLACE);
        smx_criterion_mass(call->criterion, row);
        mass = two_add(mass, row->kernels->sum(row->mass, row->n));
    }
    return mass;
}

/* d_c = a p_c - b v_c, before the slope. */
static struct smx_row_descent descent_of(const struct gradient_call *call,
                                         struct smx_row *row)
{
    const struct smx_criterion *criterion = call->criterion;
    enum smx_dtype dtype = call->logits->dtype;
    struct smx_two a = two_mul(mass_of(call, row), call->factor);
    struct smx_two b = call->factor, square = {0, 0}, g = {1, 0};
    if (!row->empty && criterion->z_loss != 0)
        square = two_mul(two_product(2 * criterion->z_loss, row->lse),
                         call->z_factor);
    a = two_plus(a, square, 0);
    if (call->upstream) {
        g.hi = smx_get(call->upstream, dtype,
                       criterion->reduction == SMX_NONE ? row->r : 0);
        a = two_mul(a, g);
        b = two_mul(b, g);
    }
    return smx_row_descend(row, a, b);
}

static void put_row(void *argument, struct smx_row *row, size_t r)
{
    const struct gradient_call *call = argument;
    bool ignored = smx_criterion_ignores(call->criterion, r);
    struct smx_row_descent how = {0};
    if (!ignored)
        how = descent_of(call, row);
    SMX_ROW_TILES (c, row, ignored ? SMX_ROW_PLACE : SMX_ROW_E) {
        double *out = smx_row_out(row, call->gradient);
        if (ignored) {
            memset(out, 0, row->count * sizeof *out);
        } else {
            smx_criterion_mass(call->criterion, row);
            row->kernels->descend(row->e, row->mass, row->tile.slope,
                                  row->count, &how, out);
        }
        smx_row_put(row, out, call->gradient);
    }
}

static enum smx_status check(struct smx_context *context,
                             const struct smx_logits *z,
                             const struct smx_criterion *criterion,
                             const void *upstream, struct smx_where *where)
{
    size_t rows = smx_rows_count(z);
    enum smx_status status =
        smx_rows_scan(context, z, z->data, SMX_LOGITS, where);
    if (!status)
        status = smx_criterion_check(z, criterion, where);
    if (!status && upstream)
        status = smx_rows_finite(upstream, z->dtype,
                                 criterion->reduction == SMX_NONE ? rows : 1,
                                 false, SMX_UPSTREAM, where);
    return status;
}

enum smx_status smx_gradient(struct smx_context *context,
                             const struct smx_logits *logits,
                             const struct smx_criterion *criterion,
                             const void *upstream, void *gradient,
                             const struct smx_loss_out *loss,
                             struct smx_where *where)
{
    enum smx_status status = smx_rows_check(logits);
    if (status)
        return status;
    if (smx_plain_loss(context, logits, criterion, upstream, gradient, loss,
                       &status))
        return status;
    status = check(context, logits, criterion, upstream, where);
    if (status)
        return status;
    struct smx_two one = {1, 0}, zero = {0, 0};
    struct gradient_call call = {logits,   criterion, upstream,
                                 gradient, one,       one};
    if (criterion->reduction == SMX_MEAN) {
        size_t rows;
        double divisor;
        smx_criterion_count(logits, criterion, &divisor, &rows);
        call.factor = divisor == 0 ? zero : smx_divide(one, divisor, 0);
        call.z_factor = divisor == 0 ? zero : smx_divide(one, (double)rows, 0);
    }
    const struct smx_loss_also also = {put_row, &call};
    return smx_loss_checked(context, logits, criterion, loss, &also);
}
