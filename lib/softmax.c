/* SPDX-License-Identifier: MIT */
/* p_c = exp(z'_c - lse), and what can be read off a row beside it. */
#include <math.h>
#include <stdlib.h>

#include "plain.h"
#include "row.h"

struct softmax_call {
    const struct smx_logits *logits;
    const struct smx_softmax_out *out;
};

struct ranked {
    double logit;
    size_t class;
};

static int by_rank(const void *left, const void *right)
{
    const struct ranked *a = left, *b = right;
    if (a->logit != b->logit)
        return a->logit < b->logit ? 1 : -1;
    return a->class < b->class ? -1 : 1;
}

static double value_of(const struct smx_softmax_out *out,
                       const struct smx_row *row, size_t c)
{
    if (!out->log)
        return smx_row_p(row, c).hi;
    return smx_row_log(row, c).hi;
}

static void put_top(struct softmax_call *call, struct smx_row *row, size_t r)
{
    const struct smx_softmax_out *out = call->out;
    struct smx_logits shape = *call->logits;
    struct ranked *ranked = row->extra;
    /* by the logits: softcap, temperature and z' - max may round two to one */
    for (size_t c = 0; c < row->classes; c++) {
        double logit = smx_get(shape.data, shape.dtype,
                               smx_rows_index(call->logits, r, c));
        ranked[c] = (struct ranked){row->masked[c] ? -INFINITY : logit, c};
    }
    qsort(ranked, row->classes, sizeof *ranked, by_rank);
    shape.classes = out->top_k;
    for (size_t k = 0; k < out->top_k; k++) {
        size_t i = smx_rows_index(&shape, r, k), c = ranked[k].class;
        if (out->indices)
            out->indices[i] = (int64_t)c;
        if (out->values)
            smx_set(out->values, shape.dtype, i, value_of(out, row, c));
    }
}

/* H = log S - sum p d, with 0 * log 0 = 0. */
static double entropy(const struct smx_row *row)
{
    struct smx_two sum = {0, 0};
    for (size_t c = 0; c < row->classes; c++)
        if (row->p[c].hi > 0)
            two_accumulate(&sum, two_mul(row->p[c], row->d[c]));
    sum = two_scale(two_settle(sum), 0x1p-128);
    return two_add(row->logsum, two_negate(sum)).hi;
}

static void put_row(void *argument, struct smx_row *row, size_t r)
{
    struct softmax_call *call = argument;
    const struct smx_softmax_out *out = call->out;
    const struct smx_logits *z = call->logits;
    if (out->logsumexp)
        smx_set(out->logsumexp, z->dtype, r, row->lse);
    if (out->entropy)
        smx_set(out->entropy, z->dtype, r, entropy(row));
    if (out->argmax)
        out->argmax[r] = (int64_t)row->argmax;
    if (out->top_k)
        put_top(call, row, r);
    else if (out->values)
        for (size_t c = 0; c < row->classes; c++)
            smx_set(out->values, z->dtype, smx_rows_index(z, r, c),
                    value_of(out, row, c));
}

static bool only_values(const struct smx_softmax_out *out)
{
    return out->values && !out->top_k && !out->logsumexp && !out->entropy &&
           !out->argmax;
}

enum smx_status smx_softmax(struct smx_context *context,
                            const struct smx_logits *logits,
                            const struct smx_softmax_out *out,
                            struct smx_where *where)
{
    enum smx_status status = smx_rows_check(logits);
    if (status)
        return status;
    if (out->top_k > logits->classes)
        return SMX_EARGUMENT;
    if (only_values(out) && smx_plain(logits))
        return smx_plain_softmax(context, logits, out->log, out->values, where);
    size_t count = smx_rows_count(logits) * logits->classes;
    status = smx_rows_finite(logits->data, logits->dtype, count, true,
                             SMX_LOGITS, where);
    if (status)
        return status;
    struct softmax_call call = {logits, out};
    struct smx_rows rows;
    size_t extra = out->top_k ? logits->classes * sizeof(struct ranked) : 0;
    status = smx_rows_open(&rows, context, logits, extra);
    if (!status)
        smx_rows_run(&rows, put_row, &call);
    smx_rows_close(&rows);
    return status;
}
