/* SPDX-License-Identifier: MIT */
/** The part of a reference loss that comes of a teacher's logits. */
#ifndef REFERENCE_DIVERGENCE_H
#define REFERENCE_DIVERGENCE_H

#include "exact_row.h"

struct reference_divergence {
    const struct smx_criterion *criterion;
    struct smx_logits logits; /* the teacher's */
    struct row teacher;
    long double value;  /* of the row; may be +INFINITY */
    long double *slope; /* [C] dz'_c of it */
    long double *size;  /* [C] of the terms that slope is the sum of */
};

void reference_divergence_init(struct reference_divergence *d,
                               const struct smx_logits *logits,
                               const struct smx_criterion *criterion);

/** Row r; row: that of the logits. */
void reference_divergence_load(struct reference_divergence *d,
                               const struct row *row, size_t r);

void reference_divergence_free(struct reference_divergence *d);

#endif
