/* SPDX-License-Identifier: MIT */
/** Random operands over the whole option space. */
#ifndef DRAW_H
#define DRAW_H

#include "random.h"
#include "softmax.h"

enum draw_kind {
    DRAW_NORMAL,    /* N(0, 2) */
    DRAW_UNIFORM,   /* -30 ... 30 */
    DRAW_SMALL,     /* -1 ... 1 */
    DRAW_EQUAL,     /* one number */
    DRAW_OFFSET,    /* 1e4 + N(0, 4) */
    DRAW_HUGE,      /* up to 1e38 either way */
    DRAW_ONE_HOT,   /* one large among small */
    DRAW_SUBNORMAL, /* probabilities below the smallest normal number */
    DRAW_FAR,       /* +-512 + N(0, 1), some as much as 900 below */
    DRAW_HOLES,     /* N(0, 2), -INFINITY here and there */
    DRAW_KINDS
};

struct draw {
    enum draw_kind kind;
    struct smx_logits logits;
    struct smx_criterion criterion;
    void *data, *targets, *weights, *teacher, *row_weights;
    void *upstream;     /* one an element: for smx_vjp */
    void *upstream_row; /* one, or one a row: for smx_gradient */
    int64_t *labels;
    uint8_t *mask;
    size_t elements, rows;
    size_t top_k; /* in [1, classes] */
};

/** Logits of that kind, without a gap, as float or double. */
void draw_logits(struct random *random, enum draw_kind kind,
                 enum smx_dtype dtype, size_t rows, size_t classes, void *data);

/** options false: no mask, temperature, softcap. The caller owns d. */
void draw_init(struct draw *d, struct random *random, enum smx_dtype dtype,
               bool options);
void draw_free(struct draw *d);

/** On stdout, to find a failure again. */
void draw_print(const struct draw *d);

/** data[i] = value, as float or double. */
void draw_set(void *data, enum smx_dtype dtype, size_t i, double value);

#endif
