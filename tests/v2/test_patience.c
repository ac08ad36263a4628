// SPDX-License-Identifier: MIT
/* Clients of the protocol that are slow to ask or to listen. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "../support/daemon_fixture.h"

/* The Jacobian of 2500 zeros is more than sockets buffer: 25 MB. */
#define JSON_PART                                                              \
    "{\"inputs\":[{\"name\":\"logits\",\"shape\":[2500],\"datatype\":"         \
    "\"FP32\","                                                                \
    "\"parameters\":{\"binary_data_size\":10000}}],"                           \
    "\"parameters\":{\"of\":\"softmax\",\"binary_data_output\":true}}"

enum {
    CLASSES = 2500,
    LARGE_BYTES = CLASSES * CLASSES * 4,
    SLICE_BYTES = 1 << 20
};

static struct fixture fixture;

static int start(void **state)
{
    (void)state;
    static const char *const flags[] = {"--request-timeout=3", NULL};
    fixture_start(&fixture, flags);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    fixture_stop(&fixture);
    return 0;
}

static void send_all(int fd, const char *bytes, size_t count)
{
    while (count > 0) {
        ssize_t n = send(fd, bytes, count, MSG_NOSIGNAL);
        assert_true(n > 0);
        bytes += n;
        count -= (size_t)n;
    }
}

/* Asked for LARGE_BYTES, none of them read yet. */
static int ask_for_much(void)
{
    static const char zeros[CLASSES * 4];
    char head[256];
    int fd = fixture_connect(&fixture);
    snprintf(head, sizeof head,
             "POST /v2/models/gradient/infer HTTP/1.1\r\nHost: x\r\n"
             "Inference-Header-Content-Length: %zu\r\n"
             "Content-Length: %zu\r\n\r\n",
             strlen(JSON_PART), strlen(JSON_PART) + sizeof zeros);
    send_all(fd, head, strlen(head));
    send_all(fd, JSON_PART, strlen(JSON_PART));
    send_all(fd, zeros, sizeof zeros);
    return fd;
}

static bool all_left(void)
{
    return daemon_in_flight(fixture.daemon) == 0;
}

static void a_reader_that_stalls_is_given_up(void **state)
{
    (void)state;
    int fd = ask_for_much();
    for (int i = 0; i < 1000 && all_left(); i++)
        fixture_sleep_ms(1); /* until it is there */
    assert_false(all_left());
    for (int i = 0; i < 1000 && !all_left(); i++)
        fixture_sleep_ms(10); /* and reads nothing */
    assert_true(all_left());
    close(fd);
}

static void a_slow_reader_gets_all(void **state)
{
    (void)state;
    int fd = ask_for_much();
    char *slice = malloc(SLICE_BYTES);
    size_t total = 0;
    ssize_t n;
    assert_non_null(slice);
    while (total < LARGE_BYTES && (n = recv(fd, slice, SLICE_BYTES, 0)) > 0) {
        total += (size_t)n;
        fixture_sleep_ms(160); /* takes longer than the timeout altogether */
    }
    if (total < LARGE_BYTES)
        fail_msg("got %zu bytes: %.200s", total, slice);
    free(slice);
    close(fd);
}

/* The 408 comes from another thread than the other answers. */
static void late_bodies_are_told_in_the_protocol(void **state)
{
    (void)state;
    static const char part[] =
        "POST /v2/models/softmax/infer HTTP/1.1\r\nHost: x\r\n"
        "X-Request-Id: late\r\nContent-Length: 100\r\n\r\n{\"inputs\":[";
    int fd = fixture_connect(&fixture);
    char answer[2048] = "";
    size_t used = 0;
    ssize_t n;
    send_all(fd, part, strlen(part));
    while (used < sizeof answer - 1 &&
           (n = recv(fd, answer + used, sizeof answer - 1 - used, 0)) > 0)
        used += (size_t)n;
    if (!strstr(answer, "HTTP/1.1 408 ") ||
        !strstr(answer, "Content-Type: application/json\r\n") ||
        !strstr(answer, "X-Request-Id: late\r\n") ||
        !strstr(answer, "\r\n\r\n{\"error\":\"request: got a part of it, must "
                        "arrive within 3 seconds"))
        fail_msg("got %s", answer);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reader_that_stalls_is_given_up),
        cmocka_unit_test(a_slow_reader_gets_all),
        cmocka_unit_test(late_bodies_are_told_in_the_protocol),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
