/* SPDX-License-Identifier: MIT */
/** The classes of a softmax that are picked, the largest or those chosen: from
 *  a tile to where they are answered. */
#ifndef SMX_PICKED_H
#define SMX_PICKED_H

#include "softmax_call.h"

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
