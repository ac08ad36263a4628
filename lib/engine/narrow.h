/* SPDX-License-Identifier: MIT */
/** Rows of few classes, all below the highest in-range (split_exp.h): what the
 * kernels (narrow_tmpl.c) keep of them between one step and the next. */
#ifndef SMX_NARROW_H
#define SMX_NARROW_H

#include "split_exp.h"

/* Elements at once: what is kept of them is to stay in the first cache. */
#define SMX_NARROW_ELEMENTS ((size_t)2048)

/* Room for what is read and written behind the last element. */
#define SMX_NARROW_PLACES (SMX_NARROW_ELEMENTS + 128)

/* Rows go another way whose rest is less, as it may be that of logits that
 * count as the lowest in range, or whose factor is not two halves of floats. */
#define SMX_NARROW_LEAST_REST 0x1p-100
#define SMX_NARROW_LEAST_FACTOR 0x1p-120
#define SMX_NARROW_MOST_FACTOR 0x1p-33

#define SMX_NARROW_ALIGNED __attribute__((aligned(64)))

struct smx_narrow {
    /* Exponentials: s, and s q. */
    SMX_NARROW_ALIGNED float s[SMX_NARROW_PLACES], rest[SMX_NARROW_PLACES];
    SMX_NARROW_ALIGNED double pairs[SMX_NARROW_PLACES / 2]; /* sums of two */
    SMX_NARROW_ALIGNED double sums[SMX_NARROW_ROWS];        /* of rows */
    /* struct factor of each row */
    SMX_NARROW_ALIGNED float whole[SMX_NARROW_ROWS], high[SMX_NARROW_ROWS],
        low[SMX_NARROW_ROWS];
};

/** The most rows at once, a multiple of 16 for whole registers. */
static inline size_t smx_narrow_rows(size_t classes)
{
    size_t rows = SMX_NARROW_ELEMENTS / classes;
    return rows < SMX_NARROW_ROWS ? rows - rows % 16 : SMX_NARROW_ROWS;
}

#endif
