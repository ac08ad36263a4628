/* SPDX-License-Identifier: MIT */
/** What is asked of rows of float32 logits beside their values. */
#ifndef SMX_SUMMARY_H
#define SMX_SUMMARY_H

#include "api/context.h"

/** One a row; NULL: not asked. */
struct smx_summaries {
    float *logsumexp, *entropy;
    int64_t *argmax;
};

/** Bytes that a call needs for so many rows beside its operands. */
size_t smx_summary_bytes(size_t rows, size_t classes);

/**
 * The summaries of rows side by side, of logits that have been looked at. Each
 * has the same bits whichever else is asked. totals: those of smx_f32_rows,
 * where it has been asked, or NULL. room: smx_summary_bytes, aligned for
 * doubles.
 */
void smx_summarise(struct smx_context *context, const float *z, size_t rows,
                   size_t classes, double temperature, const double *totals,
                   const struct smx_summaries *out, void *workspace);

#endif
