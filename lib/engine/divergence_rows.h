/* SPDX-License-Identifier: MIT */
/** The rows of a divergence: what its driver and its arithmetics share. */
#ifndef SMX_DIVERGENCE_ROWS_H
#define SMX_DIVERGENCE_ROWS_H

#include "divergence_kernels.h"
#include "kernels.h"
#include "dd_kernels.h"
#include "simd/extended.h"

/** What is the same for all rows. Sides: 0 the student, 1 the teacher. */
struct smx_divergence_rule {
    const struct smx_kernels *kernels;
    const struct smx_row_kernels *row_kernels;
    const struct smx_divergence_kernels *divergence;
    enum smx_divergence kind;
    struct smx_logits side[2]; /* dtype, classes, temperature and softcap */
    struct smx_split_exp split[2];
    double beta;
    double series[SMX_DIVERGENCE_TERMS];
    double z_loss, entropy_weight;
    bool doubles;         /* may rows be computed in double? */
    bool entropy;         /* is the entropy needed? */
    bool stream;          /* do straight gradients of float32 pass the caches
                             by? Of others streams save nothing */
    bool extended;        /* factors may leave the doubles: losses are to be */
    struct smx_ext share; /* times this, the reduction's */
};

struct smx_divergence_row {
    const void *x[2];            /* classes side by side */
    const struct smx_dd *top[2]; /* of smx_rows_scan_tops; NULL: to be found */
    void *gradient;              /* may be one of them; NULL: none */
    double *faint;               /* smx_faint_of the loss, which is NaN then */
    double weight;               /* of its loss */
    /* factor of the gradient, 1 / temperature among it; where extended, grad,
       which may be beyond the doubles */
    struct smx_dd factor;
    struct smx_ext grad;
    bool extended;
};

/** Coefficients of the series of a Jensen-Shannon divergence. */
void smx_divergence_series(double beta, double series[SMX_DIVERGENCE_TERMS]);

/** The loss of a row, and its gradient. */
double smx_divergence_row(const struct smx_divergence_rule *rule,
                          const struct smx_divergence_row *row);

/** The same in double, before weight and share; false: this row needs more,
 *  nothing is written. */
bool smx_divergence_row_doubles(const struct smx_divergence_rule *rule,
                                const struct smx_divergence_row *row,
                                double *loss);

#endif
