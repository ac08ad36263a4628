/* SPDX-License-Identifier: MIT */
/**
 * One row with all its options, in twofold precision: differences to the
 * largest z', so that nothing overflows, and what softmax makes of them.
 */
#ifndef SMX_ROW_H
#define SMX_ROW_H

#include "rows.h"
#include "twofold.h"

/* Keeps the digits of what is subnormal in the end. */
#define SMX_ROW_SHIFT 128

struct smx_row {
    size_t classes;
    size_t argmax;         /* by the logits, before softcap rounds two to one */
    bool empty;            /* every class is masked */
    double lse;            /* -INFINITY when empty */
    struct smx_two rest;   /* sum of exp(d) without the argmax */
    struct smx_two logsum; /* log(1 + rest) = lse - max */
    struct smx_two *d;     /* z' - max; not of masked classes */
    struct smx_two *p;     /* probabilities times 2^SMX_ROW_SHIFT */
    bool *masked;
    void *extra; /* what smx_rows_open was asked for beside it */
};

/** Bytes of the arrays of a row. */
size_t smx_row_bytes(size_t classes);

/** Points the arrays of row into bytes. */
void smx_row_place(struct smx_row *row, size_t classes, void *bytes);

void smx_row_load(struct smx_row *row, const struct smx_logits *logits,
                  size_t r);

/** p_c; 0 where masked. */
struct smx_two smx_row_p(const struct smx_row *row, size_t c);

/** log p_c; -INFINITY where masked. */
struct smx_two smx_row_log(const struct smx_row *row, size_t c);

/**
 * d times the derivative of z'_c by z_c at that element (c: its class), of
 * which neither factor may be lost where it is subnormal. d comes times
 * 2^shift, shift 0 or SMX_ROW_SHIFT.
 */
double smx_row_bend(const struct smx_row *row, const struct smx_logits *logits,
                    size_t c, size_t index, struct smx_two d, int shift);

#endif
