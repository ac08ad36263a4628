// SPDX-License-Identifier: MIT
#include "freelist.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

/* An address sanitizer shall see every block come and go. */
#if defined(__SANITIZE_ADDRESS__)
#define SANITIZED 1
#elif defined(__has_feature)
#define SANITIZED __has_feature(address_sanitizer)
#else
#define SANITIZED 0
#endif

enum { KEPT_BLOCKS = 8 }; /* by a thread, at most */

struct free_block {
    struct free_block *next;
    size_t bytes;
    _Alignas(max_align_t) char data[];
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool keeps;         /* there is a key */
static pthread_key_t kept; /* a thread's first block */

static void free_all(void *first)
{
    for (struct free_block *block = first, *next; block; block = next) {
        next = block->next;
        free(block);
    }
}

static void prepare_thread(void)
{
    keeps = !SANITIZED && pthread_key_create(&kept, free_all) == 0;
}

void *freelist_take(size_t bytes)
{
    pthread_once(&once, prepare_thread);
    struct free_block *first = keeps ? pthread_getspecific(kept) : NULL;
    for (struct free_block **at = &first; *at; at = &(*at)->next)
        if ((*at)->bytes == bytes) {
            struct free_block *block = *at;
            *at = block->next;
            pthread_setspecific(kept, first);
            return block->data;
        }
    struct free_block *block = malloc(sizeof *block + bytes);
    if (!block)
        return NULL;
    block->bytes = bytes;
    return block->data;
}

void freelist_give(void *data)
{
    if (!data)
        return;
    struct free_block *block =
        (struct free_block *)((char *)data - offsetof(struct free_block, data));
    block->next = keeps ? pthread_getspecific(kept) : NULL;
    size_t count = 0;
    for (const struct free_block *at = block->next; at; at = at->next)
        count++;
    if (!keeps || count >= KEPT_BLOCKS || pthread_setspecific(kept, block) != 0)
        free(block);
}

void freelist_clear(void)
{
    if (!keeps)
        return;
    free_all(pthread_getspecific(kept));
    pthread_setspecific(kept, NULL);
}
