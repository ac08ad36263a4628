// SPDX-License-Identifier: MIT
/* What is kept of a head, what follows from it, and how long it may be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../../server/http/headers.h"

static enum field add(struct headers *headers, const char *name,
                      const char *value)
{
    return headers_field(headers, name, strlen(name), value);
}

/* {name, what it means for framing, where the value goes, a list of lines} */
#define AT(member) offsetof(struct headers, member)
static const struct {
    const char *name;
    enum field field;
    size_t offset;
    bool list;
} known[] = {
    {"Host", FIELD_HOST, AT(host), false},
    {"Content-Type", FIELD_KNOWN, AT(content_type), false},
    {"Content-Length", FIELD_CONTENT_LENGTH, AT(content_length_text), false},
    {"Accept", FIELD_KNOWN, AT(accept), true},
    {"Accept-Encoding", FIELD_KNOWN, AT(accept_encoding), true},
    {"Authorization", FIELD_KNOWN, AT(authorization), false},
    {"Content-Encoding", FIELD_KNOWN, AT(content_encoding), true},
    {"Expect", FIELD_KNOWN, AT(expect), false},
    {"Inference-Header-Content-Length", FIELD_KNOWN,
     AT(inference_header_length), false},
    {"X-Request-Id", FIELD_KNOWN, AT(request_id), false},
    {"traceparent", FIELD_KNOWN, AT(traceparent), false},
    {"Transfer-Encoding", FIELD_TRANSFER_ENCODING, AT(transfer_encoding),
     false},
};

/* In any case; of what may stand once the first line counts. */
static void test_fields(void **state)
{
    (void)state;
    static const char first[] = "first", second[] = "second";
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        for (int form = 0; form < 3; form++) {
            struct headers headers;
            char name[64];
            headers_clear(&headers);
            snprintf(name, sizeof name, "%s", known[i].name);
            for (char *c = name; *c && form > 0; c++)
                if ((*c >= 'a' && *c <= 'z' && form == 1) ||
                    (*c >= 'A' && *c <= 'Z' && form == 2))
                    *c ^= 0x20;
            assert_int_equal(add(&headers, name, first), known[i].field);
            assert_int_equal(add(&headers, name, second), known[i].field);
            assert_int_equal(headers.records, 2);
            const void *member = (const char *)&headers + known[i].offset;
            if (!known[i].list) {
                assert_ptr_equal(*(const char *const *)member, first);
                continue;
            }
            const struct field_lines *lines = member;
            assert_int_equal(lines->count, 2);
            assert_ptr_equal(lines->line[0], first);
            assert_ptr_equal(lines->line[1], second);
        }
}

static void test_other_names(void **state)
{
    (void)state;
    static const char *const names[] = {"Hos",   "Hostx",   "xHost",
                                        "Accep", "Accept-", "X",
                                        "",      "Cookies", "xookie"};
    struct headers headers, none;
    headers_clear(&headers);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        assert_int_equal(add(&headers, names[i], "x"), FIELD_OTHER);
    assert_int_equal(headers.records, sizeof names / sizeof names[0]);
    headers_clear(&none);
    none.records = headers.records;
    assert_memory_equal(&headers, &none, offsetof(struct headers, query));
}

/* Nothing is written behind the last of them, but all are counted. */
static void test_many_lines(void **state)
{
    (void)state;
    struct headers headers;
    headers_clear(&headers);
    for (size_t i = 1; i <= FIELD_MAX_LINES + 2; i++) {
        add(&headers, "Accept", "x");
        assert_int_equal(headers.accept.count, i);
        assert_int_equal(headers.accept_encoding.count, 0);
        assert_null(headers.accept_encoding.line[0]);
    }
    for (size_t i = 0; i < FIELD_MAX_LINES; i++)
        assert_non_null(headers.accept.line[i]);
}

static void test_arguments(void **state)
{
    (void)state;
    struct headers headers;
    headers_clear(&headers);
    headers_argument(&headers, "", NULL); /* between two '&' */
    assert_int_equal(headers.query_count, 0);
    headers_argument(&headers, "", "1");
    headers_argument(&headers, "a", NULL);
    assert_int_equal(headers.query_count, 2);
    assert_string_equal(headers.query[0].value, "1");
    assert_string_equal(headers.query[1].name, "a");
    assert_null(headers.query[1].value);
    struct argument last = {"last", "one"};
    for (size_t i = 2; i < QUERY_MAX - 1; i++)
        headers_argument(&headers, "b", "");
    headers_argument(&headers, last.name, last.value);
    headers_argument(&headers, "more", "x");
    assert_int_equal(headers.query_count, QUERY_MAX + 1);
    assert_memory_equal(&headers.query[QUERY_MAX - 1], &last, sizeof last);
    assert_int_equal(headers.records, QUERY_MAX + 2);
}

/* ---- what follows ------------------------------------------------------- */

static void test_length(void **state)
{
    (void)state;
    static const struct {
        const char *length, *coding;
        uint64_t want;
        bool has_body;
    } cases[] = {
        {NULL, NULL, 0, false},
        {"0", NULL, 0, false},
        {"1", NULL, 1, true},
        {"90", NULL, 90, true},
        {"0123456789", NULL, 123456789, true},
        {"18446744073709551614", NULL, UINT64_MAX - 1, true},
        {"7 ", NULL, 7, true},
        {NULL, "chunked", UINT64_MAX, true},
        {"5", "chunked", UINT64_MAX, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct headers headers;
        headers_clear(&headers);
        headers.content_length_text = cases[i].length;
        headers.transfer_encoding = cases[i].coding;
        headers_finish(&headers);
        assert_true(headers.content_length == cases[i].want);
        assert_int_equal(headers.has_body, cases[i].has_body);
        assert_false(headers.expects_continue);
    }
}

static void test_expectation(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool expects;
    } cases[] = {
        {"100-continue", true},   {"100-Continue", true},
        {"100-continue ", true},  {"100-continue\t \t", true},
        {"100-continu", false},   {"100-continuee", false},
        {"100-continuf", false},  {"", false},
        {" 100-continue", false}, {"200-continue", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct headers headers;
        headers_clear(&headers);
        headers.expect = cases[i].text;
        headers_finish(&headers);
        assert_int_equal(headers.expects_continue, cases[i].expects);
    }
    assert_int_equal(headers_value_bytes(""), 0);
    assert_int_equal(headers_value_bytes("a b"), 3);
    /* a value of blanks alone: what stands before it is none of it */
    static const char name_and_blanks[] = "  \t ";
    assert_int_equal(headers_value_bytes(name_and_blanks + 1), 0);
}

/* ---- how long ----------------------------------------------------------- */

static void test_line(void **state)
{
    (void)state;
    static char uri[8 * 1024 + 2];
    struct problem problem = {0};
    for (size_t bytes = 8 * 1024 - 1; bytes < sizeof uri; bytes++) {
        memset(uri, 'a', bytes);
        assert_int_equal(headers_check_line(uri, uri + bytes, &problem),
                         bytes <= 8 * 1024);
    }
    assert_int_equal(problem.status, 414);
    assert_string_equal(problem.detail,
                        "path: got 8193 bytes and 0 arguments, must be at most "
                        "8192 and 100");
    for (size_t arguments = 0; arguments < 103; arguments++) {
        char text[512] = "/&&";
        for (size_t i = 0; i < arguments; i++)
            strncat(text, i ? "&a" : "?a", 3);
        problem.status = 0;
        assert_int_equal(
            headers_check_line(text, text + strlen(text), &problem),
            arguments <= 100);
    }
    assert_non_null(strstr(problem.detail, "and 102 arguments"));
}

/* In bytes: 31 K, of which each record takes 64 and cookies their own twice,
 * with their ends. */
static void test_size(void **state)
{
    (void)state;
    enum { MOST = 31 * 1024 };
    static const struct {
        size_t records;
        const char *cookie; /* a record, too */
        size_t used;
    } cases[] = {{0, NULL, 0},
                 {1, NULL, 64},
                 {3, NULL, 192},
                 {1, "a=b", 64 + 4},
                 {2, "", 128 + 1}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (size_t over = 0; over < 2; over++) {
            struct headers headers;
            struct problem problem = {0};
            headers_clear(&headers);
            if (cases[i].cookie)
                assert_int_equal(add(&headers, "cookie", cases[i].cookie),
                                 FIELD_OTHER);
            while (headers.records < cases[i].records)
                add(&headers, "X", "y");
            headers.bytes = MOST + over - cases[i].used;
            assert_int_equal(headers_check_size(&headers, &problem), !over);
            assert_int_equal(problem.status, over ? 431 : 0);
            if (over)
                assert_string_equal(
                    problem.detail,
                    "headers: got 31745 bytes, must be at most 31744, where "
                    "each header, cookie and argument takes 64 and the text of "
                    "cookies counts twice");
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields),     cmocka_unit_test(test_other_names),
        cmocka_unit_test(test_many_lines), cmocka_unit_test(test_arguments),
        cmocka_unit_test(test_length),     cmocka_unit_test(test_expectation),
        cmocka_unit_test(test_line),       cmocka_unit_test(test_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
