/* SPDX-License-Identifier: MIT */
/**
 * Blocks that every request takes and gives back. A thread keeps a few for its
 * next request: the allocator would merge what is larger than its own caches
 * with the free memory beside it, and cut it off again.
 */
#ifndef FREELIST_H
#define FREELIST_H

#include <stddef.h>

/** Like malloc; NULL: out of memory. */
void *freelist_take(size_t bytes);

/** Like free, for a block of freelist_take's, from any thread. */
void freelist_give(void *data);

/** Free what this thread keeps, as its end does. */
void freelist_clear(void);

#endif
