/* SPDX-License-Identifier: MIT */
/** From the losses of rows to what is answered of all of them. */
#ifndef SMX_REDUCTION_H
#define SMX_REDUCTION_H

#include "api/criterion.h"

struct smx_row_losses {
    const double *losses; /* one a row, weighted */
    const double *others; /* likewise: z-loss and entropy; NULL: none */
    bool divided;         /* each by what a mean divides by */
    size_t hits;          /* rows whose largest logit is the one aimed at */
};

/** Loss, divisor, rows and accuracy of out; n: what a mean divides by. */
void smx_losses_store(const struct smx_kernels *kernels,
                      const struct smx_logits *logits,
                      const struct smx_criterion *criterion,
                      const struct smx_counts *n,
                      const struct smx_row_losses *rows,
                      const struct smx_loss_out *out);

#endif
