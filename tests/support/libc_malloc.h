/* SPDX-License-Identifier: MIT */
/**
 * For programs whose malloc takes the place of libc's and fails when it is
 * told to: what it calls, and whether it may.
 */
#ifndef LIBC_MALLOC_H
#define LIBC_MALLOC_H

#include <stddef.h>

/** 0 where a sanitizer brings an allocator of its own. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define REPLACED 0
#elif defined(__has_feature)
#define REPLACED                                                               \
    !(__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
#else
#define REPLACED 1
#endif

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);
extern void __libc_free(void *);

#endif
