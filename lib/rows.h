/* SPDX-License-Identifier: MIT */
/**
 * One row at a time, in double: z' = softcap and temperature applied, less
 * the row's maximum, so that nothing overflows.
 */
#ifndef SMX_ROWS_H
#define SMX_ROWS_H

#include <math.h>

#include "context.h"

struct smx_row {
    bool empty;    /* every class is masked */
    double max;    /* of z'; infinite where it overflows or the row is empty */
    double rest;   /* sum of exp(d) without one element of the largest */
    double logsum; /* log(1 + rest) = lse - max */
    size_t argmax;
    size_t classes;
    double *d; /* z' - max, -INFINITY where masked */
    double *p; /* probabilities */
};

/** a * b where one may have overflowed: 0 times that is 0, like 0 log 0. */
static inline double smx_times(double a, double b)
{
    return a == 0 || b == 0 ? 0 : a * b;
}

/** a + b where both may have overflowed: instead where the signs differ. */
static inline double smx_plus(double a, double b, double instead)
{
    double sum = a + b;
    return isnan(sum) ? instead : sum;
}

/** Can the operands be? Checks sizes and options, not elements. */
enum smx_status smx_rows_check(const struct smx_logits *logits);

size_t smx_rows_count(const struct smx_logits *logits);

/** Flat index of class c of row r. */
size_t smx_rows_index(const struct smx_logits *logits, size_t r, size_t c);

double smx_get(const void *data, enum smx_dtype dtype, size_t index);
void smx_set(void *data, enum smx_dtype dtype, size_t index, double value);

bool smx_rows_masked(const struct smx_logits *logits, size_t r, size_t c);

/** First NaN or infinity (+INFINITY only, when low is allowed). */
enum smx_status smx_rows_finite(const void *data, enum smx_dtype dtype,
                                size_t count, bool low, enum smx_operand what,
                                struct smx_where *where);

/** Softmax of row r into row->d and row->p, both of logits->classes. */
void smx_row_load(struct smx_row *row, const struct smx_logits *logits,
                  size_t r);

/** d z'_c / d z_c; a masked class has no finite z_c, whatever data says. */
double smx_row_slope(const struct smx_logits *logits, size_t index,
                     bool masked);

/** rows in slices over the pool; work(argument, row, r). */
enum smx_status
smx_rows_for(struct smx_context *context, const struct smx_logits *logits,
             void (*work)(void *argument, struct smx_row *row, size_t r),
             void *argument);

#endif
