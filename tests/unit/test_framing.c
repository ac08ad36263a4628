// SPDX-License-Identifier: MIT
/* Heads as libmicrohttpd 0.9.75 hands them out, whichever version is there: a
 * NUL or a gap anywhere is told, which bytes may stand where, and what fields
 * say together. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "../../server/http/framing.h"
#include "../support/lone_page.h"

/* A head whose words have ends put in where that library puts them: at the
 * first blank of those around the target, and at each CR and colon. */
struct laid_out {
    const char *text; /* from the method to the end of the empty line */
    size_t bytes;
    size_t target, target_end, version; /* places in it */
    size_t name, name_bytes, value, value_bytes;
    const char *fault; /* NULL: none */
};
#define TEXT(text) text, sizeof text - 1

static const char nul[] = "a request line with a NUL",
                  gap[] = "a line that is folded, or has a NUL or no CR",
                  no_end[] = "an end that is no empty line";

static const struct laid_out heads[] = {
    {TEXT("GET\0/a\0HTTP/1.1\0\nHost\0 x\0\n\r\n"), 4, 6, 7, 17, 4, 23, 1,
     NULL},
    /* several blanks are one */
    {TEXT("GET\0  /a\0HTTP/1.1\0\nHost\0 x\0\n\r\n"), 6, 8, 9, 19, 4, 25, 1,
     NULL},
    /* a NUL in the method, in the target, and after the target */
    {TEXT("G\0T\0/a\0HTTP/1.1\0\nHost\0 x\0\n\r\n"), 4, 6, 7, 17, 4, 23, 1,
     nul},
    {TEXT("GET\0/\0a\0HTTP/1.1\0\nHost\0 x\0\n\r\n"), 4, 5, 8, 18, 4, 24, 1,
     nul},
    {TEXT("GET\0/a\0 HTTP/1.1\0\nHost\0 x\0\n\r\n"), 4, 6, 8, 18, 4, 24, 1,
     nul},
    /* one in the version, which the first field follows too late */
    {TEXT("GET\0/a\0HTTP/1.1\0\0\nHost\0 x\0\n\r\n"), 4, 6, 7, 18, 4, 24, 1,
     gap},
    /* a value that begins before its colon ends */
    {TEXT("GET\0/a\0HTTP/1.1\0\nHost\0x\0\n\r\n"), 4, 6, 7, 17, 4, 22, 1, NULL},
    {TEXT("GET\0/a\0HTTP/1.1\0\nHostx\0\n\r\n"), 4, 6, 7, 17, 4, 21, 1, gap},
    /* something between the last line and the end */
    {TEXT("GET\0/a\0HTTP/1.1\0\nHost\0 x\0\n\n\r\n"), 4, 6, 7, 17, 4, 23, 1,
     no_end},
};

static void test_gaps(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        const struct laid_out *head = &heads[i];
        const char *text = head->text;
        struct framing framing;
        for (int gapless = 0; gapless < 2; gapless++) {
            framing_begin(&framing, text + head->version, gapless);
            framing_line(&framing, text, text + head->target,
                         text + head->target_end, text + head->version);
            framing_field(&framing, FIELD_HOST, text + head->name,
                          head->name_bytes, text + head->value,
                          head->value_bytes);
            framing_finish(&framing, text + head->bytes);
            const char *expected = gapless ? head->fault : NULL;
            if (expected && (!framing.fault || strcmp(framing.fault, expected)))
                fail_msg("head %zu: got %s, must be %s", i,
                         framing.fault ? framing.fault : "nothing", expected);
            if (!expected && framing.fault)
                fail_msg("head %zu: got %s, must be none", i, framing.fault);
        }
    }
}

/* ---- one field ---------------------------------------------------------- */

/* What is wrong with a field that stands alone; NULL: nothing. */
static const char *fault_of(enum field field, const char *name,
                            size_t name_bytes, const char *value,
                            size_t value_bytes)
{
    struct framing framing;
    framing_begin(&framing, "HTTP/1.1", false);
    framing_field(&framing, field, name, name_bytes, value, value_bytes);
    return framing.fault;
}

static void expect_fault(const char *got, const char *want, const char *what,
                         int byte)
{
    got = got ? got : "nothing";
    want = want ? want : "nothing";
    if (strcmp(got, want) != 0)
        fail_msg("%s 0x%02x: got %s, must be %s", what, (unsigned)byte, got,
                 want);
}

/* Each byte in the middle of a name, a value and a Host, by the grammar of
 * RFC 9110, 5.1, 5.5 and 5.6.2 and of RFC 3986, 3.2.2, with a port. */
static void test_bytes(void **state)
{
    (void)state;
    for (int byte = 1; byte < 256; byte++) {
        const char text[] = {'a', (char)byte, 'b', '\0'};
        bool alnum = (byte >= '0' && byte <= '9') ||
                     (byte >= 'A' && byte <= 'Z') ||
                     (byte >= 'a' && byte <= 'z');
        bool token = alnum || strchr("!#$%&'*+-.^_`|~", byte);
        bool value = byte == '\t' || (byte >= 0x20 && byte != 0x7f);
        bool host = value && !strchr("\t #,/?@\\", byte);
        static const char control[] = "a value with a control character";
        expect_fault(fault_of(FIELD_OTHER, text, 3, "", 0),
                     token ? NULL : "a name that is no token", "name", byte);
        expect_fault(fault_of(FIELD_KNOWN, "x", 1, text, 3),
                     value ? NULL : control, "value", byte);
        expect_fault(fault_of(FIELD_HOST, "x", 1, text, 3),
                     host    ? NULL
                     : value ? "a Host that is none"
                             : control,
                     "Host", byte);
        expect_fault(fault_of(FIELD_KNOWN, text, 3, "", 0), NULL, "known",
                     byte);
    }
    expect_fault(fault_of(FIELD_OTHER, "", 0, "", 0), "a name that is no token",
                 "name", 0);
}

/* Each byte at each place of a value, which is read several at a time. */
static void test_places(void **state)
{
    (void)state;
    char value[] = "any value, of 27 characters";
    size_t bytes = sizeof value - 1;
    for (size_t at = 0; at < bytes; at++) {
        char kept = value[at];
        for (int byte = 1; byte < 256; byte++) {
            bool good = byte == '\t' || (byte >= 0x20 && byte != 0x7f);
            value[at] = (char)byte;
            expect_fault(fault_of(FIELD_KNOWN, "x", 1, value, bytes),
                         good ? NULL : "a value with a control character",
                         "value", byte);
        }
        value[at] = kept;
    }
}

/* Blanks behind a value are none of it; nothing before it is read, where a page
 * lies that nobody may read. */
static void test_blanks(void **state)
{
    (void)state;
    size_t bytes;
    char *value = lone_page_new(&bytes);
    static const struct {
        const char *value;
        bool host;
    } cases[] = {
        {"", true},     {" ", true},     {"\t", true},  {" \t \t", true},
        {"a", true},    {"a ", true},    {"a\t", true}, {"a\t ", true},
        {"a b", false}, {"a\tb", false}, {" a", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        memcpy(value, cases[i].value, strlen(cases[i].value) + 1);
        expect_fault(
            fault_of(FIELD_HOST, "x", 1, value, strlen(cases[i].value)),
            cases[i].host ? NULL : "a Host that is none", cases[i].value, 0);
    }
    lone_page_free(value);
}

/* ---- what fields say together -------------------------------------------- */

/* "h" is a Host, "l" and "m" two lengths, "c" and "i" codings, "o" another. */
static const struct {
    const char *fields;
    bool before_1_1;
    const char *fault;
} together[] = {
    {"h", false, NULL},
    {"oho", false, NULL},
    {"", false, "no Host"},
    {"o", false, "no Host"},
    {"", true, NULL},
    {"h", true, NULL},
    {"hh", false, "more than one Host"},
    {"hh", true, "more than one Host"},
    {"hl", false, NULL},
    {"hl", true, NULL},
    {"hll", false, NULL},
    {"hlll", false, NULL},
    {"hlm", false, "more than one Content-Length"},
    {"hllm", false, "more than one Content-Length"},
    {"hc", false, NULL},
    {"hcc", false, "more than one Transfer-Encoding"},
    {"hi", false, "a Transfer-Encoding that is not chunked"},
    {"hcl", false, "both Content-Length and Transfer-Encoding"},
    {"hlc", false, "both Content-Length and Transfer-Encoding"},
    {"hc", true, "a Transfer-Encoding before HTTP/1.1"},
    /* the first fault is told */
    {"him", false, "a Transfer-Encoding that is not chunked"},
    {"hhcc", false, "more than one Host"},
};

static void add_field(struct framing *framing, char kind)
{
    static const struct {
        char kind;
        enum field field;
        const char *value;
    } fields[] = {{'h', FIELD_HOST, "x"},
                  {'l', FIELD_CONTENT_LENGTH, "5"},
                  {'m', FIELD_CONTENT_LENGTH, "50"},
                  {'c', FIELD_TRANSFER_ENCODING, "chunked"},
                  {'i', FIELD_TRANSFER_ENCODING, "identity"},
                  {'o', FIELD_OTHER, "x"}};
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        if (fields[i].kind == kind)
            framing_field(framing, fields[i].field, "n", 1, fields[i].value,
                          strlen(fields[i].value));
}

static void test_together(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof together / sizeof together[0]; i++) {
        struct framing framing;
        framing_begin(&framing,
                      together[i].before_1_1 ? "HTTP/1.0" : "HTTP/1.1", false);
        for (const char *kind = together[i].fields; *kind; kind++)
            add_field(&framing, *kind);
        framing_finish(&framing, NULL);
        expect_fault(framing.fault, together[i].fault, together[i].fields,
                     together[i].before_1_1);
    }
    static const struct {
        const char *value;
        bool chunked;
    } codings[] = {
        {"chunked", true},   {"CHUNKED", true},   {"chunked ", true},
        {"chunked\t", true}, {"chunke", false},   {"chunkedd", false},
        {"chunkec", false},  {"", false},         {"chunked, chunked", false},
        {"gzip", false},     {"xchunked", false},
    };
    for (size_t i = 0; i < sizeof codings / sizeof codings[0]; i++)
        expect_fault(fault_of(FIELD_TRANSFER_ENCODING, "x", 1, codings[i].value,
                              strlen(codings[i].value)),
                     codings[i].chunked
                         ? NULL
                         : "a Transfer-Encoding that is not chunked",
                     codings[i].value, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gaps),     cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_places),   cmocka_unit_test(test_blanks),
        cmocka_unit_test(test_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
