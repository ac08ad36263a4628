/* SPDX-License-Identifier: MIT */
/**
 * The kernels of one instruction set, chosen once, when a context is made.
 * All work on one chunk of a row, at most SMX_CHUNK elements; what crosses
 * chunks is combined in their order by the callers, so that threads and
 * alignment never show in the bits.
 *
 * Scratch arrays of doubles are whole blocks of 16: a kernel that fills one
 * writes zeros behind element n.
 */
#ifndef SMX_KERNELS_H
#define SMX_KERNELS_H

#include <stdbool.h>
#include <stddef.h>

#include "softmax.h"
#include "split_exp.h"

#define SMX_CHUNK ((size_t)4096)

/** To a line of the cache. */
#define SMX_ALIGNED __attribute__((aligned(64)))

/** n elements in whole blocks. */
static inline size_t smx_blocks(size_t n)
{
    return (n + 15) / 16 * 16;
}

/** Chunks of a row, and classes of one of them. */
static inline size_t smx_chunks(size_t classes)
{
    return (classes - 1) / SMX_CHUNK + 1;
}

static inline size_t smx_chunk_classes(size_t classes, size_t chunk)
{
    size_t left = classes - chunk * SMX_CHUNK;
    return left < SMX_CHUNK ? left : SMX_CHUNK;
}

struct smx_divergence_kernels;
struct smx_load_kernels;
struct smx_loss_kernels;
struct smx_row_kernels;
struct smx_summary_kernels;

/** A softcap of float32 logits whose range keeps all exponentials in doubles;
 *  not possible: it needs double-double, or there is none. */
struct smx_cap {
    bool possible;
    double inverse; /* 1 / s */
    double span;    /* 16 log2(e) s / temperature, at most SMX_UNSHIFTED */
    double near[4]; /* span times the coefficients of tanh's numerator */
};

struct smx_cap smx_cap_of(const struct smx_logits *logits);

/** How logits x become exponentials, 2^((z - reference) scale / 16): z is x, or
 *  where a softcap is possible what that makes of x, and scale is 1 then. */
struct smx_exponents {
    double reference, scale;
    double nats; /* a unit of z */
    struct smx_cap cap;
};

/** Of these logits, relative to 0. */
struct smx_exponents smx_exponents_of(const struct smx_logits *logits);

/** The same relative to z. */
static inline struct smx_exponents
smx_relative_to(const struct smx_exponents *by, double z)
{
    struct smx_exponents relative = *by;
    relative.reference = z;
    return relative;
}

/** Of exponentials e relative to the largest z, max. */
struct smx_moments {
    double below;  /* sum of e where z < max: what of it is small keeps its
                      digits beside the ones */
    double equal;  /* how many z are max */
    double moment; /* sum of e (max - z) */
};

struct smx_lanes;
struct smx_lanes_marks;

struct smx_kernels {
    /** Largest of x; false when a NaN or +INFINITY is among them. */
    bool (*row_max)(const float *x, size_t n, float *max);

    /** What a softcap makes of n <= 16 logits, -INFINITY stays so, and of
     *  their gradients. */
    void (*cap)(const float *x, size_t n, const struct smx_cap *cap, double *z,
                double *slope);

    /** Sum of the exponentials of x. Fetches into the cache what lies behind x.
     *  The same and more where the reference is the largest z of the row. */
    double (*sum)(const float *x, size_t n, const struct smx_exponents *by);
    struct smx_moments (*moments)(const float *x, size_t n,
                                  const struct smx_exponents *by);

    /**
     * Sum of the exponentials, and beside it *other = sum of g[i] times the
     * exponential, of g[i] alone for the logarithm: NaN or infinite if one of g
     * is.
     */
    double (*dot)(const float *x, const float *g, size_t n,
                  const struct smx_exponents *by, bool log, double *other);

    /**
     * e[i] = the exponential of x[i]; returns their sum. A zero below 2^-1000;
     * relative error below 2^-28.6. The result must not exceed 2^1000.
     */
    double (*exponentials)(const float *x, size_t n,
                           const struct smx_exponents *by, double *e);

    /** out[i] = e[i] * factor, rounded once. */
    void (*scale)(const double *e, size_t n, double factor, float *out);

    /** The same of the exponentials of x, without a place for them. stream:
     *  past the cache. out may be x. */
    void (*put)(const float *x, size_t n, const struct smx_exponents *by,
                double factor, bool stream, float *out);

    /** out[i] = (z[i] - reference) * factor - offset, likewise. */
    void (*shift)(const float *x, size_t n, const struct smx_exponents *by,
                  double factor, double offset, bool stream, float *out);

    /** Narrow rows class by class (lanes.h). */
    bool (*lanes)(const struct smx_lanes *lanes, size_t first, size_t count,
                  struct smx_lanes_marks *marks);

    /** The largest classes of such rows (likewise). */
    void (*order)(const struct smx_logits *rows, size_t first, size_t count,
                  size_t k, int64_t *order);

    /** Those that load rows, of the loss, of summaries, of in-range rows, of
     *  rows in double-double, and of divergences. */
    const struct smx_load_kernels *load;
    const struct smx_loss_kernels *loss;
    const struct smx_summary_kernels *summary;
    const struct smx_split_kernels *split;
    const struct smx_row_kernels *dd;
    const struct smx_divergence_kernels *divergence;
};

/** z of a logit; slope: NULL, or what a softcap leaves of its gradient. */
static inline double smx_logit(const struct smx_kernels *kernels,
                               const struct smx_exponents *by, float x,
                               double *slope)
{
    double z = x, rise = 1;
    if (by->cap.possible)
        kernels->cap(&x, 1, &by->cap, &z, &rise);
    if (slope)
        *slope = rise;
    return z;
}

/** The kernels of an available instruction set, not SMX_ISA_BEST. */
const struct smx_kernels *smx_kernels_of(enum smx_isa isa);

#endif
