/* SPDX-License-Identifier: MIT */
#include "criterion.h"

#include <math.h>

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

double smx_criterion_mass(const struct smx_logits *z,
                          const struct smx_criterion *criterion, size_t r,
                          size_t c)
{
    double e = criterion->label_smoothing, t;
    if (criterion->labels)
        t = (uint64_t)criterion->labels[r] == c;
    else
        t = smx_get(criterion->targets, z->dtype, smx_rows_index(z, r, c));
    return weight(z, criterion, c) * ((1 - e) * t + e / (double)z->classes);
}

void smx_criterion_count(const struct smx_logits *z,
                         const struct smx_criterion *criterion, double *divisor,
                         size_t *rows)
{
    double lost = 0; /* of the compensated sum */
    *divisor = 0;
    *rows = 0;
    for (size_t r = 0; r < smx_rows_count(z); r++) {
        if (smx_criterion_ignores(criterion, r))
            continue;
        size_t y = criterion->labels ? (size_t)criterion->labels[r] : 0;
        double w = criterion->labels ? weight(z, criterion, y) : 1;
        double sum = *divisor + w, part = sum - *divisor;
        if (isfinite(sum))
            lost += (*divisor - (sum - part)) + (w - part);
        *divisor = sum;
        ++*rows;
    }
    *divisor += lost;
}

double smx_criterion_loss(const struct smx_logits *z,
                          const struct smx_criterion *criterion,
                          const struct smx_row *row, size_t r)
{
    double loss = 0;
    for (size_t c = 0; c < z->classes; c++) {
        double v = smx_criterion_mass(z, criterion, r, c);
        if (v == 0)
            continue;
        if (row->d[c] == -INFINITY)
            return row->empty || v > 0 ? INFINITY : -INFINITY;
        loss = smx_plus(loss, v * (row->logsum - row->d[c]), INFINITY);
    }
    return loss;
}
