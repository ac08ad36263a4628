/* SPDX-License-Identifier: MIT */
/** Text that grows, which lies inside its owner while it is short. */
#ifndef SMALL_TEXT_H
#define SMALL_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "../budget.h"
#include "../problem.h"

struct small_text {
    char *data;            /* with a NUL after bytes */
    size_t bytes, room;    /* room: the NUL's included */
    struct budget *budget; /* charged for what lies outside; NULL: nobody */
    char first[256];
};

/** Empty. */
void small_text_init(struct small_text *text, struct budget *budget);

static inline void small_text_clear(struct small_text *text)
{
    text->bytes = 0;
}

/** false: out of memory (503). */
bool small_text_append(struct small_text *text, const char *bytes, size_t count,
                       struct problem *problem);

void small_text_free(struct small_text *text);

/** Of any buffer whose first bytes lie inside its owner, realloc: for data
 * whose first `before` bytes may lie at first. */
static inline void *inline_buffer_grow(void *data, const void *first,
                                       size_t before, size_t after)
{
    if (data != first)
        return realloc(data, after);
    void *grown = malloc(after);
    if (grown)
        memcpy(grown, first, before);
    return grown;
}

static inline void inline_buffer_free(void *data, const void *first)
{
    if (data != first)
        free(data);
}

#endif
