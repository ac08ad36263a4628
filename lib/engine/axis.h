/* SPDX-License-Identifier: MIT */
/**
 * Plain logits whose class axis is not the last: their rows are copied side
 * by side, computed as with the class axis last, and copied back.
 */
#ifndef SMX_AXIS_H
#define SMX_AXIS_H

#include "api/context.h"

/** float32, class axis not last, neither mask nor softcap. */
bool smx_axis_takes(const struct smx_logits *logits);

/** values of smx_softmax without top_k. */
enum smx_status smx_axis_softmax(struct smx_context *context,
                                 const struct smx_logits *logits, bool log,
                                 float *values, struct smx_where *where);

/** Rows first to first + count of a tensor of the logits' shape, side by side
 *  in copy. */
void smx_axis_gather(struct smx_context *context,
                     const struct smx_logits *logits, const float *tensor,
                     size_t first, size_t count, float *copy);

/** The way back. */
void smx_axis_scatter(struct smx_context *context,
                      const struct smx_logits *logits, const float *copy,
                      size_t first, size_t count, float *tensor);

#endif
