/* SPDX-License-Identifier: MIT */
/** A softmax of narrow float32 rows where their class axis is: not moved to be
 *  the last, but read and written class by class, with the same bits. */
#ifndef SMX_F32_COLUMNS_H
#define SMX_F32_COLUMNS_H

#include "api/context.h"

/** Are logits best left where they are? log: logarithms are wanted. */
bool smx_columns_take(const struct smx_logits *logits, bool log);

/** Their probabilities; early: as in smx_f32_rows. */
enum smx_status smx_columns_softmax(struct smx_context *context,
                                    const struct smx_logits *logits,
                                    float *values, bool early,
                                    struct smx_where *where);

#endif
