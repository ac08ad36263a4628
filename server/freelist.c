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

enum {
    KEPT_BLOCKS = 16, /* by a thread, at most */
    LISTS = 16        /* blocks of one size are in one of them */
};

struct free_block {
    struct free_block *next;
    size_t bytes;
    _Alignas(max_align_t) char data[];
};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool has_key;
static pthread_key_t at_end; /* of a thread, what it keeps is freed */

static _Thread_local struct {
    struct free_block *first[LISTS];
    unsigned count, most;
    bool known; /* most is set */
} kept;

static struct free_block **list_of(size_t bytes)
{
    return &kept.first[bytes / 64 % LISTS];
}

void freelist_clear(void)
{
    for (size_t i = 0; i < LISTS; i++)
        for (struct free_block *block; (block = kept.first[i]);) {
            kept.first[i] = block->next;
            free(block);
        }
    kept.count = 0;
}

static void end_thread(void *unused)
{
    (void)unused;
    freelist_clear();
    kept.most = 0;
}

static void create_key(void)
{
    has_key = !SANITIZED && pthread_key_create(&at_end, end_thread) == 0;
}

static bool may_keep(void)
{
    if (kept.count < kept.most)
        return true;
    if (kept.known)
        return false;
    kept.known = true;
    pthread_once(&once, create_key);
    if (has_key && pthread_setspecific(at_end, &kept) == 0)
        kept.most = KEPT_BLOCKS;
    return kept.most > 0;
}

void *freelist_take(size_t bytes)
{
    for (struct free_block **at = list_of(bytes); *at; at = &(*at)->next)
        if ((*at)->bytes == bytes) {
            struct free_block *block = *at;
            *at = block->next;
            kept.count--;
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
    if (!may_keep()) {
        free(block);
        return;
    }
    struct free_block **list = list_of(block->bytes);
    block->next = *list;
    *list = block;
    kept.count++;
}
