/* SPDX-License-Identifier: MIT */
/* Derivatives of softmax itself: d a_j / d z_i = a_j (delta_ij - a_i). */
#include <math.h>

#include "plain_vjp.h"
#include "rows.h"

struct derivative_call {
    const struct smx_logits *logits;
    bool log;
    const void *upstream;
    void *out;
};

static void vjp_row(void *argument, struct smx_row *row, size_t r)
{
    struct derivative_call *call = argument;
    const struct smx_logits *z = call->logits;
    double dot = 0;
    for (size_t c = 0; c < z->classes; c++) {
        double g = smx_get(call->upstream, z->dtype, smx_rows_index(z, r, c));
        dot += call->log ? g : g * row->p[c];
    }
    for (size_t c = 0; c < z->classes; c++) {
        size_t i = smx_rows_index(z, r, c);
        double g = smx_get(call->upstream, z->dtype, i), p = row->p[c];
        double d = call->log ? g - smx_times(p, dot) : smx_times(p, g - dot);
        double slope = smx_row_slope(z, i, row->d[c] == -INFINITY);
        smx_set(call->out, z->dtype, i, smx_times(d, slope));
    }
}

static void jacobian_row(void *argument, struct smx_row *row, size_t r)
{
    struct derivative_call *call = argument;
    const struct smx_logits *z = call->logits;
    size_t o = r / z->inner, n = r % z->inner, classes = z->classes;
    for (size_t j = 0; j < classes; j++)
        for (size_t i = 0; i < classes; i++) {
            double same = i == j;
            double d =
                call->log ? same - row->p[i] : row->p[j] * (same - row->p[i]);
            double slope = smx_row_slope(z, smx_rows_index(z, r, i),
                                         row->d[i] == -INFINITY);
            smx_set(call->out, z->dtype,
                    ((o * classes + j) * z->inner + n) * classes + i,
                    smx_times(d, slope));
        }
}

static enum smx_status check(const struct smx_logits *logits, size_t *count,
                             struct smx_where *where)
{
    enum smx_status status = smx_rows_check(logits);
    if (status)
        return status;
    *count = smx_rows_count(logits) * logits->classes;
    return smx_rows_finite(logits->data, logits->dtype, *count, true,
                           SMX_LOGITS, where);
}

enum smx_status smx_vjp(struct smx_context *context,
                        const struct smx_logits *logits, bool log,
                        const void *upstream, void *gradient,
                        struct smx_where *where)
{
    size_t count;
    enum smx_status status = smx_rows_check(logits);
    if (!status &&
        smx_plain_vjp(context, logits, log, upstream, gradient, &status))
        return status;
    status = check(logits, &count, where);
    if (!status)
        status = smx_rows_finite(upstream, logits->dtype, count, false,
                                 SMX_UPSTREAM, where);
    if (status)
        return status;
    struct derivative_call call = {logits, log, upstream, gradient};
    return smx_rows_for(context, logits, vjp_row, &call);
}

enum smx_status smx_jacobian(struct smx_context *context,
                             const struct smx_logits *logits, bool log,
                             void *jacobian, struct smx_where *where)
{
    size_t count, elements;
    enum smx_status status = smx_rows_check(logits);
    if (status)
        return status;
    count = smx_rows_count(logits) * logits->classes;
    if (__builtin_mul_overflow(count, logits->classes, &elements) ||
        elements > PTRDIFF_MAX / sizeof(double))
        return SMX_EOVERFLOW;
    status = check(logits, &count, where);
    if (status)
        return status;
    struct derivative_call call = {logits, log, NULL, jacobian};
    return smx_rows_for(context, logits, jacobian_row, &call);
}
