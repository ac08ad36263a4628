/* SPDX-License-Identifier: MIT */
/** The short way for the loss of plain logits (f32_softmax.h) and its gradient.
 */
#ifndef SMX_F32_LOSS_H
#define SMX_F32_LOSS_H

#include "api/context.h"

struct smx_beside;

/**
 * Loss, and the gradient where that is not NULL, as smx_loss and smx_gradient
 * have them. out may be NULL with a gradient; beside: opened for it. The sizes
 * have been checked.
 *
 * @return false when the operands are not plain or one of them is to be
 *         refused; nothing is written, and the long way will say which.
 *         Else *status is SMX_OK or SMX_ENOMEM.
 */
bool smx_f32_loss(struct smx_context *context, const struct smx_logits *logits,
                  const struct smx_criterion *criterion, const float *upstream,
                  float *gradient, const struct smx_loss_out *out,
                  struct smx_beside *beside, enum smx_status *status);

#endif
