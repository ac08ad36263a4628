// SPDX-License-Identifier: MIT
/* The reader: what it accepts and makes of it, wherever the slices fall. */
#include <math.h>
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
#include "filling.h"

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
        const char *detail;
    } cases[] = {
        {"[1,2]", TENSOR_FLOAT32, NULL, NULL},
        {"[1,2]", TENSOR_FLOAT64, NULL, NULL},
        {"[1,2]", TENSOR_INT64, NULL, NULL},
        {"[1,2]", TENSOR_BOOL, "/any/0", "any: got 1, must be true or false"},
        {"[]", TENSOR_BOOL, NULL, NULL},
        {"[]", TENSOR_INT64, NULL, NULL},
        {"[true,false]", TENSOR_BOOL, NULL, NULL},
        {"[true,false]", TENSOR_INT64, "/any/0",
         "any: got true, must be an integer"},
        {"[false]", TENSOR_FLOAT32, "/any/0",
         "any: got false, must be a number"},
        {"[false]", TENSOR_FLOAT64, "/any/0",
         "any: got false, must be a number"},
        {"[[1,2],[3,4.5]]", TENSOR_INT64, "/any/1/1",
         "any: got 4.5, must be an integer"},
        {"[[1,2],[3,1e39]]", TENSOR_FLOAT32, "/any/1/1",
         "any: got 1e39, must be within the range of float32"},
        {"[1,-1e39]", TENSOR_FLOAT32, "/any/1",
         "any: got -1e39, must be within the range of float32"},
        {"[1,1e39]", TENSOR_INT64, "/any/1",
         "any: got 1e39, must be within the range of int64"},
        {"[9007199254740991,-9007199254740991.0]", TENSOR_INT64, NULL, NULL},
        {"[9007199254740992.0,-9007199254740993]", TENSOR_INT64, NULL, NULL},
        {"[9007199254740992.5]", TENSOR_INT64, "/any/0",
         "any: got 9007199254740992, must be within the range of int64"},
        {"[9223372036854775807,-9223372036854775808]", TENSOR_INT64, NULL,
         NULL},
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
            assert_string_equal(reading.problem.detail, cases[i].detail);
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

/* The one that no float32 holds is found wherever it stands, in blocks of 512
 * and in what is left of them, infinities around it. */
static void what_is_out_of_range_is_found_anywhere(void **state)
{
    (void)state;
    static const size_t counts[] = {1, 2, 511, 512, 513, 1024, 1025, 1300};
    char *body = malloc(16 * 1300);
    assert_non_null(body);
    for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++)
        for (size_t at = 0; at <= counts[c]; at += at % 256 > 1 ? 253 : 1) {
            struct reading reading;
            char pointer[32];
            size_t used = 11;
            memcpy(body, "{\"logits\":[", used);
            for (size_t i = 0; i < counts[c]; i++)
                used += (size_t)snprintf(body + used, 16, "%s,",
                                         i == at     ? "3.5e38"
                                         : i % 7 > 5 ? "-Infinity"
                                                     : "3.4e38");
            snprintf(body + used - 1, 16, "]}");
            assert_true(reading_text(&reading, body, SIZE_MAX));
            bool good =
                reading_settle(&reading, READING_LOGITS, TENSOR_FLOAT32);
            assert_int_equal(good, at == counts[c]);
            snprintf(pointer, sizeof pointer, "/logits/%zu", at);
            assert_string_equal(reading.problem.pointer, good ? "" : pointer);
            const float *floats = reading.tensor[READING_LOGITS].data;
            for (size_t i = 0; i < counts[c] && good; i++)
                assert_true(floats[i] == (i % 7 > 5 ? -INFINITY : 3.4e38f));
            reading_free(&reading);
        }
    free(body);
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
        cmocka_unit_test(every_split_reads_the_same),
        cmocka_unit_test(endless_input_is_refused_at_once),
        cmocka_unit_test(staged_floats_are_rounded_once),
        cmocka_unit_test(settling_is_reading_with_that_type),
        cmocka_unit_test(what_is_out_of_range_is_found_anywhere),
        cmocka_unit_test(any_number_of_elements_may_come_before_their_type),
        cmocka_unit_test(staged_integers_keep_all_their_digits),
        cmocka_unit_test(spaces_are_skipped_where_elements_may_begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
