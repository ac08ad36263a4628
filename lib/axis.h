/* SPDX-License-Identifier: MIT */
/**
 * Plain logits whose class axis is not the last: their rows are copied side
 * by side, computed as with the class axis last, and copied back.
 */
#ifndef SMX_AXIS_H
#define SMX_AXIS_H

#include "context.h"

/** float32, class axis not last, neither mask nor softcap. */
bool smx_axis_takes(const struct smx_logits *logits);

/**
 * values of smx_softmax without top_k.
 *
 * @return false when a logit is to be refused or the copy finds no room:
 *         nothing is written, the long way takes over.
 */
bool smx_axis_softmax(struct smx_context *context,
                      const struct smx_logits *logits, bool log, float *values,
                      enum smx_status *status);

/** As smx_plain_loss, whose rules for false hold here too. */
bool smx_axis_loss(struct smx_context *context, const struct smx_logits *logits,
                   const struct smx_criterion *criterion, const float *upstream,
                   float *gradient, const struct smx_loss_out *out,
                   enum smx_status *status);

#endif
