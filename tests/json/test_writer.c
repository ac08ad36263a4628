// SPDX-License-Identifier: MIT
/* Answers piece by piece, at every size of room. */
#include "../../server/number/number.h"
#include "../../server/json/writer.h"
#include "../support/random.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_ROOM = 1 << 16 };

static size_t write_all(struct writer *writer, size_t room, char *text)
{
    char *buffer = malloc(room);
    size_t length = 0, bytes;
    assert_non_null(buffer);
    while ((bytes = writer_next(writer, buffer, room)) > 0) {
        assert_true(bytes <= room && length + bytes < TEXT_ROOM);
        memcpy(text + length, buffer, bytes);
        length += bytes;
    }
    assert_true(writer_done(writer));
    text[length] = '\0';
    free(buffer);
    return length;
}

static void expect_tensor(const struct tensor *tensor, bool nested,
                          const char *want)
{
    static char got[TEXT_ROOM];
    for (size_t room = 64; room < 700; room++) {
        struct writer *writer = writer_create();
        assert_non_null(writer);
        writer_text(writer, "{\"t\":");
        writer_tensor(writer, tensor, nested);
        writer_text(writer, "}");
        assert_false(writer_failed(writer));
        size_t length = write_all(writer, room, got);
        assert_memory_equal(got, "{\"t\":", 5);
        assert_int_equal(got[length - 1], '}');
        got[length - 1] = '\0';
        assert_string_equal(got + 5, want);
        writer_free(writer);
    }
}

static void shape_tensor(struct tensor *tensor, enum tensor_type type, int rank,
                         const size_t *shape, void *data)
{
    *tensor = (struct tensor){.type = type, .rank = rank, .data = data};
    tensor->count = 1;
    for (int i = 0; i < rank; i++) {
        tensor->shape[i] = shape[i];
        tensor->count *= shape[i];
    }
}

static void expect_shape(int rank, const size_t *shape, const char *nested,
                         const char *flat)
{
    float data[24];
    struct tensor tensor;
    for (int i = 0; i < 24; i++)
        data[i] = (float)i;
    shape_tensor(&tensor, TENSOR_FLOAT32, rank, shape, data);
    expect_tensor(&tensor, true, nested);
    expect_tensor(&tensor, false, flat);
}

static void brackets_follow_the_shape(void **state)
{
    (void)state;
    expect_shape(0, NULL, "0", "[0]");
    expect_shape(1, (size_t[]){1}, "[0]", "[0]");
    expect_shape(1, (size_t[]){3}, "[0,1,2]", "[0,1,2]");
    expect_shape(2, (size_t[]){1, 3}, "[[0,1,2]]", "[0,1,2]");
    expect_shape(2, (size_t[]){3, 1}, "[[0],[1],[2]]", "[0,1,2]");
    expect_shape(2, (size_t[]){2, 3}, "[[0,1,2],[3,4,5]]", "[0,1,2,3,4,5]");
    expect_shape(3, (size_t[]){2, 2, 2}, "[[[0,1],[2,3]],[[4,5],[6,7]]]",
                 "[0,1,2,3,4,5,6,7]");
    expect_shape(9, (size_t[]){1, 1, 1, 1, 1, 1, 1, 1, 2},
                 "[[[[[[[[[0,1]]]]]]]]]", "[0,1]");
    expect_shape(9, (size_t[]){2, 1, 1, 1, 1, 1, 1, 1, 1},
                 "[[[[[[[[[0]]]]]]]],[[[[[[[[1]]]]]]]]]", "[0,1]");
}

static void dimensions_of_zero(void **state)
{
    (void)state;
    expect_shape(1, (size_t[]){0}, "[]", "[]");
    expect_shape(2, (size_t[]){0, 3}, "[]", "[]");
    expect_shape(2, (size_t[]){2, 0}, "[[],[]]", "[]");
    expect_shape(3, (size_t[]){2, 0, 3}, "[[],[]]", "[]");
    expect_shape(3, (size_t[]){2, 2, 0}, "[[[],[]],[[],[]]]", "[]");
    expect_shape(2, (size_t[]){0, 0}, "[]", "[]");
}

/* The plain way: each value or bracket by itself. -> behind the text. */
static char *write_plainly(char *text, const struct tensor *tensor, int level,
                           size_t *leaf)
{
    if (level == tensor->rank) {
        const float *data = tensor->data;
        return text + number_write_float32(text, data[(*leaf)++]);
    }
    *text++ = '[';
    for (size_t i = 0; i < tensor->shape[level]; i++) {
        if (i > 0)
            *text++ = ',';
        text = write_plainly(text, tensor, level + 1, leaf);
    }
    *text++ = ']';
    return text;
}

static void any_shape_in_any_room(void **state)
{
    (void)state;
    static float data[4096];
    static char got[TEXT_ROOM], want[TEXT_ROOM];
    struct random random = {7};
    for (size_t i = 0; i < 4096; i++)
        data[i] = (float)random_normal(&random);
    for (int round = 0; round < 3000; round++) {
        struct tensor tensor;
        size_t shape[TENSOR_MAX_RANK], count = 1, leaf = 0;
        int rank = (int)random_below(&random, TENSOR_MAX_RANK + 1);
        for (int i = 0; i < rank; i++) {
            size_t most = count < 200 ? 20 : 2;
            shape[i] =
                random_below(&random, most) + !random_once_in(&random, 9);
            count *= shape[i];
            if (count > 2000)
                rank = i;
        }
        shape_tensor(&tensor, TENSOR_FLOAT32, rank, shape, data);
        *write_plainly(want, &tensor, 0, &leaf) = '\0';
        struct writer *writer = writer_create();
        assert_non_null(writer);
        writer_tensor(writer, &tensor, true);
        write_all(writer, 64 + random_below(&random, 3000), got);
        assert_string_equal(got, want);
        writer_free(writer);
    }
}

static void every_type(void **state)
{
    (void)state;
    struct tensor tensor;
    float float32[] = {0.1F, -INFINITY, -0.0F};
    shape_tensor(&tensor, TENSOR_FLOAT32, 1, (size_t[]){3}, float32);
    expect_tensor(&tensor, true, "[0.1,\"-Infinity\",-0.0]");
    double float64[] = {0.1, -2.2250738585072014e-308, 1e300};
    shape_tensor(&tensor, TENSOR_FLOAT64, 1, (size_t[]){3}, float64);
    expect_tensor(&tensor, true, "[0.1,-2.2250738585072014e-308,1e300]");
    int64_t int64[] = {0, INT64_MIN, INT64_MAX};
    shape_tensor(&tensor, TENSOR_INT64, 1, (size_t[]){3}, int64);
    expect_tensor(&tensor, true,
                  "[0,-9223372036854775808,9223372036854775807]");
    uint8_t bools[] = {0, 1, 1, 0};
    shape_tensor(&tensor, TENSOR_BOOL, 2, (size_t[]){2, 2}, bools);
    expect_tensor(&tensor, true, "[[false,true],[true,false]]");
    shape_tensor(&tensor, TENSOR_BOOL, 0, NULL, bools);
    expect_tensor(&tensor, true, "false");
}

/* The longest numbers between the most brackets, so that each comes near the
 * end of the room. */
static void longest_numbers_in_every_room(void **state)
{
    (void)state;
    enum { ROWS = 40, CLASSES = 3 };
    static double data[ROWS * CLASSES];
    static char want[TEXT_ROOM];
    struct tensor tensor;
    size_t length = 0;
    memset(want, 0, sizeof want);
    memset(want, '[', 9);
    length = 9;
    for (int i = 0; i < ROWS * CLASSES; i++) {
        data[i] = -1.2345678901234567e-308;
        memcpy(want + length, "-1.2345678901234567e-308", 24);
        length += 24;
        if (i == ROWS * CLASSES - 1)
            memcpy(want + length, "]]]]]]]]]", 10);
        else if (i % CLASSES == CLASSES - 1)
            memcpy(want + length, "]]]]]]]],[[[[[[[[", 18), length += 17;
        else
            want[length++] = ',';
    }
    shape_tensor(&tensor, TENSOR_FLOAT64, 9,
                 (size_t[]){ROWS, 1, 1, 1, 1, 1, 1, 1, CLASSES}, data);
    expect_tensor(&tensor, true, want);
}

static void pieces_keep_their_order(void **state)
{
    (void)state;
    float data[] = {1, 2};
    struct tensor tensor;
    shape_tensor(&tensor, TENSOR_FLOAT32, 1, (size_t[]){2}, data);
    for (size_t room = 64; room < 200; room++) {
        char got[TEXT_ROOM];
        struct writer *writer = writer_create();
        assert_non_null(writer);
        assert_true(writer_done(writer));
        writer_text(writer, "");
        writer_tensor(writer, &tensor, true);
        writer_tensor(writer, &tensor, true);
        writer_text(writer, "a");
        writer_int64(writer, -7);
        writer_tensor(writer, &tensor, true);
        assert_false(writer_done(writer));
        write_all(writer, room, got);
        assert_string_equal(got, "[1,2][1,2]a-7[1,2]");
        writer_free(writer);
    }
}

static void strings_are_escaped(void **state)
{
    (void)state;
    char got[TEXT_ROOM];
    struct writer *writer = writer_create();
    assert_non_null(writer);
    writer_string(writer, "");
    writer_string(writer, "a\"\\/\b\f\n\r\t\x01\x1f\x7f\xc3\xa9");
    write_all(writer, 64, got);
    assert_string_equal(got, "\"\"\"a\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\x7f"
                             "\xc3\xa9\"");
    writer_free(writer);
    writer_free(NULL);
}

static void expect_quoted(const char *text, const char *want)
{
    char got[TEXT_ROOM];
    struct writer *writer = writer_create();
    assert_non_null(writer);
    writer_string(writer, text);
    write_all(writer, 64, got);
    assert_string_equal(got, want);
    writer_free(writer);
}

static void strings_are_utf8(void **state)
{
    (void)state;
    static const char *const good[] = {
        "\xc2\x80",         "\xdf\xbf",         "\xe0\xa0\x80",
        "\xed\x9f\xbf",     "\xee\x80\x80",     "\xef\xbf\xbf",
        "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf", "\xf1\x80\x80\x80"};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        char want[16] = "\"";
        memcpy(want + 1, good[i], strlen(good[i]));
        want[1 + strlen(good[i])] = '"';
        expect_quoted(good[i], want);
    }
#define BAD "\xef\xbf\xbd"
    expect_quoted("a\x80z", "\"a" BAD "z\"");
    expect_quoted("\xff\xfe", "\"" BAD BAD "\"");
    expect_quoted("\xc1\xbf", "\"" BAD BAD "\"");         /* too long */
    expect_quoted("\xe0\x9f\xbf", "\"" BAD BAD BAD "\""); /* too long */
    expect_quoted("\xed\xa0\x80", "\"" BAD BAD BAD "\""); /* surrogate */
    expect_quoted("\xf4\x90\x80\x80", "\"" BAD BAD BAD BAD "\""); /* beyond */
    expect_quoted("\xe2\x82", "\"" BAD BAD "\""); /* cut short */
    expect_quoted("\xf0\x9f\x98", "\"" BAD BAD BAD "\"");
    expect_quoted("\xc3\"", "\"" BAD "\\\"\"");
#undef BAD
}

static void values_in_text(void **state)
{
    (void)state;
    char got[TEXT_ROOM];
    struct writer *writer = writer_create();
    assert_non_null(writer);
    writer_format(writer, "%s", "");
    writer_format(writer, "{\"a\":%s,\"b\":%zu,\"c\":%zu}", "x\"%s", (size_t)0,
                  (size_t)INT64_MAX);
    writer_format(writer, "no value");
    write_all(writer, 64, got);
    assert_string_equal(got, "\"\"{\"a\":\"x\\\"%s\",\"b\":0,"
                             "\"c\":9223372036854775807}no value");
    writer_free(writer);
}

static void text_of_any_length(void **state)
{
    (void)state;
    static char long_text[10000], got[TEXT_ROOM];
    memset(long_text, 'x', sizeof long_text - 1);
    for (size_t room = 64; room < 12000; room += 97) {
        struct writer *writer = writer_create();
        assert_non_null(writer);
        writer_text(writer, long_text);
        writer_text(writer, long_text);
        assert_int_equal(write_all(writer, room, got),
                         2 * (sizeof long_text - 1));
        assert_int_equal(strspn(got, "x"), 2 * (sizeof long_text - 1));
        writer_free(writer);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(brackets_follow_the_shape),
        cmocka_unit_test(dimensions_of_zero),
        cmocka_unit_test(any_shape_in_any_room),
        cmocka_unit_test(every_type),
        cmocka_unit_test(longest_numbers_in_every_room),
        cmocka_unit_test(pieces_keep_their_order),
        cmocka_unit_test(strings_are_escaped),
        cmocka_unit_test(strings_are_utf8),
        cmocka_unit_test(values_in_text),
        cmocka_unit_test(text_of_any_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
