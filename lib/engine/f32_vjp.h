/* SPDX-License-Identifier: MIT */
/** The short way for the product of plain logits (f32_softmax.h) with the
 * Jacobian.
 */
#ifndef SMX_F32_VJP_H
#define SMX_F32_VJP_H

#include "api/context.h"

/**
 * As smx_vjp. The sizes have been checked.
 *
 * @return false when the logits are not plain or an operand is to be refused;
 *         nothing is written, and the long way will say which. Else *status
 *         is SMX_OK or SMX_ENOMEM.
 */
bool smx_f32_vjp(struct smx_context *context, const struct smx_logits *logits,
                 bool log, const float *upstream, float *gradient,
                 enum smx_status *status);

#endif
