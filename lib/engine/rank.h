/* SPDX-License-Identifier: MIT */
/** Where chosen classes stand in their row. */
#ifndef SMX_RANK_H
#define SMX_RANK_H

#include "api/context.h"

/** Bytes that the ranks of k classes need for each row beside their place. */
size_t smx_rank_bytes(size_t classes, size_t k);

/**
 * Puts into ranks[r * k + i] how many classes of row r come before class
 * chosen[r * k + i] in the order of smx_top_find: those with a larger logit,
 * and with an equal one the lower classes. A negative class is none: its rank
 * is -1. The rows lie side by side, without a mask. workspace: so many rows of
 * smx_rank_bytes.
 */
void smx_rank_find(struct smx_context *context, const struct smx_logits *rows,
                   size_t k, const int64_t *chosen, int64_t *ranks,
                   void *workspace);

#endif
