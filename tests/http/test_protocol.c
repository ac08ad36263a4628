// SPDX-License-Identifier: MIT
/* What HTTP asks of the daemon, whatever the endpoint. */
#define _GNU_SOURCE
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

#include "../support/daemon_fixture.h"

#define BODY "{\"logits\":[1,2,3]}"
#define ANSWER "{\"probabilities\":[0.09003057,0.24472848,0.66524094]}\n"

static struct fixture fixture;

static int start(void **state)
{
    (void)state;
    static const char *const flags[] = {"--max-body=1MiB", NULL};
    fixture_start(&fixture, flags);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    fixture_stop(&fixture);
    return 0;
}

/** Send, check the status and a header, free. value NULL: absent. */
static void check(const struct http_request *request, int status,
                  const char *header, const char *value)
{
    char text[256];
    struct http_answer answer = http_send(fixture.url, request);
    assert_int_equal(answer.status, status);
    assert_true(http_header(&answer, "X-Request-Id", text, sizeof text));
    if (header) {
        bool found = http_header(&answer, header, text, sizeof text);
        assert_int_equal(found, value != NULL);
        if (value)
            assert_string_equal(text, value);
    }
    http_answer_free(&answer);
}

#define HEADERS(...)                                                           \
    (const char *const[])                                                      \
    {                                                                          \
        __VA_ARGS__, NULL                                                      \
    }

static void test_answers(void **state)
{
    (void)state;
    char text[64];
    struct http_answer answer = http_post(fixture.url, "/softmax", BODY);
    assert_int_equal(answer.status, 200);
    assert_string_equal(answer.body, ANSWER);
    assert_true(http_header(&answer, "Content-Length", text, sizeof text));
    assert_int_equal(strtol(text, NULL, 10), strlen(ANSWER));
    assert_true(http_header(&answer, "Content-Type", text, sizeof text));
    assert_string_equal(text, "application/json");
    http_answer_free(&answer);
}

static void test_pages(void **state)
{
    (void)state;
    static const char *const paths[] = {
        "/healthz",      "/readyz",       "/metrics", "/version",
        "/openapi.yaml", "/openapi.json", "/",        "/docs"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        struct http_answer answer = http_get(fixture.url, paths[i]);
        assert_int_equal(answer.status, 200);
        assert_true(answer.body_bytes > 0);
        http_answer_free(&answer);
        check(&(struct http_request){.path = paths[i], .method = "HEAD"}, 200,
              NULL, NULL);
        check(&(struct http_request){.path = paths[i], .method = "OPTIONS"},
              204, "Allow", "GET, HEAD, OPTIONS");
    }
    check(&(struct http_request){.path = "/softmax", .method = "OPTIONS"}, 204,
          "Allow", "OPTIONS, POST");
}

static void test_head_has_the_length_and_no_body(void **state)
{
    (void)state;
    char of_head[32], of_get[32];
    struct http_answer get = http_get(fixture.url, "/version");
    struct http_answer head =
        http_send(fixture.url,
                  &(struct http_request){.path = "/version", .method = "HEAD"});
    assert_int_equal(head.body_bytes, 0);
    assert_true(http_header(&get, "Content-Length", of_get, sizeof of_get));
    assert_true(http_header(&head, "Content-Length", of_head, sizeof of_head));
    assert_string_equal(of_head, of_get);
    http_answer_free(&get);
    http_answer_free(&head);
}

static void test_unknown_path_and_method(void **state)
{
    (void)state;
    struct http_answer answer = http_get(fixture.url, "/nowhere");
    char type[64];
    assert_int_equal(answer.status, 404);
    assert_true(http_header(&answer, "Content-Type", type, sizeof type));
    assert_string_equal(type, "application/problem+json");
    assert_non_null(strstr(answer.body, "\"status\":404"));
    assert_non_null(strstr(answer.body, "got /nowhere"));
    http_answer_free(&answer);
    check(&(struct http_request){.path = "/softmax%00", .body = BODY}, 404,
          NULL, NULL);
    check(&(struct http_request){.path = "/softmax%00x?a=%00", .body = BODY},
          404, NULL, NULL);
    check(
        &(struct http_request){.path = "/%73oftmax?log=%66alse", .body = BODY},
        200, NULL, "0.66524094");
    check(&(struct http_request){.path = "/softmax"}, 405, "Allow",
          "OPTIONS, POST");
    check(&(struct http_request){.path = "/softmax", .method = "HEAD"}, 405,
          "Allow", "OPTIONS, POST");
    check(&(struct http_request){.path = "/healthz", .body = BODY}, 405,
          "Allow", "GET, HEAD, OPTIONS");
    check(&(struct http_request){.path = "/softmax",
                                 .method = "PUT",
                                 .body = BODY},
          405, "Allow", "OPTIONS, POST");
}

static void test_media_types(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        int status;
    } cases[] = {
        {"Content-Type: application/json; charset=utf-8", 200},
        {"Content-Type: application/vnd.logits+json", 200},
        {"Content-Type:", 200}, /* sends none */
        {"Content-Type: text/plain", 415},
        {"Content-Type: application/x-www-form-urlencoded", 415},
        {"Accept: application/json", 200},
        {"Accept: text/html, application/*;q=0.1", 200},
        {"Accept: text/html, */*;q=0.8", 200},
        {"Accept: text/html", 406},
        {"Accept: application/json;q=0", 406},
        {"Content-Encoding: br", 415},
        {"Content-Encoding: gzip, gzip", 415},
        {"Content-Encoding: identity", 200},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        check(&(struct http_request){.path = "/softmax",
                                     .body = BODY,
                                     .headers = HEADERS(cases[i].header)},
              cases[i].status, NULL, NULL);
    check(&(struct http_request){.path = "/softmax",
                                 .body = BODY,
                                 .headers = HEADERS("Content-Encoding: br")},
          415, "Accept-Encoding", "gzip, deflate");
}

static void test_request_id(void **state)
{
    (void)state;
    char first[64], second[64];
    check(&(struct http_request){.path = "/softmax",
                                 .body = BODY,
                                 .headers = HEADERS("X-Request-Id: abc-1.2")},
          200, "X-Request-Id", "abc-1.2");
    struct http_answer a = http_get(fixture.url, "/version");
    struct http_answer b = http_send(
        fixture.url,
        &(struct http_request){.path = "/version",
                               .headers = HEADERS("X-Request-Id: with space")});
    assert_true(http_header(&a, "X-Request-Id", first, sizeof first));
    assert_true(http_header(&b, "X-Request-Id", second, sizeof second));
    assert_int_equal(strlen(first), 16);
    assert_int_equal(strlen(second), 16);
    assert_string_not_equal(first, second);
    http_answer_free(&a);
    http_answer_free(&b);
}

static void test_chunked(void **state)
{
    (void)state;
    check(&(struct http_request){.path = "/softmax",
                                 .body = BODY,
                                 .chunked = true},
          200, NULL, NULL);
}

static void test_expect_continue(void **state)
{
    (void)state;
    check(&(struct http_request){.path = "/softmax",
                                 .body = BODY,
                                 .headers = HEADERS("Expect: 100-continue"),
                                 .timeout_ms = 900},
          200, NULL, NULL);
    check(&(struct http_request){.path = "/nowhere",
                                 .body = BODY,
                                 .headers = HEADERS("Expect: 100-continue"),
                                 .timeout_ms = 900},
          404, NULL, NULL);
}

/* ---- by hand ---------------------------------------------------------- */

#define POST(path, body_bytes)                                                 \
    "POST " path " HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"  \
    "Content-Length: " body_bytes "\r\n\r\n"

static void expect(int fd, const char *text, const char *until,
                   const char *part)
{
    char *got = converse(fd, text, until);
    if (!strstr(got, part))
        fail_msg("no %s in: %s", part, got);
    free(got);
}

static void test_an_error_keeps_the_connection(void **state)
{
    (void)state;
    int fd = fixture_connect(&fixture);
    expect(fd, POST("/nowhere", "18") BODY, "}\n", "404 Not Found");
    expect(fd, POST("/softmax", "5") "[1,2}", "}\n", "400 Bad Request");
    expect(fd, POST("/softmax", "2") "{}", "}\n", "422 ");
    expect(fd, POST("/softmax", "18") BODY, ANSWER, "200 OK");
    close(fd);
}

/* Whatever GET would do: the next answer follows right behind the headers. */
static void test_head_leaves_nothing_behind(void **state)
{
    (void)state;
    static const char *const paths[] = {"/", "/metrics", "/openapi.yaml",
                                        "/healthz", "/nowhere"};
    for (size_t i = 0; i < 2 * sizeof paths / sizeof paths[0]; i++) {
        char text[256];
        snprintf(text, sizeof text,
                 "HEAD %s HTTP/1.1\r\nHost: x\r\n%s\r\n"
                 "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
                 paths[i / 2], i % 2 ? "Accept-Encoding: gzip\r\n" : "");
        int fd = fixture_connect(&fixture);
        char *got = converse(fd, text, "}\n");
        const char *end = strstr(got, "\r\n\r\n");
        assert_non_null(end);
        if (strncmp(end + 4, "HTTP/1.1 200 OK\r\n", 17) != 0)
            fail_msg("HEAD %s: %s", paths[i / 2], got);
        free(got);
        close(fd);
    }
}

static void test_pipelining(void **state)
{
    (void)state;
    int fd = fixture_connect(&fixture);
    char *got = converse(fd,
                         POST("/softmax", "18") BODY POST("/softmax", "18") BODY
                         "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
                         "\"ok\"");
    char *second = strstr(got, ANSWER);
    assert_non_null(second);
    assert_non_null(strstr(second + 1, ANSWER));
    free(got);
    close(fd);
}

static void test_http_1_0_closes(void **state)
{
    (void)state;
    int fd = fixture_connect(&fixture);
    expect(fd, "GET /healthz HTTP/1.0\r\n\r\n", NULL, "200 OK");
    close(fd);
}

static void test_too_large_is_said_from_the_headers(void **state)
{
    (void)state;
    int fd = fixture_connect(&fixture);
    /* not one byte of the body goes out */
    expect(fd, POST("/softmax", "1048577"), NULL, "413 Content Too Large");
    close(fd);
}

/* Whoever sends without the "100 Continue" that it asked for, as curl does
 * after a second, can send all and finds nothing but the answer. */
static void test_an_error_reaches_who_does_not_wait(void **state)
{
    (void)state;
    static const char *const heads[][2] = {
        {"POST /softmax HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
         "Content-Length: 16777216\r\n\r\n",
         "HTTP/1.1 413 "},
        {"POST /nowhere HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
         "Content-Length: 16777216\r\n\r\n",
         "HTTP/1.1 404 "},
    };
    for (size_t i = 0; i < 2; i++) {
        size_t head = strlen(heads[i][0]), bytes = head + (16 << 20);
        char *text = malloc(bytes + 1);
        assert_non_null(text);
        memset(text, ' ', bytes);
        memcpy(text, heads[i][0], head);
        text[bytes] = '\0';
        int fd = fixture_connect(&fixture);
        char *got = converse(fd, text, NULL);
        assert_int_equal(strncmp(got, heads[i][1], 13), 0);
        assert_null(strstr(got, "100 Continue"));
        free(got);
        free(text);
        close(fd);
    }
}

static void test_too_large_reaches_who_sends_anyway(void **state)
{
    (void)state;
    size_t bytes = 32 << 20;
    char *body = malloc(bytes + 1);
    assert_non_null(body);
    memset(body, ' ', bytes);
    body[bytes] = '\0';
    const struct http_request plain = {
        .path = "/softmax", .body = body, .headers = HEADERS("Expect:")};
    const struct http_request chunked = {.path = "/softmax",
                                         .body = body,
                                         .chunked = true,
                                         .headers = HEADERS("Expect:")};
    check(&plain, 413, "Connection", "close");
    check(&chunked, 413, "Connection", "close");
    free(body);
}

static void test_a_body_within_the_limit_and_a_byte_more(void **state)
{
    (void)state;
    size_t most = 1 << 20;
    char *body = malloc(most + 2);
    assert_non_null(body);
    memset(body, ' ', most + 1);
    body[most + 1] = '\0';
    memcpy(body, "{\"logits\":[1,2,", 15);
    for (int chunked = 0; chunked < 2; chunked++) {
        struct http_request request = {.path = "/softmax",
                                       .body = body,
                                       .chunked = chunked,
                                       .body_bytes = most};
        memcpy(body + most - 3, "3]}", 3);
        check(&request, 200, NULL, NULL);
        memcpy(body + most - 3, " 3]}", 4);
        request.body_bytes = most + 1;
        check(&request, 413, NULL, NULL);
    }
    free(body);
}

static void test_an_early_error_in_a_large_body(void **state)
{
    (void)state;
    size_t bytes = 1000000;
    char *body = malloc(bytes + 1);
    assert_non_null(body);
    memset(body, ' ', bytes);
    body[bytes] = '\0';
    memcpy(body, "{\"logits\":]", 11);
    check(&(struct http_request){.path = "/softmax", .body = body}, 400,
          "Content-Type", "application/problem+json");
    free(body);
}

static void test_a_truncated_body_harms_nobody(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) {
        int fd = fixture_connect(&fixture);
        const char *text = POST("/softmax", "1000") "{\"logits\":[1,2";
        assert_true(send(fd, text, strlen(text), MSG_NOSIGNAL) > 0);
        close(fd);
    }
    check(&(struct http_request){.path = "/softmax", .body = BODY}, 200, NULL,
          NULL);
}

static void test_absolute_form(void **state)
{
    (void)state;
    int fd = fixture_connect(&fixture);
    expect(fd,
           "POST http://x:80/softmax HTTP/1.1\r\nHost: x\r\n"
           "Content-Length: 18\r\n\r\n" BODY,
           ANSWER, " 200 ");
    expect(fd, "GET HTTPS://x/healthz HTTP/1.1\r\nHost: x\r\n\r\n", "\"ok\"",
           " 200 ");
    expect(fd, "HEAD http://x HTTP/1.1\r\nHost: x\r\n\r\n", "\r\n\r\n",
           " 200 ");
    expect(fd, "GET http://x/nowhere HTTP/1.1\r\nHost: x\r\n\r\n", "}\n",
           "got /nowhere");
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_pages),
        cmocka_unit_test(test_head_has_the_length_and_no_body),
        cmocka_unit_test(test_unknown_path_and_method),
        cmocka_unit_test(test_media_types),
        cmocka_unit_test(test_request_id),
        cmocka_unit_test(test_chunked),
        cmocka_unit_test(test_expect_continue),
        cmocka_unit_test(test_an_error_keeps_the_connection),
        cmocka_unit_test(test_pipelining),
        cmocka_unit_test(test_head_leaves_nothing_behind),
        cmocka_unit_test(test_http_1_0_closes),
        cmocka_unit_test(test_too_large_is_said_from_the_headers),
        cmocka_unit_test(test_an_error_reaches_who_does_not_wait),
        cmocka_unit_test(test_too_large_reaches_who_sends_anyway),
        cmocka_unit_test(test_a_body_within_the_limit_and_a_byte_more),
        cmocka_unit_test(test_an_early_error_in_a_large_body),
        cmocka_unit_test(test_a_truncated_body_harms_nobody),
        cmocka_unit_test(test_absolute_form),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
