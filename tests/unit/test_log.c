// SPDX-License-Identifier: MIT
/* A line of the log is one line and, asked for JSON, one JSON object, whatever
 * a client sends. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../server/json/reader.h"
#include "../../server/observe/log.h"

static const struct log_request plain = {
    .id = "0123456789abcdef",
    .trace = "",
    .method = "POST",
    .path = "/softmax",
    .endpoint = "softmax",
    .status = 200,
    .rows = 1,
    .classes = 10,
    .body_bytes = 61,
    .answer_bytes = 9876543210,
    .read_ns = 1234567,
    .compute_ns = 999,
    .write_ns = 5000001000,
    .total_ns = 5001236567,
};

/* What the log makes of it, to be freed. */
static char *written(enum log_format format, const struct log_request *request)
{
    int fd = memfd_create("log", 0);
    assert_true(fd >= 0);
    struct log *log = log_create(fd, format, LOG_INFO);
    assert_non_null(log);
    log_request(log, request);
    log_free(log);
    off_t bytes = lseek(fd, 0, SEEK_END);
    char *text = calloc(1, (size_t)bytes + 1);
    assert_non_null(text);
    assert_int_equal(pread(fd, text, (size_t)bytes, 0), bytes);
    close(fd);
    assert_true(bytes > 0);
    assert_ptr_equal(strchr(text, '\n'), text + bytes - 1);
    return text;
}

static struct value *parsed(const char *text)
{
    struct problem problem = {0};
    struct value *line = reader_parse(text, strlen(text), &problem);
    if (!line)
        fail_msg("%s: %s", problem.detail, text);
    return line;
}

static void text_reads_as_before(void **state)
{
    (void)state;
    char *text = written(LOG_TEXT, &plain);
    assert_int_equal(text[4], '-');
    assert_int_equal(text[23], 'Z');
    assert_string_equal(
        text + 24,
        " info status=200 rows=1 classes=10 body_bytes=61 "
        "answer_bytes=9876543210 read_ms=1.234 compute_ms=0.000 "
        "write_ms=5000.001 total_ms=5001.236 endpoint=\"softmax\" "
        "method=\"POST\" path=\"/softmax\" id=\"0123456789abcdef\"\n");
    free(text);
}

static void numbers_have_no_zeros_before(void **state)
{
    (void)state;
    static const uint64_t numbers[] = {
        0, 7, 10, 99, 100, 999, 1000, 1005, 99999, 100000, UINT64_MAX};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        struct log_request request = plain;
        char expected[64];
        request.rows = numbers[i];
        snprintf(expected, sizeof expected,
                 " rows=%lu classes=", (unsigned long)numbers[i]);
        char *text = written(LOG_TEXT, &request);
        if (!strstr(text, expected))
            fail_msg("no %s in: %s", expected, text);
        free(text);
    }
}

/* A path ends after 1024 characters, whether or not some were escaped. */
static void long_paths_are_cut(void **state)
{
    (void)state;
    for (size_t escaped = 1021; escaped < 1027; escaped++) {
        struct log_request request = plain;
        char path[2000], expected[2100] = "path=\"";
        memset(path, 'a', sizeof path - 1);
        path[sizeof path - 1] = '\0';
        path[escaped] = '"';
        request.path = path;
        size_t used = strlen(expected);
        for (size_t i = 0; i < 1024; i++) {
            if (path[i] == '"')
                expected[used++] = '\\';
            expected[used++] = path[i];
        }
        memcpy(expected + used, "\" id=", sizeof "\" id=");
        char *text = written(LOG_TEXT, &request);
        if (!strstr(text, expected))
            fail_msg("no %s in: %s", expected, text);
        free(text);
    }
}

static void json_has_the_same_members(void **state)
{
    (void)state;
    struct log_request request = plain;
    request.aborted = true;
    request.trace = "00-1-2-01";
    char *text = written(LOG_JSON, &request);
    struct value *line = parsed(text);
    assert_int_equal(value_integer(value_member(line, "answer_bytes")),
                     9876543210);
    assert_true(value_boolean(value_member(line, "aborted")));
    assert_string_equal(value_string(value_member(line, "level")), "info");
    assert_string_equal(value_string(value_member(line, "path")), "/softmax");
    assert_string_equal(value_string(value_member(line, "traceparent")),
                        "00-1-2-01");
    value_free(line);
    free(text);
}

/* What is UTF-8 stands as it is; other bytes and control characters do not. */
static void characters_beyond_ascii(void **state)
{
    (void)state;
    struct log_request request = plain;
    request.path = "/\U0001f600\u00e9\xff\xc2\x9b\xf0\x9f\x98";
    static const char path[] =
        "\"/\U0001f600\u00e9\\u00ff\\u00c2\\u009b\\u00f0\\u009f\\u0098\"";
    for (int format = LOG_TEXT; format <= LOG_JSON; format++) {
        char *text = written((enum log_format)format, &request);
        if (!strstr(text, path))
            fail_msg("no %s in: %s", path, text);
        free(text);
    }
}

/* Every text at its longest, each character at its longest. */
static void nothing_breaks_the_line(void **state)
{
    (void)state;
    static const char bytes[] = {'\n', '\x01', '"', '\\', '\x7f', (char)0xff};
    char longest[5000];
    for (size_t i = 0; i < sizeof bytes; i++) {
        memset(longest, bytes[i], sizeof longest - 1);
        longest[sizeof longest - 1] = '\0';
        struct log_request request = plain;
        request.id = request.trace = request.method = longest;
        request.path = request.endpoint = longest;
        request.rows = request.classes = SIZE_MAX;
        request.body_bytes = request.answer_bytes = SIZE_MAX;
        request.read_ns = request.total_ns = UINT64_MAX;
        free(written(LOG_TEXT, &request));
        char *text = written(LOG_JSON, &request);
        struct value *line = parsed(text);
        const char *path = value_string(value_member(line, "path"));
        assert_true(strlen(path) >= 1024);
        assert_non_null(value_member(line, "traceparent"));
        value_free(line);
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_reads_as_before),
        cmocka_unit_test(numbers_have_no_zeros_before),
        cmocka_unit_test(long_paths_are_cut),
        cmocka_unit_test(json_has_the_same_members),
        cmocka_unit_test(characters_beyond_ascii),
        cmocka_unit_test(nothing_breaks_the_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
