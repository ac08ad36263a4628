/* SPDX-License-Identifier: MIT */
/** Memory that begins inside its owner, where a small request ends, too. */
#ifndef ROOM_H
#define ROOM_H

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

/** realloc for data whose first `before` bytes may lie at first. */
static inline void *room_grow(void *data, const void *first, size_t before,
                              size_t after)
{
    if (data != first)
        return realloc(data, after);
    void *grown = malloc(after);
    if (grown)
        memcpy(grown, first, before);
    return grown;
}

static inline void room_free(void *data, const void *first)
{
    if (data != first)
        free(data);
}

#endif
