// SPDX-License-Identifier: MIT
/* Tensors, the budget they are charged to, and problems. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../server/budget.h"
#include "../../server/problem.h"
#include "../../server/tensor.h"

static size_t taken(struct budget *budget)
{
    return atomic_load(&budget->taken);
}

static void budget_refuses_beyond_its_limit(void **state)
{
    (void)state;
    struct budget budget = {.limit = 100};
    assert_true(budget_take(&budget, 60));
    assert_false(budget_take(&budget, 41));
    assert_int_equal(taken(&budget), 60);
    assert_true(budget_take(&budget, 40));
    assert_false(budget_take(&budget, SIZE_MAX));
    budget_give(&budget, 100);
    assert_int_equal(taken(&budget), 0);
}

/* Heap and mapping meet at 128 KiB: grow and shrink across it. */
static void reserve_keeps_what_is_there(void **state)
{
    (void)state;
    static const size_t sizes[] = {1,       64,      65,     100000, 131072,
                                   131073,  5 << 20, 131072, 131071, 70,
                                   1 << 20, 3 << 20, 64,     3};
    struct budget budget = {.limit = 8 << 20};
    struct tensor tensor = {.budget = &budget};
    struct problem problem = {0};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        assert_true(tensor_reserve(&tensor, sizes[i], &problem));
        unsigned char *data = tensor.data;
        assert_int_equal((uintptr_t)data % 64, 0);
        assert_true(tensor.bytes >= sizes[i]);
        assert_int_equal(taken(&budget), tensor.bytes);
        for (size_t k = 0; i > 0 && k < sizes[i] && k < sizes[i - 1]; k++)
            assert_int_equal(data[k], 42);
        memset(data, 42, sizes[i]);
    }
    tensor_free(&tensor);
    assert_int_equal(taken(&budget), 0);
    assert_ptr_equal(tensor.budget, &budget);
}

static void reserve_of_nothing_gives_all_back(void **state)
{
    (void)state;
    struct budget budget = {.limit = 1024};
    struct tensor tensor = {.budget = &budget, .type = TENSOR_INT64};
    struct problem problem = {0};
    assert_true(tensor_reserve(&tensor, 500, &problem));
    assert_true(tensor_reserve(&tensor, 0, &problem));
    assert_null(tensor.data);
    assert_int_equal(tensor.type, TENSOR_INT64);
    assert_int_equal(taken(&budget), 0);
    assert_true(tensor_reserve(&tensor, 1000, &problem));
    tensor_free(&tensor);
}

static void reserve_over_budget_leaves_the_tensor(void **state)
{
    (void)state;
    struct budget budget = {.limit = 200000};
    struct tensor tensor = {.budget = &budget};
    struct problem problem = {0};
    assert_true(tensor_reserve(&tensor, 1000, &problem));
    void *data = tensor.data;
    assert_false(tensor_reserve(&tensor, 300000, &problem));
    assert_int_equal(problem.status, 503);
    assert_ptr_equal(tensor.data, data);
    assert_int_equal(taken(&budget), tensor.bytes);
    problem = (struct problem){0};
    assert_false(tensor_reserve(&tensor, SIZE_MAX - 5, &problem));
    assert_int_equal(problem.status, 503);
    tensor_free(&tensor);
    assert_int_equal(taken(&budget), 0);
}

/* The system, not the budget, has no memory. */
static void failed_mapping_is_not_charged(void **state)
{
    (void)state;
    struct budget budget = {.limit = SIZE_MAX};
    struct tensor tensor = {.budget = &budget};
    struct problem problem = {0};
    assert_false(tensor_reserve(&tensor, SIZE_MAX / 4, &problem));
    assert_int_equal(problem.status, 503);
    assert_null(tensor.data);
    assert_int_equal(taken(&budget), 0);
}

static void shape_counts_and_refuses_overflow(void **state)
{
    (void)state;
    struct tensor tensor = {0};
    struct problem problem = {0};
    const size_t shape[] = {2, 3, 4};
    assert_true(tensor_shape(&tensor, TENSOR_FLOAT32, 3, shape, &problem));
    assert_int_equal(tensor.count, 24);
    assert_true(tensor.bytes >= 96);
    tensor_free(&tensor);
    assert_int_equal(tensor.type, TENSOR_NONE);

    const size_t empty[] = {0, 5};
    assert_true(tensor_shape(&tensor, TENSOR_INT64, 2, empty, &problem));
    assert_int_equal(tensor.count, 0);
    tensor_free(&tensor);

    assert_true(tensor_shape(&tensor, TENSOR_FLOAT64, 0, NULL, &problem));
    assert_int_equal(tensor.count, 1);
    tensor_free(&tensor);

    const size_t huge[] = {SIZE_MAX / 2, 3};
    assert_false(tensor_shape(&tensor, TENSOR_BOOL, 2, huge, &problem));
    assert_int_equal(problem.status, 422);
    problem = (struct problem){0};
    const size_t wide[] = {SIZE_MAX / 4, 2};
    assert_false(tensor_shape(&tensor, TENSOR_FLOAT32, 2, wide, &problem));
    assert_int_equal(problem.status, 422);
}

static void pointer_names_the_element(void **state)
{
    (void)state;
    char text[64];
    struct tensor tensor = {.rank = 3, .shape = {2, 3, 4}};
    tensor_pointer(&tensor, "logits", 0, text, sizeof text);
    assert_string_equal(text, "/logits/0/0/0");
    tensor_pointer(&tensor, "logits", 23, text, sizeof text);
    assert_string_equal(text, "/logits/1/2/3");
    struct tensor scalar = {.rank = 0};
    tensor_pointer(&scalar, "labels", 0, text, sizeof text);
    assert_string_equal(text, "/labels");
    char small[8];
    tensor_pointer(&tensor, "logits", 23, small, sizeof small);
    assert_string_equal(small, "/logits");
}

static void the_first_problem_stands(void **state)
{
    (void)state;
    struct problem problem = {0};
    assert_false(problem_set(&problem, 422, "/a", "a: got %d", 1));
    assert_false(problem_set(&problem, 400, "/b", "b"));
    assert_int_equal(problem.status, 422);
    assert_string_equal(problem.detail, "a: got 1");
    assert_string_equal(problem.pointer, "/a");
}

/* A cut never leaves half a character: the answer stays valid UTF-8. */
static void long_text_is_cut_at_a_character(void **state)
{
    (void)state;
    char name[1200];
    for (size_t shift = 0; shift < 4; shift++) {
        size_t n = shift;
        memset(name, 'x', shift);
        while (n + 4 < sizeof name) {
            memcpy(name + n, "\xf0\x9f\x98\x80", 4);
            n += 4;
        }
        name[n] = '\0';
        struct problem problem = {0};
        problem_set(&problem, 422, name, "%s", name);
        assert_int_equal(strlen(problem.detail) % 4, shift);
        assert_int_equal(strlen(problem.pointer) % 4, shift);
        assert_true(strlen(problem.detail) > 500);
    }
}

static void every_status_has_a_title(void **state)
{
    (void)state;
    static const int used[] = {400, 401, 404, 405, 406, 408, 413,
                               415, 422, 431, 500, 501, 503};
    for (size_t i = 0; i < sizeof used / sizeof used[0]; i++)
        assert_string_not_equal(problem_title(used[i]), "Unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(budget_refuses_beyond_its_limit),
        cmocka_unit_test(reserve_keeps_what_is_there),
        cmocka_unit_test(reserve_of_nothing_gives_all_back),
        cmocka_unit_test(reserve_over_budget_leaves_the_tensor),
        cmocka_unit_test(failed_mapping_is_not_charged),
        cmocka_unit_test(shape_counts_and_refuses_overflow),
        cmocka_unit_test(pointer_names_the_element),
        cmocka_unit_test(the_first_problem_stands),
        cmocka_unit_test(long_text_is_cut_at_a_character),
        cmocka_unit_test(every_status_has_a_title),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
