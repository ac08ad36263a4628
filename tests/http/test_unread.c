// SPDX-License-Identifier: MIT
/* What is no HTTP, or more than a connection holds, is refused like all else;
 * what ends in the middle is not answered. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "../support/daemon_fixture.h"

static struct fixture fixture;

#define POST                                                                   \
    "POST /softmax HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"

static bool is_twice(const char *text, const char *part)
{
    const char *first = strstr(text, part);
    return first && strstr(first + 1, part);
}

/* One answer, a problem, and the connection closes. */
static void expect_refusal(const char *request, const char *status,
                           const char *part)
{
    int fd = fixture_connect(&fixture);
    char *got = converse(fd, request, NULL);
    const char *const parts[] = {status,
                                 part,
                                 "application/problem+json",
                                 "X-Request-Id: ",
                                 "Connection: close",
                                 "}\n"};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        if (!strstr(got, parts[i]))
            fail_msg("no %s in: %s", parts[i], got);
    assert_false(is_twice(got, "\r\n\r\n"));
    free(got);
    close(fd);
}

static void test_heads(void **state)
{
    (void)state;
    static const struct {
        const char *request, *status, *part;
    } cases[] = {
        {"GET /\r\n\r\n", " 400 ", "request: got "},
        {"GET / HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n", " 400 ",
         "request: got "},
        {"GET / HTTP/0.9\r\n\r\n", " 505 ", "version: got "},
        {"GET / HTTP/2.0\r\nHost: x\r\n\r\n", " 505 ", "version: got "},
        {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", " 505 ", "version: got "},
        {POST "Content-Length: five\r\n\r\n", " 400 ", "Content-Length"},
        {POST "Content-Length: -5\r\n\r\n", " 400 ", "Content-Length"},
        {POST "Content-Length: +5\r\n\r\n[1,2]", " 400 ", "Content-Length"},
        {POST "Content-Length: 5, 5\r\n\r\n[1,2]", " 400 ", "Content-Length"},
        {POST "Content-Length:\r\n\r\n", " 400 ", "Content-Length"},
        {POST "Content-Length: 99999999999999999999999\r\n\r\n", " 413 ",
         "Content-Length: got "},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        expect_refusal(cases[i].request, cases[i].status, cases[i].part);
}

static void test_chunks(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        CHUNKED "zz\r\n",
        CHUNKED "-5\r\n[1,2]\r\n0\r\n\r\n",
        CHUNKED "5\r\n[1,2]and more\r\n0\r\n\r\n",
        CHUNKED "10\r\n{\"logits\":[1,2]}\r\nxx\r\n",
    };
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++)
        expect_refusal(bodies[i], " 400 ", "body: got ");
    expect_refusal(CHUNKED "ffffffffffffffffffff\r\n", " 413 ", "body: got ");
}

/* before, filler as often as it takes for bytes, after */
static void expect_too_long(const char *before, const char *filler,
                            const char *after, const char *status)
{
    const size_t bytes = 40000, unit = strlen(filler);
    char *request = calloc(1, bytes + 256);
    assert_non_null(request);
    size_t used = strlen(before);
    memcpy(request, before, used);
    for (; used < bytes; used += unit)
        memcpy(request + used, filler, unit);
    memcpy(request + used, after, strlen(after));
    expect_refusal(request, status, "32768 bytes");
    free(request);
}

static void test_too_long(void **state)
{
    (void)state;
    expect_too_long("GET /", "a", " HTTP/1.1\r\nHost: x\r\n\r\n", " 414 ");
    expect_too_long("GET / HTTP/1.1\r\nHost: x\r\nX: ", "a", "\r\n\r\n",
                    " 431 ");
    expect_too_long("GET / HTTP/1.1\r\nHost: x\r\n", "X: yz\r\n", "\r\n",
                    " 431 ");
}

static void test_all_are_counted_and_logged(void **state)
{
    (void)state;
    expect_refusal("GET / HTTP/2.0\r\n\r\n", " 505 ", "version");
    struct http_answer answer = http_get(fixture.url, "/metrics");
    assert_non_null(strstr(answer.body, "{endpoint=\"other\",status=\"505\"}"));
    http_answer_free(&answer);
    usleep(300 * 1000);
    char *log = fixture_log(&fixture);
    assert_non_null(strstr(log, "status=505"));
    free(log);
}

/* Its client wants no answer, or sees from the end that there is none. */
static void test_half_of_a_request(void **state)
{
    (void)state;
    static const char *const halves[] = {
        "GARBAGE\r\n\r\n",
        "GET /version HT",
        "GET /version HTTP/1.1\r\nHost: x\r\n",
        POST "Content-Length: 18\r\n\r\n",
        POST "Content-Length: 18\r\n\r\n{\"logits\":[1,",
        CHUNKED "12\r\n{\"logits\":[1,",
        CHUNKED "d\r\n{\"logits\":[1,\r\n",
    };
    for (size_t i = 0; i < sizeof halves / sizeof halves[0]; i++) {
        int fd = fixture_connect(&fixture);
        size_t bytes = strlen(halves[i]);
        char text[16];
        assert_int_equal(send(fd, halves[i], bytes, MSG_NOSIGNAL), bytes);
        shutdown(fd, SHUT_WR);
        assert_int_equal(recv(fd, text, sizeof text, 0), 0);
        close(fd);
    }
    struct http_answer answer = http_get(fixture.url, "/healthz");
    assert_int_equal(answer.status, 200);
    http_answer_free(&answer);
}

static int start(void **state)
{
    (void)state;
    fixture_start(&fixture, NULL);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    fixture_stop(&fixture);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_heads),
        cmocka_unit_test(test_chunks),
        cmocka_unit_test(test_too_long),
        cmocka_unit_test(test_all_are_counted_and_logged),
        cmocka_unit_test(test_half_of_a_request),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
