// SPDX-License-Identifier: MIT
/* Tensors in base64: the same tensor wherever the slices fall and whatever the
 * order of the members, and the same bits out as in. */
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

/* A refusal says the same, of the same place, wherever the slices fall. */
static void refusals_wherever_slices_fall(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "{\"logits\":{\"base64\":\"AAAA!AAA\"}}",
        "{\"logits\":{\"base64\":\"AAAA\\u00e9AAA\"}}",
        "{\"logits\":{\"base64\":\"AAAAAA=\"}}",
        "{\"logits\":{\"base64\":\"AAAAAA==\",\"dtype\":\"float32\","
        "\"shape\":[3]}}",
        "{\"logits\":{\"base64\":\"AAAAAA==\",\"x\":1}}",
        "{\"logits\":{\"base64\":\"AAAAAA==\",\"base64\":\"\"}}",
        "{\"logits\":{\"base64\":[]}}",
        "{\"logits\":{\"shape\":[]}}",
        "{\"logits\":{\"base64\":\"AAAA\nAAAA\"}}",
    };
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        struct reading whole;
        size_t bytes = strlen(bodies[i]);
        assert_false(reading_slices(&whole, bodies[i], bytes, bytes));
        assert_true(whole.problem.located);
        for (size_t slice = 1; slice < bytes; slice++) {
            struct reading sliced;
            assert_false(reading_slices(&sliced, bodies[i], bytes, slice));
            assert_memory_equal(&whole.problem, &sliced.problem,
                                sizeof whole.problem);
            reading_free(&sliced);
            assert_int_equal(atomic_load(&sliced.budget.taken), 0);
        }
        reading_free(&whole);
    }
}

static void a_wrong_character_is_named_where_it_is(void **state)
{
    (void)state;
    static const struct {
        const char *body, *got;
        size_t offset;
    } cases[] = {
        {"{\"logits\":{\"base64\":\"AAAA!AAA\"}}", "got '!'", 25},
        {"{\"logits\":{\"base64\":\"~AAA\"}}", "got '~'", 21},
        {"{\"logits\":{\"base64\":\"A\x7f\"}}", "got byte 0x7f", 22},
        {"{\"logits\":{\"base64\":\"AA A\"}}", "got byte 0x20", 23},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct reading reading;
        assert_false(reading_text(&reading, cases[i].body, 12));
        assert_non_null(strstr(reading.problem.detail, cases[i].got));
        assert_int_equal(reading.problem.offset, cases[i].offset);
        reading_free(&reading);
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
        cmocka_unit_test(refusals_wherever_slices_fall),
        cmocka_unit_test(a_wrong_character_is_named_where_it_is),
        cmocka_unit_test(every_window_gives_the_same_text),
        cmocka_unit_test(narrow_elements_are_widened),
        cmocka_unit_test(room_is_charged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
