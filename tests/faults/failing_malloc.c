// SPDX-License-Identifier: MIT
/*
 * To be preloaded: the allocation that brings the counter in the file that
 * FAILING_MALLOC names from 1 to 0 fails, and the counter then stays below 1.
 * The file holds one int64_t, mapped by the test too.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static _Atomic int64_t *left;

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("FAILING_MALLOC");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0)
        return;
    void *map =
        mmap(NULL, sizeof *left, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (map != MAP_FAILED)
        left = map;
}

static int fails(void)
{
    if (!left || *left <= 0 || atomic_fetch_sub(left, 1) != 1)
        return 0;
    errno = ENOMEM;
    return 1;
}

/* What would have been called: glibc's, or a sanitizer's. */
static void *next(const char *name)
{
    return dlsym(RTLD_NEXT, name);
}

void *malloc(size_t bytes)
{
    static void *(*call)(size_t);
    if (!call)
        *(void **)&call = next("malloc");
    return fails() ? NULL : call(bytes);
}

void *calloc(size_t count, size_t bytes)
{
    static void *(*call)(size_t, size_t);
    if (!call)
        *(void **)&call = next("calloc");
    return fails() ? NULL : call(count, bytes);
}

void *realloc(void *old, size_t bytes)
{
    static void *(*call)(void *, size_t);
    if (!call)
        *(void **)&call = next("realloc");
    return fails() ? NULL : call(old, bytes);
}

void *aligned_alloc(size_t alignment, size_t bytes)
{
    static void *(*call)(size_t, size_t);
    if (!call)
        *(void **)&call = next("aligned_alloc");
    return fails() ? NULL : call(alignment, bytes);
}
