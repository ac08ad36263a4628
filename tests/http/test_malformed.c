// SPDX-License-Identifier: MIT
/* What never becomes a request: no HTTP, or more than a connection holds. Most
 * of it libmicrohttpd answers in its own words; the status is right, the
 * connection closes, and the daemon goes on. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <microhttpd.h>

#include "../../server/http/mhd.h"
#include "../support/daemon_fixture.h"

static struct fixture fixture;

#define POST                                                                   \
    "POST /softmax HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"

/* An answer of that status, and the connection closes. */
static void expect_refusal(const char *request, int status)
{
    int fd = fixture_connect(&fixture);
    char *got = converse(fd, request, NULL);
    if (strncmp(got, "HTTP/1.1 ", 9) != 0 ||
        strtol(got + 9, NULL, 10) != status || strstr(got, " 200 "))
        fail_msg("no %d for %s but: %s", status, request, got);
    free(got);
    close(fd);
    struct http_answer answer = http_get(fixture.url, "/healthz");
    assert_int_equal(answer.status, 200);
    http_answer_free(&answer);
}

static void test_heads(void **state)
{
    (void)state;
    static const struct {
        const char *request;
        int status;
    } cases[] = {
        {"GET /\r\n\r\n", 400},
        {"GET / HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n", 400},
        {"GET / HTTP/0.9\r\n\r\n", 505},
        {"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505},
        {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
        {POST "Content-Length: five\r\n\r\n", 400},
        {POST "Content-Length: -5\r\n\r\n", 400},
        {POST "Content-Length: +5\r\n\r\n[1,2]", 400},
        {POST "Content-Length: 5, 5\r\n\r\n[1,2]", 400},
        {POST "Content-Length:\r\n\r\n", 400},
        {POST "Content-Length: 99999999999999999999999\r\n\r\n", 413},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        expect_refusal(cases[i].request, cases[i].status);
}

/* ---- where a proxy in front may see another request than we do --------- */

#define BODY "{\"logits\":[1,2,3]}"
#define HEAD "POST /softmax HTTP/1.1\r\nHost: x\r\n"
#define GET "GET /healthz HTTP/1.1\r\nHost: x\r\n"
#define CHUNK "\r\n12\r\n" BODY "\r\n0\r\n\r\n"

static const char *const ambiguous[] = {
    HEAD "Content-Length: 18\r\nContent-Length: 5\r\n\r\n" BODY,
    HEAD "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n" CHUNK,
    HEAD "Transfer-Encoding: gzip\r\n" CHUNK,
    HEAD "Transfer-Encoding: gzip, chunked\r\n" CHUNK,
    HEAD "Transfer-Encoding: chunked\r\n"
         "Transfer-Encoding: identity\r\n" CHUNK,
    HEAD "Transfer-Encoding: chunked\r\n"
         "Transfer-Encoding: chunked\r\n" CHUNK,
    "POST /softmax HTTP/1.0\r\nTransfer-Encoding: chunked\r\n" CHUNK,
    "POST /softmax HTTP/1.1\r\nContent-Length: 18\r\n\r\n" BODY,
    "GET /healthz HTTP/1.1\r\n\r\n",
    GET "Host: y\r\n\r\n",
    "GET /healthz HTTP/1.1\r\nHost: a b\r\n\r\n",
    "GET /healthz HTTP/1.1\r\nHost: a/b@c\r\n\r\n",
    /* an end of the head that is none, and a second request after it */
    GET "X: y\r\n:\r\n\r\n" GET "\r\n",
    GET ":\r\n\r\n" GET "\r\n",
    GET ": y\r\n\r\n" GET "\r\n",
    GET "Content-Length : 37\r\n\r\n" GET "\r\n",
    GET "Content-Length\t: 37\r\n\r\n" GET "\r\n",
    HEAD "Content-L: 18\r\n ength\r\n\r\n" BODY,
    HEAD "Transfer-E: chunked\r\n ncoding\r\n" CHUNK,
    HEAD "Content-Length: 18\r\n\t\r\n\r\n" BODY,
    "GET /healthz HTTP/1.1\r\n Host: x\r\n\r\n",
    GET "X: a\rContent-Length: 37\r\n\r\n" GET "\r\n",
    GET "X\ra: b\r\n\r\n",
    GET "X: a\x01b\r\n\r\n",
    GET "X a: b\r\n\r\n",
    GET "X(: b\r\n\r\n",
    GET "X: a\n\r\n",
    GET "X: a\r\n\n",
};

static void test_ambiguous_framing(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof ambiguous / sizeof ambiguous[0]; i++)
        expect_refusal(ambiguous[i], 400);
}

static void test_a_nul_hides_nothing(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t bytes;
    } requests[] = {
#define WITH_NUL(text) {text, sizeof text - 1}
        WITH_NUL(GET "Content-Length: 37\0 5\r\n\r\n" GET "\r\n"),
        WITH_NUL("GET /healthz\0/x HTTP/1.1\r\nHost: x\r\n\r\n"),
        WITH_NUL("GET /healthz?a=1\0&b HTTP/1.1\r\nHost: x\r\n\r\n"),
        WITH_NUL("GET /healthz HTTP/1.1\0\r\nHost: x\r\n\r\n"),
        WITH_NUL("GET\0 /healthz HTTP/1.1\r\nHost: x\r\n\r\n"),
    };
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
        int fd = fixture_connect(&fixture);
        char answer[64] = "";
        ssize_t bytes = (ssize_t)requests[i].bytes;
        assert_int_equal(
            send(fd, requests[i].text, requests[i].bytes, MSG_NOSIGNAL), bytes);
        /* 1.0 closes without a word where it is in the request line. */
        bool silent = recv(fd, answer, sizeof answer - 1, 0) <= 0 && i > 0 &&
                      !mhd_is_old(MHD_get_version());
        if (!silent && strncmp(answer, "HTTP/1.1 400 ", 13) != 0)
            fail_msg("no 400 for %zu (%s) but: %s", i, requests[i].text,
                     answer);
        close(fd);
    }
}

static void test_odd_but_clear_framing(void **state)
{
    (void)state;
    static const char *const requests[] = {
        HEAD "Content-Length: 18\r\nContent-Length: 18\r\n\r\n" BODY,
        HEAD "Transfer-Encoding: Chunked\r\n" CHUNK,
        HEAD "Content-Length:\t 18\r\nX:\r\nY: \t\r\n\r\n" BODY,
        "\r\n" HEAD "Content-Length: 18\r\n\r\n" BODY,
    };
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
        int fd = fixture_connect(&fixture);
        char *got = converse(fd, requests[i], "}\n");
        if (strncmp(got, "HTTP/1.1 200 ", 13) != 0)
            fail_msg("no 200 for %s but: %s", requests[i], got);
        free(got);
        close(fd);
    }
}

static void test_chunks(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        CHUNKED "zz\r\n",
        CHUNKED "-5\r\n[1,2]\r\n0\r\n\r\n",
        CHUNKED "5\r\n[1,2]and more\r\n0\r\n\r\n",
        CHUNKED "10\r\n{\"logits\":[1,2]}\r\nxx\r\n",
        CHUNKED "12\r\n" BODY "\r\n0\r\nX : y\r\n\r\n" GET "\r\n",
    };
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++)
        expect_refusal(bodies[i], 400);
    expect_refusal(CHUNKED "ffffffffffffffffffff\r\n", 413);
}

/* before, filler as often as it takes for bytes, after */
static void expect_too_long(const char *before, const char *filler,
                            size_t bytes, const char *after, int status)
{
    const size_t unit = strlen(filler);
    char *request = calloc(1, bytes + 256);
    assert_non_null(request);
    size_t used = strlen(before);
    memcpy(request, before, used);
    for (; used < bytes; used += unit)
        memcpy(request + used, filler, unit);
    memcpy(request + used, after, strlen(after));
    expect_refusal(request, status);
    free(request);
}

static void test_too_long(void **state)
{
    (void)state;
    static const char end[] = " HTTP/1.1\r\nHost: x\r\n\r\n";
    expect_too_long("GET /", "a", 8200, end, 414);
    expect_too_long("GET /", "a", 40000, end, 414);
    expect_too_long("GET / HTTP/1.1\r\nHost: x\r\nX: ", "a", 40000, "\r\n\r\n",
                    431);
    expect_too_long("GET / HTTP/1.1\r\nHost: x\r\n", "X: yz\r\n", 40000, "\r\n",
                    431);
}

/* Each costs libmicrohttpd a record, and it may go on where none fits. */
static void test_more_than_fits(void **state)
{
    (void)state;
    static const char end[] = " HTTP/1.1\r\nHost: x\r\n\r\n";
    static const char *const arguments[] = {"&", "a&", "a=&", "aN=1&"};
    for (size_t i = 0; i < sizeof arguments / sizeof arguments[0]; i++) {
        expect_too_long("GET /?", arguments[i], 2500, end, 414);
        expect_too_long("HEAD /healthz?", arguments[i], 7000, end, 414);
        expect_too_long("POST /softmax?", arguments[i], 16000, end, 414);
    }
    expect_too_long("GET / HTTP/1.1\r\nHost: x\r\nCookie: ", "a", 17000,
                    "\r\n\r\n", 431);
    expect_too_long("GET / HTTP/1.1\r\nHost: x\r\nCookie: ", "a=1; ", 3000,
                    "\r\n\r\n", 431);
}

/* Of a head whatever its size: its answer or a refusal, never silence. */
static void expect_an_answer(const char *before, const char *unit, size_t from,
                             size_t to, size_t step)
{
    size_t unit_bytes = strlen(unit);
    char *request = calloc(1, sizeof POST + 256 + to * unit_bytes);
    assert_non_null(request);
    for (size_t count = from; count <= to; count += step) {
        char *at = stpcpy(request, POST "Content-Length: 18\r\n"
                                        "Connection: close\r\n");
        at = stpcpy(at, before);
        for (size_t i = 0; i < count; i++)
            at = mempcpy(at, unit, unit_bytes);
        stpcpy(at, *unit == 'X' ? "\r\n" BODY : "\r\n\r\n" BODY);
        int fd = fixture_connect(&fixture);
        char *got = converse(fd, request, NULL);
        if (!strstr(got, "HTTP/1.1 200 ") && !strstr(got, "HTTP/1.1 431 "))
            fail_msg("no answer to %zu times %s%s", count, before, unit);
        free(got);
        close(fd);
    }
    free(request);
}

static void test_no_size_without_an_answer(void **state)
{
    (void)state;
    expect_an_answer("X: ", "v", 30700, 32700, 50);
    expect_an_answer("Cookie: a=", "v", 15300, 16400, 25);
    expect_an_answer("Cookie: ", "c=12; ", 370, 420, 1);
    expect_an_answer("", "X: y\r\n", 410, 470, 1);
}

/* What this file refuses at the request line is counted and logged. */
static void test_a_long_line_is_counted(void **state)
{
    (void)state;
    expect_too_long("GET /?", "&", 600, " HTTP/1.1\r\nHost: x\r\n\r\n", 414);
    struct http_answer answer = http_get(fixture.url, "/metrics");
    assert_non_null(strstr(answer.body, "{endpoint=\"other\",status=\"414\"}"));
    http_answer_free(&answer);
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

/* A binary may meet another library of its soname: what it was compiled with
 * says nothing of how that reads. */
static void test_levels_follow_the_library_at_hand(void **state)
{
    (void)state;
    static const char *const old[] = {"0.9.75", "0.9.77", "0.9.7", "0.8.90"};
    static const char *const later[] = {"0.9.78", "0.10.0", "1.0.1", "1.0.1.2"};
    for (size_t i = 0; i < sizeof old / sizeof *old; i++)
        assert_true(mhd_is_old(old[i]));
    for (size_t i = 0; i < sizeof later / sizeof *later; i++)
        assert_false(mhd_is_old(later[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_levels_follow_the_library_at_hand),
        cmocka_unit_test(test_heads),
        cmocka_unit_test(test_chunks),
        cmocka_unit_test(test_ambiguous_framing),
        cmocka_unit_test(test_a_nul_hides_nothing),
        cmocka_unit_test(test_odd_but_clear_framing),
        cmocka_unit_test(test_too_long),
        cmocka_unit_test(test_more_than_fits),
        cmocka_unit_test(test_no_size_without_an_answer),
        cmocka_unit_test(test_a_long_line_is_counted),
        cmocka_unit_test(test_half_of_a_request),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
