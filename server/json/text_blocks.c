// SPDX-License-Identifier: MIT
#include "text_blocks.h"

#include <stdlib.h>
#include <string.h>

#include "../pipeline.h"
#include "token.h"

/* Values and commas take turns, from p to end; @return they do. */
static bool read_block_numbers(struct text_block *block, const char *p,
                               const char *end)
{
    struct element_buffer *window = &block->window;
    struct problem problem = {0};
    bool after_value = false;
    while (p < end) {
        struct stretch stretch;
        size_t taken;
        if (token_is_space(*p) || *p == '[' || *p == ']' ||
            (after_value && *p == ',')) {
            after_value &= *p++ != ',';
            continue;
        }
        if (after_value)
            return false;
        scan_get()->read_flat(p, (size_t)(end - p) + SCAN_BLOCK, &stretch);
        if (stretch.count == 0 || stretch.count > block->last - window->count ||
            !element_buffer_take(window, p, &stretch, &taken, &problem) ||
            taken < stretch.count)
            return false;
        after_value = stretch.after_value;
        p += stretch.bytes;
    }
    return window->count == block->last && after_value == block->after_value;
}

static void read_text_block(void *argument)
{
    struct text_block *block = argument;
    char *end = block->text + block->bytes;
    memset(end, ' ', 2 * SCAN_BLOCK); /* the last number ends there */
    block->good = read_block_numbers(block, block->text, end);
}

struct text_blocks *text_blocks_create(struct jobs *jobs, struct budget *budget)
{
    struct text_blocks *blocks = malloc(sizeof *blocks);
    if (!blocks)
        return NULL;
    *blocks = (struct text_blocks){
        .pipeline = pipeline_create(jobs, sizeof(struct text_block),
                                    read_text_block, budget)};
    if (blocks->pipeline)
        return blocks;
    free(blocks);
    return NULL;
}

bool text_blocks_open(struct text_blocks *blocks,
                      const struct tensor_state *state, struct place place,
                      size_t first, const char *from)
{
    blocks->open = pipeline_next(blocks->pipeline);
    if (!blocks->open)
        return false;
    blocks->open->state = *state;
    blocks->open->place = place;
    blocks->open->first = first;
    blocks->open->bytes = 0;
    blocks->from = from;
    return true;
}

size_t text_blocks_room(const struct text_blocks *blocks)
{
    return TEXT_BLOCK_BYTES - blocks->open->bytes;
}

bool text_blocks_copy(struct text_blocks *blocks, const char *to)
{
    size_t bytes = (size_t)(to - blocks->from);
    if (bytes > text_blocks_room(blocks))
        return false;
    memcpy(blocks->open->text + blocks->open->bytes, blocks->from, bytes);
    blocks->open->bytes += bytes;
    blocks->from = to;
    return true;
}

void text_blocks_post(struct text_blocks *blocks,
                      const struct element_buffer *buffer, bool after_value)
{
    struct text_block *block = blocks->open;
    block->last = buffer->count;
    block->after_value = after_value;
    block->good = false;
    block->window = *buffer;
    block->window.count = block->first;
    block->window.budget = NULL;
    block->window.exceptions = NULL;
    block->window.exception_count = block->window.exception_room = 0;
    blocks->open = NULL;
    pipeline_post(blocks->pipeline);
}

struct text_block *text_blocks_collect(struct text_blocks *blocks,
                                       struct element_buffer *buffer)
{
    struct text_block *block = pipeline_collect(blocks->pipeline);
    struct problem problem = {0};
    if (!block)
        return NULL;
    struct element_buffer *window = &block->window;
    size_t before = buffer->exception_count;
    for (size_t i = 0; i < window->exception_count && block->good; i++)
        block->good =
            element_buffer_except(buffer, window->exceptions[i], &problem);
    if (!block->good)
        buffer->exception_count = before;
    element_buffer_drop_exceptions(window);
    return block;
}

void text_blocks_free(struct text_blocks *blocks)
{
    if (!blocks)
        return;
    pipeline_end(blocks->pipeline);
    struct text_block *block;
    while ((block = pipeline_collect(blocks->pipeline))) {
        element_buffer_drop_exceptions(&block->window);
        pipeline_release(blocks->pipeline);
    }
    pipeline_free(blocks->pipeline);
    free(blocks);
}
