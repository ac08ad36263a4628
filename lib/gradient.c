/* SPDX-License-Identifier: MIT */
/* dL/dz_c = (sum_k v_k) p_c - v_c [+ 2 L lse p_c], v as in criterion.h. */
#include <math.h>

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

/* What all elements of a row share: d_c = a p_c - b v_c, before the slope. */
struct row_share {
    struct smx_two a, b;
};

static struct row_share share_of(const struct gradient_call *call,
                                 const struct smx_row *row, size_t r)
{
    const struct smx_criterion *criterion = call->criterion;
    const struct smx_logits *z = call->logits;
    struct smx_two mass = {0, 0}, square = {0, 0}, g = {1, 0};
    for (size_t c = 0; c < z->classes; c++)
        two_accumulate(&mass, smx_criterion_mass(z, criterion, r, c));
    mass = two_mul(two_settle(mass), call->factor);
    if (!row->empty && criterion->z_loss != 0)
        square = two_mul(two_product(2 * criterion->z_loss, row->lse),
                         call->z_factor);
    if (call->upstream)
        g.hi = smx_get(call->upstream, z->dtype,
                       criterion->reduction == SMX_NONE ? r : 0);
    return (struct row_share){two_mul(two_plus(mass, square, 0), g),
                              two_mul(call->factor, g)};
}

static double element(const struct gradient_call *call,
                      const struct smx_row *row, const struct row_share *share,
                      size_t r, size_t c)
{
    const struct smx_logits *z = call->logits;
    struct smx_two v = smx_criterion_mass(z, call->criterion, r, c);
    size_t i = smx_rows_index(z, r, c);
    struct smx_two a = two_mul(share->a, row->p[c]), b = two_mul(share->b, v);
    struct smx_two d = two_plus(two_scale(a, 0x1p-128), two_negate(b), 0);
    if (v.hi == 0) /* p may be subnormal where the product is not */
        return smx_row_bend(row, z, c, i, a, SMX_ROW_SHIFT);
    return smx_row_bend(row, z, c, i, d, 0);
}

static void put_row(void *argument, struct smx_row *row, size_t r)
{
    struct gradient_call *call = argument;
    const struct smx_logits *z = call->logits;
    bool ignored = smx_criterion_ignores(call->criterion, r);
    struct row_share share = {0};
    if (!ignored)
        share = share_of(call, row, r);
    for (size_t c = 0; c < z->classes; c++)
        smx_set(call->gradient, z->dtype, smx_rows_index(z, r, c),
                ignored ? 0 : element(call, row, &share, r, c));
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
    size_t all = smx_rows_count(logits), rows;
    double divisor;
    status = smx_rows_finite(logits->data, logits->dtype, all * logits->classes,
                             true, SMX_LOGITS, where);
    if (!status)
        status = smx_criterion_check(logits, criterion, where);
    if (!status && upstream)
        status = smx_rows_finite(upstream, logits->dtype,
                                 criterion->reduction == SMX_NONE ? all : 1,
                                 false, SMX_UPSTREAM, where);
    if (status)
        return status;
    struct smx_rows rows_open;
    status = smx_rows_open(&rows_open, context, logits, 0);
    if (!status && loss)
        status = smx_loss_checked(&rows_open, logits, criterion, loss);
    if (status)
        goto out;
    struct smx_two one = {1, 0}, zero = {0, 0};
    struct gradient_call call = {logits,   criterion, upstream,
                                 gradient, one,       one};
    smx_criterion_count(logits, criterion, &divisor, &rows);
    if (criterion->reduction == SMX_MEAN) {
        call.factor = divisor == 0 ? zero : smx_divide(one, divisor, 0);
        call.z_factor = divisor == 0 ? zero : smx_divide(one, (double)rows, 0);
    }
    smx_rows_run(&rows_open, put_row, &call);
out:
    smx_rows_close(&rows_open);
    return status;
}
