/* SPDX-License-Identifier: MIT */
/**
 * Kernels that read numbers off rows of float32 logits, of one instruction
 * set. Each answers one question from the logits alone, so that no answer
 * depends on what else is asked. A class left out is -INFINITY; NaN and
 * +INFINITY have been refused before.
 */
#ifndef SMX_SUMMARY_KERNELS_H
#define SMX_SUMMARY_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Numbers side by side of which each begins a group: 256 bytes of them. */
#define SMX_GROUPS(number) (256 / sizeof(number))

struct smx_summary_kernels {
    /** Index of the first that is above a bound; n: none is. */
    size_t (*first_above)(const float *x, size_t n, float bound);
    size_t (*first_above_double)(const double *x, size_t n, double bound);

    /** The largest of each group: those of which the indices differ by a
     *  multiple of SMX_GROUPS; -INFINITY: there is none. */
    void (*group_maxima)(const float *x, size_t n, float *maxima);
    void (*group_maxima_double)(const double *x, size_t n, double *maxima);

    /** How many of x, at most a chunk, are above a bound, or with ties at
     *  least it. */
    size_t (*count_above)(const float *x, size_t n, float bound, bool ties);
    size_t (*count_above_double)(const double *x, size_t n, double bound,
                                 bool ties);

    /** How many of n labels are the one to be ignored, NULL: none is; misfits:
     *  how many of the others are no class. */
    size_t (*count_ignored)(const int64_t *labels, size_t n, size_t classes,
                            const int64_t *ignored, size_t *misfits);

    /** The first of the largest of side-by-side rows of at most SMX_NARROW
     *  classes. */
    void (*narrow_first_max)(const float *x, size_t rows, size_t classes,
                             int64_t *at);
};

#endif
