/* SPDX-License-Identifier: MIT */
/** How the kernels find the distances of a row's logits from the largest. */
#ifndef SMX_DISTANCE_H
#define SMX_DISTANCE_H

#include "row_kernels.h"

/** Of the logits; 1 where none is set. */
double smx_distance_temperature(const struct smx_logits *logits);

/** The power of two that keeps products of logits, temperature and softcap
 *  within range, given the largest logit. */
double smx_distance_before(const struct smx_logits *logits, double largest);

/** distance of a row, given its largest logit. before of another row, or 0,
 *  says what of it is there already. */
void smx_distance_measure(struct smx_distance *distance,
                          const struct smx_logits *logits, double largest);

#endif
