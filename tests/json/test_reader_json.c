// SPDX-License-Identifier: MIT
/*
 * The reader accepts what a strict parser accepts and refuses the rest,
 * whether a value is lifted or left in the envelope: against Jansson, on
 * cases that parsers are known to differ on and on mutated documents.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "../number/reading.h"
#include "verdict.h"

struct text {
    const char *bytes;
    size_t count;
};
#define TEXT(literal)                                                          \
    {                                                                          \
        literal, sizeof literal - 1                                            \
    }

/* Values that RFC 8259 allows, */
static const struct text valid[] = {
    TEXT("0"),
    TEXT("-0"),
    TEXT("1"),
    TEXT("-1.5"),
    TEXT("1e5"),
    TEXT("1E+5"),
    TEXT("1e-5"),
    TEXT("0e0"),
    TEXT("0e+1"),
    TEXT("0.1"),
    TEXT("-0.0"),
    TEXT("20e1"),
    TEXT("123.456e78"),
    TEXT("1e-400"),
    TEXT("123456789"),
    TEXT("true"),
    TEXT("false"),
    TEXT("null"),
    TEXT("\"\""),
    TEXT("\"a\""),
    TEXT("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""),
    TEXT("\"\\u00e9\\u20AC\""),
    TEXT("\"\\u0000\""),
    TEXT("\"\\ud83d\\ude00\""),
    TEXT("\"\xc3\xa9\""),
    TEXT("\"\xe2\x82\xac\""),
    TEXT("\"\xf0\x9f\x98\x80\""),
    TEXT("\"\x7f\""),
    TEXT("\" , ] }\""),
    TEXT("[]"),
    TEXT("[[]]"),
    TEXT("[1]"),
    TEXT("[1,2]"),
    TEXT(" [ 1 , 2 ] "),
    TEXT("[[1],[2]]"),
    TEXT("{}"),
    TEXT("{\"a\":{}}"),
    TEXT("{\"\":0}"),
    TEXT("\t1\r\n"),
    TEXT("[1,\n\n2]"),
    TEXT("[null,[true],{\"b\":\"c\"}]"),
};

/* and that it does not allow. */
static const struct text invalid[] = {
    TEXT(""),
    TEXT("+1"),
    TEXT("01"),
    TEXT("-01"),
    TEXT("1."),
    TEXT(".1"),
    TEXT("-"),
    TEXT("1e"),
    TEXT("1e+"),
    TEXT("1.e1"),
    TEXT("0x1"),
    TEXT("1a"),
    TEXT("--1"),
    TEXT("1-1"),
    TEXT("1.2.3"),
    TEXT("1e1.5"),
    TEXT("1 2"),
    TEXT("nan"),
    TEXT("inf"),
    TEXT("tru"),
    TEXT("truee"),
    TEXT("True"),
    TEXT("nul"),
    TEXT("undefined"),
    TEXT("'a'"),
    TEXT("\""),
    TEXT("\"a"),
    TEXT("\"\\x\""),
    TEXT("\"\\u12\""),
    TEXT("\"\\u12g4\""),
    TEXT("\"\\\""),
    TEXT("\"\\ud800\""),
    TEXT("\"\\udc00\""),
    TEXT("\"\\ud800\\u0041\""),
    TEXT("\"\n\""),
    TEXT("\"\t\""),
    TEXT("\"\0\""),
    TEXT("\"\xff\""),
    TEXT("\"\xc0\x80\""),
    TEXT("\"\xed\xa0\x80\""),
    TEXT("\"\xf4\x90\x80\x80\""),
    TEXT("\"\xe2\x82\""),
    TEXT("["),
    TEXT("]"),
    TEXT("[1"),
    TEXT("[1,"),
    TEXT("[1,]"),
    TEXT("[,1]"),
    TEXT("[,]"),
    TEXT("[1,,2]"),
    TEXT("[1 2]"),
    TEXT("[1]]"),
    TEXT("[[1]"),
    TEXT("[1}"),
    TEXT("[1:2]"),
    TEXT("[1;2]"),
    TEXT("{"),
    TEXT("}"),
    TEXT("{1:2}"),
    TEXT("{a:1}"),
    TEXT("{\"a\"}"),
    TEXT("{\"a\":}"),
    TEXT("{\"a\":1,}"),
    TEXT("{,}"),
    TEXT("{\"a\" 1}"),
    TEXT("{\"a\":1 \"b\":2}"),
    TEXT("1,"),
    TEXT("1\0"),
    TEXT("\0"
         "1"),
    TEXT("\xef\xbb\xbf"
         "1"),
    TEXT("\v1"),
    TEXT("\f1"),
    TEXT("\xc2\xa0"
         "1"),
    TEXT("/**/1"),
    TEXT("1//"),
    TEXT("#1"),
    TEXT("[\xe2\x80\xa8]"),
    TEXT("[\x01]"),
    TEXT("[\x7f]"),
    TEXT("[1\x80]"),
};

/* Where a value can stand: in the envelope, lifted, and inside of both. */
static const char *const frames[][2] = {
    {"{\"x\":", "}"},         {"{\"x\":[0,", "]}"},
    {"{\"x\":{\"y\":", "}}"}, {"{\"logits\":", "}"},
    {"{\"logits\":[", "]}"},  {"{\"logits\":[0.5,", ",1]}"},
    {"{\"any\":[[", "]]}"},   {"{\"labels\":[", "]}"},
    {"{\"mask\":[", "]}"},
};

static int status_of(const char *body, size_t bytes, size_t slice)
{
    struct reading reading;
    bool accepted = reading_slices(&reading, body, bytes, slice);
    int status = accepted ? 200 : reading.problem.status;
    reading_free(&reading);
    return status;
}

static size_t frame(char *body, const char *const parts[2], struct text text)
{
    size_t before = strlen(parts[0]), after = strlen(parts[1]);
    memcpy(body, parts[0], before);
    memcpy(body + before, text.bytes, text.count);
    memcpy(body + before + text.count, parts[1], after);
    return before + text.count + after;
}

static void valid_values_are_json_everywhere(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof valid / sizeof valid[0]; i++)
        for (size_t f = 0; f < sizeof frames / sizeof frames[0]; f++) {
            char body[256];
            size_t bytes = frame(body, frames[f], valid[i]);
            int status = status_of(body, bytes, 3);
            /* a lifted value may be of the wrong kind, but not: not JSON */
            if (status != 200 && (f < 3 || status != 422))
                fail_msg("%.*s: %d", (int)bytes, body, status);
        }
}

static void invalid_values_are_json_nowhere(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof invalid / sizeof invalid[0]; i++)
        for (size_t f = 0; f < sizeof frames / sizeof frames[0]; f++) {
            char body[256];
            size_t bytes = frame(body, frames[f], invalid[i]);
            if (jansson_accepts(body, bytes)) /* "[" "" "]", "[0, 1 ]" ... */
                continue;
            for (size_t slice = 1; slice < 12; slice++) {
                int status = status_of(body, bytes, slice);
                if (status != 400 && (f < 3 || status != 422))
                    fail_msg("%.*s: %d", (int)bytes, body, status);
            }
        }
}

static const char *const documents[] = {
    "{\"logits\":[[1.5,-2e1,3],[0,-0.25,1e-3]],\"labels\":[2,1]}",
    "{\"mask\":[[true,false],[false,true]],\"any\":[1,2,3]}",
    "{ \"f32\" : [ 1 , 2.5 ,\n 3 ] , \"x\" : \"a\\n\\u00e9\" }",
    "{\"f64\":[0.1,0.2,1e22,123456789012345678],\"y\":[{\"z\":null},true]}",
    "{\"labels\":[[1,2],[3,4]],\"x\":{\"a\":1,\"b\":[-1.5e-7]}}",
};

/* Bytes that mean something to JSON come most often. */
static char random_byte(void)
{
    static const char likely[] = "[]{},:\"\\0123456789.-+eE \n\ttruefalsn";
    int pick = rand();
    return pick % 16 ? likely[pick / 16 % (int)(sizeof likely - 1)]
                     : (char)(pick / 16);
}

static size_t mutate(char *body, size_t bytes, size_t room)
{
    size_t at = (size_t)rand() % (bytes + 1);
    switch (rand() % 3) {
    case 0:
        if (at < bytes)
            body[at] = random_byte();
        return bytes;
    case 1:
        if (at == bytes)
            return bytes;
        memmove(body + at, body + at + 1, bytes - at - 1);
        return bytes - 1;
    default:
        if (bytes == room)
            return bytes;
        memmove(body + at + 1, body + at, bytes - at);
        body[at] = random_byte();
        return bytes + 1;
    }
}

static void mutated_documents_are_json_for_both_or_neither(void **state)
{
    (void)state;
    srand(4);
    for (int i = 0; i < 300000; i++) {
        char body[256];
        const char *seed =
            documents[rand() % (int)(sizeof documents / sizeof documents[0])];
        size_t bytes = strlen(seed);
        memcpy(body, seed, bytes);
        for (int n = 1 + rand() % 3; n > 0; n--)
            bytes = mutate(body, bytes, sizeof body);
        int status = status_of(body, bytes, 1 + (size_t)rand() % 64);
        bool accepts = jansson_accepts(body, bytes);
        bool word = has_words(body, bytes);
        if ((accepts && status == 400) || (!accepts && status == 200 && !word))
            fail_msg("%.*s: %d, Jansson %s", (int)bytes, body, status,
                     accepts ? "accepts" : "refuses");
    }
}

/* ---- values ----------------------------------------------------------- */

/* Of the numbers, those as of used are the node's; how many are used then. */
static size_t check_rows(const json_t *node, const double *values, size_t used)
{
    if (!json_is_array(node)) {
        double value = json_number_value(node);
        assert_memory_equal(&values[used], &value, sizeof value);
        return used + 1;
    }
    for (size_t i = 0; i < json_array_size(node); i++)
        used = check_rows(json_array_get(node, i), values, used);
    return used;
}

static size_t append_number(char *text, size_t room)
{
    double value = (double)rand() / RAND_MAX - 0.5;
    switch (rand() % 5) {
    case 0:
        return (size_t)snprintf(text, room, "%d.0", rand() % 2000 - 1000);
    case 1:
        return (size_t)snprintf(text, room, "%.17g", value);
    case 2:
        return (size_t)snprintf(text, room, "%.9g", value * 20);
    case 3:
        return (size_t)snprintf(text, room, "%.*e", rand() % 25,
                                value * pow(10, rand() % 60 - 30));
    default:
        return (size_t)snprintf(text, room, "%.*f", 1 + rand() % 30, value);
    }
}

static void lifted_values_are_those_of_jansson(void **state)
{
    (void)state;
    static const char *const gaps[] = {",", ", ", " ,\n", ",\r\n\t "};
    enum { ROOM = 1 << 16 };
    char *body = malloc(ROOM);
    srand(5);
    for (int i = 0; i < 1000; i++) {
        int rows = rand() % 6 + 1, classes = rand() % 60;
        const char *gap = gaps[rand() % 4];
        size_t used = (size_t)snprintf(body, ROOM, "{\"logits\":[");
        for (int r = 0; r < rows; r++) {
            used +=
                (size_t)snprintf(body + used, ROOM - used, "%s[", r ? gap : "");
            for (int c = 0; c < classes; c++) {
                if (c > 0)
                    used +=
                        (size_t)snprintf(body + used, ROOM - used, "%s", gap);
                used += append_number(body + used, ROOM - used);
            }
            used += (size_t)snprintf(body + used, ROOM - used, "]");
        }
        used += (size_t)snprintf(body + used, ROOM - used, "]}");
        struct reading reading;
        size_t slice = rand() % 2 ? used : 1 + (size_t)rand() % used;
        assert_true(reading_slices(&reading, body, used, slice));
        json_t *document = json_loadb(body, used, 0, NULL);
        assert_non_null(document);
        assert_int_equal(reading.tensor[READING_LOGITS].count, rows * classes);
        check_rows(json_object_get(document, "logits"),
                   reading.tensor[READING_LOGITS].data, 0);
        json_decref(document);
        reading_free(&reading);
    }
    free(body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(valid_values_are_json_everywhere),
        cmocka_unit_test(invalid_values_are_json_nowhere),
        cmocka_unit_test(mutated_documents_are_json_for_both_or_neither),
        cmocka_unit_test(lifted_values_are_those_of_jansson),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
