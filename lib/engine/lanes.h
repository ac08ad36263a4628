/* SPDX-License-Identifier: MIT */
/**
 * Narrow rows class by class: a register holds one class of several rows, a
 * row a lane. No lane knows of another, so that a row's bits depend on nothing
 * but the row, and what is done to one class costs no more for ten of them than
 * for a thousand. float32 is computed in double, float64 in double-double.
 */
#ifndef SMX_LANES_H
#define SMX_LANES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dd_kernels.h"
#include "rows.h"
#include "kernels.h"
#include "split_exp.h"

/* Classes of the widest row, and rows that have their marks together. */
#define SMX_LANES_CLASSES SMX_NARROW
#define SMX_LANES_ROWS ((size_t)64)

/** One call: what is wanted of all rows of a tensor, NULL or 0: nothing. */
struct smx_lanes {
    const struct smx_logits *logits;
    bool unseen;  /* rows with NaN or +INFINITY among them decline */
    bool distant; /* no cache holds them */
    double inverse_temperature, scale; /* float32; scale: nats to sixteenths */
    struct smx_cap cap;                /* likewise, of a softcap */
    struct smx_shift shift;            /* float64 */

    void *values; /* probabilities, or their logarithms */
    bool log;
    void *logsumexp, *entropy; /* one a row, like the next */
    int64_t *argmax;

    const struct smx_criterion *criterion; /* of a loss, checked; NULL: none */
    bool hits;                             /* are marked: */
    struct smx_dd keep, share;             /* of the target; of every class */
    double *losses, *squares;              /* one a row: without the z-loss, and
                                              the z-loss */
    void *gradient;
    const void *upstream;           /* of the rows of the loss; NULL: 1 */
    struct smx_dd factor, z_factor; /* of the reduction */

    const void *vjp_upstream; /* of a product, which goes to values */
};

struct smx_counts;

/** A bit each of SMX_LANES_ROWS rows. */
struct smx_lanes_marks {
    uint64_t declined; /* nothing was written: numbers may leave the range */
    uint64_t hits;     /* the largest logit is the label's or the target's, if
                          that is asked */
};

/** Rows first to first + count; marks: of all of them, or NULL. Has any
 *  declined? */
typedef bool smx_lanes_kernel(const struct smx_lanes *lanes, size_t first,
                              size_t count, struct smx_lanes_marks *marks);

/** Of rows first to first + count of any type, side by side, without a mask:
 *  the classes of the k largest logits, largest first, ties by lower class. */
typedef void smx_lanes_order_kernel(const struct smx_logits *rows, size_t first,
                                    size_t count, size_t k, int64_t *order);

/** A call on logits that lanes take; the rest is the caller's to fill in. */
struct smx_lanes smx_lanes_of(const struct smx_logits *logits);

/** keep, share and the factors of a criterion; n: what a mean divides by. */
void smx_lanes_set_criterion(struct smx_lanes *lanes,
                             const struct smx_criterion *criterion,
                             const struct smx_counts *n);

/** All rows, over the pool; those that decline by the work, which is unseen if
 *  the lanes are, or NULL: none does that is seen. hits: of a loss, or NULL.
 *  SMX_ENONFINITE: there is NaN or +INFINITY among logits that are unseen. */
enum smx_status smx_lanes_run(struct smx_context *context,
                              const struct smx_lanes *lanes,
                              const struct smx_rows_work *work, size_t *hits);

#endif
