/* SPDX-License-Identifier: MIT */
/**
 * float32 logits that the vector kernels read where they are: class axis last,
 * no mask, no softcap that leaves the doubles.
 */
#ifndef SMX_F32_H
#define SMX_F32_H

#include "api/context.h"
#include "summary.h"

/** Bytes that so many rows of so many classes need beside their tensors. k: as
 *  in smx_f32_rows. */
size_t smx_f32_workspace(size_t rows, size_t classes, size_t k);

/** values of smx_softmax, of logits that need not have been looked at: of all
 * classes or, where k is not 0, of k chosen ones of each row, side by side;
 * then there are more than SMX_NARROW classes. values NULL: no more than what
 * is seen, likewise. seen: what is to be found beside, of rows of more classes
 * all or nothing, else totals alone; or NULL. workspace: of that many bytes,
 * aligned for doubles. early: values and what is seen of rows without an error
 * may be written although SMX_OK is not returned; else nothing is, and never
 * SMX_ENOMEM is. whole: elements of what values are a tile of, which is left
 * when they are written; large ones do not pass through the cache. */
enum smx_status smx_f32_rows(struct smx_context *context,
                             const struct smx_logits *logits, bool log,
                             size_t k, const int64_t *chosen, float *values,
                             const struct smx_seen *seen, void *workspace,
                             bool early, size_t whole, struct smx_where *where);

#endif
