// SPDX-License-Identifier: MIT
/* --admin-listen: what it serves, to whom, and for how long. */
#define _GNU_SOURCE
#include <curl/curl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "../../server/http/healthcheck.h"
#include "../support/certificate.h"
#include "../support/daemon_fixture.h"
#include "../support/scratch.h"
#include "../support/slow_endpoint.h"

#define BODY "{\"logits\":[1,2,3]}"
#define ADMIN "--admin-listen=127.0.0.1:0"
#define FLAGS(...)                                                             \
    (const char *const[])                                                      \
    {                                                                          \
        __VA_ARGS__, NULL                                                      \
    }

static struct fixture fixture;
static const char *admin; /* the URL */
enum { CERT, KEY, TOKENS, SOCKET };

static void start(const char *const *flags)
{
    fixture_start_routes(&fixture, flags, &slow_routes);
    admin = daemon_admin_address(fixture.daemon, 0);
    assert_non_null(admin);
}

/** part: of the body; NULL: any. */
static void check(const char *url, struct http_request request, int status,
                  const char *part)
{
    struct http_answer answer = http_send(url, &request);
    if (answer.status != status || (part && !strstr(answer.body, part)))
        fail_msg("%s%s: status %d, curl: %s, %s", url, request.path,
                 answer.status, curl_easy_strerror((CURLcode)answer.code),
                 answer.body);
    http_answer_free(&answer);
}

static void check_get(const char *path, int status, const char *part)
{
    check(admin, (struct http_request){.path = path}, status, part);
}

static void check_pages(void)
{
    check_get("/healthz", 200, "ok");
    check_get("/readyz", 200, "ready");
    check_get("/metrics", 200, "softmaxd_ready 1\n");
    check_get("/version", 200, "\"max_body\":");
}

static void test_its_pages_alone(void **state)
{
    (void)state;
    start(FLAGS(ADMIN));
    check_pages();
    check(admin, (struct http_request){.path = "/softmax", .body = BODY}, 404,
          "path: got /softmax, must be /healthz, /readyz, /metrics or "
          "/version");
    check_get("/openapi.yaml", 404, NULL);
    check_get("/", 404, NULL);
    check_get("/v2", 404, "\"error\"");
    check(admin, (struct http_request){.path = "/healthz", .body = BODY}, 405,
          "GET, HEAD, OPTIONS");
    check(fixture.url, (struct http_request){.path = "/softmax", .body = BODY},
          200, NULL);
    check(fixture.url, (struct http_request){.path = "/metrics"}, 200, NULL);
    fixture_stop(&fixture);
    fixture_start(&fixture, NULL);
    assert_null(daemon_admin_address(fixture.daemon, 0));
    fixture_stop(&fixture);
}

static void test_without_tokens_and_tls(void **state)
{
    (void)state;
    struct certificate authority = certificate_create("test CA", NULL);
    certificate_write(&authority, scratch[CERT], scratch[KEY]);
    certificate_free(&authority);
    scratch_write(scratch[TOKENS], "secret\n");
    start(FLAGS(ADMIN, scratch_flag("--tls-cert", scratch[CERT]),
                scratch_flag("--tls-key", scratch[KEY]),
                scratch_flag("--token-file", scratch[TOKENS])));
    assert_memory_equal(fixture.url, "https:", 6);
    check(fixture.url,
          (struct http_request){.path = "/metrics", .ca = scratch[CERT]}, 401,
          NULL);
    assert_memory_equal(admin, "http:", 5);
    check_pages();
    fixture_stop(&fixture);
}

static void test_on_a_unix_socket(void **state)
{
    (void)state;
    char local[2 * SCRATCH_BYTES];
    struct error error;
    snprintf(local, sizeof local, "--admin-listen=unix:%s", scratch[SOCKET]);
    start(FLAGS(local));
    check_pages();
    assert_true(healthcheck(admin, NULL, NULL, &error));
    fixture_stop(&fixture);
    assert_int_not_equal(access(scratch[SOCKET], F_OK), 0);
}

/* Who fills the daemon must not stop those who look after it, and the other
 * way round. */
static void test_connections_are_counted_apart(void **state)
{
    (void)state;
    enum { OPEN = 8 };
    int fd[OPEN], busy;
    start(FLAGS(ADMIN, "--max-connections=1", "--listen=127.0.0.1:0"));
    struct fixture other = fixture;
    other.url = admin;
    for (int i = 0; i < OPEN; i++)
        fd[i] = fixture_connect(&other);
    check_get("/metrics", 200, "softmaxd_open_connections 0\n");
    check(fixture.url, (struct http_request){.path = "/softmax", .body = BODY},
          200, NULL);
    busy = fixture_connect(&fixture);
    free(converse(busy, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", "ok"));
    check(fixture.url, (struct http_request){.path = "/version"}, 503, NULL);
    check_get("/version", 200, NULL);
    close(busy);
    for (int i = 0; i < OPEN; i++)
        close(fd[i]);
    fixture_stop(&fixture);
}

static void wait_until_refused(void)
{
    for (int i = 0; i < 1000; i++) {
        struct http_answer answer = http_get(fixture.url, "/healthz");
        int code = answer.code;
        http_answer_free(&answer);
        if (code == CURLE_COULDNT_CONNECT)
            return;
        fixture_sleep_ms(5);
    }
    fail_msg("%s still listens", fixture.url);
}

static void test_open_while_the_rest_is_closed(void **state)
{
    (void)state;
    const char *text = "POST /test/slow HTTP/1.1\r\nHost: x\r\n"
                       "Content-Type: application/json\r\n"
                       "Content-Length: 4\r\n\r\n2000";
    start(FLAGS(ADMIN));
    struct fixture other = fixture;
    other.url = admin;
    int idle = fixture_connect(&other), fd = fixture_connect(&fixture);
    assert_true(send(fd, text, strlen(text), MSG_NOSIGNAL) > 0);
    fixture_wait_in_flight(&fixture, 1);
    daemon_drain(fixture.daemon);
    wait_until_refused();
    assert_int_equal(daemon_drained(fixture.daemon), DRAIN_RUNNING);
    check_get("/readyz", 503, "draining");
    check_get("/healthz", 200, NULL);
    check_get("/metrics", 200, "softmaxd_ready 0\n");
    free(converse(fd, "", NULL));
    for (int i = 0; i < 1000 && daemon_drained(fixture.daemon) == DRAIN_RUNNING;
         i++)
        fixture_sleep_ms(5);
    assert_int_equal(daemon_drained(fixture.daemon), DRAIN_DONE);
    close(idle);
    close(fd);
    fixture_stop(&fixture);
}

static void test_refused_addresses(void **state)
{
    (void)state;
    char taken[64];
    fixture_refuses(
        FLAGS("--listen=127.0.0.1:0", "--admin-listen=unix:/nowhere/s"),
        "cannot listen on unix:/nowhere/s: No such file");
    fixture_start(&fixture, NULL);
    snprintf(taken, sizeof taken, "--admin-listen=127.0.0.1:%d",
             fixture_port(fixture.url));
    fixture_refuses(FLAGS("--listen=127.0.0.1:0", taken),
                    "Address already in use");
    fixture_stop(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_its_pages_alone),
        cmocka_unit_test(test_without_tokens_and_tls),
        cmocka_unit_test(test_on_a_unix_socket),
        cmocka_unit_test(test_connections_are_counted_apart),
        cmocka_unit_test(test_open_while_the_rest_is_closed),
        cmocka_unit_test(test_refused_addresses),
    };
    return cmocka_run_group_tests(tests, scratch_open, scratch_close);
}
