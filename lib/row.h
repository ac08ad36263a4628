/* SPDX-License-Identifier: MIT */
/**
 * One row with all its options, in tiles that fit the first cache: a row of
 * any length needs this much memory and no more. What a later sweep over a
 * longer row needs is computed again from its logits.
 */
#ifndef SMX_ROW_H
#define SMX_ROW_H

#include "row_kernels.h"
#include "rows.h"

/* Classes of a tile. */
#define SMX_TILE ((size_t)1024)

/* Exponentials come times 2^this, which keeps the digits of what is
 * subnormal in the end. */
#define SMX_ROW_SHIFT 128

#define SMX_TILED __attribute__((aligned(64)))

/* What is computed of a row beside its exponentials. */
enum smx_row_wants {
    SMX_ROW_LOGS = 1, /* d */
    SMX_ROW_SLOPE = 2 /* dz'/dz, of a softcap */
};

struct smx_row {
    const struct smx_logits *logits;
    const struct smx_row_kernels *kernels;
    /* 1 / temperature = cooling 2^exponent; slope's shift is counted in the
     * exponent, which is there as powers, too, pure with SMX_ROW_SHIFT */
    struct smx_two cooling;
    int exponent;
    double mixed[2], pure[2];
    size_t r;       /* the row */
    size_t argmax;  /* by the logits, before softcap rounds two to one */
    double largest; /* its logit */
    bool empty;     /* every class is left out */
    struct smx_distance distance;
    struct smx_two rest;   /* sum of exp(d) without the argmax */
    struct smx_two logsum; /* log(1 + rest) = lse - max */
    double lse;            /* -INFINITY when empty */
    /* the tile, padded to n with classes left out */
    size_t first, count, n;
    bool computed;                    /* beside z */
    struct smx_two tile_rest;         /* sum of e without the argmax */
    struct smx_tile tile;             /* the arrays below, as far as wanted */
    SMX_TILED double z[SMX_TILE];     /* the logits */
    SMX_TILED double hi[SMX_TILE];    /* d = z' - max, */
    SMX_TILED double lo[SMX_TILE];    /* its rest */
    SMX_TILED double e[SMX_TILE];     /* 2^128 exp(d) */
    SMX_TILED double slope[SMX_TILE]; /* of softcap, times 2^128 */
    SMX_TILED double mass[SMX_TILE];  /* for the caller's use */
    SMX_TILED double out[SMX_TILE];   /* likewise */
};

/** wants: of enum smx_row_wants. */
void smx_row_init(struct smx_row *row, const struct smx_row_kernels *kernels,
                  const struct smx_logits *logits, unsigned wants);

/** argmax, empty and rest of row r. */
void smx_row_load(struct smx_row *row, size_t r);

/** logsum and lse. */
void smx_row_logs(struct smx_row *row);

/** for each tile of the row: c, its first class */
#define SMX_ROW_TILES(c, row)                                                  \
    for (size_t c = 0;                                                         \
         c < (row)->logits->classes && (smx_row_tile((row), c), true);         \
         c += SMX_TILE)

/** The same with nothing but the logits computed. */
#define SMX_ROW_LOGITS(c, row)                                                 \
    for (size_t c = 0;                                                         \
         c < (row)->logits->classes && (smx_row_look((row), c), true);         \
         c += SMX_TILE)

/** The tile from class first on, a multiple of SMX_TILE. */
void smx_row_tile(struct smx_row *row, size_t first);
void smx_row_look(struct smx_row *row, size_t first);

/** A tile of the classes [0], [step] ... [(count - 1) step] instead. */
void smx_row_gather(struct smx_row *row, const int64_t *classes, size_t step,
                    size_t count);

/** Logit c, -INFINITY where the mask leaves it out. */
double smx_row_logit(const struct smx_row *row, size_t c);

/** sum of exp(d): 1 + rest. */
struct smx_two smx_row_sum(const struct smx_row *row);

/** (a p - b mass) slope / temperature, each factor rounded once. */
struct smx_row_descent smx_row_descend(const struct smx_row *row,
                                       struct smx_two a, struct smx_two b);

/** 2^k as the product of two doubles. */
void smx_row_power(int k, double power[2]);

/** Elements of the tile from, with zeros to the end of the last block, and to
 *  a tensor of the logits' shape. */
void smx_row_get(const struct smx_row *row, const void *tensor, double *tile);
void smx_row_put(const struct smx_row *row, const double *tile, void *tensor);

#endif
