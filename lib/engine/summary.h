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

/** What another sweep has found of in-range rows with the kernel of sums
 *  (split_exp.h), one a row; NULL: not found. */
struct smx_seen {
    double *totals;  /* 0: the row is not in-range */
    double *moments; /* with these two go totals */
    float *maxima;   /* of any row */
};

/* The error of an entropy of at least so many nats from in-range sums is
 * within half a digit of a float (NUMERICS.md). */
#define SMX_LEAST_ENTROPY 1.0

/** The entropy of a row in range, of log-sum-exp log. */
static inline double smx_entropy_in_range(double log, double moment,
                                          double total)
{
    return log - moment / total * (0x1.62e42fefa39efp-1 / 16);
}

/** Bytes that a call needs for so many rows beside its operands. */
size_t smx_summary_bytes(size_t rows, size_t classes);

/** Can smx_summarise look at logits of so many classes by the way? */
bool smx_summary_scans(size_t classes);

/**
 * The summaries of rows side by side. Each has the same bits whichever else is
 * asked. seen: may be NULL. workspace: smx_summary_bytes, aligned for doubles.
 *
 * @return false: NaN or +INFINITY has been found; nothing is written. Only
 * where smx_summary_scans and without maxima they are looked for.
 */
bool smx_summarise(struct smx_context *context, const float *z, size_t rows,
                   size_t classes, double temperature,
                   const struct smx_seen *seen, const struct smx_summaries *out,
                   void *workspace);

/** The first of n logits that is the largest of them, max; 0 where all are
 *  -INFINITY. */
size_t smx_first_max(const struct smx_kernels *kernels, const float *x,
                     size_t n, float max);

#endif
