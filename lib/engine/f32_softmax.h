/* SPDX-License-Identifier: MIT */
/**
 * The short way for plain logits: float32, class axis last, neither mask nor
 * softcap. The vector kernels read them where they are.
 */
#ifndef SMX_F32_H
#define SMX_F32_H

#include "api/context.h"

bool smx_f32_takes(const struct smx_logits *logits);

/** Elements beyond which an output had better not pass through the cache. */
#define SMX_STREAMED ((size_t)3 << 20)

/** Bytes that so many rows of so many classes need beside their tensors. */
size_t smx_f32_workspace(size_t rows, size_t classes);

/** values of smx_softmax, of logits that have been checked. totals: the sum of
 *  each row's exponentials as split_exp.h has them, 0 of a row that is not
 * in-range; or NULL. room: of that many bytes, aligned for doubles; never
 * SMX_ENOMEM. */
enum smx_status smx_f32_rows(struct smx_context *context,
                             const struct smx_logits *logits, bool log,
                             float *values, double *totals, void *workspace,
                             struct smx_where *where);

#endif
