/* SPDX-License-Identifier: MIT */
/** Rows of few classes, all below the highest tame (tame.h): what the kernels
 *  (few_tmpl.c) keep of them between one step and the next. */
#ifndef SMX_FEW_H
#define SMX_FEW_H

#include "tame.h"

/* Elements at once: what is kept of them is to stay in the first cache. */
#define SMX_FEW_ELEMENTS ((size_t)2048)

/* Room for what is read and written behind the last element. */
#define SMX_FEW_PLACES (SMX_FEW_ELEMENTS + 128)

#define SMX_FEW_ALIGNED __attribute__((aligned(64)))

struct smx_few {
    /* Exponentials: s, and s q. */
    SMX_FEW_ALIGNED float s[SMX_FEW_PLACES], rest[SMX_FEW_PLACES];
    SMX_FEW_ALIGNED double pairs[SMX_FEW_PLACES / 2]; /* sums of two */
    SMX_FEW_ALIGNED double sums[SMX_FEW_ROWS];        /* of rows */
    /* struct factor of each row */
    SMX_FEW_ALIGNED float whole[SMX_FEW_ROWS], high[SMX_FEW_ROWS],
        low[SMX_FEW_ROWS];
};

/** The most rows at once, a multiple of 16 for whole registers. */
static inline size_t smx_few_rows(size_t classes)
{
    size_t rows = SMX_FEW_ELEMENTS / classes;
    return rows < SMX_FEW_ROWS ? rows - rows % 16 : SMX_FEW_ROWS;
}

#endif
