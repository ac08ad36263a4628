/* SPDX-License-Identifier: MIT */
#include "criterion.h"

#include <math.h>

#include "elementary.h"

static enum smx_status check_labels(const struct smx_logits *z,
                                    const struct smx_criterion *criterion,
                                    struct smx_where *where)
{
    for (size_t r = 0; r < smx_rows_count(z); r++) {
        int64_t label = criterion->labels[r];
        if (label == criterion->ignore_index ||
            (label >= 0 && (uint64_t)label < z->classes))
            continue;
        if (where)
            *where = (struct smx_where){SMX_LABELS, r};
        return SMX_ELABEL;
    }
    return SMX_OK;
}

static enum smx_status check_weights(const struct smx_logits *z,
                                     const void *weights,
                                     struct smx_where *where)
{
    enum smx_status status = smx_rows_finite(weights, z->dtype, z->classes,
                                             false, SMX_WEIGHTS, where);
    if (status)
        return status;
    for (size_t c = 0; c < z->classes; c++)
        if (smx_get(weights, z->dtype, c) < 0)
            return SMX_EARGUMENT;
    return SMX_OK;
}

enum smx_status smx_criterion_check(const struct smx_logits *z,
                                    const struct smx_criterion *criterion,
                                    struct smx_where *where)
{
    double e = criterion->label_smoothing, zl = criterion->z_loss;
    size_t rows = smx_rows_count(z);
    if (!(e >= 0 && e <= 1) || !(zl >= 0) || isinf(zl) ||
        (unsigned)criterion->reduction > SMX_NONE)
        return SMX_EARGUMENT;
    if (criterion->labels && criterion->targets)
        return SMX_EARGUMENT;
    if (rows && !criterion->labels && !criterion->targets)
        return SMX_EARGUMENT;
    enum smx_status status = SMX_OK;
    if (criterion->labels)
        status = check_labels(z, criterion, where);
    else if (criterion->targets)
        status = smx_rows_finite(criterion->targets, z->dtype,
                                 rows * z->classes, false, SMX_TARGETS, where);
    if (!status && criterion->weights)
        status = check_weights(z, criterion->weights, where);
    return status;
}

bool smx_criterion_ignores(const struct smx_criterion *criterion, size_t r)
{
    return criterion->labels && criterion->labels[r] == criterion->ignore_index;
}

static double weight(const struct smx_logits *z,
                     const struct smx_criterion *criterion, size_t c)
{
    return criterion->weights ? smx_get(criterion->weights, z->dtype, c) : 1;
}

struct smx_two smx_criterion_mass(const struct smx_logits *z,
                                  const struct smx_criterion *criterion,
                                  size_t r, size_t c)
{
    double e = criterion->label_smoothing, t;
    if (criterion->labels)
        t = (uint64_t)criterion->labels[r] == c;
    else
        t = smx_get(criterion->targets, z->dtype, smx_rows_index(z, r, c));
    struct smx_two q = {t, 0}, w = {weight(z, criterion, c), 0};
    if (e != 0) {
        struct smx_two share = {e, 0};
        q = two_add(two_mul(two_sum(1, -e), q),
                    smx_divide(share, (double)z->classes, 0));
    }
    return w.hi == 1 ? q : two_mul(w, q);
}

void smx_criterion_count(const struct smx_logits *z,
                         const struct smx_criterion *criterion, double *divisor,
                         size_t *rows)
{
    struct smx_two sum = {0, 0};
    *rows = 0;
    for (size_t r = 0; r < smx_rows_count(z); r++) {
        if (smx_criterion_ignores(criterion, r))
            continue;
        size_t y = criterion->labels ? (size_t)criterion->labels[r] : 0;
        double w = criterion->labels ? weight(z, criterion, y) : 1;
        two_accumulate(&sum, (struct smx_two){w, 0});
        ++*rows;
    }
    *divisor = two_settle(sum).hi;
}

double smx_criterion_loss(const struct smx_logits *z,
                          const struct smx_criterion *criterion,
                          const struct smx_row *row, size_t r)
{
    struct smx_two loss = {0, 0};
    for (size_t c = 0; c < z->classes; c++) {
        struct smx_two v = smx_criterion_mass(z, criterion, r, c);
        struct smx_two cost = two_negate(smx_row_log(row, c));
        if (v.hi == 0) /* 0 log 0 = 0 */
            continue;
        if (row->empty)
            return INFINITY;
        if (isinf(cost.hi))
            return v.hi > 0 ? INFINITY : -INFINITY;
        two_accumulate(&loss, two_mul(v, cost));
    }
    double sum = two_settle(loss).hi;
    return isnan(sum) ? INFINITY : sum;
}
