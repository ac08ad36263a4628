// SPDX-License-Identifier: MIT
/* Tensors in base64: the same tensor wherever the slices fall and whatever the
 * order of the members, and the same bits out as in. */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../server/json/writer.h"
#include "../../server/number/base64.h"
#include "../number/reading.h"

static const char *const orders[] = {
    "{\"logits\":{\"base64\":\"%1$s\",\"dtype\":\"%2$s\",\"shape\":[%3$zu]}}",
    "{\"logits\":{\"dtype\":\"%2$s\",\"base64\":\"%1$s\",\"shape\":[%3$zu]}}",
    "{\"logits\":{\"shape\":[%3$zu],\"dtype\":\"%2$s\",\"base64\":\"%1$s\"}}",
};
enum { ORDERS = sizeof orders / sizeof orders[0], MOST = 40 };

static void wherever_slices_fall(void **state)
{
    (void)state;
    static const unsigned char halves[] = {0, 0x3c, 0, 0xc0, 0, 0x7c,
                                           1, 0,    0, 0xfc, 0, 0};
    static const float want[] = {1, -2, INFINITY, 0x1p-24f, -INFINITY, 0};
    char text[64], body[256];
    text[base64_encode(text, halves, sizeof halves)] = '\0';
    for (size_t o = 0; o < ORDERS; o++)
        for (size_t slice = 1; slice < 120; slice++) {
            struct reading reading;
            snprintf(body, sizeof body, orders[o], text, "float16",
                     sizeof halves / 2);
            assert_true(reading_slices(&reading, body, strlen(body), slice));
            const struct tensor *logits = &reading.tensor[READING_LOGITS];
            assert_int_equal(logits->type, TENSOR_FLOAT32);
            assert_int_equal(logits->rank, 1);
            assert_int_equal(logits->count, 6);
            assert_memory_equal(logits->data, want, sizeof want);
            assert_true(reader_was_encoded(reading.reader, logits));
            assert_true(
                reading_settle(&reading, READING_LOGITS, TENSOR_FLOAT64));
            for (size_t i = 0; i < 6; i++)
                assert_true(((double *)logits->data)[i] == (double)want[i]);
            reading_free(&reading);
            assert_int_equal(atomic_load(&reading.budget.taken), 0);
        }
}

/* ---- what is refused ---------------------------------------------------- */

#define TEXT(text) "{\"logits\":{\"base64\":\"" text "\"}}"
#define WHOLE(text, dtype, shape)                                              \
    "{\"logits\":{\"base64\":\"" text "\",\"dtype\":" dtype                    \
    ",\"shape\":" shape "}}"
#define NO_BASE64 ", must be base64 with padding (RFC 4648, section 4)"
#define NO_SHAPE                                                               \
    ", must be an array of at most 4 integers from 0, for less than 2^64 "     \
    "bytes"

static const struct {
    const char *body, *detail, *pointer;
    size_t offset;
} refusals[] = {
    {TEXT("AAAA!AAA"), "logits/base64: got '!'" NO_BASE64, "/logits/base64",
     25},
    {TEXT("~AAA"), "logits/base64: got '~'" NO_BASE64, "/logits/base64", 21},
    {TEXT("A\x7f"), "logits/base64: got byte 0x7f" NO_BASE64, "/logits/base64",
     22},
    {TEXT("AA A"), "logits/base64: got byte 0x20" NO_BASE64, "/logits/base64",
     23},
    {TEXT("AAA\xff"), "logits/base64: got byte 0xff" NO_BASE64,
     "/logits/base64", 24},
    {TEXT("AA\x1f"), "body: got byte 0x1f, must be a character of a string", "",
     23},
    {TEXT("AAAA\nAAAA"), "body: got byte 0x0a, must be a character of a string",
     "", 25},
    {TEXT("AAAA=AAA"), "logits/base64: got '='" NO_BASE64, "/logits/base64",
     25},
    {TEXT("AA==AAAA"), "logits/base64: got 'A'" NO_BASE64, "/logits/base64",
     25},
    {TEXT("AAAAAA="),
     "logits/base64: got a text that ends too early, must be groups of four "
     "characters, the last one padded with '='",
     "/logits/base64", 28},
    /* escapes */
    {TEXT("AAAA\\u00e9AAA"),
     "logits/base64: got an escaped character" NO_BASE64, "/logits/base64", 30},
    {TEXT("\\u0080AAA"), "logits/base64: got an escaped character" NO_BASE64,
     "/logits/base64", 26},
    {TEXT("\\u0141AAA"), "logits/base64: got an escaped character" NO_BASE64,
     "/logits/base64", 26},
    {TEXT("\\u007fAAA"), "logits/base64: got byte 0x7f" NO_BASE64,
     "/logits/base64", 26},
    {TEXT("\\u0020AAA"), "logits/base64: got byte 0x20" NO_BASE64,
     "/logits/base64", 26},
    {TEXT("\\nAAA"), "logits/base64: got an escaped character" NO_BASE64,
     "/logits/base64", 22},
    {TEXT("\\\"AAA"), "logits/base64: got an escaped character" NO_BASE64,
     "/logits/base64", 22},
    {TEXT("\\x41AAA"), "body: got 'x', must be an escape of JSON", "", 22},
    {TEXT("A\\ AAA"), "body: got byte 0x20, must be an escape of JSON", "", 23},
    {TEXT("A\\AAA"), "body: got 'A', must be an escape of JSON", "", 23},
    {TEXT("\\u00g0"), "body: got 'g', must be a hexadecimal digit", "", 25},
    {TEXT("\\u004"), "body: got '\"', must be a hexadecimal digit", "", 26},
    {TEXT("\\ug"), "body: got 'g', must be a hexadecimal digit", "", 23},
    /* members */
    {"{\"logits\":{\"base64\":\"AAAAAA==\",\"x\":1}}",
     "logits/x: got an unknown member, must be one of base64, dtype, shape",
     "/logits/x", 35},
    {"{\"logits\":{\"base64\":[]}}",
     "logits/base64: got another value, must be a string", "/logits/base64",
     20},
    {"{\"logits\":{\"base64\":null}}",
     "logits/base64: got another value, must be a string", "/logits/base64",
     20},
    {"{\"logits\":{\"shape\":[]}}",
     "logits: got an object without base64, must be an array of numbers",
     "/logits", 21},
    {TEXT("AAAA"),
     "logits/dtype: got nothing, must be float32, float64, float16 or bfloat16",
     "/logits/dtype", 26},
    {WHOLE("AAAAAA==", "\"int32\"", "[1]"),
     "logits/dtype: got \"int32\", must be float32, float64, float16 or "
     "bfloat16",
     "/logits/dtype", 0},
    {WHOLE("AAAAAA==", "7", "[1]"),
     "logits/dtype: got 7, must be float32, float64, float16 or bfloat16",
     "/logits/dtype", 0},
    {WHOLE("AAAAAA==",
           "\"0123456789012345678901234567890123456789012345678901234567\"",
           "[1]"),
     "logits/dtype: got "
     "\"0123456789012345678901234567890123456789012345678901234567\", must be "
     "float32, float64, float16 or bfloat16",
     "/logits/dtype", 0},
    {WHOLE("AAAAAA==",
           "\"01234567890123456789012345678901234567890123456789012345678\"",
           "[1]"),
     "logits/dtype: got "
     "\"01234567890123456789012345678901234567890123456789012345678..., must "
     "be "
     "float32, float64, float16 or bfloat16",
     "/logits/dtype", 0},
    {"{\"labels\":{\"base64\":\"AAAAAA==\",\"shape\":[1]}}",
     "labels/dtype: got nothing, must be int64 or int32", "/labels/dtype", 0},
    /* shapes */
    {"{\"logits\":{\"base64\":\"AAAAAA==\",\"dtype\":\"float32\"}}",
     "logits/shape: got nothing" NO_SHAPE, "/logits/shape", 0},
    {WHOLE("AAAAAA==", "\"float32\"", "1"), "logits/shape: got 1" NO_SHAPE,
     "/logits/shape", 0},
    {WHOLE("AAAAAA==", "\"float32\"", "{}"), "logits/shape: got {}" NO_SHAPE,
     "/logits/shape", 0},
    {WHOLE("AAAAAA==", "\"float32\"", "[-1]"),
     "logits/shape: got [-1]" NO_SHAPE, "/logits/shape", 0},
    {WHOLE("AAAAAA==", "\"float32\"", "[1.5]"),
     "logits/shape: got [1.5]" NO_SHAPE, "/logits/shape", 0},
    {WHOLE("AAAAAA==", "\"float32\"", "[\"1\"]"),
     "logits/shape: got [\"1\"]" NO_SHAPE, "/logits/shape", 0},
    {WHOLE("AAAAAA==", "\"float32\"", "[1,1,1,1,1]"),
     "logits/shape: got [1,1,1,1,1]" NO_SHAPE, "/logits/shape", 0},
    {WHOLE("AAAAAA==", "\"float32\"", "[4294967296,1073741824]"),
     "logits/shape: got [4294967296,1073741824]" NO_SHAPE, "/logits/shape", 0},
    {WHOLE("AAAAAA==", "\"float32\"",
           "[11111111111,22222222222,33333333333,44444444444,55555555555]"),
     "logits/shape: got "
     "[11111111111,22222222222,33333333333,44444444444,55555555555..." NO_SHAPE,
     "/logits/shape", 0},
    {WHOLE("AAAAAA==", "\"float32\"", "[4294967296,1073741823]"),
     "logits/base64: got 4 bytes, must be 18446744056529682432 by its shape "
     "and "
     "dtype",
     "/logits/base64", 0},
    {WHOLE("AAAAAA==", "\"float32\"", "[3]"),
     "logits/base64: got 4 bytes, must be 12 by its shape and dtype",
     "/logits/base64", 0},
    {WHOLE("AAAAAA==", "\"float32\"", "[0]"),
     "logits/base64: got 4 bytes, must be 0 by its shape and dtype",
     "/logits/base64", 0},
    {WHOLE("", "\"float32\"", "[]"),
     "logits/base64: got 0 bytes, must be 4 by its shape and dtype",
     "/logits/base64", 0},
};

/* Each at its place, wherever the slices fall; offset 0: behind the object. */
static void refusals_say_what_and_where(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        const char *body = refusals[i].body;
        size_t bytes = strlen(body), offset = refusals[i].offset;
        for (size_t slice = 1; slice <= bytes; slice++) {
            struct reading reading;
            assert_false(reading_slices(&reading, body, bytes, slice));
            assert_string_equal(reading.problem.detail, refusals[i].detail);
            assert_string_equal(reading.problem.pointer, refusals[i].pointer);
            assert_int_equal(reading.problem.status,
                             refusals[i].pointer[0] ? 422 : 400);
            assert_int_equal(reading.problem.offset,
                             offset ? offset : bytes - 2);
            reading_free(&reading);
            assert_int_equal(atomic_load(&reading.budget.taken), 0);
        }
    }
}

/* '/', '+', '=' and letters as escapes, in any case; a scalar, and none. */
static void texts_may_have_escapes_and_shapes_no_elements(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        int rank;
        size_t count;
        float first;
    } cases[] = {
        {WHOLE("AACAPw==", "\"float32\"", "[1]"), 1, 1, 1},
        {WHOLE("AACAPw\\u003d\\u003D", "\"float32\"", "[]"), 0, 1, 1},
        {WHOLE("\\u0041\\u0041CAP\\u0077==", "\"float32\"", "[1,1,1,1]"), 4, 1,
         1},
        {WHOLE("\\/\\/9\\/fw==", "\"float32\"", "[1]"), 1, 1, FLT_MAX},
        {WHOLE("\\u002f\\u002F9/fw==", "\"float32\"", "[1]"), 1, 1, FLT_MAX},
        {WHOLE("Pvt\\u002bPg==", "\"float32\"", "[1]"), 1, 1, 0x1.fdf67cp-3f},
        {WHOLE("", "\"float32\"", "[0]"), 1, 0, 0},
        {WHOLE("", "\"float32\"", "[2,0,3]"), 3, 0, 0},
        {WHOLE("", "\"float32\"", "[0,9223372036854775807]"), 2, 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t bytes = strlen(cases[i].body);
        for (size_t slice = 1; slice <= bytes; slice++) {
            struct reading reading;
            assert_true(reading_slices(&reading, cases[i].body, bytes, slice));
            const struct tensor *logits = &reading.tensor[READING_LOGITS];
            assert_int_equal(logits->rank, cases[i].rank);
            assert_int_equal(logits->count, cases[i].count);
            if (logits->count)
                assert_true(*(float *)logits->data == cases[i].first);
            reading_free(&reading);
        }
    }
}

/* What the writer puts into windows of any size is what the reader takes. */
static void every_window_gives_the_same_text(void **state)
{
    (void)state;
    for (size_t count = 0; count < MOST; count++)
        for (size_t window = 64; window < 300; window += 23) {
            double values[MOST];
            struct tensor tensor = {.type = TENSOR_FLOAT64,
                                    .rank = 1,
                                    .shape = {count},
                                    .count = count,
                                    .data = values};
            char text[64 + MOST * 12], want[MOST * 12];
            size_t bytes = 0, more;
            for (size_t i = 0; i < count; i++)
                values[i] = 1.0 / (double)(i + 3);
            struct writer *writer = writer_create();
            writer_text(writer, "<");
            writer_base64(writer, &tensor);
            writer_text(writer, ">");
            size_t known = writer_known_bytes(writer);
            while ((more = writer_next(writer, text + bytes, window)) > 0)
                bytes += more;
            writer_free(writer);
            size_t length =
                base64_encode(want, (unsigned char *)values, 8 * count);
            assert_int_equal(bytes, length + 2);
            assert_int_equal(bytes, known);
            assert_int_equal(text[0], '<');
            assert_memory_equal(text + 1, want, length);
            assert_int_equal(text[bytes - 1], '>');
        }
}

/* ---- narrow elements ---------------------------------------------------- */

/* Element i, and its bytes; @return how many. */
static size_t put_float16(unsigned char *bytes, size_t i)
{
    unsigned value = (unsigned)(i % 1000) + 1;
    unsigned exponent = 31 - (unsigned)__builtin_clz(value);
    uint16_t half =
        (uint16_t)((15 + exponent) << 10 | (value << (10 - exponent) & 0x3ff));
    memcpy(bytes, &half, sizeof half);
    return sizeof half;
}

static size_t put_bfloat16(unsigned char *bytes, size_t i)
{
    float value = (float)(i % 200);
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint16_t upper = (uint16_t)(bits >> 16);
    memcpy(bytes, &upper, sizeof upper);
    return sizeof upper;
}

static size_t put_int32(unsigned char *bytes, size_t i)
{
    int32_t value = (int32_t)i * 70001 - 10000000;
    memcpy(bytes, &value, sizeof value);
    return sizeof value;
}

static double element_at(const struct tensor *tensor, size_t i)
{
    return tensor->type == TENSOR_INT64
               ? (double)((const int64_t *)tensor->data)[i]
               : (double)((const float *)tensor->data)[i];
}

/* They grow in place, a block after another: each where it belongs. */
static void narrow_elements_are_widened(void **state)
{
    (void)state;
    static const struct {
        const char *member, *dtype;
        int tensor;
        size_t (*put)(unsigned char *bytes, size_t i);
        double scale, offset;
        size_t period;
    } kinds[] = {
        {"logits", "float16", READING_LOGITS, put_float16, 1, 1, 1000},
        {"f32", "bfloat16", READING_F32, put_bfloat16, 1, 0, 200},
        {"labels", "int32", READING_LABELS, put_int32, 70001, -10000000,
         SIZE_MAX},
    };
    static const size_t counts[] = {1, 511, 512, 513, 1024, 1300};
    enum { BYTES = 4 * 1300 };
    static unsigned char bytes[BYTES];
    static char text[2 * BYTES], body[2 * BYTES + 128];
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++)
        for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++) {
            size_t used = 0;
            for (size_t i = 0; i < counts[c]; i++)
                used += kinds[k].put(bytes + used, i);
            text[base64_encode(text, bytes, used)] = '\0';
            snprintf(body, sizeof body,
                     "{\"%s\":{\"base64\":\"%s\",\"dtype\":\"%s\","
                     "\"shape\":[%zu]}}",
                     kinds[k].member, text, kinds[k].dtype, counts[c]);
            struct reading reading;
            assert_true(reading_slices(&reading, body, strlen(body), 1000));
            const struct tensor *tensor = &reading.tensor[kinds[k].tensor];
            assert_int_equal(tensor->count, counts[c]);
            for (size_t i = 0; i < counts[c]; i++)
                if (element_at(tensor, i) !=
                    (double)(i % kinds[k].period) * kinds[k].scale +
                        kinds[k].offset)
                    fail_msg("%s: element %zu", kinds[k].dtype, i);
            reading_free(&reading);
        }
}

/* The room is charged while it grows: no text is stored beside it. */
static void room_is_charged(void **state)
{
    (void)state;
    enum { FLOATS = 1 << 20 };
    size_t characters = base64_characters(4 * (size_t)FLOATS);
    char *text = malloc(characters + 192);
    size_t bytes = (size_t)snprintf(text, 128, "{\"logits\":{\"base64\":\"");
    unsigned char *zeros = calloc(FLOATS, 4);
    bytes += base64_encode(text + bytes, zeros, 4 * (size_t)FLOATS);
    bytes += (size_t)snprintf(text + bytes, 64,
                              "\",\"dtype\":\"float32\","
                              "\"shape\":[%d]}}",
                              (int)FLOATS);
    for (int enough = 0; enough < 2; enough++) {
        struct reading reading;
        size_t limit = enough ? 6u << 20 : 3u << 20;
        reading_begin_within(&reading, limit);
        bool read = true;
        for (size_t at = 0; at < bytes && read; at += 16384)
            read = reading_feed_exact(&reading, text + at,
                                      bytes - at < 16384 ? bytes - at : 16384);
        read = read && reading_end(&reading);
        assert_int_equal(read, enough);
        assert_int_equal(reading.problem.status, enough ? 0 : 503);
        if (enough)
            assert_int_equal(atomic_load(&reading.budget.taken),
                             4 * (size_t)FLOATS);
        reading_free(&reading);
        assert_int_equal(atomic_load(&reading.budget.taken), 0);
    }
    free(zeros);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wherever_slices_fall),
        cmocka_unit_test(refusals_say_what_and_where),
        cmocka_unit_test(texts_may_have_escapes_and_shapes_no_elements),
        cmocka_unit_test(every_window_gives_the_same_text),
        cmocka_unit_test(narrow_elements_are_widened),
        cmocka_unit_test(room_is_charged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
