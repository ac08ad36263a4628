// SPDX-License-Identifier: MIT
/*
 * Numbers as text. The truth is the C library's: strtof and strtod read back,
 * and "%.*e" with the fewest digits that read back says how short and, as it
 * rounds correctly, which digits.
 */
#include "../../server/number/write.h"
#include "../support/float_bits.h"
#include "../support/random.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <fenv.h>
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The significant digits without zeros at either end; -> how many. */
static size_t significant(const char *text, char *digits)
{
    size_t n = 0, kept = 0;
    for (; *text && *text != 'e'; text++) {
        if (*text < '0' || *text > '9' || (n == 0 && *text == '0'))
            continue;
        digits[n++] = *text;
        if (*text != '0')
            kept = n;
    }
    digits[kept] = '\0';
    return kept;
}

/* The rule of number.h, from "d.ddde-xx" as printf has it. */
enum { PRINTED_ROOM = 400 };

static void lay_out(const char *printed, char *text)
{
    char digits[40], positional[PRINTED_ROOM] = "", scientific[60];
    bool negative = printed[0] == '-';
    int n = (int)significant(printed + negative, digits);
    int e = (int)strtol(strchr(printed, 'e') + 1, NULL, 10);
    snprintf(scientific, sizeof scientific, "%s%c%s%se%d", negative ? "-" : "",
             digits[0], n > 1 ? "." : "", digits + 1, e);
    if (e < 0)
        snprintf(positional, sizeof positional, "%s0.%0*d%s",
                 negative ? "-" : "", -e - 1, 0, digits);
    else if (n <= e + 1)
        snprintf(positional, sizeof positional, "%s%s%0*d", negative ? "-" : "",
                 digits, e + 1 - n, 0);
    else
        snprintf(positional, sizeof positional, "%s%.*s.%s",
                 negative ? "-" : "", e + 1, digits, digits + e + 1);
    if (e == -1 || n == e + 1) /* no zeros, where "%0*d" prints one */
        snprintf(positional, sizeof positional, "%s%s%s", negative ? "-" : "",
                 e == -1 ? "0." : "", digits);
    bool shorter = strlen(scientific) < strlen(positional);
    const char *chosen = shorter ? scientific : positional;
    memcpy(text, chosen, strlen(chosen) + 1);
}

static bool same32(const char *text, double value)
{
    return strtof(text, NULL) == (float)value;
}

static bool same64(const char *text, double value)
{
    return strtod(text, NULL) == value;
}

/* Only below a power of two are the neighbours nearer than above, so that the
 * nearest decimal may read back as another value and the one above it not. */
static bool print_above(double value, int precision, char *printed)
{
    int exponent;
    if (fabs(frexp(value, &exponent)) != 0.5)
        return false;
    fesetround(value > 0 ? FE_UPWARD : FE_DOWNWARD);
    snprintf(printed, 60, "%.*e", precision, value);
    fesetround(FE_TONEAREST);
    return true;
}

static void expect_shortest(double value,
                            bool (*same)(const char *text, double value),
                            const char *got)
{
    char printed[60], want[PRINTED_ROOM];
    for (int precision = 0;; precision++) {
        snprintf(printed, sizeof printed, "%.*e", precision, value);
        if (same(printed, value))
            break;
        if (print_above(value, precision, printed) && same(printed, value))
            break;
    }
    lay_out(printed, want);
    if (strcmp(got, want) != 0)
        fail_msg("%a: got %s, want %s", value, got, want);
}

static void check_float32(float value)
{
    char got[NUMBER_MAX_TEXT + 1];
    got[number_write_float32(got, value)] = '\0';
    expect_shortest((double)value, same32, got);
}

static void check_float64(double value)
{
    char got[NUMBER_MAX_TEXT + 1];
    got[number_write_float64(got, value)] = '\0';
    expect_shortest(value, same64, got);
}

static void expect_text(float value, const char *want)
{
    char got[NUMBER_MAX_TEXT + 1];
    got[number_write_float32(got, value)] = '\0';
    assert_string_equal(got, want);
}

static void layout_is_the_shorter_form(void **state)
{
    (void)state;
    expect_text(0.09003057F, "0.09003057");
    expect_text(0.05F, "0.05");
    expect_text(0.5F, "0.5");
    expect_text(1, "1");
    expect_text(100, "100");
    expect_text(1000, "1e3");
    expect_text(250, "250");
    expect_text(25000, "25000");
    expect_text(250000, "2.5e5");
    expect_text(123456, "123456");
    expect_text(1e-3F, "1e-3");
    expect_text(1.25e-3F, "0.00125");
    expect_text(1.25e-4F, "1.25e-4");
    expect_text(1.2345e-7F, "1.2345e-7");
    expect_text(1e20F, "1e20");
    expect_text(-1.2345678F, "-1.2345678");
    expect_text(FLT_MAX, "3.4028235e38");
    expect_text(FLT_TRUE_MIN, "1e-45");
    expect_text(16777216, "16777216");
}

static void zeros_keep_their_sign(void **state)
{
    (void)state;
    expect_text(0.0F, "0");
    expect_text(-0.0F, "-0.0");
    char text[NUMBER_MAX_TEXT];
    assert_int_equal(number_write_float64(text, -0.0), 4);
    assert_memory_equal(text, "-0.0", 4);
    assert_int_equal(number_write_float64(text, 0.0), 1);
    assert_memory_equal(text, "0", 1);
}

static void non_finite_values_are_strings(void **state)
{
    (void)state;
    expect_text(INFINITY, "\"Infinity\"");
    expect_text(-INFINITY, "\"-Infinity\"");
    expect_text(NAN, "\"NaN\"");
    expect_text(-NAN, "\"NaN\"");
    char text[NUMBER_MAX_TEXT];
    assert_int_equal(number_write_float64(text, -(double)INFINITY), 11);
    assert_memory_equal(text, "\"-Infinity\"", 11);
    assert_int_equal(number_write_float64(text, (double)NAN), 5);
    assert_memory_equal(text, "\"NaN\"", 5);
}

/* Both neighbours, both signs, of every power of two and of ten. */
static void powers_and_neighbours_of_float32(void **state)
{
    (void)state;
    for (int e = -149; e < 128; e++)
        for (int step = -3; step <= 3; step++) {
            float power = ldexpf(1, e);
            uint32_t bits;
            memcpy(&bits, &power, sizeof bits);
            bits += (uint32_t)step;
            if (bits << 1 == 0 || (bits & 0x7fffffff) >= 0x7f800000)
                continue;
            check_float32(float_of(bits));
            check_float32(-float_of(bits));
        }
    for (int e = -45; e < 39; e++)
        for (int digit = 1; digit < 10; digit++) {
            char text[16];
            snprintf(text, sizeof text, "%de%d", digit, e);
            float value = strtof(text, NULL);
            if (isinf(value))
                continue;
            check_float32(value);
            check_float32(nextafterf(value, FLT_MAX));
            if (value > FLT_TRUE_MIN)
                check_float32(nextafterf(value, 0));
        }
}

static void powers_and_neighbours_of_float64(void **state)
{
    (void)state;
    for (int e = -1074; e < 1024; e++) {
        double power = ldexp(1, e);
        check_float64(power);
        check_float64(-nextafter(power, DBL_MAX));
        if (e > -1074)
            check_float64(nextafter(power, 0));
    }
    for (int e = -323; e < 309; e++)
        for (int digit = 1; digit < 10; digit++) {
            char text[16];
            snprintf(text, sizeof text, "%de%d", digit, e);
            double value = strtod(text, NULL);
            if (isinf(value))
                continue;
            check_float64(value);
            check_float64(nextafter(value, DBL_MAX));
            if (value > DBL_TRUE_MIN)
                check_float64(nextafter(value, 0));
        }
    check_float64(DBL_MAX);
    check_float64(9007199254740993.0);
    check_float64(5e-324);
    check_float64(2.2250738585072014e-308);
}

/* Whole numbers and decimals with few digits: zeros to be taken off. */
static void short_decimals(void **state)
{
    (void)state;
    for (int i = 1; i < 20000; i++) {
        check_float32((float)i);
        check_float64((double)i);
        for (int e = 1; e < 8; e++) {
            check_float32((float)(i / pow(10, e)));
            check_float64(i / pow(10, e));
        }
    }
    for (double i = 1; i < 1e17; i = i * 3 + 1) {
        check_float32((float)i);
        check_float64(i);
    }
}

static void random_float32(void **state)
{
    (void)state;
    struct random random = {1};
    for (int i = 0; i < 400000; i++) {
        float value = float_of((uint32_t)random_bits(&random));
        if (isfinite(value) && value != 0)
            check_float32(value);
    }
}

static void random_float64(void **state)
{
    (void)state;
    struct random random = {2};
    for (int i = 0; i < 400000; i++) {
        double value = double_of(random_bits(&random));
        if (isfinite(value) && value != 0)
            check_float64(value);
    }
}

static void integers_are_as_printf_has_them(void **state)
{
    (void)state;
    struct random random = {3};
    static const int64_t special[] = {0,  1,   -1,        9,        10,
                                      99, 100, INT64_MIN, INT64_MAX};
    for (size_t i = 0; i < 100000; i++) {
        uint64_t drawn = random_bits(&random);
        int64_t value =
            i < 9 ? special[i] : (int64_t)drawn >> (random_bits(&random) & 63);
        char want[NUMBER_MAX_TEXT], got[NUMBER_MAX_TEXT + 1];
        snprintf(want, sizeof want, "%" PRId64, value);
        got[number_write_int64(got, value)] = '\0';
        assert_string_equal(got, want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layout_is_the_shorter_form),
        cmocka_unit_test(zeros_keep_their_sign),
        cmocka_unit_test(non_finite_values_are_strings),
        cmocka_unit_test(powers_and_neighbours_of_float32),
        cmocka_unit_test(powers_and_neighbours_of_float64),
        cmocka_unit_test(short_decimals),
        cmocka_unit_test(random_float32),
        cmocka_unit_test(random_float64),
        cmocka_unit_test(integers_are_as_printf_has_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
