/* SPDX-License-Identifier: MIT */
/**
 * The kernels of the loss and of gradients, one table an instruction set.
 * Like those of kernels.h they work on one chunk of a row.
 */
#ifndef SMX_LOSS_KERNELS_H
#define SMX_LOSS_KERNELS_H

#include <stdbool.h>
#include <stddef.h>

#include "kernels.h"
#include "narrow.h"

/** v, the mass that the loss puts on the classes of a chunk (criterion.h). */
struct smx_mass {
    enum smx_mass_kind {
        SMX_MASS_NONE,     /* 0 */
        SMX_MASS_EVEN,     /* 1 */
        SMX_MASS_WEIGHTS,  /* w_c */
        SMX_MASS_TARGETS,  /* keep t_c + share */
        SMX_MASS_WEIGHTED, /* w_c (keep t_c + share) */
    } kind;
    const float *targets, *weights; /* of the chunk's first class */
    double keep, share;
};

/** Rows side by side, their classes step elements apart, and a label each. */
struct smx_label_columns {
    const float *x;
    size_t step, rows, classes;
    const int64_t *labels;
    bool ignore; /* rows whose label is: */
    int64_t ignore_index;
    /* what a loss is of -log p, and a gradient of p: of each row, or of all */
    const double *costs, *gains;
    double cost, gain;
    double *losses;
    float *out; /* the gradient; NULL: it is not wanted */
};

struct smx_loss_kernels {
    /**
     * *cost = sum of v[i] (reference - z[i]) over v[i] != 0, returns sum of
     * v[i], which is NaN or infinite if one of the targets is.
     */
    double (*mass)(const float *x, size_t n, const struct smx_exponents *by,
                   const struct smx_mass *mass, double *cost);

    /**
     * out[i] = (factor + bend (z[i] - reference)) * exponential of x[i] -
     * share * v[i], with a softcap times its slope, rounded once. out may be x.
     */
    void (*grad_store)(const float *x, size_t n, const struct smx_exponents *by,
                       double factor, double bend, const struct smx_mass *mass,
                       double share, float *out);

    /**
     * Of at most smx_narrow_rows rows, all below the highest in-range: their
     * exponentials; the sums of these, which may have been changed; their
     * products with a factor a row, of either sign, its magnitude 0 or in
     * (2^-120, 2^-33). out may be x.
     */
    void (*narrow_keep)(const float *x, size_t rows, size_t classes,
                        const struct smx_split_exp *split,
                        struct smx_narrow *narrow);
    void (*narrow_sum)(struct smx_narrow *narrow, size_t rows, size_t classes);
    void (*narrow_put)(struct smx_narrow *narrow, size_t rows, size_t classes,
                       const double *factors, float *out);

    /**
     * Losses of at most SMX_NARROW classes by these kernels' steps, and the
     * gradient; false: a row is, or may be, not in range, and what has been
     * written is to be written again.
     */
    bool (*columns)(const struct smx_label_columns *rows,
                    const struct smx_split_exp *split);

    /**
     * out[i] = e factor (g[i] - other), of the logarithm g[i] other - e factor,
     * with a softcap times its slope, rounded once; e: the exponential of x[i].
     * out may be x or g.
     */
    void (*vjp)(const float *x, const float *g, size_t n,
                const struct smx_exponents *by, bool log, double factor,
                double other, float *out);

    /** x[i] = log(1 + x[i]), x[i] >= 0, relative error below 2^-32. */
    void (*log1p)(double *x, size_t n);

    /** Logarithms of in-range sums, which come times 2^54 (split_exp.h);
     *  of 0: any number. */
    void (*log_totals)(const double *totals, size_t n, double *logs);

    /** What a focal exponent makes of the mass of a label in the loss and in
     *  the gradient (focal_vec.h), given its -log p. */
    void (*focus)(const double *nats, size_t n, double focal, double *loss,
                  double *gradient);

    /** Sum of x[i]. */
    double (*total)(const double *x, size_t n);
};

#endif
