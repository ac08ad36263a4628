/* SPDX-License-Identifier: MIT */
/**
 * The kernels of divergences between the distribution of a row, p, and that of
 * a teacher's row, q; one table an instruction set. Two arithmetics: doubles
 * for float32 that is far from the teacher, double-double for everything, which
 * takes 4 to 17 times as long.
 */
#ifndef SMX_DIVERGENCE_KERNELS_H
#define SMX_DIVERGENCE_KERNELS_H

#include <stdbool.h>
#include <stddef.h>

#include "simd/dd.h"
#include "softmax.h"

/* ---- doubles ------------------------------------------------------------ */

/** A float32 row and its teacher's; numbers are those of both in this order.
 *  Exponents t = (x - max) / temperature are in sixteenths of a binade,
 *  16 log2(exp(t)), and e are the exponentials. */
struct smx_divergence_pair {
    const float *x[2];
    double max[2];   /* finite */
    double scale[2]; /* SMX_POWER_NAT / temperature */
    double *kept[2]; /* whole blocks and one more, where sums leaves e for what
                        follows it; NULL: they are computed again */
};

/** Sums over the classes of a pair; u: t of the divergence's first distribution
 *  less that of its second. */
struct smx_divergence_sums {
    double e[2];
    double cross;   /* of e u, e of the first; NaN or infinite where it has mass
                       alone */
    double entropy; /* of e t of the student, where asked for */
};

/** m = share[0] p + share[1] q. */
struct smx_divergence_mix {
    double share[2], inverse[2]; /* p and q: e times these */
    double offset;               /* log(q / p): of t less this */
};

/** out = e0 (a + b t0 + c u) - e1 f, u: t of the student less the teacher's; or
 *  with a mix, log(p / m) in its place. */
struct smx_divergence_slope {
    double a, b, c, f;
};

/* ---- double-double ------------------------------------------------------ */

/* Classes of a tile. */
#define SMX_DIVERGENCE_TILE ((size_t)256)

/** One of the two distributions in a tile, in whole blocks of 16: shifted
 *  logits d, -INFINITY where a class is left out, and 2^128 exp(d). */
struct smx_divergence_side {
    struct smx_dd inverse; /* 1 / sum of exp(d) */
    double *hi, *lo, *e_hi, *e_lo;
};

/* Terms of the series of a Jensen-Shannon divergence behind its first. */
#define SMX_DIVERGENCE_TERMS 18

struct smx_divergence_tile {
    size_t n; /* whole blocks */
    enum smx_divergence kind;
    bool entropy; /* is it wanted? */
    struct smx_divergence_side p, q;
    struct smx_dd offset;     /* log q - log p = d of q - d of p - offset */
    struct smx_dd beta, rest; /* rest = 1 - beta */
    struct smx_dd first;      /* beta rest / 2, of the series */
    double series[SMX_DIVERGENCE_TERMS];
};

/** What a tile adds to a row; all times 2^128. */
struct smx_divergence_value {
    struct smx_dd divergence;
    struct smx_dd log;     /* JSD: sum of p log(p / m) */
    struct smx_dd entropy; /* sum of p d */
    bool lost;             /* mass was found where the other has none */
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

    /** Sum of q where the two logarithms are near each other. */
    double (*near)(const struct smx_divergence_tile *tile);

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
    /** Adds n classes from the first on to *sums; reverse: p comes first. */
    void (*sums)(const struct smx_divergence_pair *pair, size_t first, size_t n,
                 bool reverse, bool entropy, struct smx_divergence_sums *sums);

    /** Sum of e without those that are 1. */
    double (*others)(const struct smx_divergence_pair *pair, int side,
                     size_t first, size_t n);

    /** Adds up share[0] p log(p / m), and that with share[1] q log(q / m). */
    void (*mixed)(const struct smx_divergence_pair *pair, size_t first,
                  size_t n, const struct smx_divergence_mix *mix, double *log,
                  double *both);

    /** mix: NULL unless it is a JSD's; out: of the row, may be one of the
     *  pair. */
    void (*slope)(const struct smx_divergence_pair *pair, size_t first,
                  size_t n, const struct smx_divergence_mix *mix,
                  const struct smx_divergence_slope *slope, float *out);

    /** e of t. */
    double (*power)(double t);

    const struct smx_divergence_dd_kernels *dd;
};

#endif
