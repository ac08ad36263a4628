/* SPDX-License-Identifier: MIT */
/** A loss by labels or targets and its gradient in double-double: float64, and
 *  what of float32 leaves the doubles. */
#ifndef SMX_DD_LOSS_H
#define SMX_DD_LOSS_H

#include "api/beside.h"

/** smx_loss and, where gradient is not NULL, smx_gradient of operands that have
 *  been checked, over one load of the rows. out may be NULL; beside: opened for
 *  it; maxima: see struct smx_rows_work. SMX_ENOMEM: nothing was written. */
enum smx_status
smx_dd_loss(struct smx_context *context, const struct smx_logits *logits,
            const struct smx_dd *maxima, const struct smx_criterion *criterion,
            const void *upstream, void *gradient,
            const struct smx_loss_out *out, struct smx_beside *beside);

#endif
