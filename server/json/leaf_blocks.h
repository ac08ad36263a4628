/* SPDX-License-Identifier: MIT */
/** The leaves of a large tensor, written on several threads. */
#ifndef LEAF_BLOCKS_H
#define LEAF_BLOCKS_H

#include "../pipeline.h"
#include "leaves.h"

struct leaf_blocks;

/**
 * Begin to write all leaves, of which none is written; the tensor must not
 * change until leaf_blocks_free. NULL: they are too few, or there is one thread
 * alone; see pipeline_create.
 */
struct leaf_blocks *leaf_blocks_create(const struct leaves *leaves,
                                       struct jobs *jobs,
                                       struct budget *budget);

/** Add what comes next to the text of *length bytes; true: that was all. */
bool leaf_blocks_next(struct leaf_blocks *blocks, char *text, size_t room,
                      size_t *length);

/** NULL is ignored. */
void leaf_blocks_free(struct leaf_blocks *blocks);

#endif
