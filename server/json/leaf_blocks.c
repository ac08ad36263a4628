// SPDX-License-Identifier: MIT
#include "leaf_blocks.h"

#include <string.h>

enum {
    FROM_LEAVES = 32 * 1024, /* fewer are written before a thread wakes up */
    BLOCK_LEAVES = 4096
};

struct leaf_block {
    struct leaves leaves;
    size_t bytes;
    char text[BLOCK_LEAVES * LEAF_ROOM];
};

static void write_leaf_block(void *argument)
{
    struct leaf_block *block = argument;
    block->bytes = 0;
    leaves_write(&block->leaves, block->text, sizeof block->text,
                 &block->bytes);
}

void leaf_blocks_begin(struct leaf_blocks *blocks, const struct leaves *leaves,
                       struct jobs *jobs, struct budget *budget)
{
    if (leaves->empty || leaves->tensor->count - leaves->leaf < FROM_LEAVES)
        return;
    *blocks = (struct leaf_blocks){
        .pipeline = pipeline_create(jobs, sizeof(struct leaf_block),
                                    write_leaf_block, budget),
        .leaves = *leaves};
}

static void post_all(struct leaf_blocks *blocks)
{
    struct leaves *leaves = &blocks->leaves;
    struct leaf_block *block;
    size_t left;
    while ((left = leaves->tensor->count - leaves->leaf) > 0 &&
           (block = pipeline_next(blocks->pipeline))) {
        size_t count = left < BLOCK_LEAVES ? left : BLOCK_LEAVES;
        block->leaves = *leaves;
        block->leaves.end = leaves->leaf + count;
        pipeline_post(blocks->pipeline);
        leaves_skip(leaves, count);
    }
}

bool leaf_blocks_next(struct leaf_blocks *blocks, char *text, size_t room,
                      size_t *length)
{
    while (*length < room) {
        post_all(blocks);
        if (!blocks->oldest &&
            !(blocks->oldest = pipeline_collect(blocks->pipeline)))
            return true;
        size_t left = blocks->oldest->bytes - blocks->taken;
        size_t bytes = left < room - *length ? left : room - *length;
        memcpy(text + *length, blocks->oldest->text + blocks->taken, bytes);
        *length += bytes;
        blocks->taken += bytes;
        if (bytes == left) {
            pipeline_release(blocks->pipeline);
            blocks->oldest = NULL;
            blocks->taken = 0;
        }
    }
    return false;
}

void leaf_blocks_end(struct leaf_blocks *blocks)
{
    pipeline_free(blocks->pipeline);
    blocks->pipeline = NULL;
}
