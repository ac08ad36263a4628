/* SPDX-License-Identifier: MIT */
/**
 * Which way rows go: the one place that decides. It looks at shape, options and
 * operands, never at a logit; a row whose numbers its way cannot take is given
 * to a wider one (lib/README.md).
 */
#ifndef SMX_PLAN_H
#define SMX_PLAN_H

#include <stdbool.h>

#include "softmax.h"

enum smx_way {
    SMX_WAY_NARROW,   /* float32 in two halves, several narrow rows at once */
    SMX_WAY_LANES,    /* double, a narrow row a lane */
    SMX_WAY_RESIDENT, /* a row's exponentials wait in the cache for their sum */
    SMX_WAY_LOGS,     /* a row is summed, then its logits are shifted */
    SMX_WAY_CHUNKS,   /* two sweeps by chunks, exponentials computed twice */
    SMX_WAY_DD_LANES, /* double-double, or a capped softmax in double: a narrow
                         row a lane */
    SMX_WAY_DD_ROWS   /* double-double, tile by tile */
};

/** Is that one of the float32 engine's? */
static inline bool smx_way_is_f32(enum smx_way way)
{
    return way < SMX_WAY_DD_LANES;
}

/** Can float32 in two halves have this temperature: are its powers, and those
 *  of a step, float32 (split_exp.h)? */
static inline bool smx_plan_splits(double temperature)
{
    return temperature >= 0x1p-24 && temperature <= 0x1p24;
}

/** Can its exponentials be those of a softmax? */
bool smx_plan_splits_softmax(const struct smx_logits *logits, bool log);

/** Values of all classes in their places or, not whole, of some. */
enum smx_way smx_plan_softmax(const struct smx_logits *logits, bool log,
                              bool whole);

/** Not from a teacher (divergence.c). */
enum smx_way smx_plan_loss(const struct smx_logits *logits,
                           const struct smx_criterion *criterion,
                           bool gradient);

/** Of the Jacobian with an upstream gradient. */
enum smx_way smx_plan_product(const struct smx_logits *logits);

/** Do rows lie side by side, class by class, and are they worth reading so? */
bool smx_plan_columns(const struct smx_logits *logits);

/** Can lanes take all rows of these logits but those that decline? criterion:
 *  of a loss, or NULL. */
bool smx_plan_lanes(const struct smx_logits *logits,
                    const struct smx_criterion *criterion);

#endif
