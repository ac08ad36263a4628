/* SPDX-License-Identifier: MIT */
#ifndef SMX_LOSS_H
#define SMX_LOSS_H

#include "beside.h"
#include "extended.h"
#include "engine/rows.h"

/** What else is done with each row, after its loss. */
struct smx_loss_also {
    void (*work)(void *argument, const struct smx_factors *factors,
                 struct smx_row *row);
    void *argument;
    void *gradient; /* where that is the loss's gradient, and its upstream */
    const void *upstream;
};

/** smx_loss of operands that have been checked, over one load of the rows.
 *  out may be NULL, also too, and maxima (rows.h); beside: opened for out.
 *  Nothing is written unless
 *  SMX_OK is returned. */
enum smx_status smx_loss_checked(struct smx_context *context,
                                 const struct smx_logits *logits,
                                 const struct smx_dd *maxima,
                                 const struct smx_criterion *criterion,
                                 const struct smx_loss_out *out,
                                 struct smx_beside *beside,
                                 const struct smx_loss_also *also);

#endif
