// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "tensor.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "freelist.h"

/* From MAPPED_BYTES on data is mapped: it grows by remapping, which copies
 * nothing, and goes back to the system when freed. Below it comes from the
 * heap. From TENSOR_HUGE_PAGE on it asks for huge pages, as clearing and
 * mapping so many small ones takes a fifth of a request; they lie at multiples
 * of their size. */
enum {
    SMALL_BYTES = 512,
    MAPPED_BYTES = 128 * 1024,
    ALIGNMENT = 64,
    PAGE_BYTES = 4096
};

size_t tensor_element_bytes(enum tensor_type type)
{
    static const unsigned char bytes[] = {[TENSOR_NONE] = 0,
                                          [TENSOR_FLOAT32] = 4,
                                          [TENSOR_FLOAT64] = 8,
                                          [TENSOR_INT64] = 8,
                                          [TENSOR_BOOL] = 1};
    return bytes[type];
}

static size_t round_up(size_t bytes)
{
    size_t unit = bytes >= MAPPED_BYTES ? PAGE_BYTES : ALIGNMENT;
    return (bytes + unit - 1) / unit * unit;
}

static void *map(size_t bytes)
{
    void *data = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return data == MAP_FAILED ? NULL : data;
}

/* Map a huge page more than that, and give back what lies around it. */
static void *map_aligned(size_t bytes)
{
    char *data = map(bytes + TENSOR_HUGE_PAGE);
    if (!data)
        return NULL;
    size_t before = -(uintptr_t)data % TENSOR_HUGE_PAGE;
    if (before > 0)
        munmap(data, before);
    munmap(data + before + bytes, TENSOR_HUGE_PAGE - before);
    return data + before;
}

/* Where the kernel has no huge pages, small ones do. */
static void *with_huge_pages(void *data, size_t bytes)
{
    if (data)
        madvise(data, bytes, MADV_HUGEPAGE);
    return data;
}

/* From malloc, whose small blocks cost less than aligned_alloc's, or for what
 * every small request has, from the free list: the block is noted in the gap
 * before the data, which is never smaller. */
static void *heap_allocate(size_t bytes)
{
    char *block = bytes <= SMALL_BYTES ? freelist_take(SMALL_BYTES + ALIGNMENT)
                                       : malloc(bytes + ALIGNMENT);
    if (!block)
        return NULL;
    char *data = block + ALIGNMENT - (uintptr_t)block % ALIGNMENT;
    memcpy(data - sizeof block, &block, sizeof block);
    return data;
}

static void heap_release(void *data, size_t bytes)
{
    char *block;
    memcpy(&block, (char *)data - sizeof block, sizeof block);
    if (bytes <= SMALL_BYTES)
        freelist_give(block);
    else
        free(block);
}

static void *data_allocate(size_t bytes)
{
    if (bytes < MAPPED_BYTES)
        return heap_allocate(bytes);
    return bytes < TENSOR_HUGE_PAGE
               ? map(bytes)
               : with_huge_pages(map_aligned(bytes), bytes);
}

static void data_release(void *data, size_t bytes)
{
    if (bytes < MAPPED_BYTES)
        heap_release(data, bytes);
    else
        munmap(data, bytes);
}

/* The thread sanitizer does not know mremap: the next owner of the pages would
 * seem to race with the last. */
#ifndef __SANITIZE_THREAD__

/* Grow the mapping where it lies, or move it to an address that suits huge
 * pages. */
static void *grow_aligned(void *data, size_t before, size_t after)
{
    if (mremap(data, before, after, 0) != MAP_FAILED)
        return data;
    void *fresh = map_aligned(after);
    if (fresh && mremap(data, before, after, MREMAP_MAYMOVE | MREMAP_FIXED,
                        fresh) == MAP_FAILED) {
        munmap(fresh, after);
        return NULL;
    }
    return fresh;
}

static void *remap(void *data, size_t before, size_t after)
{
    if (after > before && before >= TENSOR_HUGE_PAGE)
        return with_huge_pages(grow_aligned(data, before, after), after);
    void *moved = mremap(data, before, after, MREMAP_MAYMOVE);
    return moved == MAP_FAILED ? NULL : moved;
}
#endif

static void *data_resize(void *data, size_t before, size_t after)
{
#ifndef __SANITIZE_THREAD__
    /* Small pages that move stay small: the first huge page is copied into. */
    bool copied = before < TENSOR_HUGE_PAGE && after >= TENSOR_HUGE_PAGE;
    if (before >= MAPPED_BYTES && after >= MAPPED_BYTES && !copied)
        return remap(data, before, after);
#endif
    void *fresh = data_allocate(after);
    if (fresh && data) {
        memcpy(fresh, data, before < after ? before : after);
        data_release(data, before);
    }
    return fresh;
}

bool tensor_reserve(struct tensor *tensor, size_t bytes,
                    struct problem *problem)
{
    if (bytes > SIZE_MAX / 2)
        return problem_memory(problem);
    size_t before = tensor->bytes, after = round_up(bytes);
    if (after == before)
        return true;
    if (after == 0) {
        enum tensor_type type = tensor->type;
        tensor_free(tensor);
        tensor->type = type;
        return true;
    }
    if (after > before &&
        !budget_charge(tensor->budget, after - before, problem))
        return false;
    void *data = data_resize(tensor->data, before, after);
    if (!data) {
        if (after > before)
            budget_give(tensor->budget, after - before);
        return problem_memory(problem);
    }
    if (after < before)
        budget_give(tensor->budget, before - after);
    tensor->data = data;
    tensor->bytes = after;
    return true;
}

bool tensor_shape(struct tensor *tensor, enum tensor_type type, int rank,
                  const size_t *shape, struct problem *problem)
{
    size_t count = 1;
    for (int i = 0; i < rank; i++)
        if (__builtin_mul_overflow(count, shape[i], &count))
            return problem_set(problem, 422, NULL,
                               "shape: the number of elements overflows");
    size_t bytes;
    if (__builtin_mul_overflow(count, tensor_element_bytes(type), &bytes))
        return problem_set(problem, 422, NULL,
                           "shape: the number of bytes overflows");
    if (!tensor_reserve(tensor, bytes, problem))
        return false;
    tensor->type = type;
    tensor->rank = rank;
    for (int i = 0; i < rank; i++)
        tensor->shape[i] = shape[i];
    tensor->count = count;
    return true;
}

void tensor_borrow(struct tensor *tensor, enum tensor_type type, int rank,
                   const size_t *shape, void *data)
{
    tensor->type = type;
    tensor->rank = rank;
    tensor->count = 1;
    for (int i = 0; i < rank; i++) {
        tensor->shape[i] = shape[i];
        tensor->count *= shape[i];
    }
    tensor->data = data;
}

void tensor_free(struct tensor *tensor)
{
    if (tensor->bytes) {
        data_release(tensor->data, tensor->bytes);
        budget_give(tensor->budget, tensor->bytes);
    }
    tensor_clear(tensor);
}

void tensor_pointer(const struct tensor *tensor, const char *member,
                    size_t index, char *pointer, size_t pointer_bytes)
{
    size_t below = 1, used;
    for (int i = 0; i < tensor->rank; i++)
        below *= tensor->shape[i];
    used = (size_t)snprintf(pointer, pointer_bytes, "/%s", member);
    for (int i = 0; i < tensor->rank && used < pointer_bytes; i++) {
        below = tensor->shape[i] ? below / tensor->shape[i] : 0;
        size_t step = below ? index / below : 0;
        index = below ? index % below : 0;
        used += (size_t)snprintf(pointer + used, pointer_bytes - used, "/%zu",
                                 step);
    }
}

void tensor_to_little_endian(struct tensor *tensor)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    size_t width = tensor_element_bytes(tensor->type);
    unsigned char *data = tensor->data;
    for (size_t i = 0; i < tensor->count; i++, data += width)
        for (size_t a = 0, b = width - 1; a < b; a++, b--) {
            unsigned char byte = data[a];
            data[a] = data[b];
            data[b] = byte;
        }
#else
    (void)tensor; /* memory has the order of the wire */
#endif
}
