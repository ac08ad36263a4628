/* SPDX-License-Identifier: MIT */
/*
 * vectors.jsonl through the library, each case in both dtypes: PyTorch's
 * answers within 16 (float32) and 450 (float64) units in the last place of the
 * terms they are the sum of; and exact.jsonl, which knows every digit, within 2
 * and 4. The long double reference must agree to 450 of float64 as well, so
 * that the tests that lean on it lean on something.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../support/vector_case.h"

#define VECTORS "tests/vectors/vectors.jsonl"
#define EXACT "tests/vectors/exact.jsonl"

static struct smx_context *context;

static int start(void **state)
{
    (void)state;
    return smx_context_create(&context, NULL);
}

static int stop(void **state)
{
    (void)state;
    smx_context_free(context);
    return 0;
}

/** Every line agrees, of which there are at least so many. */
static void run_all(const char *path, enum smx_dtype dtype, double ulps,
                    size_t least)
{
    FILE *file = fopen(path, "r");
    char *line = NULL;
    size_t room = 0, failed = 0, count;

    assert_non_null(file);
    for (count = 0; getline(&line, &room, file) > 0; count++)
        failed += !vector_case_run(context, line, count + 1, dtype, ulps);
    free(line);
    fclose(file);
    assert_int_equal(failed, 0);
    assert_true(count >= least);
}

static void agrees_in_float32(void **state)
{
    (void)state;
    run_all(VECTORS, SMX_FLOAT32, 16, 400);
}

static void agrees_in_float64(void **state)
{
    (void)state;
    run_all(VECTORS, SMX_FLOAT64, 450, 400);
}

static void is_exact_in_float32(void **state)
{
    (void)state;
    run_all(EXACT, SMX_FLOAT32, 2, 175);
}

static void is_exact_in_float64(void **state)
{
    (void)state;
    run_all(EXACT, SMX_FLOAT64, 4, 175);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_in_float32),
        cmocka_unit_test(agrees_in_float64),
        cmocka_unit_test(is_exact_in_float32),
        cmocka_unit_test(is_exact_in_float64),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
