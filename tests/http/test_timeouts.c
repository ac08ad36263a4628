// SPDX-License-Identifier: MIT
/* How long a request, an answer and a connection may take, and a share of the
 * memory for those who take their time. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#include "../support/daemon_fixture.h"
#include "../support/slow_endpoint.h"

#define BODY "{\"logits\":[1,2,3]}"
#define HEAD(path, body_bytes)                                                 \
    "POST " path " HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"  \
    "Content-Length: " body_bytes "\r\n\r\n"

static struct fixture fixture;

static void start(const char *const *flags)
{
    fixture_start_routes(&fixture, flags, &slow_routes);
}

static long now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void send_text(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/** Everything until the daemon closes; to be freed. */
static char *read_all(int fd)
{
    size_t room = 1 << 16, used = 0;
    char *got = calloc(1, room);
    ssize_t n;
    assert_non_null(got);
    while (used < room - 1 &&
           (n = recv(fd, got + used, room - 1 - used, 0)) > 0)
        used += (size_t)n;
    return got;
}

/* ---- timeouts --------------------------------------------------------- */

static void expect_late(const char *begin, const char *part)
{
    start((const char *const[]){"--request-timeout=1", NULL});
    int fd = fixture_connect(&fixture);
    long began = now_ms();
    send_text(fd, begin);
    char *got = read_all(fd);
    long took = now_ms() - began;
    if (!strstr(got, part))
        fail_msg("no %s in: %s", part, got);
    assert_true(took >= 900 && took < 3000);
    free(got);
    close(fd);
    fixture_stop(&fixture);
}

static void test_slow_body(void **state)
{
    (void)state;
    expect_late(HEAD("/softmax", "100") "{\"logits\":[1,",
                "HTTP/1.1 408 Request Timeout\r\n");
}

static void test_slow_headers(void **state)
{
    (void)state;
    expect_late("POST /softmax HTTP/1.1\r\nHost: x\r\nContent-",
                "HTTP/1.1 408 Request Timeout\r\n");
}

static void test_slow_request_line(void **state)
{
    (void)state;
    expect_late("POST /soft", "HTTP/1.1 408 Request Timeout\r\n");
}

static void test_a_body_that_drips(void **state)
{
    (void)state;
    start((const char *const[]){"--request-timeout=1", NULL});
    int fd = fixture_connect(&fixture);
    send_text(fd, HEAD("/softmax", "1000") "{\"logits\":[");
    for (int i = 0; i < 40; i++) {
        if (send(fd, "1,", 2, MSG_NOSIGNAL) < 0)
            break;
        fixture_sleep_ms(50);
    }
    char *got = read_all(fd);
    assert_non_null(strstr(got, " 408 "));
    free(got);
    close(fd);
    fixture_stop(&fixture);
}

/* Its head does not begin the time anew. */
static void test_a_head_that_drips(void **state)
{
    (void)state;
    start((const char *const[]){"--request-timeout=2", NULL});
    int fd = fixture_connect(&fixture);
    long began = now_ms();
    send_text(fd, "POST /softmax HTTP/1.1\r\nHost: x\r\n");
    fixture_sleep_ms(1500);
    send_text(fd, "Content-Length: 100\r\n\r\n{\"logits\":[1,");
    char *got = read_all(fd);
    long took = now_ms() - began;
    assert_non_null(strstr(got, " 408 "));
    assert_true(took >= 1900 && took < 3300);
    free(got);
    close(fd);
    fixture_stop(&fixture);
}

static void test_idle_connection(void **state)
{
    (void)state;
    start((const char *const[]){"--idle-timeout=1", NULL});
    int fd = fixture_connect(&fixture);
    long began = now_ms();
    send_text(fd, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    char *got = read_all(fd);
    long took = now_ms() - began;
    assert_non_null(strstr(got, "200 OK"));
    assert_null(strstr(got, "HTTP/1.1 408")); /* nothing was asked */
    assert_true(took >= 900 && took < 3000);
    free(got);
    close(fd);
    fixture_stop(&fixture);
}

/* As a pool opens it ahead of time: no answer to what nobody asked. */
static void test_connection_without_a_request(void **state)
{
    (void)state;
    start(
        (const char *const[]){"--request-timeout=1", "--idle-timeout=2", NULL});
    int fd = fixture_connect(&fixture);
    long began = now_ms();
    char *got = read_all(fd);
    long took = now_ms() - began;
    assert_string_equal(got, "");
    assert_in_range(took, 1900, 4000);
    free(got);
    close(fd);
    struct http_answer answer = http_get(fixture.url, "/metrics");
    assert_non_null(
        strstr(answer.body, "softmaxd_rejected_total{reason=\"timeout\"} 0"));
    http_answer_free(&answer);
    fixture_stop(&fixture);
}

static void test_a_reader_that_stalls(void **state)
{
    (void)state;
    start((const char *const[]){"--request-timeout=1", NULL});
    int fd = fixture_connect(&fixture);
    send_text(fd, HEAD("/test/big", "8") "30000000");
    fixture_wait_in_flight(&fixture, 1);
    long began = now_ms();
    fixture_wait_in_flight(&fixture, 0); /* though nobody reads */
    assert_true(now_ms() - began < 4000);
    close(fd);
    fixture_stop(&fixture);
}

static void test_a_slow_reader_gets_all(void **state)
{
    (void)state;
    start((const char *const[]){"--request-timeout=1", NULL});
    int fd = fixture_connect(&fixture);
    char *buffer = malloc(1 << 20);
    size_t total = 0;
    ssize_t n;
    assert_non_null(buffer);
    send_text(fd, HEAD("/test/big", "8") "30000000");
    while (total < 30000000 && (n = recv(fd, buffer, 1 << 20, 0)) > 0) {
        total += (size_t)n;
        fixture_sleep_ms(40); /* takes longer than the timeout altogether */
    }
    assert_true(total >= 30000000);
    free(buffer);
    close(fd);
    fixture_stop(&fixture);
}

static void test_a_reader_that_dawdles(void **state)
{
    (void)state;
    start((const char *const[]){"--request-timeout=1", NULL});
    int fd = fixture_connect(&fixture), small = 16 * 1024;
    char buffer[4096];
    assert_int_equal(
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small), 0);
    send_text(fd, HEAD("/test/big", "8") "90000000");
    fixture_wait_in_flight(&fixture, 1);
    /* each slice in time, all of them much too slow */
    size_t total = 0;
    ssize_t n = 1;
    for (int i = 0; i < 1500 && n > 0 && daemon_in_flight(fixture.daemon);
         i++) {
        n = recv(fd, buffer, sizeof buffer, 0);
        total += n > 0 ? (size_t)n : 0;
        fixture_sleep_ms(20);
    }
    fixture_wait_in_flight(&fixture, 0);
    assert_in_range(total, 1, 90000000 / 10); /* it was cut off */
    close(fd);
    fixture_stop(&fixture);
}

/* ---- a share of the memory -------------------------------------------- */

/** A client that asks for so much and takes next to nothing of it. */
static int dawdle(const char *head_and_body)
{
    int fd = fixture_connect(&fixture), small = 4096;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    send_text(fd, head_and_body);
    return fd;
}

/** Ask again and again, as 503 says, for a few seconds. */
static void expect_room(const char *bytes)
{
    long end = now_ms() + 5000;
    int status = 503;
    while (status == 503 && now_ms() < end) {
        struct http_answer answer = http_post(fixture.url, "/test/big", bytes);
        status = answer.status;
        http_answer_free(&answer);
        fixture_sleep_ms(status == 503 ? 200 : 0);
    }
    assert_int_equal(status, 200);
}

static void test_readers_that_dawdle_keep_half(void **state)
{
    (void)state;
    start((const char *const[]){"--memory-limit=32M", "--request-timeout=30",
                                NULL});
    int fd[3];
    for (int i = 0; i < 3; i++)
        fd[i] = dawdle(HEAD("/test/big", "8") "10000000");
    fixture_wait_in_flight(&fixture, 3);
    fixture_sleep_ms(3200); /* before, nobody dawdles */
    expect_room("10000000");
    fixture_wait_in_flight(&fixture,
                           1); /* one may stay: it holds less than half */
    for (int i = 0; i < 3; i++)
        close(fd[i]);
    fixture_stop(&fixture);
}

static void test_writers_that_dawdle_keep_half(void **state)
{
    (void)state;
    start((const char *const[]){"--memory-limit=32M", "--request-timeout=30",
                                NULL});
    const char *head = "POST /v2/models/softmax/infer HTTP/1.1\r\nHost: x\r\n"
                       "Inference-Header-Content-Length: 0\r\n"
                       "Content-Length: 15000000\r\n\r\n";
    int first = dawdle(head), second = dawdle(head);
    fixture_wait_in_flight(&fixture, 2);
    fixture_sleep_ms(3200);
    expect_room("10000000");
    fixture_wait_in_flight(&fixture, 1);
    char some[2][1000] = {"", ""};
    assert_true(recv(first, some[0], sizeof some[0] - 1, MSG_DONTWAIT) > 0 ||
                recv(second, some[1], sizeof some[1] - 1, MSG_DONTWAIT) > 0);
    assert_non_null(strstr(some[*some[0] ? 0 : 1], "503 Service Unavailable"));
    close(first);
    close(second);
    fixture_stop(&fixture);
}

/* Others are refused meanwhile, but it is not to blame. */
static void test_a_reader_that_keeps_pace(void **state)
{
    (void)state;
    start((const char *const[]){"--memory-limit=32M", "--request-timeout=30",
                                NULL});
    int fd = fixture_connect(&fixture);
    char *buffer = malloc(1 << 20);
    size_t total = 0, refused = 0;
    ssize_t n;
    assert_non_null(buffer);
    send_text(fd, HEAD("/test/big", "8") "30000000");
    while (total < 30000000 && (n = recv(fd, buffer, 1 << 18, 0)) > 0) {
        total += (size_t)n;
        struct http_answer answer =
            http_post(fixture.url, "/test/big", "10000000");
        refused += answer.status == 503;
        http_answer_free(&answer);
        fixture_sleep_ms(30); /* 4 seconds in all, of its 30 */
    }
    assert_true(total >= 30000000 && refused > 10);
    free(buffer);
    close(fd);
    fixture_stop(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slow_body),
        cmocka_unit_test(test_slow_headers),
        cmocka_unit_test(test_slow_request_line),
        cmocka_unit_test(test_a_body_that_drips),
        cmocka_unit_test(test_a_head_that_drips),
        cmocka_unit_test(test_idle_connection),
        cmocka_unit_test(test_connection_without_a_request),
        cmocka_unit_test(test_a_reader_that_stalls),
        cmocka_unit_test(test_a_slow_reader_gets_all),
        cmocka_unit_test(test_a_reader_that_dawdles),
        cmocka_unit_test(test_readers_that_dawdle_keep_half),
        cmocka_unit_test(test_writers_that_dawdle_keep_half),
        cmocka_unit_test(test_a_reader_that_keeps_pace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
