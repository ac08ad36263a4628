/* SPDX-License-Identifier: MIT */
/** The k largest classes of rows. */
#ifndef SMX_TOP_H
#define SMX_TOP_H

#include "api/context.h"

/**
 * Puts the classes of the k largest logits of each row into classes[0] ...
 * [k - 1] and on, row by row: largest first, ties by lower class. The rows
 * lie side by side, without a mask. Softcap and temperature, which may round
 * two logits to one, do not count.
 */
void smx_top_find(struct smx_context *context, const struct smx_logits *rows,
                  size_t k, int64_t *classes);

#endif
