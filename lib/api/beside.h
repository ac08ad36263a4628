/* SPDX-License-Identifier: MIT */
/** What a loss is asked for that a softmax answers: entropy, log-probabilities,
 *  the labels' ranks, of a teacher's loss all that is. Its memory is there
 *  before anything is written, and its answers before the gradient may take the
 *  logits' place. */
#ifndef SMX_BESIDE_H
#define SMX_BESIDE_H

#include "softmax_call.h"

struct smx_beside {
    struct smx_softmax_call values; /* of all classes; asks for none: closed */
    struct smx_softmax_call ranks;  /* of the labels, likewise */
};

/** Takes out of *out what is answered here. SMX_EARGUMENT: ranks without
 * labels; SMX_ENOMEM. To be closed either way. */
enum smx_status smx_beside_open(struct smx_context *context,
                                struct smx_beside *beside,
                                const struct smx_logits *logits,
                                const struct smx_criterion *criterion,
                                struct smx_loss_out *out,
                                struct smx_where *where);

/** Is anything left to be answered here? */
bool smx_beside_wants(const struct smx_beside *beside);

/** Where the entropy goes, which is not answered here then; or NULL. */
void *smx_beside_take_entropy(struct smx_beside *beside);

/** Of operands that have been checked, each element. */
void smx_beside_answer(struct smx_beside *beside);

void smx_beside_close(struct smx_beside *beside);

#endif
