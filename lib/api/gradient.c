/* SPDX-License-Identifier: MIT */
/* dL/dz_c = (sum_k v_k) p_c - v_c [+ 2 L lse p_c], v as in criterion.h. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "arguments.h"
#include "criterion.h"
#include "simd/elementary.h"
#include "loss.h"
#include "engine/divergence.h"
#include "engine/f32_loss.h"

struct gradient_call {
    const struct smx_logits *logits;
    const struct smx_criterion *criterion;
    const void *upstream;
    void *gradient;
};

static struct smx_dd add_tile_mass(const void *argument, struct smx_row *row)
{
    smx_criterion_mass(argument, row);
    return row->kernels->sum(row->mass, row->n);
}

/* sum_k v_k */
static struct smx_dd tile_mass(const struct smx_criterion *criterion,
                               struct smx_row *row)
{
    size_t class;
    struct smx_dd mass = {0, 0};
    if (smx_criterion_single(criterion, row, &class, &mass.hi))
        return mass;
    return smx_row_sweep(row, SMX_ROW_PLACE, add_tile_mass, criterion, dd_add);
}

/* d_c = (a + bend d_c) p_c - b v_c, before the slope; the entropy's part is
 * eta p_c (log p_c + H) = eta p_c (d_c - sum_k p_k d_k). */
static struct smx_row_grad row_grad_of(const struct gradient_call *call,
                                       const struct smx_factors *factors,
                                       struct smx_row *row, struct smx_dd mass,
                                       double lse)
{
    const struct smx_criterion *criterion = call->criterion;
    enum smx_dtype dtype = call->logits->dtype;
    struct smx_dd b = factors->f, a = dd_mul(mass, b);
    struct smx_dd z_factor = factors->z_f;
    struct smx_dd bend = {0, 0}, g = {1, 0};
    if (lse != 0)
        a = dd_add(a, dd_mul(dd_product(2 * criterion->z_loss, lse), z_factor));
    if (!row->empty && criterion->entropy_weight != 0) {
        bend.hi = criterion->entropy_weight;
        bend = dd_mul(bend, z_factor);
        a = dd_plus(a, dd_negate(dd_mul(bend, smx_row_mean(row))), 0);
    }
    if (call->upstream)
        g.hi = smx_get(call->upstream, dtype,
                       criterion->reduction == SMX_REDUCTION_NONE ? row->r : 0);
    g = dd_product(g.hi, smx_criterion_row_weight(criterion, dtype, row->r));
    return smx_row_grad_of(row, dd_mul(a, g), dd_mul(bend, g), dd_mul(b, g));
}

struct grad {
    const struct gradient_call *call;
    struct smx_row_grad how;
};

/* how, for the tile from its element i on. */
static struct smx_row_grad grad_from(const struct grad *d,
                                     const struct smx_row *row, size_t i)
{
    struct smx_row_grad how = d->how;
    if (d->call->criterion->entropy_weight != 0) {
        how.hi = row->tile.hi + i;
        how.lo = row->tile.lo + i;
    }
    return how;
}

/* Where only class y has mass, that is computed again. */
static void grad_store_single(const struct grad *d, struct smx_row *row,
                              size_t y, double v, double *out)
{
    const double *slope = row->tile.slope;
    struct smx_row_grad how = grad_from(d, row, 0);
    row->kernels->grad_store(row->tile.e, NULL, slope, row->count, &how, out);
    if (y - row->first >= row->count) /* wraps below it */
        return;
    size_t i = y - row->first;
    how = grad_from(d, row, i);
    row->kernels->grad_store(row->tile.e + i, &v, slope ? slope + i : NULL, 1,
                             &how, out + i);
}

static struct smx_dd store_tile_gradient(const void *argument,
                                         struct smx_row *row)
{
    const struct grad *d = argument;
    double v, *out = smx_row_out(row);
    size_t y;
    if (smx_criterion_single(d->call->criterion, row, &y, &v)) {
        grad_store_single(d, row, y, v, out);
    } else {
        struct smx_row_grad how = grad_from(d, row, 0);
        smx_criterion_mass(d->call->criterion, row);
        row->kernels->grad_store(row->tile.e, row->mass, row->tile.slope,
                                 row->count, &how, out);
    }
    smx_row_put(row, out);
    return (struct smx_dd){0, 0};
}

static struct smx_dd put_zeros(const void *argument, struct smx_row *row)
{
    double *out = smx_row_out(row);
    (void)argument;
    memset(out, 0, row->count * sizeof *out);
    smx_row_put(row, out);
    return (struct smx_dd){0, 0};
}

static void store_gradient_row(void *argument,
                               const struct smx_factors *factors,
                               struct smx_row *row)
{
    const struct gradient_call *call = argument;
    const struct smx_criterion *criterion = call->criterion;
    bool square = criterion->z_loss != 0 && !row->empty;
    if (smx_criterion_ignores(criterion, row->r)) {
        smx_row_sweep(row, SMX_ROW_PLACE, put_zeros, NULL, NULL);
        return;
    }
    smx_criterion_focus(criterion, row);
    struct smx_dd mass = tile_mass(criterion, row);
    double lse = square ? smx_row_lse(row) : 0;
    if (smx_is_gradient_extended(criterion, factors, call->logits->dtype,
                                 row->r) ||
        !smx_is_moderate(mass.hi) || !smx_is_moderate(lse)) {
        smx_extended_gradient(criterion, factors, row);
    } else {
        struct grad d = {call, row_grad_of(call, factors, row, mass, lse)};
        smx_row_sweep(row, SMX_ROW_E, store_tile_gradient, &d, NULL);
    }
}

static enum smx_status check(struct smx_context *context,
                             const struct smx_logits *z,
                             const struct smx_criterion *criterion,
                             const void *upstream, struct smx_dd **maxima,
                             struct smx_where *where)
{
    enum smx_status status = smx_rows_scan_maxima(context, z, maxima, where);
    if (!status)
        status = smx_criterion_check(context, z, criterion, where);
    if (!status)
        status = smx_criterion_check_upstream(z, criterion, upstream, where);
    return status;
}

static enum smx_status gradient_of(struct smx_context *context,
                                   struct gradient_call *call,
                                   const struct smx_loss_out *loss,
                                   struct smx_beside *beside,
                                   struct smx_where *where)
{
    const struct smx_logits *logits = call->logits;
    const struct smx_criterion *criterion = call->criterion;
    struct smx_dd *maxima;
    enum smx_status status;
    if (criterion->teacher)
        return smx_divergence(context, logits, criterion, call->upstream,
                              call->gradient, loss, beside, where);
    if (smx_f32_loss(context, logits, criterion, call->upstream, call->gradient,
                     loss, beside, &status))
        return status;
    status = check(context, logits, criterion, call->upstream, &maxima, where);
    if (status) {
        free(maxima);
        return status;
    }
    const struct smx_loss_also also = {store_gradient_row, call, call->gradient,
                                       call->upstream};
    status = smx_loss_checked(context, logits, maxima, criterion, loss, beside,
                              &also);
    free(maxima);
    return status;
}

enum smx_status smx_gradient(struct smx_context *context,
                             const struct smx_logits *logits,
                             const struct smx_criterion *criterion,
                             const void *upstream, void *gradient,
                             const struct smx_loss_out *loss,
                             struct smx_where *where)
{
    struct smx_logits z = {0};
    struct smx_criterion k;
    struct smx_loss_out wanted;
    struct smx_beside beside = {0};
    struct gradient_call call = {.logits = &z,
                                 .criterion = &k,
                                 .upstream = upstream,
                                 .gradient = gradient};
    enum smx_status status = smx_where_begin(where);
    if (!status)
        status = smx_read_logits(logits, &z, where);
    if (!status)
        status = smx_read_criterion(criterion, &k, where);
    if (!status)
        status = smx_read_loss_out(loss, &wanted, where);
    if (!status && z.outer && !gradient)
        status = smx_blame(SMX_EARGUMENT, where, SMX_FIELD_GRADIENT, 0);
    if (!status)
        status = smx_beside_open(context, &beside, &z, &k, &wanted, where);
    if (!status)
        status =
            gradient_of(context, &call, loss ? &wanted : NULL, &beside, where);
    smx_beside_close(&beside);
    return status;
}
