/* SPDX-License-Identifier: MIT */
/* dL/dz_c = (sum_k v_k) p_c - v_c [+ 2 L lse p_c], v as in criterion.h. */
#include <math.h>

#include "criterion.h"
#include "loss.h"
#include "plain_loss.h"

struct gradient_call {
    const struct smx_logits *logits;
    const struct smx_criterion *criterion;
    const void *upstream;
    void *gradient;
    double factor, z_factor; /* of the reduction */
};

static void put_row(void *argument, struct smx_row *row, size_t r)
{
    struct gradient_call *call = argument;
    const struct smx_criterion *criterion = call->criterion;
    const struct smx_logits *z = call->logits;
    double g = 1, mass = 0, square = 0;
    bool ignored = smx_criterion_ignores(criterion, r);
    if (call->upstream)
        g = smx_get(call->upstream, z->dtype,
                    criterion->reduction == SMX_NONE ? r : 0);
    for (size_t c = 0; c < z->classes && !ignored; c++)
        mass += smx_criterion_mass(z, criterion, r, c);
    if (!row->empty)
        square = smx_times(2 * criterion->z_loss, row->max + row->logsum);
    for (size_t c = 0; c < z->classes; c++) {
        size_t i = smx_rows_index(z, r, c);
        double v = ignored ? 0 : smx_criterion_mass(z, criterion, r, c);
        double p = row->p[c],
               slope = smx_row_slope(z, i, row->d[c] == -INFINITY);
        double d = smx_plus(smx_times(smx_times(mass, p) - v, call->factor),
                            smx_times(square, p) * call->z_factor, 0);
        d = smx_times(d, smx_times(g, slope));
        smx_set(call->gradient, z->dtype, i, ignored ? 0 : d);
    }
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
    if (!status && loss)
        status = smx_loss_checked(context, logits, criterion, loss);
    if (status)
        return status;
    struct gradient_call call = {logits, criterion, upstream, gradient, 1, 1};
    smx_criterion_count(logits, criterion, &divisor, &rows);
    if (criterion->reduction == SMX_MEAN) {
        call.factor = divisor == 0 ? 0 : 1 / divisor;
        call.z_factor = divisor == 0 ? 0 : 1 / (double)rows;
    }
    return smx_rows_for(context, logits, put_row, &call);
}
