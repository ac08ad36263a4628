/* SPDX-License-Identifier: MIT */
/** The edges of a block for scan_tmpl.c, one after another. */
#ifndef SCAN_EDGES_PLAIN_H
#define SCAN_EDGES_PLAIN_H

#include "scan_block.h"

/** offset and the index of each bit that is set, and what may come behind them:
 *  64 in all. @return the end of them */
static inline uint32_t *write_edges(uint32_t *edges, uint64_t bits,
                                    uint32_t offset)
{
    unsigned count = (unsigned)__builtin_popcountll(bits);
    for (unsigned done = 0; done < count; done += 8)
        for (unsigned i = 0; i < 8; i++) {
            edges[done + i] = offset + trailing_zeros(bits);
            bits &= bits - 1;
        }
    return edges + count;
}

#endif
