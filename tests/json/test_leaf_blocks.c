// SPDX-License-Identifier: MIT
/* Large tensors, written on several threads: the same bytes as on one. */
#include "../../server/json/writer.h"
#include "../support/expect.h"
#include "../support/random.h"

#include <stdlib.h>
#include <string.h>

struct text {
    char *bytes;
    size_t count;
};

static struct writer *writer_of(const struct tensor *tensor, bool nested)
{
    struct writer *writer = writer_create();
    assert_non_null(writer);
    writer_text(writer, "{\"small\":");
    writer_int64(writer, 1);
    writer_text(writer, ",\"large\":");
    writer_tensor(writer, tensor, nested);
    writer_text(writer, ",\"again\":");
    writer_tensor(writer, tensor, false);
    writer_text(writer, "}");
    assert_false(writer_failed(writer));
    return writer;
}

static struct text write_all(struct writer *writer, size_t count, size_t room)
{
    struct text text = {malloc(2 * 64 * count + 1024), 0};
    size_t bytes;
    assert_non_null(text.bytes);
    while ((bytes = writer_next(writer, text.bytes + text.count, room)) > 0)
        text.count += bytes;
    assert_true(writer_done(writer));
    writer_free(writer);
    return text;
}

static void fill(struct tensor *tensor, struct random *random)
{
    for (size_t i = 0; i < tensor->count; i++) {
        double value = random_normal(random) * 1e-3;
        if (tensor->type == TENSOR_FLOAT32)
            ((float *)tensor->data)[i] = (float)value;
        else if (tensor->type == TENSOR_FLOAT64)
            ((double *)tensor->data)[i] = value;
        else
            ((int64_t *)tensor->data)[i] = (int64_t)(value * 1e6);
    }
}

static void expect_same(const struct tensor *tensor, struct budget *budget)
{
    static const size_t rooms[] = {64, 333, 4099, 16384, 1 << 20};
    for (int nested = 0; nested < 2; nested++) {
        struct text want =
            write_all(writer_of(tensor, nested), tensor->count, 16384);
        for (size_t threads = 1; threads < 8; threads += threads < 2 ? 1 : 5) {
            struct jobs *jobs = jobs_create(threads);
            for (size_t i = 0; i < sizeof rooms / sizeof *rooms; i++) {
                struct writer *writer = writer_of(tensor, nested);
                writer_share(writer, jobs, budget);
                struct text got = write_all(writer, tensor->count, rooms[i]);
                assert_int_equal(got.count, want.count);
                assert_memory_equal(got.bytes, want.bytes, want.count);
                assert_int_equal(budget->taken, 0);
                free(got.bytes);
            }
            jobs_free(jobs);
        }
        free(want.bytes);
    }
}

static void bytes_are_those_of_one_thread(void **state)
{
    static const struct {
        enum tensor_type type;
        int rank;
        size_t shape[5];
    } cases[] = {
        {TENSOR_FLOAT32, 1, {50000}},
        {TENSOR_FLOAT32, 1, {10 * 4096 + 1}}, /* a block of one */
        {TENSOR_FLOAT32, 2, {3300, 10}},
        {TENSOR_FLOAT32, 5, {2, 5, 3, 7, 331}},
        {TENSOR_FLOAT64, 3, {40000, 1, 1}},
        {TENSOR_FLOAT64, 2, {17, 2048}},
        {TENSOR_INT64, 4, {3, 1, 4096, 3}},
    };
    (void)state;
    struct random random = {.state = 7};
    struct budget budget = {.limit = SIZE_MAX};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct tensor tensor = {0};
        struct problem problem = {0};
        assert_true(tensor_shape(&tensor, cases[i].type, cases[i].rank,
                                 cases[i].shape, &problem));
        fill(&tensor, &random);
        expect_same(&tensor, &budget);
        tensor_free(&tensor);
    }
}

/* As http/ does it, which shares what did not fit in a first slice. */
static void a_tensor_that_has_begun_is_shared(void **state)
{
    (void)state;
    enum { FIRST = 16384 };
    const size_t shape[] = {50000};
    struct random random = {.state = 9};
    struct budget budget = {.limit = SIZE_MAX};
    struct tensor tensor = {0};
    struct problem problem = {0};
    assert_true(tensor_shape(&tensor, TENSOR_FLOAT32, 1, shape, &problem));
    fill(&tensor, &random);
    struct text want = write_all(writer_of(&tensor, true), shape[0], FIRST);
    struct jobs *jobs = jobs_create(2);
    struct writer *writer = writer_of(&tensor, true);
    char *begun = malloc(2 * FIRST);
    assert_non_null(begun);
    size_t bytes = writer_next(writer, begun, FIRST);
    writer_share(writer, jobs, &budget);
    assert_int_equal(budget.taken, 0);
    bytes += writer_next(writer, begun + bytes, FIRST);
    assert_true(budget.taken > 0); /* for blocks */
    struct text got = write_all(writer, shape[0], FIRST);
    assert_int_equal(bytes + got.count, want.count);
    assert_memory_equal(begun, want.bytes, bytes);
    assert_memory_equal(got.bytes, want.bytes + bytes, got.count);
    assert_int_equal(budget.taken, 0);
    free(begun);
    free(got.bytes);
    free(want.bytes);
    jobs_free(jobs);
    tensor_free(&tensor);
}

/* Without memory for the blocks one thread writes them all. */
static void too_little_memory_changes_nothing(void **state)
{
    (void)state;
    const size_t shape[] = {40000};
    struct random random = {.state = 3};
    struct budget none = {.limit = 1000};
    struct tensor tensor = {0};
    struct problem problem = {0};
    assert_true(tensor_shape(&tensor, TENSOR_FLOAT32, 1, shape, &problem));
    fill(&tensor, &random);
    expect_same(&tensor, &none);
    tensor_free(&tensor);
}

static void a_writer_may_be_freed_anywhere(void **state)
{
    (void)state;
    static char slice[5000];
    const size_t shape[] = {100, 1000};
    struct budget budget = {.limit = SIZE_MAX};
    struct random random = {.state = 5};
    struct jobs *jobs = jobs_create(3);
    for (int slices = 0; slices < 40; slices++) {
        struct tensor tensor = {0};
        struct problem problem = {0};
        assert_true(tensor_shape(&tensor, TENSOR_FLOAT64, 2, shape, &problem));
        fill(&tensor, &random);
        struct writer *writer = writer_of(&tensor, true);
        writer_share(writer, jobs, &budget);
        for (int i = 0; i < slices; i++)
            assert_true(writer_next(writer, slice, sizeof slice) > 0);
        writer_free(writer);
        tensor_free(&tensor);
        assert_int_equal(budget.taken, 0);
    }
    jobs_free(jobs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_are_those_of_one_thread),
        cmocka_unit_test(a_tensor_that_has_begun_is_shared),
        cmocka_unit_test(too_little_memory_changes_nothing),
        cmocka_unit_test(a_writer_may_be_freed_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
