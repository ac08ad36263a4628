// SPDX-License-Identifier: MIT
/* The parsed envelope: kinds, errors and their places, and how it prints. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
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
    char want[160];
    snprintf(want, sizeof want,
             "a: got %.64s, must be between -1.8e308 and 1.8e308", text + 5);
    assert_string_equal(problem.detail, want);
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
                                        "[0.07,1.5e300]",
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

/* Cut at every length, never within a character, and not before it must. */
static void long_values_are_cut(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80 and more\"",
        "\"\xf0\x9f\x98\x80\xf0\x9f\x98\x80\xc3\xa9\xc3\xa9\"",
        "[123456,\"abcdef\",[],{}]",
        "1234567",
        "\"\"",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        for (size_t room = 0; room < 40; room++) {
            struct problem problem;
            struct value *document = parse(texts[i], &problem);
            size_t bytes = strlen(texts[i]);
            char text[40], want[40];
            memset(text, 'x', sizeof text);
            value_print(document, text, room);
            value_free(document);
            if (room < 4) {
                assert_int_equal(text[0], 'x');
                continue;
            }
            bool cut = bytes > room - 4;
            bytes = cut ? room - 4 : bytes;
            while (cut && (texts[i][bytes] & 0xc0) == 0x80)
                bytes--;
            snprintf(want, sizeof want, "%.*s%s", (int)bytes, texts[i],
                     cut ? "..." : "");
            assert_string_equal(text, want);
            for (size_t k = room; k < sizeof text; k++)
                assert_int_equal(text[k], 'x');
        }
}

/* ---- strings ------------------------------------------------------------ */

/* An escape, a byte beyond ASCII or a control character may be the first, the
 * last or the only one: as a value and as a name. */
static void strings_are_decoded_from_end_to_end(void **state)
{
    (void)state;
    static const struct {
        const char *text, *want; /* NULL: it is no string */
    } parts[] = {
        {"\\n", "\n"},
        {"\\\"", "\""},
        {"\\\\", "\\"},
        {"\\/", "/"},
        {"\\u0041", "A"},
        {"\\u00e9", "\xc3\xa9"},
        {"\xc3\xa9", "\xc3\xa9"},
        {" ", " "},
        {"~", "~"},
        {"\x7f", "\x7f"},
        {"\x1f", NULL},
        {"\x01", NULL},
        {"\n", NULL},
        {"\xff", NULL},
        {"\x80", NULL},
        {"\\x", NULL},
        {"\\u00g", NULL},
        {"\xc3", NULL},
    };
    static const char *const frames[] = {"%s", "%sb", "a%s", "a%sb", "%s%s"};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        for (size_t f = 0; f < sizeof frames / sizeof frames[0]; f++) {
            char text[64], want[64], body[160];
            const char *part = parts[i].text, *decoded = parts[i].want;
            snprintf(text, sizeof text, frames[f], part, part);
            snprintf(want, sizeof want, frames[f], decoded ? decoded : "",
                     decoded);
            snprintf(body, sizeof body, "{\"%s\":\"%s\"}", text, text);
            struct problem problem;
            struct value *document = parse(body, &problem);
            assert_int_equal(document != NULL, decoded != NULL);
            if (document)
                assert_string_equal(value_string(value_member(document, want)),
                                    want);
            else
                assert_int_equal(problem.status, 400);
            value_free(document);
            for (int value = 0; value < 2 && !decoded; value++) {
                snprintf(body, sizeof body, value ? "[\"%s\"]" : "{\"%s\":1}",
                         text);
                assert_null(parse(body, &problem));
                assert_int_equal(problem.status, 400);
                assert_int_equal(problem.offset, 2 + (f == 2 || f == 3));
            }
        }
}

/* Each escape ends where it does: what comes behind it is looked at. */
static void what_follows_an_escape_is_checked(void **state)
{
    (void)state;
    static const char *const escapes[] = {"\\n", "\\\\", "\\u0041",
                                          "\\ud83d\\ude00", "\xc3\xa9"},
                             *const wrong[] = {"\x01", "\x1f", "\xff", "\\x"};
    for (size_t i = 0; i < sizeof escapes / sizeof escapes[0]; i++)
        for (size_t k = 0; k < sizeof wrong / sizeof wrong[0]; k++) {
            struct problem problem;
            char text[64];
            snprintf(text, sizeof text, "\"%s%s\"", escapes[i], wrong[k]);
            assert_null(parse(text, &problem));
            assert_int_equal(problem.status, 400);
            assert_int_equal(problem.offset, 1 + strlen(escapes[i]));
            snprintf(text, sizeof text, "\"%s%sx%s\"", escapes[i], escapes[i],
                     wrong[k]);
            assert_null(parse(text, &problem));
            assert_int_equal(problem.status, 400);
            assert_int_equal(problem.offset, 2 + 2 * strlen(escapes[i]));
        }
}

/* Of two code units one after the other, by the rule of UTF-16: a high one
 * before a low one is a pair, and neither stands alone. */
static void surrogates_come_in_pairs(void **state)
{
    (void)state;
    static const unsigned units[] = {0x0001, 0x0041, 0xd7ff, 0xd800, 0xdbff,
                                     0xdc00, 0xdfff, 0xe000, 0xffff};
    enum { UNITS = sizeof units / sizeof units[0] };
    for (size_t i = 0; i < UNITS; i++)
        for (size_t k = 0; k < UNITS; k++)
            for (int upper = 0; upper < 2; upper++) {
                bool high = units[i] >= 0xd800 && units[i] <= 0xdbff;
                bool low = units[k] >= 0xdc00 && units[k] <= 0xdfff;
                bool alone = (units[i] >= 0xd800 && units[i] <= 0xdfff) ||
                             (units[k] >= 0xd800 && units[k] <= 0xdfff);
                bool good = high ? low : !alone;
                char text[32];
                snprintf(text, sizeof text,
                         upper ? "\"\\u%04X\\u%04X\"" : "\"\\u%04x\\u%04x\"",
                         units[i], units[k]);
                struct problem problem;
                struct value *document = parse(text, &problem);
                if ((document != NULL) != good ||
                    problem.status != (good ? 0 : 400))
                    fail_msg("%s: %d", text, problem.status);
                if (document)
                    assert_int_equal(value_kind(document), VALUE_STRING);
                value_free(document);
            }
}

static void a_code_unit_has_four_hexadecimal_digits(void **state)
{
    (void)state;
    for (int byte = 1; byte < 256; byte++)
        for (size_t at = 3; at < 7; at++) {
            char text[] = "\"\\u102B\"";
            bool digit = strchr("0123456789abcdefABCDEF", byte);
            text[at] = (char)byte;
            struct problem problem;
            struct value *document = parse(text, &problem);
            if ((document != NULL) != digit ||
                problem.status != (digit ? 0 : 400))
                fail_msg("byte 0x%02x at %zu", (unsigned)byte, at);
            value_free(document);
        }
}

/* ---- members ------------------------------------------------------------ */

static void numbers_of_bytes_are_whole_and_not_negative(void **state)
{
    (void)state;
    static const struct {
        const char *document;
        size_t bytes;
        const char *detail; /* NULL: it is one */
    } cases[] = {
        {"{}", 0, NULL},
        {"{\"n\":null}", 0, NULL},
        {"{\"n\":0}", 0, NULL},
        {"{\"n\":1}", 1, NULL},
        {"{\"n\":24.0}", 24, NULL},
        {"{\"n\":9007199254740992.0}", (size_t)1 << 53, NULL},
        {"{\"n\":9223372036854775807}", SIZE_MAX >> 1, NULL},
        {"{\"n\":-1}", 0, "n: got -1, must be a number of bytes"},
        {"{\"n\":1.5}", 0, "n: got 1.5, must be a number of bytes"},
        {"{\"n\":-0.5}", 0, "n: got -0.5, must be a number of bytes"},
        {"{\"n\":18014398509481984.0}", 0,
         "n: got 18014398509481984.0, must be a number of bytes"},
        {"{\"n\":\"1\"}", 0, "n: got \"1\", must be a number of bytes"},
        {"{\"n\":true}", 0, "n: got true, must be a number of bytes"},
        {"{\"n\":[1]}", 0, "n: got [1], must be a number of bytes"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct problem problem;
        struct value *document = parse(cases[i].document, &problem);
        size_t bytes = 42;
        bool good = value_member_bytes(document, "n", &bytes, &problem);
        value_free(document);
        assert_int_equal(good, cases[i].detail == NULL);
        if (good) {
            assert_int_equal(bytes, cases[i].bytes);
            continue;
        }
        assert_int_equal(problem.status, 400);
        assert_string_equal(problem.detail, cases[i].detail);
    }
    struct problem problem = {0};
    assert_false(value_refuse(NULL, "n", "a string", &problem));
    assert_string_equal(problem.detail, "n: got nothing, must be a string");
    char text[128] = "\"", want[160];
    memset(text + 1, 'x', 100);
    memcpy(text + 101, "\"", 2);
    struct value *string = parse(text, &problem);
    assert_false(value_refuse(string, "n", "short", &problem));
    value_free(string);
    snprintf(want, sizeof want, "n: got %.92s..., must be short", text);
    assert_string_equal(problem.detail, want);
}

/* Many documents are nothing but tensors: they share one. */
static void empty_documents_take_no_memory(void **state)
{
    (void)state;
    struct problem problem;
    struct value *first = parse("{}", &problem),
                 *second = parse(" { } ", &problem);
    assert_non_null(first);
    assert_ptr_equal(first, second);
    value_free(first);
    value_free(second);
    assert_int_equal(value_kind(second), VALUE_OBJECT);
    assert_int_equal(value_size(second), 0);
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
        assert_int_equal(text.data == text.first, i < sizeof text.first);
        assert_true(text.room <= sizeof text.first || text.room <= 2 * i + 2);
        assert_int_equal(atomic_load(&budget.taken),
                         text.data == text.first ? 0 : text.room);
    }
    small_text_free(&text);
    assert_int_equal(atomic_load(&budget.taken), 0);
    assert_true(small_text_append(&text, "y", 1, &problem)); /* as a new one */
    assert_ptr_equal(text.data, text.first);
    assert_string_equal(text.data, "y");
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
        cmocka_unit_test(strings_are_decoded_from_end_to_end),
        cmocka_unit_test(what_follows_an_escape_is_checked),
        cmocka_unit_test(surrogates_come_in_pairs),
        cmocka_unit_test(a_code_unit_has_four_hexadecimal_digits),
        cmocka_unit_test(numbers_of_bytes_are_whole_and_not_negative),
        cmocka_unit_test(empty_documents_take_no_memory),
        cmocka_unit_test(long_text_is_charged_as_it_grows),
        cmocka_unit_test(just_65536_bytes_are_read_beside_tensors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
