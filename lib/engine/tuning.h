/* SPDX-License-Identifier: MIT */
/**
 * Sizes at which another way through the engine is faster, and why. What a
 * kernel needs to know as well stands beside it: SMX_NARROW and the rows of a
 * call (split_exp.h), SMX_CHUNK (kernels.h), SMX_TILE (dd_row.h), SMX_SMALL
 * (pool.h).
 */
#ifndef SMX_TUNING_H
#define SMX_TUNING_H

#include <stdbool.h>
#include <stddef.h>

/** Chunks of a row whose exponentials wait in the cache for their sum: both
 *  halves of two chunks, 64 KiB, fit the second cache and the stack of a
 *  call. */
#define SMX_F32_SHORT ((size_t)2)

/** Elements of rows that wait so together: what they take stays in the first
 *  cache. */
#define SMX_RESIDENT_ELEMENTS ((size_t)2048)

/** Is a row to be divided while the next one in its place is summed? That pays
 *  where what is written is not in the first cache, for rows of more than a few
 *  steps of the kernel. */
static inline bool smx_is_pipelined(size_t rows, size_t classes)
{
    return classes >= 128 && rows * classes >= (size_t)1 << 15;
}

/** Rows of a slice of which each is divided while the next is summed, all but
 *  its last: small ones, or where a thread has eight of them, twice as large. A
 *  thread that waits for another's last slice must not fall asleep, as it may
 *  be woken on the other's processor. */
static inline size_t smx_resident_rows(size_t rows, size_t small,
                                       size_t threads)
{
    size_t share = rows / threads / 8, most = 2 * small;
    if (share < small)
        return small;
    return share < most ? share : most;
}

/** Classes of a row beside a teacher whose exponentials are kept from their sum
 *  to the gradient: both rows' fit the first cache and the stack. */
#define SMX_DIVERGENCE_KEPT ((size_t)2048)

/** Elements beyond which an output had better not pass through the cache: 12
 *  MiB of float32 do not stay there until they are read. */
#define SMX_STREAMED ((size_t)3 << 20)

/** The same of short rows, which takes one more copy, where there is a large
 *  third cache. */
#define SMX_STREAMED_SHORT ((size_t)8 << 20)

/** The same of rows of so many chunks beside any, of so many bytes; 0: its size
 *  is not known. An element is read, fetched and overwritten, 12 bytes: what is
 *  beyond it waits for memory. */
static inline size_t smx_streamed(size_t chunks, size_t third_cache)
{
    size_t held = third_cache / 12;
    if (chunks > SMX_F32_SHORT)
        return SMX_STREAMED;
    return held && held < SMX_STREAMED_SHORT ? held : SMX_STREAMED_SHORT;
}

/** Chosen classes beyond which a row is sorted to rank them, not counted for
 *  each. */
#define SMX_SORTED ((size_t)4096)

/** Chosen classes up to which a row's groups (summary_kernels.h) tell what is
 *  not among them. */
#define SMX_FEW ((size_t)16)

/** Bytes of a tile of rows, for each thread: what is loaded is read and
 * answered from the second cache. Less would divide what the pool shares into
 * parts too small for all threads. */
#define SMX_TILE_BYTES ((size_t)1 << 20)

/** The same of one thread that loads rows, which shares nothing: its memory is
 *  new in each call, and the fewer its pages the less time they take to be
 *  given. Rows that are not loaded had better be one tile, which is looked at
 *  as it is computed. */
#define SMX_TILE_BYTES_ALONE ((size_t)1 << 18)

/** Bytes of rows that are moved beyond which no more of them are than share
 *  a cache line: memory of half as many is kept between calls by malloc, not
 *  given back, and stays in the third cache. */
#define SMX_TILE_MOST ((size_t)1 << 23)

/** Rows side by side, class by class, that are worth reading so: a register of
 *  AVX-512. */
#define SMX_COLUMNS ((size_t)16)

#endif
