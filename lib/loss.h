/* SPDX-License-Identifier: MIT */
#ifndef SMX_LOSS_H
#define SMX_LOSS_H

#include "context.h"

/** smx_loss of operands that have been checked. */
enum smx_status smx_loss_checked(struct smx_context *context,
                                 const struct smx_logits *logits,
                                 const struct smx_criterion *criterion,
                                 const struct smx_loss_out *out);

#endif
