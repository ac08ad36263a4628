/* SPDX-License-Identifier: MIT */
/**
 * The kernels of rows with all their options (dd_row.h), of one instruction
 * set. All work on a tile, of any alignment. Its own arrays are whole blocks of
 * 16; n is that of their blocks, unless a comment says any n: then nothing
 * behind n is read of z, or written to out. A class left out is -INFINITY, and
 * so is what a block has behind the last one.
 */
#ifndef SMX_ROW_KERNELS_H
#define SMX_ROW_KERNELS_H

#include <stdbool.h>
#include <stddef.h>

#include "softmax.h"
#include "simd/dd.h"

/** A softcap over the temperature up to which the absolute error of capped
 *  logits is small enough (softcap_vec.h). */
#define SMX_CAP_MOST 64.0

/** The part of a softcap up to which a series is near enough. */
#define SMX_CAP_CLOSE 0.3

/** How d = z' - max z' comes from the logits z of a row. */
struct smx_shift {
    double temperature;
    double top;    /* the largest logit, times before */
    double before; /* power of two: z times it neither over- nor underflows */
    bool scaled, capped;
    struct smx_dd inverse; /* 1 / (temperature before) */
    /* with a softcap s: */
    struct smx_dd steep; /* 2 / (s before) */
    struct smx_dd span;  /* 2 s / temperature, less a power of two */
    double span_power;   /* that power */
    /* s / temperature is at most SMX_CAP_MOST, and neither is extreme. */
    bool close;
    struct smx_dd third; /* then: 1 / (3 s^2) */
    double half, most;   /* s / 2, and |z| up to which a series will do */
};

/* Rows that are taken at once, if their tiles fit one. */
#define SMX_ROW_GROUP ((size_t)32)

/** Rows of a group, or one with more classes. */
struct smx_row_group {
    size_t count;
    const double *z;      /* the first row's logits; the others' */
    size_t stride;        /* are so far apart, and what is computed of them */
    size_t slot;          /* so far */
    const double *maxima; /* of each the largest logit */
    const size_t *skip;   /* and the element without which sums are wanted */
};

/** A number each; numbers, not traps, behind the last. */
struct smx_row_dds {
    double hi[SMX_ROW_GROUP], lo[SMX_ROW_GROUP];
};

/** What is computed of a tile of logits. */
struct smx_tile {
    double *hi, *lo;    /* d = hi + lo; NULL: not wanted */
    double *e;          /* 2^128 exp(d) */
    double *slope;      /* 2^128 dz'/dz of the softcap; NULL: not wanted */
    const double *next; /* n doubles to be read after it; NULL: none */
    const double *from; /* where z lies, NULL: there; the next tile is behind */
};

/** Shifted logits d of a tile: hi + lo, whole blocks, or without a softcap, hi
 *  being NULL, those of z. */
struct smx_nats {
    const double *hi, *lo;
    const double *z;
    struct smx_shift how;
};

/** out = (e (a + bend d) down - mass b) slope, times two powers of two. */
struct smx_row_grad {
    size_t label; /* element of the tile; beyond it: none. Its mass, and that */
    double mass, other; /* of all others, where no array of masses is given */
    struct smx_dd a, b;
    struct smx_dd bend;    /* of no effect while hi is NULL */
    const double *hi, *lo; /* d of the tile */
    double down;
    double pure[2];  /* powers where mass is 0: of (e a) slope */
    double mixed[2]; /* elsewhere */
    bool stream;     /* out passes the caches by */
};

/** out = e inverse (g - dot) slope, times two powers of two. */
struct smx_vjp_scale {
    struct smx_dd inverse, dot;
    double power[2];
    bool stream; /* out passes the caches by */
};

/** Of each row (1 - p)^exponent, 1 - p and p. */
struct smx_complements {
    double power[SMX_ROW_GROUP], base[SMX_ROW_GROUP], p[SMX_ROW_GROUP];
};

struct smx_row_kernels {
    /** Index of the first NaN, +INFINITY or, unless low, -INFINITY; n: none.
     *  Any n and alignment. */
    size_t (*nonfinite_float)(const float *x, size_t n, bool low);
    size_t (*nonfinite_double)(const double *x, size_t n, bool low);

    /** Is each 0, NaN or of a size from least to most? Likewise. */
    bool (*within)(const double *x, size_t n, double least, double most);

    /** floats to doubles, and back with one rounding; any n, alignment. */
    void (*widen)(const float *x, size_t n, double *z);
    void (*narrow)(const double *z, size_t n, float *x);

    /** Of each row the largest and the first index where it is, NaN and 0
     *  where there is NaN or +INFINITY; any n. maxima and skip are not read. */
    void (*row_maxima)(const struct smx_row_group *rows, size_t n,
                       double *maxima, size_t *at);

    /** s tanh(z / s), one number; z times before. */
    struct smx_dd (*cap)(double z, double softcap, const struct smx_shift *how);

    /** Fills each row's tile; sums: of e without element skip. Any n, but the
     *  last block of a tile is filled to its end. how's top is not read. */
    void (*exponentials)(const struct smx_row_group *rows, size_t n,
                         const struct smx_shift *how,
                         const struct smx_tile *out, struct smx_row_dds *sums);

    /** Fills hi and lo, or slope, or all of these alone, likewise. */
    void (*shifted)(const double *z, size_t n, const struct smx_shift *how,
                    const struct smx_tile *out);

    /** The sum, in sixteen lanes, of x and of 2^-128 e g; any n, as for all
     *  sums. */
    struct smx_dd (*sum)(const double *x, size_t n);
    struct smx_dd (*dot)(const double *e, const double *g, size_t n);

    /** inverse = 1 / (1 + x), x >= 0, relative error 2^-100. */
    void (*inverse)(const struct smx_row_dds *x, size_t n,
                    struct smx_row_dds *inverse);

    /** log = log(1 + x), x >= 0, relative error 2^-57. */
    void (*log1p)(const struct smx_row_dds *x, size_t n,
                  struct smx_row_dds *log);

    /** Given log p <= 0, exponent > 0; within an ulp, beside exponent times the
     *  relative error of log p. */
    void (*complement_powers)(const struct smx_row_dds *log, size_t n,
                              double exponent,
                              struct smx_complements *complements);

    /** out = 2^-128 e factor, past the caches or not; any n. */
    void (*scale)(const double *e, size_t n, double factor, bool stream,
                  double *out);

    /** out = x, past the caches; any n. */
    void (*stream)(const double *x, size_t n, double *out);

    /** out = d - logsum, likewise. */
    void (*logs)(struct smx_nats d, size_t n, struct smx_dd logsum, bool stream,
                 double *out);

    /** The sum of e d, 0 where e is. */
    struct smx_dd (*terms)(const double *e, struct smx_nats d, size_t n);

    /** out = a b. */
    void (*times)(const double *a, const double *b, size_t n, double *out);

    /** mass = keep mass + share, rounded once. */
    void (*smooth)(double *mass, size_t n, struct smx_dd keep,
                   struct smx_dd share);

    /** The sum of mass (logsum - d), 0 where mass is. */
    struct smx_dd (*costs)(const double *mass, struct smx_nats d, size_t n,
                           struct smx_dd logsum);

    /** The sum of d, relative error 2^-51. */
    struct smx_dd (*distances)(struct smx_nats d, size_t n);

    /** slope NULL: 1; mass NULL: as in how. NaN becomes 0. out may be any of
     * the operands. Any n. */
    void (*grad_store)(const double *e, const double *mass, const double *slope,
                       size_t n, const struct smx_row_grad *how, double *out);
    void (*vjp)(const double *e, const double *g, const double *slope, size_t n,
                const struct smx_vjp_scale *how, double *out);
};

#endif
