/* SPDX-License-Identifier: MIT */
#include "beside.h"

#include "arguments.h"
#include "engine/plan.h"

/* Has the loss none of a softmax's log-sum-exps? One by a teacher has no other;
 * those of rows that a softmax takes in lanes, but not the loss, and of wide
 * float32 rows with a softcap differ in their last bit. */
static bool lse_differs(const struct smx_logits *logits,
                        const struct smx_criterion *criterion)
{
    if (criterion->teacher)
        return true;
    if (smx_plan_lanes(logits, NULL))
        return !smx_plan_lanes(logits, criterion);
    return logits->dtype == SMX_FLOAT32 && logits->softcap;
}

static bool asks_values(const struct smx_softmax_out *out)
{
    return out->values || out->entropy || out->logsumexp || out->argmax;
}

enum smx_status smx_beside_open(struct smx_context *context,
                                struct smx_beside *beside,
                                const struct smx_logits *logits,
                                const struct smx_criterion *criterion,
                                struct smx_loss_out *out,
                                struct smx_where *where)
{
    enum smx_status status = SMX_OK;
    struct smx_softmax_out asked = {.values = out->log_probabilities,
                                    .entropy = out->entropy};
    *beside = (struct smx_beside){.values.logits = NULL};
    if (out->rank && smx_rows_count(logits) && !criterion->labels)
        return smx_blame(SMX_EARGUMENT, where, SMX_FIELD_RANK, 0);
    if (out->logsumexp && lse_differs(logits, criterion)) {
        asked.logsumexp = out->logsumexp;
        out->logsumexp = NULL;
    }
    if (criterion->teacher) {
        asked.argmax = out->argmax;
        out->argmax = NULL;
    }
    if (asks_values(&asked)) {
        beside->values = (struct smx_softmax_call){.context = context,
                                                   .logits = logits,
                                                   .options.log = true,
                                                   .out = asked};
        status = smx_softmax_open(&beside->values);
    }
    if (!status && out->rank) {
        beside->ranks =
            (struct smx_softmax_call){.context = context,
                                      .logits = logits,
                                      .options = {.chosen = criterion->labels,
                                                  .chosen_count = 1,
                                                  .chosen_each_row = true},
                                      .out.rank = out->rank,
                                      .ignore = criterion->ignore,
                                      .ignore_index = criterion->ignore_index};
        status = smx_softmax_open(&beside->ranks);
    }
    return status;
}

bool smx_beside_wants(const struct smx_beside *beside)
{
    return asks_values(&beside->values.out) || beside->ranks.out.rank;
}

void *smx_beside_take_entropy(struct smx_beside *beside)
{
    void *entropy = beside->values.out.entropy;
    beside->values.out.entropy = NULL;
    return entropy;
}

void smx_beside_answer(struct smx_beside *beside)
{
    if (asks_values(&beside->values.out))
        smx_softmax_answer(&beside->values);
    if (beside->ranks.out.rank)
        smx_softmax_answer(&beside->ranks);
}

void smx_beside_close(struct smx_beside *beside)
{
    smx_softmax_close(&beside->values);
    smx_softmax_close(&beside->ranks);
}
