/* SPDX-License-Identifier: MIT */
/* What is asked of a tile of rows beside their loss. */
#include "api/criterion.h"
#include "engine.h"
#include "load.h"
#include "loss_call.h"
#include "summary.h"

bool smx_loss_summarises(const struct smx_loss_call *call)
{
    const struct smx_loss_out *out = call->out;
    return call->entropy_out ||
           (out && (out->logsumexp || out->argmax || out->accuracy));
}

/* The sums of in-range rows, which the loss has found by chunks. */
static bool shares_sums(const struct smx_loss_call *call)
{
    return call->way == SMX_WAY_CHUNKS && call->split.possible;
}

/* Of the accuracy: the classes found, unless they are answered themselves, and
 * those aimed at, unless they are labels. */
size_t smx_loss_ranks(const struct smx_loss_call *call)
{
    if (!call->out || !call->out->accuracy)
        return 0;
    return (size_t)!call->out->argmax + !!call->asked->targets;
}

size_t smx_loss_summary_bytes(const struct smx_loss_call *call, size_t rows)
{
    if (!smx_loss_summarises(call))
        return 0;
    size_t seen = shares_sums(call) ? 3 * sizeof(double) : 0;
    return smx_summary_bytes(rows, call->classes) + rows * seen;
}

void smx_loss_place_seen(struct smx_loss_call *call)
{
    if (!call->summaries || !shares_sums(call))
        return;
    size_t bytes = smx_summary_bytes(call->tiles.most, call->classes);
    double *totals = (void *)((char *)call->summaries + bytes);
    call->seen = (struct smx_seen){
        totals, call->entropy_out ? totals + call->tiles.most : NULL,
        (void *)(totals + 2 * call->tiles.most)};
}

static void find_aims(struct smx_context *context, struct smx_loss_call *call)
{
    const struct smx_summaries aims = {
        .argmax = call->ranks + (call->out->argmax ? 0 : call->tiles.most)};
    smx_summarise(context, call->mass.targets, call->rows, call->classes, 1,
                  NULL, &aims, call->summaries);
    for (size_t r = 0; r < call->rows; r++)
        call->hits += aims.argmax[r] == call->found[r];
}

static void count_hits(struct smx_loss_call *call)
{
    const int64_t *labels = call->criterion.labels;
    for (size_t r = 0; r < call->rows; r++)
        call->hits += labels[r] == call->found[r] &&
                      !smx_criterion_ignores(&call->criterion, r);
}

void smx_loss_summarise(struct smx_context *context, struct smx_loss_call *call,
                        size_t first)
{
    const struct smx_loss_out *out = call->out;
    struct smx_summaries summaries = {0};
    if (!smx_loss_summarises(call))
        return;
    if (call->entropy_out)
        summaries.entropy = call->entropy_out + first;
    if (out->logsumexp && !call->logits->softcap) /* else: the lanes' */
        summaries.logsumexp = (float *)out->logsumexp + first;
    if (out->argmax)
        summaries.argmax = out->argmax + first;
    else if (out->accuracy)
        summaries.argmax = call->ranks;
    call->found = summaries.argmax;
    smx_summarise(context, call->z, call->rows, call->classes,
                  smx_temperature_of(call->logits), &call->seen, &summaries,
                  call->summaries);
    if (!out->accuracy)
        return;
    if (call->asked->targets)
        find_aims(context, call);
    else
        count_hits(call);
}
