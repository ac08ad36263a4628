/* SPDX-License-Identifier: MIT */
/** How the kernels find the shifted logits of a row's logits from the largest.
 */
#ifndef SMX_DD_SHIFT_H
#define SMX_DD_SHIFT_H

#include "dd_kernels.h"

/** The power of two that keeps products of logits, temperature and softcap
 *  within range, given the largest logit. */
double smx_shift_prescale(const struct smx_logits *logits, double largest);

/** shifted logit of a row, given its largest logit. before of another row, or
 * 0, says what of it is there already. */
void smx_shift_measure(struct smx_shift *shift, const struct smx_logits *logits,
                       double largest);

#endif
