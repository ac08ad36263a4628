/* SPDX-License-Identifier: MIT */
/** Sums of exponentials relative to a maximum, and how chunks combine. */
#ifndef SMX_SUMS_H
#define SMX_SUMS_H

#include <stddef.h>

struct smx_exponents;
struct smx_kernels;
struct smx_logits;

/**
 * sum of 2^((x - reference) scale / 16) over some elements. All masked: max
 * is -INFINITY and sum 0.
 */
struct smx_sum {
    double max, reference, sum;
};

/* Sixteenths of a binade that a double holds beside 2^150 of depth. */
#define SMX_UNSHIFTED 12800.0

/**
 * What exponentials are taken relative to: 0 where their range allows, as a
 * difference costs, else the maximum. It depends on nothing but these two.
 */
double smx_reference(double max, double scale);

/** 2^(t/16), t <= 16000, by the kernels' own polynomial: the same bits. */
double smx_power(double t);

/** What a chunk's exponentials are multiplied with to be probabilities. */
double smx_sum_weight(const struct smx_sum *chunk, const struct smx_sum *row,
                      double scale);

/** The sum of a row of logits that do not have to be moved relative to its
 *  maximum, less the maximum itself. Its exponential leaves the sum with the
 *  very bits it came in with, but for a row in range, where it has others; a
 *  rest below the least is lost in the sum and added up again. 0 of nothing. */
double smx_sum_rest(const struct smx_kernels *kernels,
                    const struct smx_logits *logits, size_t row,
                    const struct smx_exponents *by, const struct smx_sum *sum,
                    double least);

/** log(1 + x), x >= 0, within 2^-50. */
double smx_log1p_fast(double x);

#endif
