// SPDX-License-Identifier: MIT
/* Accept, Accept-Encoding and their kin, by RFC 9110 and by what clients of
 * the world send instead. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "../../server/http/negotiate.h"
#include "../support/lone_page.h"

/** Lines of one header, as a text with line ends between them. */
static struct field_lines lines_of(const char *text, char *copy, size_t room)
{
    struct field_lines lines = {.count = 0};
    assert_true((size_t)snprintf(copy, room, "%s", text) < room);
    char *line;
    while ((line = strsep(&copy, "\n"))) {
        if (lines.count < FIELD_MAX_LINES)
            lines.line[lines.count] = line;
        lines.count++;
    }
    return lines;
}

static const struct {
    const char *text;
    bool accepted;
} accepts[] = {
    {"", true},
    {" ", true},
    {",", true},
    {"*/*", true},
    {"application/*", true},
    {"application/json", true},
    {"APPLICATION/JSON", true},
    {"application/json ; charset=utf-8", true},
    {"text/html,application/xml;q=0.9,*/*;q=0.8", true},
    /* what Java's HttpURLConnection sends by itself */
    {"text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2", true},
    {"*", true},
    {"*;q=.2", true},
    {"*/*;q=0.001", true},
    {"*/*;q=0.0001", true},
    {"*/*;q=1.", true},
    {"*/*;Q=0.5", true},
    /* several lines are one list */
    {"text/plain\napplication/json", true},
    {"text/plain\ntext/html", false},
    /* excluded by what is understood */
    {"text/plain", false},
    {"application/xml", false},
    {"application/jsonx, x/json", false},
    {"application/json;q=0", false},
    {"application/json ; q=0.000", false},
    {"*/*;q=0.", false},
    {"*/*;q=.0", false},
    {"text/plain, */*;q=0", false},
    /* the most specific range decides, whatever stands first */
    {"*/*, application/json;q=0", false},
    {"application/json;q=0, */*", false},
    {"application/*;q=0, */*", false},
    {"application/json, application/*;q=0, */*;q=0", true},
    {"*/*;q=0, application/*", true},
    {"application/json;q=0, application/json", true},
    /* other parameters are no q */
    {"application/json;seq=0", true},
    {"application/json;profile=\"q=0\"", true},
    {"application/json;profile=\",text/plain;q=0\"", true},
    {"application/json;profile=\"\\\";q=0\";q=1", true},
    {"application/json;version=2;q=0, */*", true},
    {"application/json;;q=0, */*", false}, /* nor is nothing one */
    {"text/plain;a=\"application/json\"", false},
    {"text/plain;a=\"b\"", false},
    {"text/plain;a=\"\\\"\"", false},
    {"text/plain;a=\"\\\\\"", false},
    {"text/plain;a=\"\\", true},
    {"text/plain;q=0.5;ext", false},
    {"text/plain;;q=1", false},
    /* what is odd gets an answer */
    {"text", true},
    {"text/", true},
    {"/json", true},
    {"a/b/c", true},
    {"text/plain;q=x", true},
    {"text/plain;q=", true},
    {"text/plain;q=-1", true},
    {"text/plain;=1", true},
    {"text/plain;a=\"open", true},
    {"text/plain;a=\"open\\", true},
    {"text/plain application/xml", true},
    {"\xff", true},
    {"(text/plain)", true},
    {"a/b\na/b\na/b\na/b\na/b\na/b\na/b\na/b\na/b", true},
    {"a/b\na/b\na/b\na/b\na/b\na/b\na/b\na/b", false},
};

static void test_accepted_media(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof accepts / sizeof accepts[0]; i++) {
        char copy[256];
        struct field_lines lines = lines_of(accepts[i].text, copy, sizeof copy);
        if ((accepted_media(&lines).json > 0) != accepts[i].accepted)
            fail_msg("Accept: %s", accepts[i].text);
    }
    assert_true(accepted_media(&(struct field_lines){.count = 0}).json > 0);
}

/* How much, in thousandths: of the most specific range, of equals the most. */
static const struct {
    const char *text;
    int json, npy;
} amounts[] = {
    {"*/*", 1000, 0},
    {"*", 1000, 0},
    {"application/json;q=0.5", 500, 0},
    {"*/*;q=0.001", 1, 0},
    {"*/*;q=0.0001", 1, 0},
    {"*/*;q=0.0000", 0, 0},
    {"*/*;q=0.1239", 123, 0},
    {"*/*;q=0.12", 120, 0},
    {"*/*;q=0.9", 900, 0},
    {"*/*;q=.2", 200, 0},
    {"*/*;q=00.5", 500, 0},
    {"*/*;q=0", 0, 0},
    {"*/*;q=0.", 0, 0},
    {"*/*;q=1", 1000, 0},
    {"*/*;q=1.", 1000, 0},
    {"*/*;q=1.5", 1000, 0},
    {"*/*;q=10", 1000, 0},
    {"*/*;q=01", 1000, 0},
    {"application/*;q=0.3, */*;q=0.9", 300, 0},
    {"*/*;q=0.9, application/*;q=0.3", 300, 0},
    {"application/json;q=0.1, application/*;q=0.3", 100, 0},
    {"application/json;q=0.2, application/json;q=0.7", 700, 0},
    {"application/json;q=0.7, application/json;q=0.2", 700, 0},
    {"application/json;v=1;q=0, application/json;q=0.4", 400, 0},
    {"application/json;v=1;q=0.6", 600, 0},
    {"application/json;q=0.6;v=1", 600, 0},
    {"application/json;v=1;q=0, */*;q=0.1", 100, 0},
    {"application/x-npy", 0, 1000},
    {"APPLICATION/X-NPY", 0, 1000},
    {"application/x-npy;q=0.5, application/json;q=0.2", 200, 500},
    {"application/x-npy;q=0.5, application/x-npy;q=0.7", 0, 700},
    {"application/x-npy;q=0.7, application/x-npy;q=0.5", 0, 700},
    {"*/*, application/x-npy;q=0.3", 1000, 300},
    {"application/*;q=0.4", 400, 0},
    {"application/x-npyz, text/plain", 0, 0},
    {"text/plain, text/html", 0, 0},
    /* what is odd: anything */
    {"application/x-npy, x", 1000, 0},
    {"application/json;q=0.5, a/", 1000, 0},
    {"application/json;q=0.5, /a", 1000, 0},
    {"application/json;q=0.5, a/b/c", 1000, 0},
    {"application/json;q=0.5, a/b/", 1000, 0},
    {"application/json;q=0.5, a//b", 1000, 0},
    {"application/json;q=0.5, a/b c", 1000, 0},
    {"application/json;q=0.5, a/b;q=2x", 1000, 0},
    {"application/json;q=0.5, a/b;q=.", 1000, 0},
    {"application/json;q=0.5, a/b;x=", 1000, 0},
    {"application/json;q=0.5, a/b;=x", 1000, 0},
    {"application/json;q=0.5, a/b;x=\"", 1000, 0},
};

static void test_how_much(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof amounts / sizeof amounts[0]; i++) {
        char copy[256];
        struct field_lines lines = lines_of(amounts[i].text, copy, sizeof copy);
        struct accepted_media accepted = accepted_media(&lines);
        if (accepted.json != amounts[i].json || accepted.npy != amounts[i].npy)
            fail_msg("Accept: %s: %d, %d", amounts[i].text, accepted.json,
                     accepted.npy);
    }
}

static void test_accepted_coding(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum coding coding;
    } cases[] = {
        {"", CODING_IDENTITY},
        {"gzip", CODING_GZIP},
        {"GZIP", CODING_GZIP},
        {"x-gzip", CODING_GZIP},
        {"deflate, gzip", CODING_GZIP},
        {"deflate;q=1, gzip;q=0.9", CODING_DEFLATE},
        {"gzip;q=.5, deflate;q=.6", CODING_DEFLATE},
        {"gzip;q=.5", CODING_GZIP},
        {"gzip;q=0.001", CODING_GZIP},
        {"gzip;q=0.0001", CODING_GZIP},
        {"gzip; q=0", CODING_IDENTITY},
        {"gzip;seq=0", CODING_GZIP},
        {"gzip;q=0.5, identity;q=0.8", CODING_IDENTITY},
        {"identity;q=0.5, gzip;q=0.8", CODING_GZIP},
        /* of equals the smaller answer */
        {"identity, gzip", CODING_GZIP},
        {"identity;q=0.5, deflate;q=0.5", CODING_DEFLATE},
        {"deflate;q=0.7, gzip;q=0.7", CODING_GZIP},
        {"*", CODING_GZIP},
        {"*, gzip;q=0", CODING_DEFLATE},
        {"gzip;q=0, *", CODING_DEFLATE},
        {"*;q=0", CODING_IDENTITY},
        {"br, zstd", CODING_IDENTITY},
        {"gzip, deflate, br, zstd", CODING_GZIP},
        {"br\ngzip", CODING_GZIP},
        {" , ,gzip ,", CODING_GZIP},
        {"gzip;q=x, deflate", CODING_DEFLATE},
        {"gzipp", CODING_IDENTITY},
        {"deflate;q=0.5, *;q=0.7", CODING_GZIP},
        {"gzip;q=0.3, *;q=0.6", CODING_DEFLATE},
        {"identity;q=0.6, *;q=0.5", CODING_IDENTITY},
        {"identity;q=0.5, *;q=0.5", CODING_GZIP},
        {"identity;q=0, *;q=0", CODING_IDENTITY},
        {"identity;q=0, gzip;q=0.001", CODING_GZIP},
        {"gzip;q=0.2, gzip;q=0.8, deflate;q=0.5", CODING_GZIP},
        {"gzip;q=0.8, gzip;q=0.2, deflate;q=0.5", CODING_GZIP},
        {"*;q=0.2, *;q=0.8, deflate;q=0.5", CODING_GZIP},
        {"x-gzip;q=0.4, deflate;q=0.5", CODING_DEFLATE},
        {"br;q=1, gzip;q=0.1", CODING_GZIP},
        /* of so many lines the last is lost */
        {"br\nbr\nbr\nbr\nbr\nbr\nbr\ngzip", CODING_GZIP},
        {"br\nbr\nbr\nbr\nbr\nbr\nbr\nbr\ngzip", CODING_IDENTITY},
        {"fzip, hzip", CODING_IDENTITY},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char copy[256];
        struct field_lines lines = lines_of(cases[i].text, copy, sizeof copy);
        if (accepted_coding(&lines) != cases[i].coding)
            fail_msg("Accept-Encoding: %s", cases[i].text);
    }
}

static const char *const codings_in_order[] = {"identity", "gzip", "deflate"};

static void test_what_is_sent(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum coding coding;
    } codings[] = {
        {NULL, CODING_IDENTITY},       {"gzip", CODING_GZIP},
        {"gzip \t", CODING_GZIP},      {"X-Gzip", CODING_GZIP},
        {"identity", CODING_IDENTITY}, {"deflate", CODING_DEFLATE},
        {"br", CODING_UNKNOWN},        {"gzip, gzip", CODING_UNKNOWN},
        {"", CODING_UNKNOWN},
    };
    for (size_t i = 0; i < sizeof codings / sizeof codings[0]; i++) {
        const char *text = codings[i].text;
        struct field_lines lines = {{text, "gzip"}, text ? 1 : 0};
        assert_int_equal(coding_of_content(&lines), codings[i].coding);
        lines.count = 2;
        if (text)
            assert_int_equal(coding_of_content(&lines), CODING_UNKNOWN);
    }
    for (enum coding coding = 0; coding < CODING_UNKNOWN; coding++)
        assert_string_equal(coding_name(coding), codings_in_order[coding]);
    static const struct {
        const char *text;
        enum media media;
    } types[] = {
        {NULL, MEDIA_JSON},
        {"application/json", MEDIA_JSON},
        {"Application/JSON;charset=utf-8", MEDIA_JSON},
        {"application/json\t; charset=utf-8", MEDIA_JSON},
        {"application/problem+json", MEDIA_JSON},
        {"application/x+json", MEDIA_JSON},
        {"Application/X+JSON;v=1", MEDIA_JSON},
        {"application/json,text/plain", MEDIA_JSON},
        {"application/x+jsox", MEDIA_UNKNOWN},
        {"application/x-json", MEDIA_UNKNOWN},
        {"application/x+json5", MEDIA_UNKNOWN},
        {"applicatiom/x+json", MEDIA_UNKNOWN},
        {"text/vnd.xxxxx+json", MEDIA_UNKNOWN},
        {"application_x+json", MEDIA_UNKNOWN},
        {"application/x-npy", MEDIA_NPY},
        {"Application/X-NPY ;version=1", MEDIA_NPY},
        {"application/x-npyz", MEDIA_UNKNOWN},
        {"application/+json", MEDIA_UNKNOWN},
        {"text/json", MEDIA_UNKNOWN},
        {"application/jsonp", MEDIA_UNKNOWN},
        {"", MEDIA_UNKNOWN},
    };
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        assert_int_equal(media_of_content(types[i].text), types[i].media);
}

/* Nothing before the value is read: a page that nobody may read lies there. */
static void test_blanks_alone(void **state)
{
    (void)state;
    size_t bytes;
    char *text = lone_page_new(&bytes);
    static const char *const blanks[] = {"", " ", "\t \t"};
    for (size_t i = 0; i < sizeof blanks / sizeof blanks[0]; i++) {
        memcpy(text, blanks[i], strlen(blanks[i]) + 1);
        struct field_lines lines = {{text}, 1};
        assert_int_equal(coding_of_content(&lines), CODING_UNKNOWN);
        assert_int_equal(media_of_content(text), MEDIA_UNKNOWN);
        accepted_coding(&lines);
        accepted_media(&lines);
    }
    lone_page_free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepted_media),
        cmocka_unit_test(test_how_much),
        cmocka_unit_test(test_accepted_coding),
        cmocka_unit_test(test_what_is_sent),
        cmocka_unit_test(test_blanks_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
