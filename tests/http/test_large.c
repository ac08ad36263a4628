// SPDX-License-Identifier: MIT
/* Large bodies and answers, of which other threads read and write the numbers,
 * and clients that vanish in the middle of either. */
#include "../support/expect.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../support/daemon_fixture.h"

enum { ELEMENTS = 300000, ROUNDS = 24 };

static char *request;
static size_t request_bytes, head_bytes;

static void make_request(void)
{
    size_t room = ELEMENTS * 12 + 512, body = ELEMENTS * 8 + 13;
    request = malloc(room);
    assert_non_null(request);
    head_bytes = (size_t)snprintf(
        request, room,
        "POST /softmax HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n",
        body);
    char *p = request + head_bytes;
    p += snprintf(p, 12, "{\"logits\":[");
    for (size_t i = 0; i < ELEMENTS; i++)
        p += snprintf(p, 12, "%.5f,", (double)(i * 7919 % 100000) / 1e5);
    p += snprintf(p - 1, 4, "]}\n") - 1;
    request_bytes = (size_t)(p - request);
    assert_int_equal(request_bytes, head_bytes + body);
}

/* Send so much of it, take so much of what comes, and leave. */
static void vanish(const struct fixture *fixture, size_t sent, size_t taken)
{
    static char slice[65536];
    int fd = fixture_connect(fixture);
    for (size_t i = 0; i < sent;) {
        ssize_t n = send(fd, request + i, sent - i, MSG_NOSIGNAL);
        assert_true(n > 0);
        i += (size_t)n;
    }
    while (taken > 0) {
        ssize_t n =
            recv(fd, slice, taken < sizeof slice ? taken : sizeof slice, 0);
        assert_true(n > 0);
        taken -= (size_t)n;
    }
    close(fd);
}

static void clients_vanish_in_the_middle(void **state)
{
    struct fixture fixture;
    (void)state;
    fixture_start(&fixture, (const char *const[]){"--compute-threads=3", NULL});
    for (size_t i = 1; i <= ROUNDS; i++) {
        vanish(&fixture, request_bytes, 40000 * i);
        vanish(&fixture, request_bytes / (ROUNDS + 1) * i, 0);
    }
    fixture_wait_in_flight(&fixture, 0);
    fixture_stop(&fixture);
}

/* It stops while a body is under way, whose client stays. */
static void a_daemon_stops_in_the_middle(void **state)
{
    struct fixture fixture;
    (void)state;
    fixture_start(&fixture, (const char *const[]){"--compute-threads=3", NULL});
    int fd = fixture_connect(&fixture);
    size_t half = request_bytes / 2;
    for (size_t i = 0; i < half;) {
        ssize_t n = send(fd, request + i, half - i, MSG_NOSIGNAL);
        assert_true(n > 0);
        i += (size_t)n;
    }
    fixture_wait_in_flight(&fixture, 1);
    daemon_stop(fixture.daemon); /* not fixture_stop, which waits for its end */
    options_free(&fixture.options);
    close(fixture.log_fd);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clients_vanish_in_the_middle),
        cmocka_unit_test(a_daemon_stops_in_the_middle),
    };
    make_request();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    free(request);
    return failed;
}
