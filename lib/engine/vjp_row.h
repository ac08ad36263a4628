/* SPDX-License-Identifier: MIT */
/**
 * The product of a row of float32 with a Jacobian, p_c (g_c - sum g p), of
 * log-softmax g_c - p_c sum g, in steps: the sums of its chunks, what they come
 * to, the products. f32_vjp.c runs them over all rows.
 */
#ifndef SMX_VJP_ROW_H
#define SMX_VJP_ROW_H

#include "load.h"
#include "loss_call.h"
#include "waiting.h"

struct smx_product { /* with one chunk, or with a row */
    bool refused;    /* NaN or an infinity is where it must not be */
    bool in_range;
    double max, reference, sum;
    double dot;  /* sum of g exp(z - reference), with log of g */
    double size; /* of a chunk in range the largest magnitude of g */
};

/* A chunk's logits and upstream, and copies where the mask thins them. */
struct smx_vjp_operands {
    const float *z, *g;
    SMX_ALIGNED float thinned[SMX_CHUNK], summed[SMX_CHUNK];
};

/* Of a thread: exponentials of short rows, or of a chunk, and operands. */
struct smx_vjp_workspace {
    SMX_ALIGNED float high[SMX_CACHED], rest[SMX_CACHED];
    struct smx_vjp_operands of;
};

struct smx_vjp_call {
    struct smx_context *context;
    const struct smx_kernels *kernels;
    struct smx_tiles tiles; /* of logits, upstream and gradient */
    bool log, stream;
    size_t classes, chunks;
    size_t group; /* rows that are summed before the first is stored */
    double inverse_temperature;
    struct smx_exponents by;
    struct smx_split_exp split;
    struct smx_product *products; /* one a chunk of a tile */
    struct smx_product *whole;    /* one a row */
    bool in_lanes, unseen;        /* narrow rows are */
    atomic_bool out_of_range;     /* a chunk is */
    struct smx_refused *refused;

    /* of the tile at work: */
    const float *upstream;
    float *gradient;
};

/** Of so few chunks that exponentials are kept from the sum to the product? */
static inline bool smx_vjp_is_short(const struct smx_vjp_call *call)
{
    return call->chunks <= SMX_F32_SHORT;
}

/** The sums of a chunk of a row of the tile. */
void smx_vjp_sum(struct smx_vjp_call *call, size_t row, size_t chunk,
                 struct smx_vjp_workspace *work);

/** Sets call->whole[row] once all of its chunks are summed, and notes a row
 *  that is refused. */
void smx_vjp_merge(const struct smx_vjp_call *call, size_t row,
                   struct smx_vjp_operands *of);

/** Writes a chunk of a row that is whole, nothing of one that is refused. work:
 *  of a short row what its sums left there. */
void smx_vjp_store(const struct smx_vjp_call *call, size_t row, size_t chunk,
                   struct smx_vjp_workspace *work);

#endif
