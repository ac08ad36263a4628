/* SPDX-License-Identifier: MIT */
/**
 * One row with all its options, in tiles that fit the first cache: a row of
 * any length needs this much memory and no more. What a later sweep over a
 * longer row needs is computed again from its logits, but for exponentials
 * that could be kept in the output.
 */
#ifndef SMX_ROW_H
#define SMX_ROW_H

#include "dd_kernels.h"
#include "rows.h"
#include "simd/extended.h"

/* Classes of a tile. */
#define SMX_TILE ((size_t)1024)

/* Exponentials come times 2^this, which keeps the digits of what is
 * subnormal in the end. */
#define SMX_ROW_SHIFT 128

#define SMX_TILED __attribute__((aligned(64)))

/* How much of a tile is there. */
enum smx_row_depth {
    SMX_ROW_PLACE, /* first, count and n */
    SMX_ROW_Z,     /* the logits */
    SMX_ROW_D,     /* their shifted logits, where wanted at all */
    SMX_ROW_E      /* exponentials, and all that is wanted */
};

/** What a focal exponent makes of a label's mass. */
struct smx_focus {
    double loss;
    struct smx_dd gradient;
};

struct smx_row {
    const struct smx_logits *logits;
    const struct smx_row_kernels *kernels;
    const struct smx_load_kernels *load;
    /* 1 / temperature = cooling 2^exponent; slope's shift is counted in the
     * exponent, which is there as powers, too, pure with SMX_ROW_SHIFT */
    struct smx_dd inverse_temperature;
    int exponent;
    double mixed[2], pure[2];
    const struct smx_dd *row_maxima; /* maxima of smx_rows_work */
    bool logs;                       /* logsum is wanted */
    bool sums_only;                  /* inverse is not */
    size_t slot;      /* elements of a tile that is one of several */
    size_t beside;    /* rows whose tiles lie side by side */
    size_t group;     /* and those that are loaded at once: more, of which no
                         tile is there after that, where sums alone are wanted */
    size_t start;     /* the first of those that are */
    size_t first_row; /* of the tensors' rows, that with which logits begin */
    size_t r;         /* the row */
    size_t argmax;    /* by the logits, before softcap rounds two to one */
    double largest;   /* its logit */
    bool empty;       /* every class is left out */
    bool one_hot;     /* p is 1 at the argmax and 0 elsewhere */
    struct smx_shift shift;
    struct smx_focus focus; /* 1 but for the caller's of focuses */
    struct smx_dd inverse;  /* 1 / (1 + rest) */
    struct smx_dd logsum;   /* log(1 + rest) = lse - max */
    const void *input;      /* see smx_rows_work, like the next */
    void *output;
    bool keep, stream;
    smx_row_take *take; /* total of smx_rows_work, and its argument */
    const void *argument;
    struct smx_pool *pool; /* to share a row's tiles over; NULL: none */
    struct smx_dd *parts;  /* then: one a tile, for a sweep */
    /* the tile, padded to n with classes left out */
    size_t first, count, n;
    enum smx_row_depth depth;
    const double *z;         /* the logits, in place or in copy */
    bool fine;               /* none of those that the mask leaves out is
                                refused */
    double *copy;            /* of logits */
    struct smx_dd tile_rest; /* sum of e without the argmax */
    struct smx_tile tile;    /* as far as wanted */
    const double *e;         /* its exponentials: there or in the output */
    struct smx_dd total;     /* of the work's takes, if that is */
    bool known;              /* since the row was loaded */
    /* of the rows of a group: */
    uint64_t refused; /* a bit each: they hold NaN or +INFINITY */
    size_t argmaxes[SMX_ROW_GROUP];
    double maxima[SMX_ROW_GROUP];
    struct smx_row_dds rests, inverses, logsums, totals;
    struct smx_focus focuses[SMX_ROW_GROUP];
    /* their tiles: copy, hi, lo, e and slope */
    SMX_TILED double tiles[5][SMX_TILE];
    SMX_TILED double mass[SMX_TILE]; /* for the caller's use, that of: */
    size_t mass_row, mass_first;
    SMX_TILED double out[SMX_TILE]; /* likewise */
};

void smx_row_init(struct smx_row *row, const struct smx_kernels *kernels,
                  const struct smx_logits *logits,
                  const struct smx_rows_work *work, size_t first_row);

/** Loads row r of the logits and of the next count - 1 as many as are loaded at
 *  once; returns how many. Those that are refused load as empty ones. */
size_t smx_row_load(struct smx_row *row, size_t r, size_t count);

/** Makes row k of those that were loaded the row at hand. */
void smx_row_select(struct smx_row *row, size_t k);

/** max + logsum; -INFINITY when empty. */
double smx_row_lse(const struct smx_row *row);

/** The same where they may leave the doubles; of a row that is not empty. */
struct smx_ext smx_row_logsum_extended(struct smx_row *row);
struct smx_ext smx_row_lse_extended(struct smx_row *row);
struct smx_ext smx_row_mean_extended(struct smx_row *row);

/** The sum of what the work's total takes of each tile. */
struct smx_dd smx_row_total(struct smx_row *row);

/** sum of e d of the tile: the total that the next need. */
struct smx_dd smx_row_terms(const void *argument, struct smx_row *row);

/** sum of d of the tile. */
struct smx_dd smx_row_distances(const void *argument, struct smx_row *row);

/** sum of p d, and with it the entropy, logsum - that; 0 when empty. With a
 *  softcap they need the logs of smx_rows_work. */
struct smx_dd smx_row_mean(struct smx_row *row);
double smx_row_entropy(struct smx_row *row);

/** for each tile of the row, to this depth: c, its first class */
#define SMX_ROW_TILES(c, row, depth)                                           \
    for (size_t c = 0; c < (row)->logits->classes &&                           \
                       (smx_row_tile((row), c, (depth)), true);                \
         c += SMX_TILE)

/** The tile from class first on, a multiple of SMX_TILE. */
void smx_row_tile(struct smx_row *row, size_t first, enum smx_row_depth depth);

/* What comes of two parts of a row. */
typedef struct smx_dd smx_row_join(struct smx_dd a, struct smx_dd b);

/** smx_row_sweep over the row's pool. */
struct smx_dd smx_row_share_out(const struct smx_row *row,
                                enum smx_row_depth depth, smx_row_take *take,
                                const void *argument, smx_row_join *join);

/**
 * take() for each tile of the row, to this depth, and what comes of all of
 * them, joined in their order (join NULL: nothing). With a pool the tiles are
 * shared over it, and take() is given a row of its thread's own.
 */
static inline struct smx_dd
smx_row_sweep(struct smx_row *row, enum smx_row_depth depth, smx_row_take *take,
              const void *argument, smx_row_join *join)
{
    struct smx_dd all = {0, 0};
    if (row->pool)
        return smx_row_share_out(row, depth, take, argument, join);
    SMX_ROW_TILES (c, row, depth) {
        struct smx_dd part = take(argument, row);
        all = c && join ? join(all, part) : part;
    }
    return all;
}

/** The first of the largest of a tile of n elements, which begins with class
 *  first: its value and class. */
static inline struct smx_dd
smx_row_tile_max(const struct smx_row_kernels *kernels, const double *tile,
                 size_t first, size_t n)
{
    const struct smx_row_group one = {.count = 1, .z = tile};
    double top;
    size_t i;
    kernels->row_maxima(&one, n, &top, &i);
    return (struct smx_dd){top, (double)(first + i)};
}

/** To join peaks, a value and its class: the first of the largest, or NaN. */
static inline struct smx_dd smx_row_larger(struct smx_dd a, struct smx_dd b)
{
    return a.hi >= b.hi || isnan(a.hi) ? a : b;
}

/** The exponentials of the tile, as they were kept or computed again; with what
 *  else is wanted of it. */
const double *smx_row_exponentials(struct smx_row *row);

/** The shifted logits of the tile, which has been computed so far. */
struct smx_nats smx_row_nats(const struct smx_row *row);

/** A tile of these classes instead, at most row->slot; the row's last. */
void smx_row_gather(struct smx_row *row, const int64_t *classes, size_t count);

/** d of class c; a softcap's only where shifted logits are wanted. */
struct smx_dd smx_row_shifted(struct smx_row *row, size_t c);

/** ((a + bend d) p - b mass) slope / temperature, each factor rounded once;
 * bend is of no effect until hi and lo are set. */
struct smx_row_grad smx_row_grad_of(const struct smx_row *row, struct smx_dd a,
                                    struct smx_dd bend, struct smx_dd b);

/** 2^k as the product of two doubles. */
void smx_row_power(int k, double power[2]);

/** The tile's elements of the input, with zeros to the end of the last block.
 */
void smx_row_get(const struct smx_row *row, double *tile);

/** The same as doubles where they are, if they are, without the zeros, or in
 *  the tile. */
const double *smx_row_view(const struct smx_row *row, double *tile);

/** Is the input finite, given a sum in which each of its elements has a part?
 * It can also have left the range. */
bool smx_row_is_input_finite(struct smx_row *row, double sum);

/** Class c of a tensor, the logits or the input; of the logits, -INFINITY where
 *  it is left out. */
double smx_row_element(const struct smx_row *row, const void *tensor, size_t c);
double smx_row_logit(const struct smx_row *row, size_t c);

/** Where the tile's elements for the output are to be computed, and the way
 *  from there to it. */
double *smx_row_out(struct smx_row *row);
void smx_row_put(const struct smx_row *row, const double *out);

/** smx_row_out for what passes the caches by itself, if row->stream. */
double *smx_row_final_out(struct smx_row *row);

#endif
