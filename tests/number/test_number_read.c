// SPDX-License-Identifier: MIT
/* Decimal to binary against strtof and strtod, bit for bit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../server/number/read.h"
#include "../support/float_bits.h"
#include "../support/lone_page.h"

static uint64_t random_state = 0x9e3779b97f4a7c15;

static uint64_t random_bits(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static void same(const char *text)
{
    size_t bytes = strlen(text);
    float single = 0, single_wanted = strtof(text, NULL);
    double wide = 0, wide_wanted = strtod(text, NULL);
    if (!number_read_float32(text, bytes, &single) ||
        memcmp(&single, &single_wanted, sizeof single) != 0)
        fail_msg("%s: float32 %a, strtof %a", text, (double)single,
                 (double)single_wanted);
    if (!number_read_float64(text, bytes, &wide) ||
        memcmp(&wide, &wide_wanted, sizeof wide) != 0)
        fail_msg("%s: float64 %a, strtod %a", text, wide, wide_wanted);
}

static void edges_are_those_of_strtod(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "0",
        "-0",
        "0.0",
        "-0.0e5",
        "0e999999999999",
        "1",
        "-1",
        "10",
        "1200",
        "0.1",
        "0.5",
        "1e22",
        "1e23",
        "123456789012345678901234567890",
        "9007199254740993",
        "9007199254740992.9",
        "16777217",
        "16777216.999999",
        "16777217.0000000000000000000000001",
        "3.4028235e38",
        "3.4028236e38",
        "3.40282356779733661637539395458142568447e38",
        "3.40282356779733661637539395458142568448e38",
        "1e38",
        "1e39",
        "1e308",
        "1.7976931348623157e308",
        "1.7976931348623158e308",
        "1.7976931348623159e308",
        "1e309",
        "1e99999999999999999999",
        "2.2250738585072014e-308",
        "2.2250738585072011e-308",
        "5e-324",
        "4.9406564584124654e-324",
        "2.4703282292062327e-324",
        "2.4703282292062328e-324",
        "1e-324",
        "1e-400",
        "1e-99999999999999999",
        "1.17549435e-38",
        "1.17549429e-38",
        "1.4e-45",
        "7.0e-46",
        "7.1e-46",
        "7.006492321624085e-46",
        "7.006492321624086e-46",
        "0.000000000001e-340",
        "100000000000000000000000000000000000000000e-350",
        "12345678901234567890",
        "18446744073709551615",
        "18446744073709551616",
        "1.5e+3",
        "1.5E-3",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        same(texts[i]);
}

static void grammar_is_that_of_json(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",     "-",   "+1",       "01",        "-01", "1.",  ".5",
        "1.e1", "1e",  "1e+",      "1e-",       "0x1", "1 ",  " 1",
        "--1",  "1-2", "1.2.3",    "1e1e1",     "inf", "nan", "NaN",
        "1e.5", "1,2", "Infinity", "-Infinity", "00",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        float single = 42;
        double wide = 42;
        int64_t integer = 42;
        size_t bytes = strlen(texts[i]);
        assert_false(number_read_float32(texts[i], bytes, &single));
        assert_false(number_read_float64(texts[i], bytes, &wide));
        assert_int_equal(number_read_int64(texts[i], bytes, &integer),
                         NUMBER_NOT_NUMBER);
        assert_true(single == 42 && wide == 42 && integer == 42);
    }
}

/* What follows the text may not be read: here nobody may. */
static void nothing_behind_the_text_is_read(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "-12.50e-17",
        "1E+5",
        "0.125",
        "-0",
        "1e",
        "12345678901234567890.5",
        "9007199254740992.9e+0000000000001",
    };
    size_t page_bytes;
    char *page = lone_page_new(&page_bytes);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        for (size_t bytes = 0; bytes <= strlen(texts[i]); bytes++) {
            char *text = page + page_bytes - bytes, prefix[64] = "";
            float single[2] = {42, 42};
            double wide[2] = {42, 42};
            int64_t integer[2] = {42, 42};
            memcpy(text, texts[i], bytes);
            memcpy(prefix, texts[i], bytes);
            assert_int_equal(number_read_float32(text, bytes, &single[0]),
                             number_read_float32(prefix, bytes, &single[1]));
            assert_int_equal(number_read_float64(text, bytes, &wide[0]),
                             number_read_float64(prefix, bytes, &wide[1]));
            assert_int_equal(number_read_int64(text, bytes, &integer[0]),
                             number_read_int64(prefix, bytes, &integer[1]));
            assert_true(single[0] == single[1] && wide[0] == wide[1] &&
                        integer[0] == integer[1]);
        }
    lone_page_free(page);
}

/* A double or float in text, its last digits moved about. */
static void random_values_are_those_of_strtod(void **state)
{
    (void)state;
    static const int precisions[] = {1,  2,  5,  7,  8,  9,  10,
                                     15, 16, 17, 18, 19, 20, 25};
    for (int i = 0; i < 1000000; i++) {
        char text[512];
        uint64_t bits = random_bits();
        double wide = double_of(bits);
        if (i & 1) /* of the range of a float */
            wide = (double)float_of((uint32_t)bits);
        if (wide != wide || wide - wide != 0)
            continue;
        int precision = precisions[bits >> 32 & 7 ? random_bits() % 14 : 9];
        snprintf(text, sizeof text, i & 2 ? "%.*e" : "%.*g", precision, wide);
        same(text);
    }
}

static void short_decimals_are_those_of_strtod(void **state)
{
    (void)state;
    for (int i = 0; i < 1000000; i++) {
        char text[64];
        uint64_t bits = random_bits();
        uint64_t digits = random_bits() >> (bits & 63);
        snprintf(text, sizeof text, "%llue%d", (unsigned long long)digits,
                 (int)(bits >> 40 & 63) - 40);
        same(text);
    }
}

/* The decimal that lies exactly between two floats or doubles, and one digit
 * beside it far behind. */
static void midpoints_round_to_even(void **state)
{
    (void)state;
    for (int i = 0; i < 20000; i++) {
        char text[1200];
        uint64_t bits = random_bits();
        uint32_t word = (uint32_t)bits & 0x7fffffff;
        float single;
        memcpy(&single, &word, sizeof single);
        if (single != single || single - single != 0)
            continue;
        if (i & 1) /* subnormal */
            single = (float)(bits & 0x7fffff) * 0x1p-149f;
        double wide = (double)single;
        double step = single < 0x1p-126f ? 0x1p-150 : 0;
        if (step == 0) {
            memcpy(&bits, &wide, sizeof bits);
            bits += 0x10000000;
            memcpy(&wide, &bits, sizeof wide);
        } else {
            wide += step;
        }
        int used = snprintf(text, sizeof text, "%.160f", wide);
        same(text);
        text[used - 1] = '1';
        same(text);
        memset(text + used, '0', 700);
        memcpy(text + used + 700, "1", 2);
        same(text);
        snprintf(text, sizeof text, "%.150e", wide * (1 - 0x1p-52));
        same(text);
    }
}

static void long_mantissas_are_those_of_strtod(void **state)
{
    (void)state;
    for (int i = 0; i < 20000; i++) {
        char text[900];
        size_t digits = 1 + random_bits() % 800, point = random_bits() % digits;
        size_t used = 0;
        if (random_bits() & 1)
            text[used++] = '-';
        text[used++] = (char)('1' + random_bits() % 9);
        for (size_t k = 0; k < digits; k++) {
            if (k == point)
                text[used++] = '.';
            text[used++] = (char)('0' + random_bits() % 10);
        }
        snprintf(text + used, sizeof text - used, "e%d",
                 (int)(random_bits() % 700) - 400);
        same(text);
    }
}

static void integers_are_integers_however_written(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum number_integer result;
        int64_t value;
    } cases[] = {
        {"0", NUMBER_INTEGER, 0},
        {"-0", NUMBER_INTEGER, 0},
        {"3.0", NUMBER_INTEGER, 3},
        {"1e2", NUMBER_INTEGER, 100},
        {"30e-1", NUMBER_INTEGER, 3},
        {"-100", NUMBER_INTEGER, -100},
        {"1.50e1", NUMBER_INTEGER, 15},
        {"1.00000000000000000000000000000", NUMBER_INTEGER, 1},
        {"0e99999999", NUMBER_INTEGER, 0},
        {"9223372036854775807", NUMBER_INTEGER, INT64_MAX},
        {"-9223372036854775808", NUMBER_INTEGER, INT64_MIN},
        {"9223372036854775808", NUMBER_OUT_OF_RANGE, 0},
        {"-9223372036854775809", NUMBER_OUT_OF_RANGE, 0},
        {"1e19", NUMBER_OUT_OF_RANGE, 0},
        {"1e999999", NUMBER_OUT_OF_RANGE, 0},
        {"123456789012345678901", NUMBER_OUT_OF_RANGE, 0},
        {"1.5", NUMBER_NOT_INTEGER, 0},
        {"1e-1", NUMBER_NOT_INTEGER, 0},
        {"1.00000000000000000000000000001", NUMBER_NOT_INTEGER, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t value = 0;
        assert_int_equal(
            number_read_int64(cases[i].text, strlen(cases[i].text), &value),
            cases[i].result);
        if (cases[i].result == NUMBER_INTEGER)
            assert_true(value == cases[i].value);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(edges_are_those_of_strtod),
        cmocka_unit_test(grammar_is_that_of_json),
        cmocka_unit_test(nothing_behind_the_text_is_read),
        cmocka_unit_test(random_values_are_those_of_strtod),
        cmocka_unit_test(short_decimals_are_those_of_strtod),
        cmocka_unit_test(midpoints_round_to_even),
        cmocka_unit_test(long_mantissas_are_those_of_strtod),
        cmocka_unit_test(integers_are_integers_however_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
