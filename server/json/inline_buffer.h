/* SPDX-License-Identifier: MIT */
/** A buffer whose first bytes lie inside its owner: a small request needs no
 * more. */
#ifndef INLINE_BUFFER_H
#define INLINE_BUFFER_H

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/** realloc for data whose first `before` bytes may lie at first. */
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
