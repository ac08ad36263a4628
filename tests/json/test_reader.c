// SPDX-License-Identifier: MIT
/* The reader: what it accepts, refuses and says, wherever the slices fall. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "../../server/json/reader.h"
#include "../number/reading.h"

static void logits_and_labels_leave_the_text(void **state)
{
    (void)state;
    struct reading reading;
    assert_true(reading_text(&reading,
                             "{\"logits\": [[1.5, -2e1, 3], [0, -0, 1e-3]],\n"
                             " \"labels\": [2, 1.0], \"reduction\": \"sum\"}",
                             SIZE_MAX));
    const struct tensor *logits = &reading.tensor[READING_LOGITS];
    const struct tensor *labels = &reading.tensor[READING_LABELS];
    assert_int_equal(logits->rank, 2);
    assert_int_equal(logits->shape[0], 2);
    assert_int_equal(logits->shape[1], 3);
    assert_int_equal(logits->count, 6);
    static const double wanted[] = {1.5, -20, 3, 0, -0.0, 1e-3};
    assert_memory_equal(logits->data, wanted, sizeof wanted);
    static const int64_t wanted_labels[] = {2, 1};
    assert_memory_equal(labels->data, wanted_labels, sizeof wanted_labels);
    assert_int_equal(value_size(reading.document), 1); /* no tensor is in it */
    assert_string_equal(
        value_string(value_member(reading.document, "reduction")), "sum");
    assert_string_equal(reading.scalars, "reduction=\"sum\";");
    reading_free(&reading);
}

/* What may stand before and behind a document's members: where it is long, the
 * scanners have room to begin, and where lines end, columns begin again. */
enum { FILLED = 100 };
static const struct filling {
    const char *before;       /* behind the '{' */
    int member;               /* bytes of one that follows */
    int after;                /* blanks */
    size_t lines, line_bytes; /* before the rest; since the last began */
} fillings[] = {
    {"", 0, 0, 0, 1},
    {"", FILLED, FILLED, 0, 1 + FILLED},
    {"\n", 0, 0, 1, 0},
    {" \r\n\n\t", FILLED, 0, 2, 1 + FILLED},
};

/* The body with that around its members. @return how much farther they are. */
static size_t fill(char *text, size_t room, const char *body,
                   const struct filling *filling)
{
    char member[FILLED + 1] = "";
    if (filling->member) {
        memset(member, 'p', FILLED);
        memcpy(member, "\"", 1);
        memcpy(member + FILLED - 4, "\":1,", 4);
    }
    snprintf(text, room, "%c%s%s%s%*s", body[0], filling->before, member,
             body + 1, filling->after, "");
    return strlen(filling->before) + strlen(member);
}

static void shapes_are_those_of_the_nesting(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int rank;
        size_t shape[4];
        double first; /* the others are one more each */
    } cases[] = {
        {"3", 0, {0}, 3},
        {"-3.5 ", 0, {0}, -3.5},
        {"[]", 1, {0}, 0},
        {"[1]", 1, {1}, 1},
        {"[-1.5, -0.5,0.5]", 1, {3}, -1.5},
        {"[[]]", 2, {1, 0}, 0},
        {"[[],[]]", 2, {2, 0}, 0},
        {"[[1,2,3],[4,5,6]]", 2, {2, 3}, 1},
        {"[[[1],[2]],[[3],[4]],[[5],[6]]]", 3, {3, 2, 1}, 1},
        {"[[[[7],[8]]]]", 4, {1, 1, 2, 1}, 7},
        {" [ [ 1 , 2 ] ] ", 2, {1, 2}, 1},
    };
    enum { FILLINGS = sizeof fillings / sizeof fillings[0] };
    for (size_t i = 0; i < FILLINGS * sizeof cases / sizeof cases[0]; i++) {
        struct reading reading;
        char part[64], body[512];
        snprintf(part, sizeof part, "{\"logits\":%s}",
                 cases[i / FILLINGS].text);
        fill(body, sizeof body, part, &fillings[i % FILLINGS]);
        assert_true(reading_text(&reading, body, SIZE_MAX));
        const struct tensor *logits = &reading.tensor[READING_LOGITS];
        assert_int_equal(logits->rank, cases[i / FILLINGS].rank);
        size_t count = 1;
        for (int k = 0; k < logits->rank; k++) {
            assert_int_equal(logits->shape[k], cases[i / FILLINGS].shape[k]);
            count *= logits->shape[k];
        }
        assert_int_equal(logits->count, count);
        for (size_t k = 0; k < count; k++)
            assert_true(((double *)logits->data)[k] ==
                        cases[i / FILLINGS].first + (double)k);
        reading_free(&reading);
    }
}

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
        reading_free(&reading);
    }
}

static void refusals_say_what_and_where(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++)
        for (size_t f = 0; f < sizeof fillings / sizeof fillings[0]; f++)
            if (f == 0 || refusals[i].body[0] == '{')
                expect_refusal(&refusals[i], &fillings[f]);
}

static void every_split_reads_the_same(void **state)
{
    (void)state;
    static const char body[] =
        "{\"reduction\" : \"m\\u0065an\" ,\n\"logits\": [[1.25e+1,-Infinity,"
        "\"-Infinity\"],\r\n[0.1,-0.0,123456789012345678901234567890]],"
        "\"mask\":[true ,false],\"lab\\u0065ls\":[-1,30e-1],"
        "\"x\":[{\"y\":[1,[]]},null,\"\\\"]\"],\"any\":[1,9007199254740993]}";
    struct reading whole;
    assert_true(reading_text(&whole, body, SIZE_MAX));
    for (size_t first = 0; first < sizeof body - 1; first++) {
        struct reading split;
        assert_true(reading_text(&split, body, first));
        assert_true(reading_equal(&whole, &split));
        reading_free(&split);
    }
    for (size_t slice = 1; slice < 40; slice++) {
        struct reading split;
        assert_true(reading_slices(&split, body, sizeof body - 1, slice));
        assert_true(reading_equal(&whole, &split));
        reading_free(&split);
    }
    reading_free(&whole);
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

static void endless_input_is_refused_at_once(void **state)
{
    (void)state;
    static const struct {
        const char *begin, *more;
        int status;
    } cases[] = {
        {"{\"logits\":", "[", 422},
        {"{\"a\":", "[", 422},
        {"", "[", 422},
        {"{\"logits\":[", "1", 422},
        {"{\"logits\":[\"", "x", 422},
        {"{\"a\":\"", "x", 413},
        {"{\"a\":", "1", 413},
        {"{\"", "x", 413},
        {"{\"x\":{\"x\":", "{\"x\":", 422},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct reading reading;
        reading_begin(&reading);
        bool going = reading_feed(&reading, cases[i].begin);
        size_t fed = 0;
        while (going && fed < 1000000) {
            going = reading_feed(&reading, cases[i].more);
            fed += strlen(cases[i].more);
        }
        assert_false(going);
        assert_true(fed <= 65536);
        assert_int_equal(reading.problem.status, cases[i].status);
        reading_free(&reading);
    }
}

/* Rounding decimal -> double -> float would miss these floats. */
static void staged_floats_are_rounded_once(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "1.00000005960464477540",
        "1.00000005960464477539",
        "1.000000059604644775390625",
        "1.00000005960464477539062500000001",
        "-1.00000017881393432617187499999999",
        "7.006492321624086e-46",
        "7.00649232162408535461864791644958065640130970938257885878534141944"
        "895541342930300743319094181060791015625e-46",
        "3.40282356779733661637539395458142568447e38",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct reading reading;
        char body[256];
        snprintf(body, sizeof body, "{\"logits\":[1,%s,2]}", texts[i]);
        assert_true(reading_text(&reading, body, SIZE_MAX));
        struct tensor *logits = &reading.tensor[READING_LOGITS];
        assert_true(reading_settle(&reading, READING_LOGITS, TENSOR_FLOAT32));
        float wanted = strtof(texts[i], NULL);
        assert_memory_equal((float *)logits->data + 1, &wanted, sizeof wanted);
        reading_free(&reading);
    }
}

static void settling_is_reading_with_that_type(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum tensor_type type;
        const char *pointer; /* NULL: it succeeds */
    } cases[] = {
        {"[1,2]", TENSOR_FLOAT32, NULL},
        {"[1,2]", TENSOR_FLOAT64, NULL},
        {"[1,2]", TENSOR_INT64, NULL},
        {"[1,2]", TENSOR_BOOL, "/any/0"},
        {"[]", TENSOR_BOOL, NULL},
        {"[true,false]", TENSOR_BOOL, NULL},
        {"[true,false]", TENSOR_INT64, "/any/0"},
        {"[[1,2],[3,4.5]]", TENSOR_INT64, "/any/1/1"},
        {"[[1,2],[3,1e39]]", TENSOR_FLOAT32, "/any/1/1"},
        {"[1,1e39]", TENSOR_INT64, "/any/1"},
        {"[9223372036854775807,-9223372036854775808]", TENSOR_INT64, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct reading reading;
        char body[256];
        snprintf(body, sizeof body, "{\"any\":%s}", cases[i].text);
        assert_true(reading_text(&reading, body, SIZE_MAX));
        assert_int_equal(reading_settle(&reading, READING_ANY, cases[i].type),
                         cases[i].pointer == NULL);
        if (cases[i].pointer) {
            assert_int_equal(reading.problem.status, 422);
            assert_string_equal(reading.problem.pointer, cases[i].pointer);
        } else {
            assert_int_equal(reading.tensor[READING_ANY].type, cases[i].type);
        }
        reading_free(&reading);
    }
    struct reading reading;
    assert_true(reading_text(&reading,
                             "{\"any\":[9007199254740993,9223372036854775807]}",
                             SIZE_MAX));
    assert_true(reading_settle(&reading, READING_ANY, TENSOR_INT64));
    const int64_t *integers = reading.tensor[READING_ANY].data;
    assert_true(integers[0] == 9007199254740993 && integers[1] == INT64_MAX);
    reading_free(&reading);
}

/* {"logits":[ELEMENT, ...]}, count times. */
static void read_many(struct reading *reading, const char *element,
                      size_t count)
{
    static const char opening[] = "{\"logits\":[";
    size_t bytes = strlen(element), used = sizeof opening - 1;
    char *body = malloc(used + count * (bytes + 1) + 2);
    assert_non_null(body);
    memcpy(body, opening, used);
    for (size_t i = 0; i < count; i++, used += bytes + 1) {
        memcpy(body + used, element, bytes);
        body[used + bytes] = ',';
    }
    memcpy(body + used - 1, "]}", 2);
    assert_true(reading_slices(reading, body, used + 1, 65536));
    free(body);
}

/* The long text is just above the middle of two floats: too near for a double
 * to tell. */
static void any_number_of_elements_may_come_before_their_type(void **state)
{
    (void)state;
    static const struct {
        const char *element;
        size_t count;
    } cases[] = {{"0.1", 1100000}, {"1.00000005960464477540", 100000}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct reading reading;
        const struct tensor *logits = &reading.tensor[READING_LOGITS];
        double wide = strtod(cases[i].element, NULL);
        float single = strtof(cases[i].element, NULL);
        read_many(&reading, cases[i].element, cases[i].count);
        assert_true(reading_settle(&reading, READING_LOGITS, TENSOR_FLOAT64));
        assert_int_equal(logits->count, cases[i].count);
        for (size_t k = 0; k < logits->count; k++)
            assert_true(((double *)logits->data)[k] == wide);
        reading_free(&reading);
        read_many(&reading, cases[i].element, cases[i].count);
        assert_true(reading_settle(&reading, READING_LOGITS, TENSOR_FLOAT32));
        assert_int_equal(logits->count, cases[i].count);
        assert_true(logits->bytes < cases[i].count * 4 + 8192);
        for (size_t k = 0; k < logits->count; k++)
            assert_true(((float *)logits->data)[k] == single);
        reading_free(&reading);
    }
}

static void staged_integers_keep_all_their_digits(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "18014398509481985", "9007199254740993",    "-9223372036854775807",
        "36028797018963969", "18014398509481985.0", "-1234567890123456789"};
    enum { COUNT = 300, KINDS = sizeof texts / sizeof texts[0] };
    char body[COUNT * 24] = "{\"any\":[0";
    size_t used = strlen(body);
    for (int i = 1; i < COUNT; i++)
        used += (size_t)snprintf(body + used, sizeof body - used, ",%s",
                                 i % 7 ? "12" : texts[i / 7 % KINDS]);
    snprintf(body + used, sizeof body - used, "]}");
    struct reading reading;
    assert_true(reading_text(&reading, body, SIZE_MAX));
    assert_true(reading_settle(&reading, READING_ANY, TENSOR_INT64));
    const int64_t *integers = reading.tensor[READING_ANY].data;
    for (int i = 1; i < COUNT; i++)
        assert_true(integers[i] ==
                    (i % 7 ? 12 : strtoll(texts[i / 7 % KINDS], NULL, 10)));
    reading_free(&reading);
}

/* Seconds of the processor for a body with that many spaces before or behind
 * a comma. */
static double seconds_of_spaces(size_t spaces, bool behind)
{
    char *body = malloc(spaces + 64);
    assert_non_null(body);
    size_t used =
        (size_t)snprintf(body, 64, "{\"logits\":[1,2%s", behind ? "," : "");
    memset(body + used, ' ', spaces);
    memcpy(body + used + spaces, behind ? "3]}\0" : ",3]}", 5);
    struct reading reading;
    clock_t began = clock();
    assert_true(reading_slices(&reading, body, strlen(body), 16384));
    clock_t ended = clock();
    assert_int_equal(reading.tensor[READING_LOGITS].count, 3);
    reading_free(&reading);
    free(body);
    return (double)(ended - began) / CLOCKS_PER_SEC;
}

/* The rest of the slice was scanned for each of them once, 600 times the
 * work. */
static void spaces_are_skipped_where_elements_may_begin(void **state)
{
    (void)state;
    double before = seconds_of_spaces(1 << 20, false);
    double behind = seconds_of_spaces(1 << 20, true);
    if (behind > 20 * before + 0.05)
        fail_msg("%g s behind a comma, %g s before", behind, before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logits_and_labels_leave_the_text),
        cmocka_unit_test(shapes_are_those_of_the_nesting),
        cmocka_unit_test(refusals_say_what_and_where),
        cmocka_unit_test(every_split_reads_the_same),
        cmocka_unit_test(truncated_bodies_are_refused),
        cmocka_unit_test(envelope_errors_are_placed_in_the_body),
        cmocka_unit_test(what_is_wrong_before_a_tensor_is_said_there),
        cmocka_unit_test(endless_input_is_refused_at_once),
        cmocka_unit_test(staged_floats_are_rounded_once),
        cmocka_unit_test(settling_is_reading_with_that_type),
        cmocka_unit_test(any_number_of_elements_may_come_before_their_type),
        cmocka_unit_test(staged_integers_keep_all_their_digits),
        cmocka_unit_test(spaces_are_skipped_where_elements_may_begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
