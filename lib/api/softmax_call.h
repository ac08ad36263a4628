/* SPDX-License-Identifier: MIT */
/** A softmax in three steps, so that a loss can be asked for one as well: all
 *  its memory, then its answers, which cannot fail, then its end. */
#ifndef SMX_SOFTMAX_CALL_H
#define SMX_SOFTMAX_CALL_H

#include "api/context.h"
#include "engine/load.h"
#include "engine/plan.h"
#include "engine/summary.h"

struct smx_softmax_call {
    struct smx_context *context;
    struct smx_where *where; /* NULL: nobody asks */
    const struct smx_logits *logits;
    struct smx_softmax_options options;
    struct smx_softmax_out out;
    bool ignore; /* a chosen class that is ignore_index has rank -1 */
    int64_t ignore_index;

    enum smx_way way;       /* of values of all classes */
    struct smx_tiles tiles; /* of logits and, unless some are picked, values */
    bool f32;               /* the float32 engine computes the values */
    bool f32_sums;          /* and log-sum-exp and entropy */
    bool looked;            /* at every logit */
    size_t picked; /* classes a row that are asked for by name or by rank */
    bool gathers;  /* values are computed of these alone */
    struct smx_dd *maxima; /* smx_rows_scan_maxima; NULL: none */
    void *values;          /* of a tile, where they do not stay and cannot take
                              the place of the copy */
    void *workspace;       /* of the float32 engine, or of the ranks */
    struct smx_seen seen;  /* of a tile, see smx_f32_rows */
    int64_t *picks;        /* of a tile: the classes picked */
    int64_t *ranks;        /* of a tile: theirs */
};

/** Of operands that have been checked, short of the logits' elements, and of
 *  all members up to here. SMX_ENOMEM or SMX_OK; to be closed either way. */
enum smx_status smx_softmax_open(struct smx_softmax_call *call);

/** Of logits that have been looked at. */
void smx_softmax_answer(struct smx_softmax_call *call);

void smx_softmax_close(struct smx_softmax_call *call);

/* ---- classes that are picked, the largest or those chosen (picked.c) ---- */

/** Are they found where they are answered? Elsewhere they may be found before
 * every logit has been looked at, or do not lie side by side. */
bool smx_picked_stay(const struct smx_softmax_call *call);

/** Where the values of a tile are that they are picked from. */
static inline void *smx_picked_values(const struct smx_softmax_call *call)
{
    return call->values ? call->values : call->tiles.copy;
}

/** What is asked of those picked of a tile, to its place. */
void smx_picked_store(const struct smx_softmax_call *call);

#endif
