/* SPDX-License-Identifier: MIT */
/** Softmax in double-double: float64, and of float32 with a
 *  softcap the summaries. */
#ifndef SMX_DD_SOFTMAX_H
#define SMX_DD_SOFTMAX_H

#include "rows.h"

/** values, or their logarithms, logsumexp, entropy and argmax of out, of logits
 * that have been looked at; where k is not 0, values of k chosen classes of
 * each row, side by side. maxima: see struct smx_rows_work. */
void smx_dd_softmax(struct smx_context *context,
                    const struct smx_logits *logits,
                    const struct smx_dd *maxima, bool log, size_t k,
                    const int64_t *chosen, const struct smx_softmax_out *out);

#endif
