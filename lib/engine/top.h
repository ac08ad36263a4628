/* SPDX-License-Identifier: MIT */
/** The k largest classes of a row. */
#ifndef SMX_TOP_H
#define SMX_TOP_H

#include "row.h"

/**
 * Puts the classes of the k largest logits of the row into classes[0], [step],
 * [2 step] ..., largest first, ties by lower class. Nothing else is needed:
 * the heap is in there.
 */
void smx_top_find(struct smx_row *row, size_t k, int64_t *classes, size_t step);

#endif
