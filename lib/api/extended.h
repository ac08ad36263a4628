/* SPDX-License-Identifier: MIT */
/**
 * A row's loss and gradient where factors come near the ends of the doubles:
 * weights of 5e-324, a z-loss of 1e300. Class by class, in numbers that have
 * exponents of their own, so that only what is answered can overflow, and
 * slowly.
 */
#ifndef SMX_EXTENDED_LOSS_H
#define SMX_EXTENDED_LOSS_H

#include "criterion.h"
#include "simd/extended.h"

/** What rows are multiplied with, besides their own weights. */
struct smx_factors {
    const struct smx_logits *logits; /* of all rows, with their mask */
    const void *upstream;            /* checked; NULL: 1 */
    bool extended;                   /* all rows have to be computed here */
    struct smx_ext factor, z_factor; /* of the reduction */
    struct smx_dd f, z_f;            /* the same, unless extended */
};

/** Finds the factors, and what a mean divides by. */
struct smx_factors smx_factors_of(const struct smx_kernels *kernels,
                                  const struct smx_logits *logits,
                                  const struct smx_criterion *criterion,
                                  const void *upstream,
                                  struct smx_counts *counts);

/** Is it 0, or so near 1 that no product with it has to be computed here? */
bool smx_is_factor_moderate(double x);

/** What a row's gradient is multiplied with; 1 where nothing is given. */
double smx_upstream_of(const struct smx_criterion *criterion,
                       const struct smx_factors *factors, enum smx_dtype dtype,
                       size_t r);

/** Has the gradient of this row to be computed here? A row's own factors do not
 *  move others. */
bool smx_is_gradient_extended(const struct smx_criterion *criterion,
                              const struct smx_factors *factors,
                              enum smx_dtype dtype, size_t r);

/** Is a row's sum 0, or so near 1 that products of it with moderate factors
 * stay in range? */
static inline bool smx_is_moderate(double x)
{
    double size = fabs(x);
    return (size >= 0x1p-400 && size <= 0x1p400) || x == 0;
}

/** smx_criterion_loss times the row's weight, and beside it the z-loss and
 *  entropy, which *other is set to. */
struct smx_ext smx_extended_loss(const struct smx_criterion *criterion,
                                 struct smx_row *row, struct smx_ext *other);

/** Has the row's input numbers whose products with moderate factors would lose
 *  digits as subnormals? Uses row->out. */
bool smx_is_input_faint(struct smx_row *row);

/** smx_vjp of the row, whose input is the upstream: where it has such numbers,
 *  or the temperature is not moderate; dot: sum of g, or of g p. */
bool smx_is_product_extended(struct smx_row *row, double dot);
void smx_extended_product(struct smx_row *row, bool log);

/** The row's gradient; row->focus is there. */
void smx_extended_gradient(const struct smx_criterion *criterion,
                           const struct smx_factors *factors,
                           struct smx_row *row);

#endif
