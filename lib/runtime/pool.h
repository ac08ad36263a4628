/* SPDX-License-Identifier: MIT */
/** The compute pool: threads that share the rows of large calls. */
#ifndef SMX_POOL_H
#define SMX_POOL_H

#include <stdatomic.h>
#include <stddef.h>

#include "softmax.h"

struct smx_pool;

/** Elements that are cheaper to compute here than to share out. */
#define SMX_SMALL ((size_t)32768)

/** For max(threads, 1) threads, a caller's included: starts the others. Caller
 *  owns *pool: smx_pool_free. */
enum smx_status smx_pool_create(struct smx_pool **pool, size_t threads);

/** Joins the threads. No loop may be under way. NULL is ignored. */
void smx_pool_free(struct smx_pool *pool);

size_t smx_pool_threads(const struct smx_pool *pool);

/** Slices of count items, at most most in each: where there are enough for all
 *  threads, as many for each. */
size_t smx_pool_slices(const struct smx_pool *pool, size_t count, size_t most);

/** The first of the items of slice i; of slice slices: count. */
static inline size_t smx_pool_first(size_t count, size_t slices, size_t i)
{
    size_t more = count % slices; /* slices with one more than others */
    return count / slices * i + (i < more ? i : more);
}

/** The same, and in *end the first item of the next slice. */
static inline size_t smx_pool_slice(size_t count, size_t slices, size_t i,
                                    size_t *end)
{
    *end = smx_pool_first(count, slices, i + 1);
    return smx_pool_first(count, slices, i);
}

/**
 * slice(argument, i) for every i in [0, slices), on the caller and on up to
 * threads - 1 threads of the pool. Returns when all are done, and what was
 * written past the caches can be seen. Nothing is allocated; with one slice or
 * one thread nothing is locked either.
 */
void smx_pool_for(struct smx_pool *pool, size_t slices,
                  void (*slice)(void *argument, size_t i), void *argument);

/** item(argument, i) for every i in [0, count), in slices of at most most. */
void smx_pool_each(struct smx_pool *pool, size_t count, size_t most,
                   void (*item)(void *argument, size_t i), void *argument);

/** smx_pool_for of slices that only look at their elements: a few of these take
 *  less than a wake-up, so that they are shared where nobody has to be woken.
 */
void smx_pool_for_scan(struct smx_pool *pool, size_t slices,
                       void (*slice)(void *argument, size_t i), void *argument);

/** The smallest of what slices find, whichever thread is first. */
static inline void smx_pool_least(atomic_size_t *least, size_t found)
{
    size_t seen = atomic_load(least);
    while (found < seen && !atomic_compare_exchange_weak(least, &seen, found))
        ;
}

#endif
