/* SPDX-License-Identifier: MIT */
/* p_c = exp(z'_c - lse), and what can be read off a row beside it. */
#include "engine.h"

#include "dd_row.h"
#include "lanes.h"
#include "plan.h"

struct dd_call {
    const struct smx_logits *logits;
    bool log;
    size_t k; /* classes of a row that are answered alone; 0: all are */
    const int64_t *chosen;
    const struct smx_softmax_out *out;
};

static void finish_tile(const struct dd_call *call, struct smx_row *row,
                        double *out)
{
    if (call->log)
        row->kernels->logs(smx_row_nats(row), row->count, row->logsum,
                           row->stream, out);
    else
        row->kernels->scale(row->e, row->count, row->inverse.hi, row->stream,
                            out);
}

static struct smx_dd store_dd_tile(const void *argument, struct smx_row *row)
{
    const struct dd_call *call = argument;
    double *out = smx_row_final_out(row);
    if (!call->log)
        smx_row_exponentials(row);
    finish_tile(call, row, out);
    smx_row_put(row, out);
    return (struct smx_dd){0, 0};
}

static void store_dd_chosen(const struct dd_call *call, struct smx_row *row,
                            size_t r)
{
    size_t first = r * call->k, end = first + call->k;
    for (size_t n; first < end; first += n) {
        n = end - first < row->slot ? end - first : row->slot;
        smx_row_gather(row, call->chosen + first, n);
        finish_tile(call, row, row->out);
        for (size_t i = 0; i < n; i++)
            smx_set(call->out->values, call->logits->dtype, first + i,
                    row->out[i]);
    }
}

static void store_dd_row(void *argument, struct smx_row *row, size_t r)
{
    const struct dd_call *call = argument;
    const struct smx_softmax_out *out = call->out;
    enum smx_dtype dtype = call->logits->dtype;
    if (out->logsumexp)
        smx_set(out->logsumexp, dtype, r, smx_row_lse(row));
    if (out->entropy)
        smx_set(out->entropy, dtype, r, smx_row_entropy(row));
    if (out->argmax)
        out->argmax[r] = (int64_t)row->argmax;
    if (out->values && call->k)
        store_dd_chosen(call, row, r);
    else if (out->values)
        smx_row_sweep(row, call->log ? SMX_ROW_D : SMX_ROW_PLACE, store_dd_tile,
                      call, NULL);
}

enum smx_status smx_dd_softmax(struct smx_context *context,
                               const struct smx_logits *z,
                               const struct smx_dd *maxima, bool log, size_t k,
                               const int64_t *chosen, size_t whole,
                               const struct smx_softmax_out *out)
{
    struct dd_call call = {z, log, k, chosen, out};
    struct smx_rows_work work = {
        .run = store_dd_row,
        .argument = &call,
        .output = k ? NULL : out->values,
        .zeros = true,
        .maxima = maxima,
        .logs = z->softcap && (log || out->entropy),
        .total = out->entropy ? smx_row_terms : NULL,
        .logsum = log || out->entropy || out->logsumexp,
        .sums_only = (log || !out->values) && !out->entropy,
        .unseen = out->early,
    };
    if (smx_plan_softmax(z, log, !k) == SMX_WAY_DD_LANES) {
        struct smx_lanes lanes = smx_lanes_of(z);
        lanes.values = out->values;
        lanes.log = log;
        lanes.logsumexp = out->logsumexp;
        lanes.entropy = out->entropy;
        lanes.argmax = out->argmax;
        lanes.unseen = work.unseen;
        return smx_lanes_run(context, &lanes, &work, NULL);
    }
    work.keep = !log;
    work.over = !out->entropy;
    work.stream = out->values != z->data && smx_rows_streamed(z, whole);
    return smx_rows_run(context, z, &work);
}
