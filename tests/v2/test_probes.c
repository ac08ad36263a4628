// SPDX-License-Identifier: MIT
/* Health and readiness under /v2, as probes on a socket see them. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include <cmocka.h>

#include "../support/daemon_fixture.h"

static const char *const ready_paths[] = {
    "/v2/health/ready",
    "/v2/models/softmax/ready",
    "/v2/models/log_softmax/ready",
    "/v2/models/loss/versions/1/ready",
    "/v2/models/gradient/ready",
    "/v2/models/gradient/versions/1/ready",
};
enum { READY_PATHS = sizeof ready_paths / sizeof ready_paths[0] };

/* How many header lines have that name? */
static int count_headers(const struct http_answer *answer, const char *name)
{
    int count = 0;
    size_t bytes = strlen(name);
    for (const char *at = answer->headers; at; at = strchr(at, '\n')) {
        at += *at == '\n';
        count += strncasecmp(at, name, bytes) == 0 && at[bytes] == ':';
    }
    return count;
}

static void expect(const struct fixture *fixture, const char *path, int status,
                   int retry_after)
{
    struct http_answer answer =
        http_send(fixture->url, &(struct http_request){.path = path});
    if (answer.status != status)
        fail_msg("%s: got %d %s, expected %d", path, answer.status, answer.body,
                 status);
    assert_int_equal(count_headers(&answer, "Retry-After"), retry_after);
    assert_int_equal(count_headers(&answer, "Content-Type"), 1);
    http_answer_free(&answer);
}

/* Retry-After holds a single value: RFC 9110, 10.2.3. */
static void not_ready_says_once_when_to_retry(void **state)
{
    (void)state;
    static const char *const flags[] = {"--memory-limit=1MiB", NULL};
    struct fixture fixture;
    fixture_start(&fixture, flags);
    struct budget *budget = &daemon_service(fixture.daemon)->budget;
    for (size_t i = 0; i < READY_PATHS; i++) {
        expect(&fixture, ready_paths[i], 200, 0);
        assert_true(budget_take(budget, 1000000));
        expect(&fixture, ready_paths[i], 503, 1);
        budget_give(budget, 1000000);
    }
    fixture_stop(&fixture);
}

static void probes_need_no_token(void **state)
{
    (void)state;
    char file[] = "/tmp/softmaxd-token-XXXXXX", flag[64];
    int fd = mkstemp(file);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "secret\n", 7), 7);
    close(fd);
    snprintf(flag, sizeof flag, "--token-file=%s", file);
    const char *const flags[] = {flag, NULL};
    struct fixture fixture;
    fixture_start(&fixture, flags);
    expect(&fixture, "/v2/health/live", 200, 0);
    for (size_t i = 0; i < READY_PATHS; i++)
        expect(&fixture, ready_paths[i], 200, 0);
    expect(&fixture, "/v2/models/softmax", 401, 0);
    expect(&fixture, "/v2/models/softmax/stats", 401, 0);
    fixture_stop(&fixture);
    unlink(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(not_ready_says_once_when_to_retry),
        cmocka_unit_test(probes_need_no_token),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
