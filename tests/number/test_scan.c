// SPDX-License-Identifier: MIT
/*
 * Long arrays, which vectors read, on every instruction set of the machine:
 * the values of strtof and strtod, and the verdict of Jansson.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "../../server/number/isa.h"
#include "../../server/number/scan.h"
#include "reading.h"
#include "../json/verdict.h"

enum { NUMBERS = 4000, ROOM = NUMBERS * 48 };

static const enum smx_isa tiers[] = {SMX_ISA_BASE, SMX_ISA_AVX2, SMX_ISA_AVX512,
                                     SMX_ISA_NEON};

/** Write behind the `used` bytes of body, which has `room`. */
__attribute__((format(printf, 4, 5))) static void
append(char *body, size_t room, size_t *used, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    int written = vsnprintf(body + *used, room - *used, format, values);
    va_end(values);
    assert_true(written >= 0 && (size_t)written < room - *used);
    *used += (size_t)written;
}

/** An array's text and its values as strtod and strtof read them. */
struct array {
    char *text;
    size_t bytes;
    double *wide;
    float *single;
    size_t count;
};

static void array_begin(struct array *array, const char *member)
{
    array->text = malloc(ROOM);
    array->wide = malloc(NUMBERS * sizeof *array->wide);
    array->single = malloc(NUMBERS * sizeof *array->single);
    array->count = 0;
    array->bytes = 0;
    append(array->text, ROOM, &array->bytes, "{\"%s\":[", member);
}

static void array_add(struct array *array, const char *gap, const char *number)
{
    append(array->text, ROOM, &array->bytes, "%s%s", array->count ? gap : "",
           number);
    array->wide[array->count] = strtod(number, NULL);
    array->single[array->count++] = strtof(number, NULL);
}

static void array_end(struct array *array)
{
    append(array->text, ROOM, &array->bytes, "]}");
}

static void array_free(struct array *array)
{
    free(array->text);
    free(array->wide);
    free(array->single);
}

static double uniform(void)
{
    return (double)rand() / RAND_MAX;
}

static double normal(void)
{
    return sqrt(-2 * log(uniform() + 1e-9)) *
           cos(6.28318530717958648 * uniform());
}

/* A number as one of the many writers writes it. */
static void write_number(int style, char *text, size_t room)
{
    switch (style) {
    case 0:
        snprintf(text, room, "%.9g", normal() * 4);
        break;
    case 1:
        snprintf(text, room, "%.17g", (double)(float)(normal() * 4));
        break;
    case 2:
        snprintf(text, room, "%.*f", 1 + rand() % 25, normal() * 100);
        break;
    case 3:
        snprintf(text, room, "%d", rand() % 2001 - 1000);
        break;
    case 4:
        snprintf(text, room, "%.*e", rand() % 20,
                 uniform() * pow(10, rand() % 60 - 30));
        break;
    case 5: /* many digits, few of them behind the point */
        snprintf(text, room, "%s%d%09d%09d.%d", rand() % 2 ? "-" : "",
                 rand() % 10 + 1, rand() % 1000000000, rand() % 1000000000,
                 rand() % 10);
        break;
    case 6: /* near a tie of float32 */
        snprintf(text, room, "%d.%d", 16777216 + rand() % 64, rand() % 2 * 5);
        break;
    case 7:
        snprintf(text, room, "0.%0*d", 1 + rand() % 29, rand() % 100 + 1);
        break;
    case 8: /* at 20 digits, around the end of 64 bits */
        snprintf(text, room, "%d%09d%09d", 1 + rand() % 30, rand() % 1000000000,
                 rand() % 1000000000);
        break;
    default:
        snprintf(text, room, "%s", rand() % 2 ? "-0.0" : "0");
        break;
    }
}

enum { STYLES = 10 };

static void compare(const struct array *array, const struct tensor *tensor)
{
    assert_int_equal(tensor->count, array->count);
    for (size_t i = 0; i < array->count; i++)
        if (tensor->type == TENSOR_FLOAT64)
            assert_memory_equal((double *)tensor->data + i, array->wide + i,
                                sizeof(double));
        else
            assert_memory_equal((float *)tensor->data + i, array->single + i,
                                sizeof(float));
}

static void check_array(const struct array *array, int member, size_t slice)
{
    struct reading reading;
    if (!reading_slices(&reading, array->text, array->bytes, slice))
        fail_msg("%s at %zu", reading.problem.detail, reading.problem.offset);
    compare(array, &reading.tensor[member]);
    if (member == READING_LOGITS) {
        assert_true(reading_settle(&reading, member, TENSOR_FLOAT32));
        compare(array, &reading.tensor[member]);
    }
    reading_free(&reading);
}

/* A style below STYLES by itself, with others now and then, or all mixed. */
static void check_style(int style, int member)
{
    static const char *const gaps[] = {",", ", ", " ,", ",\n        "};
    const char *gap = gaps[rand() % 4];
    struct array array;
    array_begin(&array, reading_names[member]);
    while (array.count < NUMBERS) {
        char number[64];
        bool odd = style >= STYLES && rand() % 8 == 0;
        int one = odd || style == 2 * STYLES ? rand() % STYLES : style % STYLES;
        write_number(one, number, sizeof number);
        array_add(&array, gap, number);
    }
    array_end(&array);
    check_array(&array, member, array.bytes);
    check_array(&array, member, 1000 + (size_t)rand() % 1000);
    array_free(&array);
}

/* Packed or spaced, in two slicings. */
static void values_are_those_of_strtod(void **state)
{
    (void)state;
    static const int members[] = {READING_LOGITS, READING_F32, READING_F64};
    for (size_t t = 0; t < sizeof tiers / sizeof tiers[0]; t++) {
        if (!smx_isa_available(tiers[t]))
            continue;
        number_isa_force(tiers[t]);
        srand(7);
        for (int style = 0; style <= 2 * STYLES; style++)
            for (int m = 0; m < 3; m++)
                check_style(style, members[m]);
    }
    number_isa_force(SMX_ISA_BEST);
}

static void labels_are_integers(void **state)
{
    (void)state;
    for (size_t t = 0; t < sizeof tiers / sizeof tiers[0]; t++) {
        if (!smx_isa_available(tiers[t]))
            continue;
        number_isa_force(tiers[t]);
        char body[8192];
        size_t used = 0;
        append(body, sizeof body, &used,
               "{\"labels\":[-9223372036854775808,9223372036854775807");
        for (int i = 2; i < 1000; i++)
            append(body, sizeof body, &used, i % 50 ? ",%d" : ",%d.0",
                   i % 3 ? i : -i);
        append(body, sizeof body, &used, "]}");
        struct reading reading;
        assert_true(reading_text(&reading, body, SIZE_MAX));
        const struct tensor *labels = &reading.tensor[READING_LABELS];
        const int64_t *values = labels->data;
        assert_int_equal(labels->count, 1000);
        assert_true(values[0] == INT64_MIN && values[1] == INT64_MAX);
        for (int i = 2; i < 1000; i++)
            assert_true(values[i] == (i % 3 ? i : -i));
        reading_free(&reading);
    }
    number_isa_force(SMX_ISA_BEST);
}

/* More than fit as doubles: float32 from there on, the same values. */
/* Of a type that is decided last. */
static void large_tensors_are_rounded_once(void **state)
{
    (void)state;
    enum { COUNT = 1100000 };
    size_t room = COUNT * 12 + 64, used = 0;
    char *body = malloc(room);
    append(body, room, &used, "{\"logits\":[[");
    for (int i = 0; i < COUNT; i++)
        append(body, room, &used, "%s%d.%d", i ? "," : "", i % 1000, i);
    append(body, room, &used, "]]}");
    for (int wide = 0; wide < 2; wide++) {
        struct reading reading;
        enum tensor_type type = wide ? TENSOR_FLOAT64 : TENSOR_FLOAT32;
        assert_true(reading_slices(&reading, body, used, 16384));
        assert_true(reading_settle(&reading, READING_LOGITS, type));
        struct tensor *logits = &reading.tensor[READING_LOGITS];
        assert_int_equal(logits->type, type);
        assert_int_equal(logits->count, COUNT);
        assert_true(logits->bytes < COUNT * tensor_element_bytes(type) + 8192);
        for (int i = 0; i < COUNT; i++) {
            char text[32];
            snprintf(text, sizeof text, "%d.%d", i % 1000, i);
            if (wide)
                assert_true(((double *)logits->data)[i] == strtod(text, NULL));
            else
                assert_true(((float *)logits->data)[i] == strtof(text, NULL));
        }
        reading_free(&reading);
    }
    free(body);
}

/* ---- verdicts --------------------------------------------------------- */

static size_t write_rows(char *body, size_t room)
{
    static const char *const gaps[] = {",", ", "};
    const char *gap = gaps[rand() % 2];
    int style = rand() % 5, classes = 20 + rand() % 60;
    size_t used = 0;
    append(body, room, &used, "{\"logits\":[");
    for (int r = 0; r < 3; r++) {
        append(body, room, &used, r ? ",[" : "[");
        for (int c = 0; c < classes; c++) {
            char number[64];
            write_number(style, number, sizeof number);
            append(body, room, &used, "%s%s", c ? gap : "", number);
        }
        append(body, room, &used, "]");
    }
    append(body, room, &used, "]}");
    return used;
}

/* One byte of a long document replaced, added or taken. */
static size_t damage(char *body, size_t bytes)
{
    static const char likely[] = ",,,...---000eE+[]  \"{}:12n\n\t\x01\x80_/";
    size_t at = 40 + (size_t)rand() % (bytes - 40);
    char byte = likely[(size_t)rand() % sizeof likely];
    switch (rand() % 3) {
    case 0:
        body[at] = byte;
        return bytes;
    case 1:
        memmove(body + at, body + at + 1, bytes - at - 1);
        return bytes - 1;
    default:
        memmove(body + at + 1, body + at, bytes - at);
        body[at] = byte;
        return bytes + 1;
    }
}

static void damaged_arrays_are_refused_as_jansson_does(void **state)
{
    (void)state;
    enum { DOCUMENT = 16384 };
    char *body = malloc(DOCUMENT), *copy = malloc(DOCUMENT);
    for (size_t t = 0; t < sizeof tiers / sizeof tiers[0]; t++) {
        if (!smx_isa_available(tiers[t]))
            continue;
        number_isa_force(tiers[t]);
        srand(8);
        size_t bytes = 0;
        for (int i = 0; i < 8000; i++) {
            if (i % 20 == 0)
                bytes = write_rows(body, DOCUMENT);
            memcpy(copy, body, bytes);
            size_t damaged = damage(copy, bytes);
            struct reading reading;
            bool read = reading_slices(&reading, copy, damaged,
                                       rand() % 2 ? damaged : 150);
            bool accepts = jansson_accepts(copy, damaged);
            int status = read ? 200 : reading.problem.status;
            reading_free(&reading);
            if (accepts ? status == 400 : status == 200)
                fail_msg("%s: %.*s: %d", smx_isa_name(tiers[t]), (int)damaged,
                         copy, status);
        }
    }
    number_isa_force(SMX_ISA_BEST);
    free(body);
    free(copy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_those_of_strtod),
        cmocka_unit_test(labels_are_integers),
        cmocka_unit_test(large_tensors_are_rounded_once),
        cmocka_unit_test(damaged_arrays_are_refused_as_jansson_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
