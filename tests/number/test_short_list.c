// SPDX-License-Identifier: MIT
/* Lists of short numbers: the values of strtod, and where a list ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../server/number/short_list.h"

/** Read a list from memory of just its size. @return how far. */
static size_t read_list(const char *text, struct short_list *list)
{
    size_t bytes = strlen(text);
    char *copy = malloc(bytes);
    assert_non_null(copy);
    memcpy(copy, text, bytes);
    size_t taken = (size_t)(short_list_read(copy, copy + bytes, list) - copy);
    free(copy);
    return taken;
}

static void values_are_those_of_strtod(void **state)
{
    (void)state;
    srand(1);
    for (int i = 0; i < 20000; i++) {
        static const char *const spaces[] = {"", " ", "\n", "\t\r "};
        char token[40], text[64];
        struct short_list list;
        int whole = rand() % 8, decimals = rand() % 8;
        long units = rand() % (whole < 3 ? 10 : 10000000);
        int used = snprintf(token, sizeof token, "%s%ld", rand() % 2 ? "-" : "",
                            units);
        if (decimals > 0)
            snprintf(token + used, sizeof token - (size_t)used, ".%0*ld",
                     decimals, rand() % 10000000L);
        snprintf(text, sizeof text, "%s%s]", token, spaces[rand() % 4]);
        size_t taken = read_list(text, &list);
        double value = strtod(token, NULL);
        uint64_t bits;
        memcpy(&bits, &value, sizeof bits);
        if ((bits & 0x1fffffff) == 0x10000000) {
            assert_int_equal(taken, 0); /* rounded to float32, it is a tie */
            continue;
        }
        assert_int_equal(taken, strlen(text) - 1);
        assert_int_equal(list.count, 1);
        assert_int_equal(list.integers, decimals == 0);
        assert_memory_equal(&list.value[0], &value, sizeof value);
    }
}

static void lists_end_before_what_is_not_short(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t taken, count;
        int comma, integers;
    } cases[] = {
        {"1,2.5 , -3]", 10, 3, 0, 0},
        {"1 ,\n2\t,", 7, 2, 1, 1},
        {"1,2", 2, 1, 1, 1}, /* it may go on */
        {"1,2 ", 2, 1, 1, 1},
        {"1,-0]", 4, 2, 0, 1},
        {"999999999999999]", 15, 1, 0, 1},
        {"-0.00000000000001]", 17, 1, 0, 0},
        {"1,1000000000000000]", 2, 1, 1, 1}, /* 16 digits */
        {"1,0.000000000000001]", 2, 1, 1, 1},
        {"1,16777217]", 2, 1, 1, 1}, /* between two float32 */
        {"1,01]", 2, 1, 1, 1},
        {"1,-01]", 2, 1, 1, 1},
        {"1,.5]", 2, 1, 1, 1},
        {"1,5.]", 2, 1, 1, 1},
        {"1,-]", 2, 1, 1, 1},
        {"1,+1]", 2, 1, 1, 1},
        {"1,1e5]", 2, 1, 1, 1},
        {"1,1.5.5]", 2, 1, 1, 1},
        {"1,1\v,2]", 2, 1, 1, 1},
        {"1,\"2\"]", 2, 1, 1, 1},
        {"1,,2]", 2, 1, 1, 1},
        {"1,1:]", 2, 1, 1, 1},
        {"1,1/]", 2, 1, 1, 1},
        {"1}", 0, 0, 1, 1},
        {"1 2]", 0, 0, 1, 1},
        {"null]", 0, 0, 1, 1},
        {"", 0, 0, 1, 1},
        /* of a long one, no more than 64 bytes */
        {"1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]",
         64, 32, 1, 1},
        {"1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]", 63,
         32, 0, 1},
        {"1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,12]",
         62, 31, 1, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct short_list list;
        size_t taken = read_list(cases[i].text, &list);
        if (taken != cases[i].taken || list.count != cases[i].count ||
            list.comma != cases[i].comma || list.integers != cases[i].integers)
            fail_msg("%s: %zu bytes, %zu numbers, comma %d, integers %d",
                     cases[i].text, taken, list.count, list.comma,
                     list.integers);
    }
}

/* Of each number of decimals, up to 15 digits in all. */
static void all_powers_of_ten_divide(void **state)
{
    (void)state;
    for (int decimals = 1; decimals < 16; decimals++)
        for (int digit = 0; digit < 10; digit++) {
            char text[32];
            struct short_list list;
            snprintf(text, sizeof text, "-%d.%.*s%d]", digit, decimals - 1,
                     "10000000000000", 9 - digit);
            double value = strtod(text, NULL);
            size_t taken = read_list(text, &list);
            assert_int_equal(taken, decimals < 15 ? strlen(text) - 1 : 0);
            assert_int_equal(list.count, decimals < 15);
            if (list.count)
                assert_memory_equal(&list.value[0], &value, sizeof value);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_those_of_strtod),
        cmocka_unit_test(lists_end_before_what_is_not_short),
        cmocka_unit_test(all_powers_of_ten_divide),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
