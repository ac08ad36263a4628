// SPDX-License-Identifier: MIT
/* Addresses, Unix sockets, tokens, health. */
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
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>

#include "../../server/http/healthcheck.h"
#include "../support/daemon_fixture.h"
#include "../support/scratch.h"

#define BODY "{\"logits\":[1,2,3]}"
#define FLAGS(...)                                                             \
    (const char *const[])                                                      \
    {                                                                          \
        __VA_ARGS__, NULL                                                      \
    }

static struct fixture fixture;
enum { SOCKET, TOKENS };

static void check(const char *url, struct http_request request, int status)
{
    request.path = request.path ? request.path : "/softmax";
    request.body = strcmp(request.path, "/softmax") == 0 ? BODY : NULL;
    struct http_answer answer = http_send(url, &request);
    if (answer.status != status)
        fail_msg("%s: status %d, curl: %s", url, answer.status,
                 curl_easy_strerror((CURLcode)answer.code));
    http_answer_free(&answer);
}

/* ---- addresses -------------------------------------------------------- */

static void test_several_addresses(void **state)
{
    (void)state;
    char local[2 * SCRATCH_BYTES];
    snprintf(local, sizeof local, "--listen=unix:%s", scratch[SOCKET]);
    fixture_start(&fixture,
                  FLAGS("--listen=127.0.0.1:0", "--listen=[::1]:0", local));
    for (size_t i = 0; i < 3; i++)
        check(daemon_address(fixture.daemon, i), (struct http_request){0}, 200);
    assert_null(daemon_address(fixture.daemon, 3));
    fixture_stop(&fixture);
}

static void test_refused_addresses(void **state)
{
    (void)state;
    fixture_refuses(FLAGS("--listen=192.0.2.1:0"), "192.0.2.1:0: ");
    fixture_refuses(FLAGS("--listen=unix:/nowhere/s"), "No such file");
}

static void test_a_port_in_use(void **state)
{
    (void)state;
    char taken[64];
    fixture_start(&fixture, NULL);
    snprintf(taken, sizeof taken, "--listen=127.0.0.1:%d",
             fixture_port(fixture.url));
    fixture_refuses(FLAGS(taken), "Address already in use");
    fixture_stop(&fixture);
}

static void start_local(const char *mode)
{
    char local[2 * SCRATCH_BYTES];
    snprintf(local, sizeof local, "--listen=unix:%s", scratch[SOCKET]);
    fixture_start(&fixture, FLAGS(local, mode));
}

static void test_unix_socket(void **state)
{
    (void)state;
    struct stat status;
    start_local("--socket-mode=0640");
    assert_int_equal(stat(scratch[SOCKET], &status), 0);
    assert_int_equal(status.st_mode & 0777, 0640);
    check(fixture.url, (struct http_request){0}, 200);
    fixture_stop(&fixture);
    assert_int_not_equal(stat(scratch[SOCKET], &status), 0);
}

static void test_unix_socket_left_behind(void **state)
{
    (void)state;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", scratch[SOCKET]);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    close(fd); /* and the file stays */
    start_local("--socket-mode=0600");
    check(fixture.url, (struct http_request){0}, 200);
    char local[2 * SCRATCH_BYTES];
    snprintf(local, sizeof local, "--listen=unix:%s", scratch[SOCKET]);
    fixture_refuses(FLAGS(local), "Address already in use");
    check(fixture.url, (struct http_request){0}, 200);
    fixture_stop(&fixture);
    scratch_write(scratch[SOCKET], "no socket");
    fixture_refuses(FLAGS(local), "File exists");
    assert_int_equal(unlink(scratch[SOCKET]), 0);
}

/* ---- tokens ----------------------------------------------------------- */

static void check_token(const char *header, int status)
{
    check(fixture.url,
          (struct http_request){.headers = header ? FLAGS(header) : NULL},
          status);
}

static void test_tokens(void **state)
{
    (void)state;
    char text[64];
    struct error error;
    scratch_write(scratch[TOKENS], "# comment\nsecret-one\n\nsecret-two\r\n");
    fixture_start(&fixture,
                  FLAGS(scratch_flag("--token-file", scratch[TOKENS])));
    check_token(NULL, 401);
    check_token("Authorization: Bearer secret-one", 200);
    check_token("Authorization: bearer secret-two", 200);
    check_token("Authorization: Bearer secret", 401);
    check_token("Authorization: Bearer secret-one2", 401);
    check_token("Authorization: Bearer # comment", 401);
    check_token("Authorization: Bearer ", 401);
    check_token("Authorization: Basic secret-one", 401);
    struct http_answer answer = http_post(fixture.url, "/softmax", BODY);
    assert_true(http_header(&answer, "WWW-Authenticate", text, sizeof text));
    assert_string_equal(text, "Bearer");
    assert_null(strstr(answer.body, "secret"));
    http_answer_free(&answer);
    check(fixture.url, (struct http_request){.path = "/healthz"}, 200);
    check(fixture.url, (struct http_request){.path = "/readyz"}, 200);
    check(fixture.url, (struct http_request){.path = "/v2/health/live"}, 200);
    check(fixture.url, (struct http_request){.path = "/v2/health/ready"}, 200);
    check(fixture.url, (struct http_request){.path = "/"}, 200);
    check(fixture.url, (struct http_request){.path = "/version"}, 401);
    check(fixture.url, (struct http_request){.path = "/metrics"}, 401);
    check(fixture.url, (struct http_request){.path = "/openapi.yaml"}, 401);
    check(fixture.url, (struct http_request){.path = "/v2"}, 401);
    check(fixture.url, (struct http_request){.path = "/v2/models/loss/ready"},
          200);
    check(fixture.url,
          (struct http_request){.path = "/metrics",
                                .headers =
                                    FLAGS("Authorization: Bearer secret-one")},
          200);
    scratch_write(scratch[TOKENS], "secret-three\n");
    assert_true(daemon_reload(fixture.daemon, &error));
    check_token("Authorization: Bearer secret-one", 401);
    check_token("Authorization: Bearer secret-three", 200);
    scratch_write(scratch[TOKENS], "\n");
    assert_false(daemon_reload(fixture.daemon, &error));
    check_token("Authorization: Bearer secret-three", 200);
    fixture_stop(&fixture);
}

/* Blanks may stand around every value (RFC 9110, 5.5). */
static void test_blanks_around_values(void **state)
{
    (void)state;
    scratch_write(scratch[TOKENS], "  secret-one \t\n\t# comment\n");
    fixture_start(&fixture,
                  FLAGS(scratch_flag("--token-file", scratch[TOKENS])));
    int fd = fixture_connect(&fixture);
    char *got =
        converse(fd,
                 "POST /v2/models/softmax/infer HTTP/1.1\r\n"
                 "Host:\t x \r\nAuthorization: \tBearer secret-one \t\r\n"
                 "Content-Type:  application/json \r\n"
                 "Accept: \tapplication/json \t\r\n"
                 "Content-Encoding: identity \t\r\n"
                 "Inference-Header-Content-Length: 75 \t\r\n"
                 "X-Request-Id: \tan-id \t\r\n"
                 "Connection: close\r\nContent-Length: 75\r\n\r\n"
                 "{\"inputs\":[{\"name\":\"logits\",\"shape\":[3],"
                 "\"datatype\":\"FP32\",\"data\":[1,2,3]}]}",
                 NULL);
    close(fd);
    if (!strstr(got, " 200 OK\r\n") || !strstr(got, "X-Request-Id: an-id\r\n"))
        fail_msg("%s", got);
    free(got);
    fixture_stop(&fixture);
}

static void test_unreadable_tokens(void **state)
{
    (void)state;
    scratch_write(scratch[TOKENS], "# none\n");
    fixture_refuses(FLAGS("--listen=127.0.0.1:0",
                          scratch_flag("--token-file", scratch[TOKENS])),
                    "holds no token");
    fixture_refuses(FLAGS("--listen=127.0.0.1:0", "--token-file=/nowhere"),
                    "No such file");
}

/* ---- health ----------------------------------------------------------- */

static void test_healthcheck(void **state)
{
    (void)state;
    struct error error;
    char address[64];
    fixture_start(&fixture, NULL);
    assert_true(healthcheck(fixture.url, NULL, NULL, &error));
    snprintf(address, sizeof address, "0.0.0.0:%d", fixture_port(fixture.url));
    assert_true(healthcheck(address, NULL, NULL, &error));
    snprintf(address, sizeof address, ":%d", fixture_port(fixture.url));
    assert_true(healthcheck(address, NULL, NULL, &error));
    fixture_stop(&fixture);
    assert_false(healthcheck(address, NULL, NULL, &error));
    assert_non_null(strstr(error.text, "refused"));
    assert_false(healthcheck("nonsense", NULL, NULL, &error));
    start_local("--socket-mode=0600");
    assert_true(healthcheck(fixture.url, NULL, NULL, &error));
    fixture_stop(&fixture);
    assert_false(healthcheck("unix:/nowhere", NULL, NULL, &error));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_several_addresses),
        cmocka_unit_test(test_refused_addresses),
        cmocka_unit_test(test_a_port_in_use),
        cmocka_unit_test(test_unix_socket),
        cmocka_unit_test(test_unix_socket_left_behind),
        cmocka_unit_test(test_tokens),
        cmocka_unit_test(test_blanks_around_values),
        cmocka_unit_test(test_unreadable_tokens),
        cmocka_unit_test(test_healthcheck),
    };
    return cmocka_run_group_tests(tests, scratch_open, scratch_close);
}
