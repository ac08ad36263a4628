/* SPDX-License-Identifier: MIT */
/**
 * The kernels of divergences between the distribution of a row, p, and that of
 * a teacher's row, q; one table an instruction set. Two arithmetics: doubles
 * for float32 that is far from the teacher, double-double for everything.
 */
#ifndef SMX_DIVERGENCE_KERNELS_H
#define SMX_DIVERGENCE_KERNELS_H

#include <stdbool.h>
#include <stddef.h>

#include "simd/dd.h"
#include "softmax.h"

/* ---- doubles --------------------------------------------------------------
 */

/** A float32 row and its teacher's; numbers are those of both in this order. */
struct smx_divergence_pair {
    const float *x[2];
    double max[2];     /* finite */
    double inverse[2]; /* 1 / temperature */
};

/** Sums over the classes of a pair: e = exp(d), d = (x - max) / temperature,
 *  u = the teacher's d - the student's. */
struct smx_divergence_sums {
    double e[2];
    double cross;   /* of e u, e the first distribution's of the divergence */
    double size;    /* of e |u| */
    double entropy; /* of e d of the student */
    bool lost;      /* its first has mass where its second has none */
};

/** out = e0 (a + b d0 + c u) - e1 f */
struct smx_divergence_slope {
    double a, b, c, f;
};

/* ---- double-double --------------------------------------------------------
 */

/* Classes of a tile. */
#define SMX_DIVERGENCE_TILE ((size_t)256)

/** One of the two distributions in a tile, in whole blocks of 16: shifted
 *  logits d, -INFINITY where a class is left out, and 2^128 exp(d). */
struct smx_divergence_side {
    struct smx_dd inverse; /* 1 / sum of exp(d) */
    double *hi, *lo, *e_hi, *e_lo;
};

/* Terms of the series of a Jensen-Shannon divergence. */
#define SMX_DIVERGENCE_TERMS 19

struct smx_divergence_tile {
    size_t n; /* whole blocks */
    enum smx_divergence kind;
    struct smx_divergence_side p, q;
    struct smx_dd offset;     /* log q - log p = d of q - d of p - offset */
    struct smx_dd beta, rest; /* rest = 1 - beta */
    double series[SMX_DIVERGENCE_TERMS];
};

/** What a tile adds to a row; all times 2^128. */
struct smx_divergence_value {
    struct smx_dd divergence;
    struct smx_dd log;     /* JSD: sum of p log(p / m) */
    struct smx_dd entropy; /* sum of p d */
    bool lost;             /* as above */
};

/** out = (element + p (level + bend d)) factor slope, element: what the
 *  divergence's gradient is of one class before its factors. */
struct smx_divergence_descent {
    struct smx_dd level, factor;
    double bend;
    struct smx_dd value; /* reverse KL: itself; JSD: KL(p || m) */
    double whole;        /* forward KL: sum of q, 1 or 0 */
};

struct smx_divergence_dd_kernels {
    /** Fills e of the side; returns its sum without element skip. */
    struct smx_dd (*powers)(const struct smx_divergence_side *side, size_t n,
                            size_t skip);

    /** Adds to *excess how far sum p exp(log q - log p) is above 1, times
     *  2^128, over the classes where the two logarithms are near each other,
     *  and to *mass their q. */
    void (*excess)(const struct smx_divergence_tile *tile,
                   struct smx_dd *excess, double *mass);

    void (*value)(const struct smx_divergence_tile *tile,
                  struct smx_divergence_value *value);

    /** slope: times 2^128; NULL: 1. */
    void (*descend)(const struct smx_divergence_tile *tile,
                    const struct smx_divergence_descent *how,
                    const double *slope, double *out);
};

struct smx_divergence_kernels {
    /** Adds n classes from the first on to *sums, with stores of e where kept
     *  is not NULL; reverse: p is the first. */
    void (*sums)(const struct smx_divergence_pair *pair, size_t first, size_t n,
                 bool reverse, double *const kept[2],
                 struct smx_divergence_sums *sums);

    /** Sum of e without those that are 1. */
    double (*others)(const struct smx_divergence_pair *pair, int side,
                     size_t first, size_t n);

    /** out may be one of the rows; kept as it was filled by sums, or NULL. */
    void (*slope)(const struct smx_divergence_pair *pair, size_t first,
                  size_t n, const double *const kept[2],
                  const struct smx_divergence_slope *slope, float *out);

    const struct smx_divergence_dd_kernels *dd;
};

#endif
