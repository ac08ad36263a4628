/* SPDX-License-Identifier: MIT */
/**
 * Blocks that every request takes and gives back. A thread keeps a few for its
 * next request: the allocator would merge what is larger than its own caches
 * with the free memory beside it, and cut it off again.
 */
#ifndef SPARE_H
#define SPARE_H

#include <stddef.h>

/** Like malloc; NULL: out of memory. */
void *spare_take(size_t bytes);

/** Like free, for a block of spare_take's, from any thread. */
void spare_give(void *data);

/** Free what this thread keeps, as its end does. */
void spare_clear(void);

#endif
