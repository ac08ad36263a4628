/* SPDX-License-Identifier: MIT */
/** From the losses of rows to what is answered of all of them. */
#ifndef SMX_REDUCTION_H
#define SMX_REDUCTION_H

#include "api/criterion.h"
#include "simd/extended.h"

struct smx_row_losses {
    double *losses; /* one a row, weighted; NaN: the row is among the faint */
    double *others; /* likewise: z-loss and entropy; NULL: none */
    double *faint;  /* smx_faint_of both; may be others; NULL: none */
    bool divided;   /* each by what a mean divides by */
    size_t hits;    /* rows whose largest logit is the one aimed at */
};

/** 2^512 times a row's share of the answer where that is small, else 0: a row's
 *  own double, and the sum of such, would lose digits as subnormals. */
static inline double smx_faint_of(struct smx_ext share)
{
    if (share.m.hi == 0 || share.e > -500)
        return 0;
    share.e += 512;
    return ext_get(share);
}

/** Loss, divisor, rows and accuracy of out; n: what a mean divides by. */
void smx_losses_store(const struct smx_kernels *kernels,
                      const struct smx_logits *logits,
                      const struct smx_criterion *criterion,
                      const struct smx_counts *n,
                      const struct smx_row_losses *rows,
                      const struct smx_loss_out *out);

#endif
