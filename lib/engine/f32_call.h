/* SPDX-License-Identifier: MIT */
/** One call of smx_f32_rows: what its ways share. */
#ifndef SMX_F32_CALL_H
#define SMX_F32_CALL_H

#include <stdatomic.h>

#include "api/context.h"
#include "lanes.h"
#include "plan.h"
#include "summary.h"
#include "sums.h"

struct smx_f32_part {   /* of a row: one of its chunks */
    double total;       /* the in-range sum; NaN: it is out of range */
    double moment;      /* likewise, where it is asked for */
    float min;          /* in range no logit is lower */
    struct smx_sum sum; /* in range the maximum alone */
};

struct smx_f32_row {
    double total;         /* in-range sum; 0: out-of-range */
    struct smx_sum whole; /* in range only for logarithms */
    double logsum;        /* log of the sum relative to the maximum */
};

struct smx_f32_call {
    const struct smx_kernels *kernels;
    const struct smx_logits *z;
    const float *logits; /* its data */
    float *values;
    size_t rows, classes;
    size_t chunks; /* a row */
    size_t unit;   /* rows that no slice divides */
    size_t slices; /* of units */
    bool log;
    struct smx_exponents by;    /* of wide rows */
    struct smx_split_exp split; /* not possible: no row is in range */
    atomic_bool out_of_range;   /* a logit is above the highest in range */
    enum smx_way way;
    bool stream;
    bool early; /* a row may be written before all have been looked at */
    struct smx_seen seen; /* what is to be told of each row */
    /* chosen classes of each row, which are answered alone; 0: all are */
    size_t k;
    const int64_t *chosen;
    /* of long rows, and of those with chosen classes: */
    struct smx_f32_part *parts; /* one a chunk */
    struct smx_f32_row *row;    /* behind them in the workspace */
    atomic_size_t nonfinite;    /* first bad logit; SIZE_MAX: none */
};

static inline bool smx_f32_expects(const struct smx_f32_call *call,
                                   size_t start, size_t n)
{
    return smx_expect_in_range(call->kernels->split, &call->split,
                               call->out_of_range, call->logits + start, n);
}

/** Tells of a row its in-range sum, 0: out-of-range, and its largest logit. */
static inline void smx_f32_tell(const struct smx_f32_call *call, size_t row,
                                double total, double moment, double max)
{
    if (call->seen.totals)
        call->seen.totals[row] = total;
    if (call->seen.moments)
        call->seen.moments[row] = moment;
    if (call->seen.maxima)
        call->seen.maxima[row] = (float)max;
}

/** Notes the first of n that is not below +INFINITY. */
void smx_f32_note_nonfinite(struct smx_f32_call *call, size_t i, size_t n);

/** A row of at most SMX_F32_SHORT chunks that is out of range; e: room for its
 *  exponentials. */
void smx_f32_answer_in_double(struct smx_f32_call *call, size_t row, double *e);

/** n rows from the first on, while they are in the cache; parts: room for one a
 *  chunk, rows: for one a row. */
void smx_f32_answer_rows(struct smx_f32_call *call, size_t first, size_t n,
                         struct smx_f32_part *parts, struct smx_f32_row *rows);

/** Long rows, or the chosen classes of rows of any length. */
void smx_f32_long_rows(struct smx_context *context, struct smx_f32_call *call);

#endif
