/* SPDX-License-Identifier: MIT */
/** Divergences between the distribution of each row and a teacher's: a loss and
 *  its gradient, in place of a cross-entropy. */
#ifndef SMX_DIVERGENCE_H
#define SMX_DIVERGENCE_H

#include "rows.h"

struct smx_beside;

/** smx_loss and, where gradient is not NULL, smx_gradient of a criterion with a
 *  teacher. Checks the elements of all operands. beside: opened for it. */
enum smx_status
smx_divergence(struct smx_context *context, const struct smx_logits *logits,
               const struct smx_criterion *criterion, const void *upstream,
               void *gradient, const struct smx_loss_out *out,
               struct smx_beside *beside, struct smx_where *where);

#endif
