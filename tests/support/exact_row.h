/* SPDX-License-Identifier: MIT */
/**
 * A row of logits in long double, and a sum that loses nothing: what the
 * reference is made of.
 */
#ifndef EXACT_ROW_H
#define EXACT_ROW_H

#include "softmax.h"

/** A row with the class axis gathered, and what follows from it. */
struct row {
    const struct smx_logits *logits;
    size_t first;        /* flat index of class 0 */
    size_t stride;       /* between classes */
    size_t classes;      /* C */
    long double *logit;  /* [C] as given, -INFINITY where left out */
    long double *d;      /* [C] z' - max z', -INFINITY where left out */
    long double *factor; /* [C] dz'/dz */
    bool *masked;        /* [C] left out by the mask: no answer depends on it */
    long double *log_p;  /* [C] */
    long double *p;      /* [C] */
    long double top;     /* max z' */
    long double log_z;   /* lse - top = log1p of the other exponentials */
    long double lse;
    size_t argmax;
    bool dead; /* every class left out */
};

/** Sum with the rounding errors carried along (Neumaier 1974). */
struct sum {
    long double value, error;
};

void sum_add(struct sum *sum, long double x);
long double sum_get(const struct sum *sum);

/** The pointer, or the end of the program where it is NULL. */
void *must(void *p);

/** Rows of a tensor. */
size_t row_count(const struct smx_logits *logits);

void row_init(struct row *row, const struct smx_logits *logits);
void row_load(struct row *row, size_t r);
void row_free(struct row *row);

/** The size of the terms that lse is the sum of; 0 for a dead row. */
long double row_lse_scale(const struct row *row);

#endif
