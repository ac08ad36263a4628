// SPDX-License-Identifier: MIT
/* What the reader understands beyond the letter of RFC 8259. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../server/json/reader.h"
#include "../number/reading.h"

/* As the encoders of Python, R, Julia and others write it. */
static void minus_infinity_is_understood_in_many_forms(void **state)
{
    (void)state;
    static const char *const forms[] = {"-Infinity",
                                        "\"-Infinity\"",
                                        "-Inf",
                                        "\"-Inf\"",
                                        "\"-inf\"",
                                        "\"-INF\"",
                                        "\"-INFINITY\"",
                                        "\"\\u002dInfinity\"",
                                        "\"-\\u0049\\u006ef\"",
                                        "-1e400",
                                        "-inf"};
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++)
        for (size_t slice = 1; slice < 40; slice++) {
            char body[512] = "{\"logits\":[1";
            size_t used = strlen(body);
            struct reading reading;
            for (int n = 0; n < 9; n++)
                used += (size_t)snprintf(body + used, sizeof body - used,
                                         ",2,%s", forms[i]);
            snprintf(body + used, sizeof body - used, "]}");
            assert_true(reading_slices(&reading, body, strlen(body), slice));
            assert_true(
                reading_settle(&reading, READING_LOGITS, TENSOR_FLOAT32));
            const float *logits = reading.tensor[READING_LOGITS].data;
            for (int n = 2; n < 19; n += 2)
                assert_true(logits[n - 1] == 2 && logits[n] == -INFINITY);
            reading_free(&reading);
        }
}

/* As strtof has it: a mask that was written for float64. */
static void below_the_range_is_minus_infinity(void **state)
{
    (void)state;
    struct reading reading;
    assert_true(reading_text(
        &reading, "{\"logits\":[-1.7976931348623157e308,-1e39,-3e38]}", 9));
    assert_true(reading_settle(&reading, READING_LOGITS, TENSOR_FLOAT32));
    const float *logits = reading.tensor[READING_LOGITS].data;
    assert_true(logits[0] == -INFINITY && logits[1] == -INFINITY);
    assert_true(logits[2] == -3e38f);
    reading_free(&reading);
}

static void null_leaves_a_tensor_absent(void **state)
{
    (void)state;
    static const char body[] =
        "{\"labels\":null,\"f32\": null ,\"x\":null,\"logits\":[1]}";
    for (size_t slice = 1; slice < sizeof body; slice++) {
        struct reading reading;
        assert_true(reading_slices(&reading, body, sizeof body - 1, slice));
        assert_int_equal(reading.tensor[READING_LABELS].type, TENSOR_NONE);
        assert_int_equal(reading.tensor[READING_F32].type, TENSOR_NONE);
        assert_int_equal(reading.tensor[READING_LOGITS].count, 1);
        assert_null(value_member(reading.document, "x"));
        assert_null(value_member(reading.document, "labels"));
        reading_free(&reading);
    }
}

static void a_byte_order_mark_is_ignored(void **state)
{
    (void)state;
    static const char body[] = "\xef\xbb\xbf{\"logits\":[1]}";
    for (size_t slice = 1; slice < sizeof body; slice++) {
        struct reading reading;
        assert_true(reading_slices(&reading, body, sizeof body - 1, slice));
        assert_int_equal(reading.tensor[READING_LOGITS].count, 1);
        reading_free(&reading);
    }
    static const char *const others[] = {"\xef\xbb\xbf",
                                         "\xef\xbb",
                                         "\xef",
                                         "\xef{}",
                                         "\xef\xbb{}",
                                         "\xbb\xbf{}",
                                         "\xef\xbb\xbf\xef\xbb\xbf{}",
                                         "{}\xef\xbb\xbf"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        for (size_t slice = 1; slice <= strlen(others[i]); slice++) {
            struct reading reading;
            assert_false(
                reading_slices(&reading, others[i], strlen(others[i]), slice));
            assert_int_equal(reading.problem.status, 400);
            reading_free(&reading);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(minus_infinity_is_understood_in_many_forms),
        cmocka_unit_test(below_the_range_is_minus_infinity),
        cmocka_unit_test(null_leaves_a_tensor_absent),
        cmocka_unit_test(a_byte_order_mark_is_ignored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
