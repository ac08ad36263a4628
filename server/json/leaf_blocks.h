/* SPDX-License-Identifier: MIT */
/** The leaves of a large tensor, written on several threads. */
#ifndef LEAF_BLOCKS_H
#define LEAF_BLOCKS_H

#include "../pipeline.h"
#include "leaves.h"

struct leaf_blocks {
    struct pipeline *pipeline;       /* NULL: one thread writes */
    struct leaves leaves;            /* that no block has yet */
    const struct leaf_block *oldest; /* NULL: not collected yet */
    size_t taken;                    /* bytes of its text */
};

/**
 * Begin to write all leaves from there on; the tensor must not change until
 * leaf_blocks_end. Where they are too few, or there is one thread alone (see
 * pipeline_create), there is no pipeline.
 */
void leaf_blocks_begin(struct leaf_blocks *blocks, const struct leaves *leaves,
                       struct jobs *jobs, struct budget *budget);

/** Add what comes next to the text of *length bytes; true: that was all. */
bool leaf_blocks_next(struct leaf_blocks *blocks, char *text, size_t room,
                      size_t *length);

/** Also where none had begun. */
void leaf_blocks_end(struct leaf_blocks *blocks);

#endif
