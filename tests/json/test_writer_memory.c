// SPDX-License-Identifier: MIT
/*
 * The allocator fails at its k-th call, k = 0, 1, 2 ... until an answer is
 * built: each time the writer says so and keeps nothing. So does text.
 *
 * The functions below take the place of libc's for the whole program.
 * Sanitizers bring their own; there is nothing to run then.
 */
#include "../../server/freelist.h"
#include "../../server/json/small_text.h"
#include "../../server/json/writer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../support/libc_malloc.h"

static long calls_left = -1; /* until one fails; -1: none will */
static long held;            /* blocks */

#if REPLACED

static bool fails(void)
{
    return calls_left >= 0 && calls_left-- == 0;
}

void *malloc(size_t bytes)
{
    void *block = fails() ? NULL : __libc_malloc(bytes);
    held += block != NULL;
    return block;
}

void *calloc(size_t count, size_t bytes)
{
    void *block = fails() ? NULL : __libc_calloc(count, bytes);
    held += block != NULL;
    return block;
}

void *realloc(void *block, size_t bytes)
{
    void *moved = fails() ? NULL : __libc_realloc(block, bytes);
    held += !block && moved;
    return moved;
}

void free(void *block)
{
    held -= block != NULL;
    __libc_free(block);
}

#endif

static float numbers[3] = {1, 2, 3};
static const struct tensor tensor = {.type = TENSOR_FLOAT32,
                                     .rank = 1,
                                     .shape = {3},
                                     .count = 3,
                                     .data = numbers};

/* An answer that grows both of the writer's buffers more than once. */
static void build(struct writer *writer)
{
    for (int i = 0; i < 100; i++) {
        writer_string(writer, "a \"name\"");
        writer_text(writer, ":");
        writer_int64(writer, i);
        writer_tensor(writer, &tensor, true);
    }
}

static void expect_answer(struct writer *writer)
{
    char text[4096];
    size_t bytes = writer_next(writer, text, sizeof text);
    assert_true(writer_done(writer));
    assert_memory_equal(text, "\"a \\\"name\\\"\":0[1,2,3]", 21);
    assert_memory_equal(text + bytes - 9, "99[1,2,3]", 9);
}

static void every_allocation_fails_once(void **state)
{
    (void)state;
    if (!REPLACED)
        skip();
    long before = held, k = 0;
    for (bool done = false; !done; k++) {
        assert_true(k < 100);
        calls_left = k;
        struct writer *writer = writer_create();
        if (writer)
            build(writer);
        done = calls_left >= 0; /* the k-th call never came */
        calls_left = -1;
        assert_int_equal(writer != NULL, k > 0);
        if (writer)
            assert_int_equal(writer_failed(writer), !done);
        if (done)
            expect_answer(writer);
        writer_free(writer);
        freelist_clear();
        assert_int_equal(held, before);
    }
    assert_true(k > 8);
}

static void text_that_cannot_grow_is_not_charged(void **state)
{
    (void)state;
    if (!REPLACED)
        skip();
    struct budget budget = {.limit = 1 << 20};
    struct problem problem = {0};
    struct small_text text;
    small_text_init(&text, &budget);
    size_t kept = 0;
    for (int i = 0; i < 5000; i++) {
        size_t room = text.room;
        calls_left = 0;
        bool added = small_text_append(&text, "x", 1, &problem);
        calls_left = -1;
        assert_true(added || problem.status == 503);
        assert_int_equal(text.room, room);
        assert_int_equal(budget.taken, kept);
        if (!added)
            assert_true(small_text_append(&text, "x", 1, &problem));
        kept = budget.taken;
    }
    small_text_free(&text);
    assert_int_equal(budget.taken, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_allocation_fails_once),
        cmocka_unit_test(text_that_cannot_grow_is_not_charged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
