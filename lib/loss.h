/* SPDX-License-Identifier: MIT */
#ifndef SMX_LOSS_H
#define SMX_LOSS_H

#include "rows.h"

/** smx_loss of operands that have been checked; nothing is written unless
 *  SMX_OK is returned. */
enum smx_status smx_loss_checked(struct smx_rows *rows,
                                 const struct smx_logits *logits,
                                 const struct smx_criterion *criterion,
                                 const struct smx_loss_out *out);

#endif
