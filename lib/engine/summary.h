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

/** Can smx_summarise look at logits of so many classes by the way? */
bool smx_summary_scans(size_t classes);

/**
 * The summaries of rows side by side. Each has the same bits whichever else is
 * asked. totals: those of smx_f32_rows, where it has been asked, or NULL. scan:
 * the logits have not been looked at yet; only where smx_summary_scans.
 * workspace: smx_summary_bytes, aligned for doubles.
 *
 * @return false: with scan, NaN or +INFINITY is among them; nothing is written.
 */
bool smx_summarise(struct smx_context *context, const float *z, size_t rows,
                   size_t classes, double temperature, const double *totals,
                   bool scan, const struct smx_summaries *out, void *workspace);

#endif
