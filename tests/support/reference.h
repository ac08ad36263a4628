/* SPDX-License-Identifier: MIT */
/**
 * What libsoftmax should answer, computed plainly in long double (64 bits of
 * mantissa on x86, 113 on aarch64) from the formulas of lib/softmax.h, one
 * row after another. Shares no code with the library.
 *
 * Shapes are the library's. A scale array, where there is one, holds for each
 * element the size of the terms whose difference it is: the element itself
 * may be smaller, and an error is judged against the larger of the two.
 */
#ifndef REFERENCE_H
#define REFERENCE_H

#include "softmax.h"

/** values: shape of the logits, log-probabilities when log. */
void reference_softmax(const struct smx_logits *logits, bool log,
                       long double *values);

/** One a row each; any may be NULL. */
void reference_summaries(const struct smx_logits *logits,
                         long double *logsumexp, long double *scale,
                         long double *entropy, int64_t *argmax);

/** outer x k x inner, of the same classes of all rows or of k of each row;
 * rank: how many come before each. */
void reference_chosen(const struct smx_logits *logits, bool log,
                      const int64_t *chosen, size_t k, bool each_row,
                      long double *values, long double *rank);

/** One a row, -1 of those that are ignored. */
void reference_label_ranks(const struct smx_logits *logits,
                           const struct smx_criterion *criterion,
                           long double *rank);

/** outer x k x inner; either may be NULL. */
void reference_top_k(const struct smx_logits *logits, bool log, size_t k,
                     long double *values, int64_t *indices);

struct reference_loss {
    long double *loss;  /* one, or with SMX_REDUCTION_NONE one a row */
    long double *scale; /* the same shape */
    double divisor;
    size_t rows;
    double accuracy;
};

void reference_loss(const struct smx_logits *logits,
                    const struct smx_criterion *criterion,
                    struct reference_loss *out);

/** upstream: as for smx_gradient. gradient, scale: shape of the logits. */
void reference_gradient(const struct smx_logits *logits,
                        const struct smx_criterion *criterion,
                        const void *upstream, long double *gradient,
                        long double *scale);

void reference_vjp(const struct smx_logits *logits, bool log,
                   const void *upstream, long double *gradient,
                   long double *scale);

/** outer x classes x inner x classes. */
void reference_jacobian(const struct smx_logits *logits, bool log,
                        long double *jacobian, long double *scale);

/** Element i of an array of that type. */
long double reference_get(const void *data, enum smx_dtype dtype, size_t i);

#endif
