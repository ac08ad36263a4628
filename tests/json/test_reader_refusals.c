// SPDX-License-Identifier: MIT
/* What the reader refuses: in which words, and at which place, wherever the
 * slices fall. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../number/reading.h"
#include "filling.h"

/* {body, status, pointer, detail, offset} */
static const struct refusal {
    const char *body;
    int status;
    const char *pointer, *detail;
    size_t offset;
} refusals[] = {
    {"{\"logits\":[[1,2,3],[4,5]]}", 422, "/logits/1",
     "logits: got a row of 2, must be 3 like the rows before it", 23},
    {"{\"logits\":[[1,\"x\"]]}", 422, "/logits/0/1",
     "logits: got \"x\", must be a number", 14},
    {"{\"logits\":[1,[2]]}", 422, "/logits/1",
     "logits: got an array, must be a number", 13},
    {"{\"logits\":[[1],2]}", 422, "/logits/1",
     "logits: got 2, must be an array like those before it", 15},
    {"{\"logits\":[[[[[1]]]]]}", 422, "/logits/0/0/0/0",
     "logits: got an array, must be nested at most 4 deep", 14},
    {"{\"logits\":[1,NaN]}", 422, "/logits/1",
     "logits: got NaN, must be finite or -Infinity", 13},
    {"{\"logits\":[\"NaN\"]}", 422, "/logits/0",
     "logits: got \"NaN\", must be finite or -Infinity", 11},
    {"{\"logits\":[\"+inf\"]}", 422, "/logits/0",
     "logits: got \"+inf\", must be finite or -Infinity", 11},
    {"{\"logits\":[\"-inf\\u0000x\"]}", 422, "/logits/0",
     "logits: got \"-inf\\u0000x\", must be a number", 11},
    {"{\"logits\":[1,null]}", 422, "/logits/1",
     "logits: got null, must be a number or \"-Infinity\"", 13},
    {"{\"logits\":[1,1e999]}", 422, "/logits/1",
     "logits: got 1e999, must be within the range of float64", 13},
    {"{\"f32\":[null]}", 422, "/f32/0", "f32: got null, must be a number", 8},
    {"{\"f32\":[-1e39]}", 422, "/f32/0",
     "f32: got -1e39, must be within the range of float32", 8},
    {"{\"labels\":[\"-Infinity\"]}", 422, "/labels/0",
     "labels: got \"-Infinity\", must be an integer", 11},
    {"{\"labels\":null,\"labels\":[1]}", 422, "/labels",
     "labels: got it twice, must be given once", 0},
    {"{\"f32\":[-Infinity]}", 422, "/f32/0",
     "f32: got -Infinity, must be finite", 8},
    {"{\"f32\":[1e39]}", 422, "/f32/0",
     "f32: got 1e39, must be within the range of float32", 8},
    {"{\"f64\":[1e309]}", 422, "/f64/0",
     "f64: got 1e309, must be within the range of float64", 8},
    {"{\"labels\":[1,2.5]}", 422, "/labels/1",
     "labels: got 2.5, must be an integer", 13},
    {"{\"labels\":[9223372036854775808]}", 422, "/labels/0",
     "labels: got 9223372036854775808, must be within the range of int64", 11},
    {"{\"labels\":[null]}", 422, "/labels/0",
     "labels: got null, must be an integer", 11},
    {"{\"mask\":[true,1]}", 422, "/mask/1",
     "mask: got 1, must be true or false", 14},
    {"{\"logits\":[{}]}", 422, "/logits/0",
     "logits: got an object, must be a number", 11},
    {"{\"logits\":[1],\"logits\":[1]}", 422, "/logits",
     "logits: got it twice, must be given once", 23},
    {"{\"a\":1,\"b\":2,\"a\":3}", 422, "/a",
     "a: got it twice, must be given once", 15},
    {"{\"logits\":[0x10]}", 400, "", "body: got 'x', must be ',' or ']'", 12},
    {"{\"logits\":[1_0]}", 400, "", "body: got '_', must be ',' or ']'", 12},
    {"{\"logits\":[2,1.0f]}", 400, "", "body: got 'f', must be ',' or ']'", 16},
    {"{\"logits\":[1.]}", 400, "",
     "body: got the end of a number, must be a digit", 13},
    {"{\"logits\":[1.e3]}", 400, "", "body: got 'e', must be a digit", 13},
    {"{\"logits\":[-x]}", 400, "", "body: got 'x', must be a digit", 12},
    {"{\"logits\":[01]}", 400, "",
     "body: got a leading 0, must be a number without", 11},
    {"{\"logits\":[-01]}", 400, "",
     "body: got a leading 0, must be a number without", 11},
    {"{\"logits\":[00]}", 400, "",
     "body: got a leading 0, must be a number without", 11},
    {"{\"a\":09}", 400, "", "body: got a leading 0, must be a number without",
     5},
    {"{\"a\":0a}", 400, "", "body: got 'a', must be ',' or the closing bracket",
     6},
    {"{\"a\":-}", 400, "", "body: got the end of a number, must be a digit", 6},
    {"{\"a\":-e}", 400, "", "body: got 'e', must be a digit", 6},
    {"{\"a\":1.5.5}", 400, "",
     "body: got '.', must be ',' or the closing bracket", 8},
    {"{\"a\":0.}", 400, "", "body: got the end of a number, must be a digit",
     7},
    {"{\"a\":1.-}", 400, "", "body: got '-', must be a digit", 7},
    {"{\"a\":1e}", 400, "", "body: got the end of a number, must be a digit",
     7},
    {"{\"a\":1E+}", 400, "", "body: got the end of a number, must be a digit",
     8},
    {"{\"a\":1e+-1}", 400, "", "body: got '-', must be a digit", 8},
    {"{\"a\":1e5e5}", 400, "",
     "body: got 'e', must be ',' or the closing bracket", 8},
    {"{\"a\":+1}", 400, "", "body: got '+', must be a value", 5},
    {"{\"a\":.5}", 400, "", "body: got '.', must be a value", 5},
    {"{\"a\":Z}", 400, "", "body: got Z, must be a value", 5},
    {"{\"a\":a1}", 400, "", "body: got a, must be a value", 5},
    {"{\"a\":tRue}", 400, "", "body: got tRue, must be a value", 5},
    {"{\"a\":nulll}", 400, "", "body: got nulll, must be a value", 5},
    {"{\"a\":A}", 400, "", "body: got A, must be a value", 5},
    {"{\"a\":z}", 400, "", "body: got z, must be a value", 5},
    {"{\"a\":aAzZ0}", 400, "", "body: got aAzZ, must be a value", 5},
    {"{\"a\":@}", 400, "", "body: got '@', must be a value", 5},
    {"{\"a\":`}", 400, "", "body: got '`', must be a value", 5},
    {"{\"a\":/}", 400, "", "body: got '/', must be a value", 5},
    /* nothing is left of the element before, which slices may part as well */
    {"{\"logits\":[-0.5e+7,-]}", 400, "",
     "body: got the end of a number, must be a digit", 20},
    {"{\"logits\":[1e+7,1e]}", 400, "",
     "body: got the end of a number, must be a digit", 18},
    {"{\"logits\":[1.5,1.]}", 400, "",
     "body: got the end of a number, must be a digit", 17},
    {"{\"logits\":[1e77,1e]}", 400, "",
     "body: got the end of a number, must be a digit", 18},
    {"{\"logits\":[-Infinity,-In]}", 400, "", "body: got 'I', must be a digit",
     22},
    {"{\"logits\":[NaNNaN,1]}", 400, "", "body: got NaNNaN, must be a value",
     11},
    /* what can be printed is */
    {"{\"a\":\x7f}", 400, "", "body: got byte 0x7f, must be a value", 5},
    {"{\"a\":\x80}", 400, "", "body: got byte 0x80, must be a value", 5},
    {"{\"a\":\x1f}", 400, "", "body: got byte 0x1f, must be a value", 5},
    {"{\"a\":!}", 400, "", "body: got '!', must be a value", 5},
    {"{\"a\":~}", 400, "", "body: got '~', must be a value", 5},
    {"{\"a\":\"\x01\"}", 400, "",
     "body: got byte 0x01 in a string, must be an escape", 6},
    {"{\"a\":\"x\x1f\"}", 400, "",
     "body: got byte 0x1f in a string, must be an escape", 7},
    {"{\"a\":\"x\xc3\"}", 400, "", "body: got byte 0xc3, must be UTF-8", 7},
    {"{\"logits\":[tru]}", 400, "", "body: got tru, must be a value", 11},
    {"{\"logits\":[\"a\\x\"]}", 400, "",
     "body: got a backslash, must begin an escape of JSON", 13},
    {"{\"a\":1_0}", 400, "",
     "body: got '_', must be ',' or the closing bracket", 6},
    {"{\"a\":12e}", 400, "", "body: got the end of a number, must be a digit",
     8},
    {"{\"a\":truth}", 400, "", "body: got truth, must be a value", 5},
    {"{\"a\":abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz"
     "abcdefghijklmnopqrstuvwxyz}",
     400, "",
     "body: got abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz"
     "abcdefghijkl, must be a value",
     5},
    {"{\"a\":\"b\\ud800\"}", 400, "",
     "body: got a backslash, must begin an escape of JSON", 7},
    {"{\"a\xff\":1}", 400, "", "body: got byte 0xff, must be UTF-8", 3},
    {"{\"a\":1e999}", 422, "/a",
     "a: got 1e999, must be between -1.8e308 and 1.8e308", 5},
    {"{\"logits\":[1,2,]}", 400, "", "body: got ']', must be a value", 15},
    {"{\"logits\":[1 2]}", 400, "", "body: got '2', must be ',' or ']'", 13},
    {"{\"logits\":[,1]}", 400, "", "body: got ',', must be a value or ']'", 11},
    {"{\"logits\":[1}}", 400, "", "body: got '}', must be ',' or ']'", 12},
    {"{\"logits\":[1],}", 400, "", "body: got '}', must be a member name", 14},
    {"{\"logits\" [1]}", 400, "", "body: got '[', must be ':'", 10},
    {"{\"a\":1} x", 400, "", "body: got 'x', must be the end of the body", 8},
    {"[1]", 422, "", "body: got [1], must be an object", 0},
    {"{\"a~/b\":[1,2],\"x\":{\"refused\":1}}", 422, "/x/refused",
     "refused: unknown", 29},
};

static void expect_refusal(const struct refusal *refusal,
                           const struct filling *filling)
{
    char body[512];
    size_t farther = fill(body, sizeof body, refusal->body, filling);
    size_t bytes = strlen(body), step = bytes > 150 ? 7 : 1;
    for (size_t slice = 1; slice <= bytes + step; slice += step) {
        struct reading reading;
        assert_false(reading_slices(&reading, body, bytes, slice));
        assert_string_equal(reading.problem.detail, refusal->detail);
        assert_string_equal(reading.problem.pointer, refusal->pointer);
        assert_int_equal(reading.problem.status, refusal->status);
        if (refusal->offset) {
            assert_true(reading.problem.located);
            assert_int_equal(reading.problem.offset, refusal->offset + farther);
            assert_int_equal(reading.problem.line, 1 + filling->lines);
            assert_int_equal(reading.problem.column,
                             refusal->offset + filling->line_bytes);
        }
        /* and nothing makes it good again */
        assert_false(reading_feed(&reading, "\"]}"));
        assert_false(reading_feed(&reading, ""));
        assert_false(reading_end(&reading));
        reading_free(&reading);
    }
}

static void refusals_say_what_and_where(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++)
        for (size_t f = 0; f < FILLINGS; f++)
            if (f == 0 || refusals[i].body[0] == '{')
                expect_refusal(&refusals[i], &fillings[f]);
}

/* Each proper prefix of a document is refused as cut off, at its end. */
static void truncated_bodies_are_refused(void **state)
{
    (void)state;
    static const char body[] = "{\"logits\":[[1,2],[3,4]],\n\"a\":[\"b\",{}]}";
    for (size_t bytes = 0; bytes < sizeof body - 1; bytes++) {
        struct reading reading;
        assert_false(reading_slices(&reading, body, bytes, 7));
        assert_int_equal(reading.problem.status, 400);
        assert_true(reading.problem.located);
        assert_int_equal(reading.problem.line, bytes > 24 ? 2 : 1);
        reading_free(&reading);
    }
}

/* Where a document ends too early, what was still to come. */
static void the_end_of_the_file_is_told(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"", "an object"},
        {" ", "an object"},
        {"{", "a member name or '}'"},
        {"{\"a", "'\"'"},
        {"{\"a\"", "':'"},
        {"{\"a\":", "a value"},
        {"{\"a\":\"b", "'\"'"},
        {"{\"a\":\"b\"", "'}'"},
        {"{\"a\":\"b\",", "a member name"},
        {"{\"a\":[", "a value or ']'"},
        {"{\"a\":[\"b\"", "']'"},
        {"{\"a\":[\"b\",", "a value"},
        {"{\"a\":[]", "'}'"},
        {"{\"a\":[{}", "']'"},
        {"{\"logits\":[1", "the rest of an array"},
        {"{\"logits\":[1]", "'}'"},
        {"{\"logits\":{\"base64\":\"AA", "'\"'"},
        {"{\"a\":tru", "the rest of a value"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t bytes = strlen(cases[i][0]);
        for (size_t slice = 1; slice <= bytes + 1; slice++) {
            struct reading reading;
            char want[96];
            assert_false(reading_slices(&reading, cases[i][0], bytes, slice));
            snprintf(want, sizeof want, "body: got end of file, must be %s",
                     cases[i][1]);
            assert_string_equal(reading.problem.detail, want);
            assert_int_equal(reading.problem.status, 400);
            assert_int_equal(reading.problem.offset, bytes);
            reading_free(&reading);
        }
    }
}

/* The envelope's errors are found by another parser, but told in the body. */
static void envelope_errors_are_placed_in_the_body(void **state)
{
    (void)state;
    static const char body[] = "{\"logits\":[1,\n2],\n \"a\":\"\x80\",\"b\":1}";
    struct reading reading;
    assert_false(reading_slices(&reading, body, sizeof body - 1, 5));
    assert_int_equal(reading.problem.status, 400);
    assert_int_equal(reading.problem.line, 3);
    assert_in_range(reading.problem.offset, 23, 25);
    assert_in_range(reading.problem.column, 6, 8);
    reading_free(&reading);
}

/* A tensor that never ends must not keep it back. */
static void what_is_wrong_before_a_tensor_is_said_there(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int status;
        size_t offset;
    } cases[] = {
        {"{\"a\":tru,\"logits\":", 400, 5},
        {"{\"a\":\"\\x\",\"logits\":", 400, 6},
        {"{\"a\":1,\"a\":2,\"logits\":", 422, 9},
        {"{\"mask\":[true],\"a\":[01],\"bc\":[1,2],\"logits\":", 400, 20},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct reading reading;
        reading_begin(&reading);
        assert_false(reading_feed(&reading, cases[i].text) &&
                     reading_feed(&reading, "["));
        assert_int_equal(reading.problem.status, cases[i].status);
        assert_int_equal(reading.problem.offset, cases[i].offset);
        reading_free(&reading);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refusals_say_what_and_where),
        cmocka_unit_test(truncated_bodies_are_refused),
        cmocka_unit_test(the_end_of_the_file_is_told),
        cmocka_unit_test(envelope_errors_are_placed_in_the_body),
        cmocka_unit_test(what_is_wrong_before_a_tensor_is_said_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
