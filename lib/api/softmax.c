/* SPDX-License-Identifier: MIT */
/* p_c = exp(z'_c - lse), and what can be read off a row beside it. */
#include <math.h>
#include <stdlib.h>

#include "engine/axis.h"
#include "engine/plain.h"
#include "engine/row.h"
#include "engine/top.h"

struct softmax_call {
    const struct smx_logits *logits;
    const struct smx_softmax_out *out;
    int64_t *indices; /* of the top-k */
};

/* The tile's values, from e unless they are logarithms. */
static void evaluate(struct smx_row *row, bool log, const double *e,
                     bool stream, double *out)
{
    if (log)
        row->kernels->logs(row->tile.hi, row->tile.lo, row->count, row->logsum,
                           out);
    else
        row->kernels->scale(e, row->count, row->inverse.hi, stream, out);
}

static struct smx_two put_tile(const void *argument, struct smx_row *row)
{
    const struct smx_softmax_out *wanted = argument;
    const double *kept = smx_row_kept(row);
    double *out = smx_row_out(row, wanted->values);
    if (!kept)
        smx_row_tile(row, row->first, wanted->log ? SMX_ROW_D : SMX_ROW_E);
    evaluate(row, wanted->log, kept ? kept : row->tile.e, row->stream, out);
    smx_row_put(row, out, wanted->values);
    return (struct smx_two){0, 0};
}

/* The classes found, gathered a tile at a time. */
static void put_top(const struct softmax_call *call, struct smx_row *row)
{
    const struct smx_softmax_out *out = call->out;
    const struct smx_logits *z = call->logits;
    struct smx_logits shape = *z;
    shape.classes = out->top_k;
    size_t i = smx_rows_index(&shape, row->r, 0);
    int64_t *indices = call->indices + i;
    smx_top_find(row, out->top_k, indices, z->inner);
    if (!out->values)
        return;
    for (size_t first = 0; first < out->top_k; first += SMX_TILE) {
        size_t left = out->top_k - first;
        size_t count = left < SMX_TILE ? left : SMX_TILE;
        smx_row_gather(row, indices + first * z->inner, z->inner, count);
        evaluate(row, out->log, row->tile.e, false, row->out);
        for (size_t k = 0; k < count; k++)
            smx_set(out->values, z->dtype, i + (first + k) * z->inner,
                    row->out[k]);
    }
}

static struct smx_two terms_of(const void *argument, struct smx_row *row)
{
    const struct smx_row_kernels *k = row->kernels;
    (void)argument;
    k->terms(row->tile.e, row->tile.hi, row->tile.lo, row->n, row->out);
    return k->sum(row->out, row->n);
}

/* H = log S - sum p d, with 0 * log 0 = 0. */
static double entropy(struct smx_row *row)
{
    struct smx_two sum = smx_row_sweep(row, SMX_ROW_E, terms_of, NULL, two_add);
    sum = two_mul(two_scale(sum, 0x1p-128), row->inverse);
    return two_add(row->logsum, two_negate(sum)).hi;
}

static void put_row(void *argument, struct smx_row *row, size_t r)
{
    struct softmax_call *call = argument;
    const struct smx_softmax_out *out = call->out;
    enum smx_dtype dtype = call->logits->dtype;
    if (out->logsumexp)
        smx_set(out->logsumexp, dtype, r, smx_row_lse(row));
    if (out->entropy)
        smx_set(out->entropy, dtype, r, entropy(row));
    if (out->argmax)
        out->argmax[r] = (int64_t)row->argmax;
    if (out->top_k && call->indices)
        put_top(call, row);
    else if (out->values)
        smx_row_sweep(row, SMX_ROW_PLACE, put_tile, out, NULL);
}

static bool only_values(const struct smx_softmax_out *out)
{
    return out->values && !out->top_k && !out->logsumexp && !out->entropy &&
           !out->argmax;
}

/* Of rows that are a tile or less, as longer ones keep exponentials in their
 * output; of short ones the lines that they share would count. */
static bool is_streamed(const struct smx_logits *z,
                        const struct smx_softmax_out *out)
{
    size_t doubles = smx_rows_count(z) * z->classes;
    return z->inner == 1 && out->values != z->data &&
           z->classes >= SMX_TILE / 4 && z->classes <= SMX_TILE &&
           doubles * sizeof(double) >= SMX_STREAMED * sizeof(float);
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
    if (only_values(out) && smx_axis_takes(logits))
        return smx_axis_softmax(context, logits, out->log, out->values, where);
    struct smx_two *tops;
    int64_t *indices = NULL; /* top-k values alone need a place for them */
    status = smx_rows_scan_tops(context, logits, &tops, where);
    if (status)
        return status;
    struct softmax_call call = {logits, out, out->indices};
    if (out->top_k && out->values && !out->indices) {
        size_t count = smx_rows_count(logits) * out->top_k;
        call.indices = indices = malloc((count + 1) * sizeof *indices);
        if (!indices) {
            free(tops);
            return SMX_ENOMEM;
        }
    }
    struct smx_rows_work work = {
        .run = put_row,
        .argument = &call,
        .tops = tops,
        .logs = out->log || out->entropy,
        .logsum = out->log || out->entropy || out->logsumexp,
        .serial = out->top_k != 0,
    };
    if (logits->dtype == SMX_FLOAT64 && !out->top_k && !work.logs)
        work.keep = out->values;
    work.stream = work.keep && is_streamed(logits, out);
    smx_rows_run(context, logits, &work);
    free(indices);
    free(tops);
    return SMX_OK;
}
