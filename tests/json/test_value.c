// SPDX-License-Identifier: MIT
/* The parsed envelope: kinds, errors and their places, and how it prints. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../server/json/reader.h"
#include "../../server/json/small_text.h"
#include "../number/reading.h"

static struct value *parse(const char *text, struct problem *problem)
{
    *problem = (struct problem){0};
    return reader_parse(text, strlen(text), problem);
}

static void kinds_are_those_of_the_text(void **state)
{
    (void)state;
    struct problem problem;
    struct value *document =
        parse("[null, true, 3, 3.0, 3e2, \"a\", [1], {\"b\": 2}, "
              "9223372036854775808, -9223372036854775808]",
              &problem);
    static const enum value_kind kinds[] = {
        VALUE_NULL,   VALUE_BOOL,  VALUE_INTEGER, VALUE_REAL, VALUE_REAL,
        VALUE_STRING, VALUE_ARRAY, VALUE_OBJECT,  VALUE_REAL, VALUE_INTEGER};
    assert_non_null(document);
    assert_int_equal(value_size(document), 10);
    for (size_t i = 0; i < 10; i++)
        assert_int_equal(value_kind(value_at(document, i)), kinds[i]);
    assert_null(value_at(document, 10));
    assert_true(value_boolean(value_at(document, 1)));
    assert_int_equal(value_integer(value_at(document, 2)), 3);
    assert_true(value_number(value_at(document, 2)) == 3);
    assert_true(value_number(value_at(document, 4)) == 300);
    assert_string_equal(value_string(value_at(document, 5)), "a");
    assert_int_equal(value_integer(value_member(value_at(document, 7), "b")),
                     2);
    assert_null(value_member(value_at(document, 7), "c"));
    assert_null(value_member(document, "b"));
    assert_true(value_number(value_at(document, 8)) == 0x1p63);
    value_free(document);
    value_free(NULL);
}

static void errors_have_a_place(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int status;
        size_t offset, line, column;
    } cases[] = {
        {"", 400, 0, 1, 1},
        {"{\"a\":1", 400, 6, 1, 7},
        {"{\"a\":\n tru}", 400, 7, 2, 2},
        {"{} x", 400, 3, 1, 4},
        {"[1e999]", 422, 1, 1, 2},
        {"[18446744073709551616,\n1,1e999]", 422, 25, 2, 3},
        {"[18446744073709551616,-1,tru]", 400, 25, 1, 26},
        {"[1844674407370955161600000,", 400, 27, 1, 28},
        {"{\"a\":1,\n\"a\":2}", 422, 10, 2, 3},
        {"{\"\\\"\\\\\":1,\"\\\"\\\\\":2}", 422, 15, 1, 16},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct problem problem;
        assert_null(parse(cases[i].text, &problem));
        assert_int_equal(problem.status, cases[i].status);
        assert_true(problem.located);
        assert_int_equal(problem.offset, cases[i].offset);
        assert_int_equal(problem.line, cases[i].line);
        assert_int_equal(problem.column, cases[i].column);
    }
}

/* Of which Jansson does not notice those behind a number. */
static void a_nul_is_no_json(void **state)
{
    (void)state;
    static const char *const texts[] = {"1?",    "[1?]",        "[1,2.5?\n]",
                                        "\"?\"", "{\"a\":-1?}", "?"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        char text[16];
        size_t bytes = strlen(texts[i]);
        memcpy(text, texts[i], bytes);
        char *nul = memchr(text, '?', bytes);
        *nul = '\0';
        struct problem problem = {0};
        assert_null(reader_parse(text, bytes, &problem));
        assert_int_equal(problem.status, 400);
        assert_true(problem.located && problem.line == 1);
    }
}

/* What is no value is named as the reader's client would name it. */
static void a_refused_value_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *text, *detail, *pointer;
    } cases[] = {
        {"{\"top_k\":1,\"top_k\":2}", "top_k: got it twice, must be given once",
         "/top_k"},
        {"{\"\\\"\\\\\":1,\"\\\"\\\\\":2}",
         "\"\\: got it twice, must be given once", "/\"\\"},
        {"{\"a/b\":[{},{\"~\":1,\"~\":2}]}",
         "a~1b/1/~0: got it twice, must be given once", "/a~1b/1/~0"},
        {"[{\"a\":1,\"a\":2}]", "a value: got it twice, must be given once",
         ""},
        {"{\"a\":{\"x\":\"}\\\"]\"},\"t\":-1e400}",
         "t: got -1e400, must be between -1.8e308 and 1.8e308", "/t"},
        {"{\"n\":99999999999999999999,\"a\":{\"b\":[[],[1,1e400]]}}",
         "a/b/1/1: got 1e400, must be between -1.8e308 and 1.8e308",
         "/a/b/1/1"},
        {"[1e400]", "a value: got 1e400, must be between -1.8e308 and 1.8e308",
         ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct problem problem;
        assert_null(parse(cases[i].text, &problem));
        assert_int_equal(problem.status, 422);
        assert_string_equal(problem.detail, cases[i].detail);
        assert_string_equal(problem.pointer, cases[i].pointer);
    }
}

/* 400 digits are shown as 64. */
static void a_long_number_is_cut(void **state)
{
    (void)state;
    char text[420] = "{\"a\":";
    struct problem problem;
    memset(text + 5, '7', 400);
    memcpy(text + 405, "}", 2);
    assert_null(parse(text, &problem));
    assert_int_equal(problem.status, 422);
    assert_int_equal(problem.offset, 5);
    assert_true(strlen(problem.detail) < 150);
    assert_string_equal(problem.pointer, "/a");
}

struct seen {
    char names[16];
    size_t most;
};

static bool see(void *cls, const char *name, const struct value *value)
{
    struct seen *seen = cls;
    assert_int_equal(value_kind(value), VALUE_INTEGER);
    strncat(seen->names, name, 2);
    return strlen(seen->names) < seen->most;
}

static void members_come_in_order(void **state)
{
    (void)state;
    struct problem problem;
    struct value *document = parse("{\"z\":1,\"a\":2,\"m\":3}", &problem);
    struct seen all = {.most = 9}, two = {.most = 2};
    assert_true(value_each(document, see, &all));
    assert_string_equal(all.names, "zam");
    assert_false(value_each(document, see, &two));
    assert_string_equal(two.names, "za");
    value_free(document);
}

static void values_print_as_they_were_written(void **state)
{
    (void)state;
    static const char *const texts[] = {"0.1",
                                        "0.07", /* 16 digits show an error */
                                        "0.1234567890123456",
                                        "0.30000000000000004",
                                        "3",
                                        "3.0",
                                        "-1.5",
                                        "1e+100",
                                        "\"a\\n\"",
                                        "null",
                                        "true",
                                        "[1,[2,{\"a\":0.1}]]",
                                        "\"\xc3\xa9\xe2\x82\xac\""};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct problem problem;
        char text[32];
        struct value *document = parse(texts[i], &problem);
        value_print(document, text, sizeof text);
        assert_string_equal(text, texts[i]);
        value_free(document);
    }
}

/* Cut at every length, never within a character. */
static void long_values_are_cut(void **state)
{
    (void)state;
    struct problem problem;
    struct value *document =
        parse("\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80 and more\"", &problem);
    for (size_t room = 4; room < 24; room++) {
        char text[40];
        struct problem found = {0};
        memset(text, 0x80, sizeof text);
        value_print(document, text, room);
        size_t bytes = strlen(text);
        assert_true(bytes < room && bytes >= 3);
        assert_string_equal(text + bytes - 3, "...");
        if (bytes == 3)
            continue;
        memcpy(text + bytes - 3, "\"", 2); /* what is left is still UTF-8 */
        struct value *again = reader_parse(text, strlen(text), &found);
        assert_non_null(again);
        value_free(again);
    }
    value_free(document);
}

/* What lies outside its owner is charged while it does, however it grew. */
static void long_text_is_charged_as_it_grows(void **state)
{
    (void)state;
    struct budget budget = {.limit = 10000};
    struct problem problem = {0};
    struct small_text text;
    small_text_init(&text, &budget);
    for (size_t i = 1; i <= 2000; i++) {
        assert_true(small_text_append(&text, "x", 1, &problem));
        assert_int_equal(strlen(text.data), i);
        assert_int_equal(atomic_load(&budget.taken),
                         text.data == text.first ? 0 : text.room);
    }
    small_text_free(&text);
    assert_int_equal(atomic_load(&budget.taken), 0);
}

/* Of what is in no tensor; quotes that open are not counted. */
static void just_65536_bytes_are_read_beside_tensors(void **state)
{
    (void)state;
    static char body[65536 + 3];
    for (size_t bytes = 65536 + 2; bytes <= sizeof body; bytes++) {
        struct reading reading;
        memset(body, 'x', bytes);
        memcpy(body, "{\"a\":\"", 6);
        memcpy(body + bytes - 2, "\"}", 2);
        reading_begin(&reading);
        bool good = reader_feed(reading.reader, body, bytes, &reading.problem);
        assert_int_equal(good, bytes == 65536 + 2);
        assert_int_equal(reading.problem.status, good ? 0 : 413);
        reading_free(&reading);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kinds_are_those_of_the_text),
        cmocka_unit_test(errors_have_a_place),
        cmocka_unit_test(a_nul_is_no_json),
        cmocka_unit_test(a_refused_value_is_named),
        cmocka_unit_test(a_long_number_is_cut),
        cmocka_unit_test(members_come_in_order),
        cmocka_unit_test(values_print_as_they_were_written),
        cmocka_unit_test(long_values_are_cut),
        cmocka_unit_test(long_text_is_charged_as_it_grows),
        cmocka_unit_test(just_65536_bytes_are_read_beside_tensors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
