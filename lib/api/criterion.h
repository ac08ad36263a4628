/* SPDX-License-Identifier: MIT */
/**
 * What a row is compared with: v_c = w_c q_c, the mass that the loss puts on
 * class c, so that the loss is -sum v_c log p_c and its gradient
 * (sum v) p_c - v_c for labels and targets alike.
 */
#ifndef SMX_CRITERION_H
#define SMX_CRITERION_H

#include "engine/dd_row.h"

/** Checks options, then labels, targets, weights and upstream (NULL: none)
 *  element by element, but targets that are unseen, which are looked at row by
 *  row; divergence.c looks at the teacher's with its rows' largest. */
enum smx_status smx_criterion_check(struct smx_context *context,
                                    const struct smx_logits *logits,
                                    const struct smx_criterion *criterion,
                                    const void *upstream, bool unseen,
                                    struct smx_where *where);

static inline bool
smx_criterion_ignores_label(const struct smx_criterion *criterion,
                            int64_t label)
{
    return criterion->ignore && label == criterion->ignore_index;
}

struct smx_kernels;

bool smx_criterion_ignores(const struct smx_criterion *criterion, size_t r);

static inline double
smx_criterion_row_weight(const struct smx_criterion *criterion,
                         enum smx_dtype dtype, size_t r)
{
    return criterion->row_weights ? smx_get(criterion->row_weights, dtype, r)
                                  : 1;
}

/** Sets the focuses of rows that were loaded together, where a focal exponent
 *  makes them others than 1; row->logsum is there. */
void smx_criterion_focus(const struct smx_criterion *criterion,
                         struct smx_row *row, size_t count);

/** A criterion, and what rows have in common of it: smoothed, a target t is
 *  keep t + share; rounded, that of a label and of any other class. */
struct smx_masses {
    const struct smx_criterion *criterion;
    struct smx_dd keep, share;
    double label, other;
};

struct smx_masses smx_masses_of(const struct smx_row_kernels *kernels,
                                const struct smx_logits *logits,
                                const struct smx_criterion *criterion);

/** The v of the row's tile, in place or in row->mass:
 *  labels: (1-e) w_y [c=y] + (e/C) w_c; targets: w_c q_c; 0 where p is 1,
 *  as it cancels there. Uses row->out. */
const double *smx_criterion_mass(const struct smx_masses *masses,
                                 struct smx_row *row);

/** Have all classes but the label the same mass, without weights? */
bool smx_criterion_is_smoothed(const struct smx_criterion *criterion);

/** Has the label all the mass? */
bool smx_criterion_is_single(const struct smx_criterion *criterion);

/** Is v, in the gradient, *mass at the label and *other at each other class?
 *  What a focal exponent makes of it is not there. */
bool smx_masses_alike(const struct smx_masses *masses,
                      const struct smx_row *row, double *mass, double *other);

/** What a mean divides by. */
struct smx_counts {
    double divisor; /* the loss itself */
    double weight;  /* its z-loss and entropy: the weights of rows that are not
                       ignored */
    size_t rows;    /* which are so many */
};

struct smx_counts smx_criterion_count(const struct smx_kernels *kernels,
                                      const struct smx_logits *logits,
                                      const struct smx_criterion *criterion);

/** Row loss without its weight, z-loss and entropy; row->logsum is there. */
double smx_criterion_loss(const struct smx_masses *masses, struct smx_row *row);

#endif
