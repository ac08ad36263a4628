/* SPDX-License-Identifier: MIT */
/** One call of smx_f32_loss: what its sweeps and its rows share. */
#ifndef SMX_LOSS_CALL_H
#define SMX_LOSS_CALL_H

#include <math.h>
#include <stdatomic.h>

#include "api/criterion.h"
#include "lanes.h"
#include "load.h"
#include "plan.h"
#include "tuning.h"
#include "loss_kernels.h"
#include "summary.h"

/* Rows whose losses are added up at once. */
#define SMX_BLOCK_ROWS SMX_NARROW_ROWS

/* Sixteenths of a binade up to which exponentials are taken relative to 0. */
#define SMX_UNSHIFTED_LOSS 1600.0

struct smx_part {  /* of a row: one of its chunks, or all of it */
    bool in_range; /* split_exp.h; of a chunk: if its row is */
    double max, reference, sum;
    double mass;   /* sum of v */
    double cost;   /* sum of v (anchor - z), anchor: max, or 0 if all masked */
    double spread; /* sum of exp(z - reference) (reference - z), of an
                      entropy's weight; out of range the reference is max */
    double moment; /* of the sum (split_exp.h), of an entropy */
    float min;     /* of a chunk in range: no logit is lower */
};

/* d_c = (factor + bend (z_c - reference)) exp(z_c - reference) - share v_c */
struct smx_grad {
    bool in_range;
    double reference, factor, share;
    double bend;   /* of an entropy */
    double label;  /* what the label's class loses beside that */
    double nats;   /* its -log p, where it has all the mass */
    double square; /* the part of z-loss and entropy of the factor */
    size_t top;    /* the class with p = 1, whose d is d_top; or SMX_NO_TOP */
    double d_top;
};

#define SMX_NO_TOP SIZE_MAX

struct smx_beside;

struct smx_loss_call {
    const struct smx_kernels *kernels;
    const struct smx_logits *logits;
    const struct smx_criterion *asked;
    const struct smx_loss_out *out;
    struct smx_beside *beside;
    struct smx_tiles tiles; /* of logits, targets and gradient */
    size_t classes, chunks;
    double keep, share; /* of the label: 1 - e; of every class: e / C */
    double inverse_temperature;
    struct smx_exponents by; /* of wide rows */
    struct smx_split_exp split;
    struct smx_counts counts;
    double factor, z_factor; /* of the reduction */
    enum smx_way way;        /* all but by chunks: blocks of rows at once */
    bool stream;             /* the gradient past the cache */
    double *entropies;       /* the cross-entropies, one a row of all */
    double *squares;         /* z-loss and entropy, likewise; NULL: none */
    const float *upstreams;  /* as asked */
    struct smx_part *parts;  /* of a tile; not of few classes, */
    struct smx_grad *grads;  /* nor these */
    bool columns;            /* rows are read where they are, class by class */
    atomic_bool nonfinite;
    atomic_bool out_of_range; /* a chunk is */
    size_t hits;
    int64_t *ranks;       /* see smx_loss_ranks */
    void *summaries;      /* room for summary.h */
    struct smx_seen seen; /* what the loss shares with it, of a tile's rows */
    float *entropy_out; /* of the softmax, one a row of all; NULL: not asked */

    /* The tile at work: what follows is of its first row. */
    size_t rows, slices, blocks, per_block;
    struct smx_criterion criterion;
    const float *z, *upstream;
    float *gradient;
    struct smx_mass mass;
    double *entropy, *square;
    const int64_t *found; /* class of the largest logit, of each row */
};

static inline double smx_loss_reference(double max, double scale)
{
    return fabs(max * scale) <= SMX_UNSHIFTED_LOSS ? 0 : max;
}

static inline double smx_loss_weight(const struct smx_loss_call *call,
                                     int64_t label)
{
    return call->mass.weights ? call->mass.weights[label] : 1;
}

static inline double smx_loss_row_weight(const struct smx_loss_call *call,
                                         size_t row)
{
    const float *weights = call->criterion.row_weights;
    return weights ? weights[row] : 1;
}

/* Of the row, or of all; times the row's weight. */
static inline double smx_loss_upstream(const struct smx_loss_call *call,
                                       size_t row)
{
    bool none = call->criterion.reduction == SMX_REDUCTION_NONE;
    double weight = smx_loss_row_weight(call, row);
    return call->upstream ? call->upstream[none ? row : 0] * weight : weight;
}

static inline size_t smx_loss_rows(const struct smx_loss_call *call,
                                   size_t block)
{
    size_t left = call->rows - block * call->per_block;
    return left < call->per_block ? left : call->per_block;
}

/** d at the label's class, before the logits are overwritten. */
float smx_loss_label_grad(const struct smx_loss_call *call, size_t row,
                          const struct smx_grad *grad);

/** max, in-range, reference and sum of a chunk, and of an in-range one both
 * halves of the exponentials (split_exp.h), unless rest is NULL; false: NaN or
 * +INFINITY. before: others, as many, that are divided in any case; or NULL. */
bool smx_loss_sum(struct smx_loss_call *call, const float *z, size_t n,
                  float *high, float *rest, const struct smx_cached_exp *before,
                  struct smx_part *part);

/** Is anything asked beside the loss? */
bool smx_loss_summarises(const struct smx_loss_call *call);

/** Numbers that a row needs for the accuracy, and bytes that so many rows need
 *  for all that is asked beside the loss. */
size_t smx_loss_ranks(const struct smx_loss_call *call);
size_t smx_loss_summary_bytes(const struct smx_loss_call *call, size_t rows);

/** Where the loss notes the sums that it shares with that. */
void smx_loss_place_seen(struct smx_loss_call *call);

/** All of that, of the tile that begins with row first, before the gradient
 *  may overwrite it. */
void smx_loss_summarise(struct smx_context *context, struct smx_loss_call *call,
                        size_t first);

/** The losses of n rows, at most SMX_BLOCK_ROWS, from start. parts: one a
 * chunk, which change if the row is not in-range; descents, one a row: NULL
 * without a gradient. */
void smx_loss_take(struct smx_loss_call *call, size_t start, size_t n,
                   struct smx_part *parts, struct smx_grad *grads);

/** The losses of a block of rows from the call's parts. argument: the call. */
void smx_loss_block(void *argument, size_t block);

/** All of a block of rows in lanes. */
void smx_loss_lanes(void *argument, size_t block);

/** All of a block of rows of few classes where they are; out_of_range: to no
 *  account. */
void smx_loss_columns(void *argument, size_t block);

/** All of a block of rows of few classes. */
void smx_loss_narrow(void *argument, size_t block);

/** All of a slice of such blocks, of rows whose exponentials are kept on the
 *  way to the gradient. */
void smx_loss_cached(void *argument, size_t slice);

#endif
