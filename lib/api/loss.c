/* SPDX-License-Identifier: MIT */
/* Cross-entropy, how far a teacher is, and the gradient of either. */
#include <stdlib.h>

#include "arguments.h"
#include "beside.h"
#include "criterion.h"
#include "engine/engine.h"
#include "engine/split_exp.h"

/* Are rows looked at as they are loaded? Those of a loss that is stored once
 * all are there; of early outputs where the logits stay, so that what is wrong
 * with them can be found. */
static bool loads_unseen(const struct smx_logits *z, const void *gradient,
                         const struct smx_loss_out *out,
                         const struct smx_beside *beside)
{
    bool late = out && !gradient && !out->logsumexp && !out->argmax;
    bool early = out && out->early && gradient != z->data;
    return (late || early) && !smx_beside_wants(beside);
}

/* gradient NULL: none. */
static enum smx_status
loss_of(struct smx_context *context, const struct smx_logits *z,
        const struct smx_criterion *criterion, const void *upstream,
        void *gradient, const struct smx_loss_out *out,
        struct smx_beside *beside, struct smx_where *where)
{
    struct smx_dd *maxima = NULL;
    enum smx_status status = SMX_OK;
    if (criterion->teacher)
        return smx_divergence(context, z, criterion, upstream, gradient, out,
                              beside, where);
    if (smx_f32_loss(context, z, criterion, upstream, gradient, out, beside,
                     &status))
        return status;
    if (loads_unseen(z, gradient, out, beside) &&
        !smx_criterion_check(context, z, criterion, upstream, true, NULL)) {
        status = smx_dd_loss(context, z, true, NULL, criterion, upstream,
                             gradient, out, beside);
        if (status != SMX_ENONFINITE)
            return status;
    }
    status = smx_rows_scan_maxima(context, z, &maxima, where);
    if (!status)
        status =
            smx_criterion_check(context, z, criterion, upstream, false, where);
    if (!status)
        status = smx_dd_loss(context, z, false, maxima, criterion, upstream,
                             gradient, out, beside);
    free(maxima);
    return status;
}

/* Both entry points; descends: a gradient is wanted. */
static enum smx_status
answer_loss(struct smx_context *context, const struct smx_logits *logits,
            const struct smx_criterion *criterion, bool descends,
            const void *upstream, void *gradient,
            const struct smx_loss_out *out, struct smx_where *where)
{
    struct smx_logits z = {0};
    struct smx_criterion k;
    struct smx_loss_out wanted;
    struct smx_beside beside;
    enum smx_status status = smx_read_logits(logits, &z, where);
    if (!status)
        status = SMX_READ(criterion, &k, where, SMX_FIELD_CRITERION_SIZE);
    if (!status)
        status = SMX_READ_SINCE(offsetof(struct smx_loss_out, early), out,
                                &wanted, where, SMX_FIELD_OUT_SIZE);
    if (!status && descends && z.outer && !gradient)
        status = smx_blame(SMX_EARGUMENT, where, SMX_FIELD_GRADIENT, 0);
    if (status)
        return status;
    status = smx_beside_open(context, &beside, &z, &k, &wanted, where);
    if (!status)
        status = loss_of(context, &z, &k, upstream, gradient,
                         out ? &wanted : NULL, &beside, where);
    smx_beside_close(&beside);
    return status;
}

enum smx_status smx_loss(struct smx_context *context,
                         const struct smx_logits *logits,
                         const struct smx_criterion *criterion,
                         const struct smx_loss_out *out,
                         struct smx_where *where)
{
    return answer_loss(context, logits, criterion, false, NULL, NULL, out,
                       where);
}

enum smx_status smx_gradient(struct smx_context *context,
                             const struct smx_logits *logits,
                             const struct smx_criterion *criterion,
                             const void *upstream, void *gradient,
                             const struct smx_loss_out *loss,
                             struct smx_where *where)
{
    return answer_loss(context, logits, criterion, true, upstream, gradient,
                       loss, where);
}
