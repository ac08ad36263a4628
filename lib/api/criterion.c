/* SPDX-License-Identifier: MIT */
#include "criterion.h"

#include <math.h>
#include <string.h>

#include "arguments.h"
#include "simd/elementary.h"

static enum smx_status check_labels(const struct smx_logits *z,
                                    const struct smx_criterion *criterion,
                                    struct smx_where *where)
{
    size_t rows = smx_rows_count(z);
    for (size_t r = 0; r < rows; r++) {
        int64_t label = criterion->labels[r];
        if (smx_criterion_ignores_label(criterion, label) ||
            (label >= 0 && (uint64_t)label < z->classes))
            continue;
        return smx_blame(SMX_ELABEL, where, SMX_FIELD_LABELS, r);
    }
    return SMX_OK;
}

static enum smx_status check_options(const struct smx_criterion *criterion,
                                     struct smx_where *where)
{
    double e = criterion->label_smoothing, zl = criterion->z_loss;
    if (!(e >= 0 && e <= 1))
        return smx_blame(SMX_EARGUMENT, where, SMX_FIELD_LABEL_SMOOTHING, 0);
    if (!(zl >= 0) || isinf(zl))
        return smx_blame(SMX_EARGUMENT, where, SMX_FIELD_Z_LOSS, 0);
    if ((unsigned)criterion->reduction > SMX_REDUCTION_NONE)
        return smx_blame(SMX_EARGUMENT, where, SMX_FIELD_REDUCTION, 0);
    return SMX_OK;
}

enum smx_status smx_criterion_check(struct smx_context *context,
                                    const struct smx_logits *z,
                                    const struct smx_criterion *criterion,
                                    struct smx_where *where)
{
    enum smx_status status = check_options(criterion, where);
    bool labels = criterion->labels, targets = criterion->targets;
    if (status)
        return status;
    if (labels && targets)
        return smx_blame(SMX_EARGUMENT, where, SMX_FIELD_TARGETS, 0);
    if (smx_rows_count(z) && !labels && !targets)
        return smx_blame(SMX_EARGUMENT, where, SMX_FIELD_LABELS, 0);
    if (labels)
        status = check_labels(z, criterion, where);
    else if (targets)
        status = smx_rows_scan(context, z, criterion->targets,
                               SMX_FIELD_TARGETS, where);
    if (!status && criterion->weights)
        status = smx_rows_finite(criterion->weights, z->dtype, z->classes,
                                 SMX_FIELD_WEIGHTS, where);
    return status;
}

bool smx_criterion_ignores(const struct smx_criterion *criterion, size_t r)
{
    return criterion->labels &&
           smx_criterion_ignores_label(criterion, criterion->labels[r]);
}

static double weight(const struct smx_logits *z,
                     const struct smx_criterion *criterion, size_t c)
{
    return criterion->weights ? smx_get(criterion->weights, z->dtype, c) : 1;
}

bool smx_criterion_is_single(const struct smx_criterion *criterion)
{
    return criterion->labels && criterion->label_smoothing == 0;
}

/* Where p is 1 and 0 elsewhere, what lies on that class costs nothing and
 * leaves the gradient, exactly: v p_c - v = 0. */
static bool cancels(const struct smx_row *row, size_t class)
{
    return row->one_hot && class == row->argmax;
}

bool smx_criterion_single(const struct smx_criterion *criterion,
                          const struct smx_row *row, size_t *class,
                          double *mass)
{
    if (!smx_criterion_is_single(criterion))
        return false;
    *class = (size_t)criterion->labels[row->r];
    *mass = cancels(row, *class) ? 0 : weight(row->logits, criterion, *class);
    return true;
}

/* t or, of labels, a one. */
static void load_targets(const struct smx_criterion *criterion,
                         struct smx_row *row)
{
    if (criterion->labels) {
        memset(row->mass, 0, row->n * sizeof *row->mass);
        size_t c = (size_t)criterion->labels[row->r] - row->first;
        if (c < row->count)
            row->mass[c] = 1;
    } else {
        smx_row_get(row, criterion->targets, row->mass);
    }
}

void smx_criterion_mass(const struct smx_criterion *criterion,
                        struct smx_row *row)
{
    const struct smx_row_kernels *k = row->kernels;
    const struct smx_logits *z = row->logits;
    double e = criterion->label_smoothing;
    load_targets(criterion, row);
    if (e != 0) {
        struct smx_dd share = {e, 0};
        share = smx_divide(share, (double)z->classes, 0);
        k->smooth(row->mass, row->n, dd_sum(1, -e), share);
        for (size_t c = row->count; c < row->n; c++)
            row->mass[c] = 0;
    }
    if (criterion->weights) {
        const float *f = criterion->weights;
        const double *d = criterion->weights;
        for (size_t c = row->count; c < row->n; c++)
            row->out[c] = 0;
        if (z->dtype == SMX_FLOAT32)
            k->widen(f + row->first, row->count, row->out);
        else
            memcpy(row->out, d + row->first, row->count * sizeof *d);
        k->times(row->mass, row->out, row->n, row->mass);
    }
    if (row->one_hot && row->argmax - row->first < row->count)
        row->mass[row->argmax - row->first] = 0;
}

void smx_criterion_count(const struct smx_logits *z,
                         const struct smx_criterion *criterion, double *divisor,
                         size_t *rows)
{
    struct smx_dd sum = {0, 0};
    size_t all = smx_rows_count(z);
    *rows = 0;
    for (size_t r = 0; r < all; r++) {
        if (smx_criterion_ignores(criterion, r))
            continue;
        size_t y = criterion->labels ? (size_t)criterion->labels[r] : 0;
        double w = criterion->labels ? weight(z, criterion, y) : 1;
        dd_accumulate(&sum, (struct smx_dd){w, 0});
        ++*rows;
    }
    *divisor = dd_settle(sum).hi;
}

static struct smx_dd cost_of(const void *argument, struct smx_row *row)
{
    const struct smx_criterion *criterion = argument;
    const struct smx_row_kernels *k = row->kernels;
    smx_criterion_mass(criterion, row);
    k->costs(row->mass, row->tile.hi, row->tile.lo, row->n, row->logsum,
             row->out);
    return k->sum(row->out, row->n);
}

/* As the kernel has it. */
static double cost_at(struct smx_row *row, size_t class, double mass)
{
    struct smx_dd d = smx_row_shifted(row, class);
    double cost = (row->logsum.hi - d.hi) + (row->logsum.lo - d.lo);
    return mass != 0 ? mass * cost : 0;
}

double smx_criterion_loss(const struct smx_criterion *criterion,
                          struct smx_row *row)
{
    size_t class;
    double mass, loss;
    if (smx_criterion_single(criterion, row, &class, &mass))
        loss = cost_at(row, class, mass);
    else
        loss = smx_row_sweep(row, SMX_ROW_D, cost_of, criterion, dd_add).hi;
    if (row->empty) /* 0 log 0 = 0 */
        return loss != 0 ? INFINITY : 0;
    return isnan(loss) ? INFINITY : loss;
}
