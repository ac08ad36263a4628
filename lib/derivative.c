/* SPDX-License-Identifier: MIT */
/* Derivatives of softmax itself: d a_j / d z_i = a_j (delta_ij - a_i). */
#include <math.h>

#include "plain_vjp.h"
#include "row.h"

struct derivative_call {
    const struct smx_logits *logits;
    bool log;
    const void *upstream;
    void *out;
};

/* f p_c times the slope at class i; p_c may be subnormal where that is not. */
static double product(const struct derivative_call *call,
                      const struct smx_row *row, struct smx_two f, size_t c,
                      size_t r, size_t i)
{
    const struct smx_logits *z = call->logits;
    bool large = fabs(f.hi) > 0x1p+800;
    struct smx_two p = large ? smx_row_p(row, c) : row->p[c];
    return smx_row_bend(row, z, i, smx_rows_index(z, r, i), two_mul(p, f),
                        large ? 0 : SMX_ROW_SHIFT);
}

static void vjp_row(void *argument, struct smx_row *row, size_t r)
{
    struct derivative_call *call = argument;
    const struct smx_logits *z = call->logits;
    struct smx_two dot = {0, 0};
    for (size_t c = 0; c < z->classes; c++) {
        struct smx_two g = {0, 0};
        g.hi = smx_get(call->upstream, z->dtype, smx_rows_index(z, r, c));
        two_accumulate(&dot, call->log ? g : two_mul(g, smx_row_p(row, c)));
    }
    struct smx_two minus = two_negate(two_settle(dot));
    for (size_t c = 0; c < z->classes; c++) {
        size_t i = smx_rows_index(z, r, c);
        struct smx_two g = {smx_get(call->upstream, z->dtype, i), 0}, d;
        double value;
        if (!call->log) {
            value = product(call, row, two_add(g, minus), c, r, c);
        } else if (g.hi == 0) {
            value = product(call, row, minus, c, r, c);
        } else {
            d = two_add(g, two_mul(smx_row_p(row, c), minus));
            value = smx_row_bend(row, z, c, i, d, 0);
        }
        smx_set(call->out, z->dtype, i, value);
    }
}

/* delta_ij - a_i, times a_j for softmax: the smaller factor is the one that
 * may be subnormal. */
static double jacobian_element(const struct derivative_call *call,
                               const struct smx_row *row, size_t r, size_t j,
                               size_t i)
{
    struct smx_two one = {1, 0}, minus = two_negate(smx_row_p(row, i));
    if (call->log && i == j)
        return smx_row_bend(row, call->logits, i,
                            smx_rows_index(call->logits, r, i),
                            two_add(one, minus), 0);
    if (call->log)
        return product(call, row, two_negate(one), i, r, i);
    if (i == j)
        return product(call, row, two_add(one, minus), j, r, i);
    bool first = row->p[j].hi < row->p[i].hi;
    struct smx_two larger = smx_row_p(row, first ? i : j);
    return product(call, row, two_negate(larger), first ? j : i, r, i);
}

static void jacobian_row(void *argument, struct smx_row *row, size_t r)
{
    struct derivative_call *call = argument;
    const struct smx_logits *z = call->logits;
    size_t o = r / z->inner, n = r % z->inner, classes = z->classes;
    for (size_t j = 0; j < classes; j++)
        for (size_t i = 0; i < classes; i++)
            smx_set(call->out, z->dtype,
                    ((o * classes + j) * z->inner + n) * classes + i,
                    jacobian_element(call, row, r, j, i));
}

static enum smx_status run(struct smx_context *context,
                           void (*work)(void *, struct smx_row *, size_t),
                           struct derivative_call *call)
{
    struct smx_rows rows;
    enum smx_status status = smx_rows_open(&rows, context, call->logits, 0);
    if (!status)
        smx_rows_run(&rows, work, call);
    smx_rows_close(&rows);
    return status;
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
    return run(context, vjp_row, &call);
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
    return run(context, jacobian_row, &call);
}
