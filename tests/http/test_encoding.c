// SPDX-License-Identifier: MIT
/* gzip and deflate, both ways. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <cmocka.h>

#include "../support/daemon_fixture.h"

#define BODY "{\"logits\":[1,2,3]}"
#define ANSWER "{\"probabilities\":[0.09003057,0.24472848,0.66524094]}\n"
#define HEADERS(...)                                                           \
    (const char *const[])                                                      \
    {                                                                          \
        __VA_ARGS__, NULL                                                      \
    }

static struct fixture fixture, roomy, packing;

static int start(void **state)
{
    (void)state;
    fixture_start(&fixture, (const char *const[]){"--max-body=1MiB", NULL});
    fixture_start(&roomy, NULL);
    fixture_start(&packing,
                  (const char *const[]){"--compress", "--listen=0.0.0.0:0",
                                        "--listen=127.0.0.1:0", NULL});
    return 0;
}

static int stop(void **state)
{
    (void)state;
    fixture_stop(&fixture);
    fixture_stop(&roomy);
    fixture_stop(&packing);
    return 0;
}

/** Compress; window 15: zlib, 31: gzip. To be freed. */
static char *squeeze(const char *text, size_t bytes, int window, size_t *made)
{
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, window, 8, 0), Z_OK);
    size_t room = deflateBound(&z, bytes);
    char *out = malloc(room);
    assert_non_null(out);
    z.next_in = (Bytef *)(uintptr_t)text;
    z.avail_in = (uInt)bytes;
    z.next_out = (Bytef *)out;
    z.avail_out = (uInt)room;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    *made = z.total_out;
    deflateEnd(&z);
    return out;
}

static char *expand(const char *bytes, size_t count, size_t *made)
{
    z_stream z = {0};
    size_t room = 16 << 20;
    char *out = calloc(1, room);
    assert_non_null(out);
    assert_int_equal(inflateInit2(&z, 47), Z_OK); /* either header */
    z.next_in = (Bytef *)(uintptr_t)bytes;
    z.avail_in = (uInt)count;
    z.next_out = (Bytef *)out;
    z.avail_out = (uInt)room - 1;
    assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
    *made = z.total_out;
    inflateEnd(&z);
    return out;
}

static void check(const char *bytes, size_t count, const char *encoding,
                  int status, const char *part)
{
    struct http_answer answer = http_send(
        fixture.url, &(struct http_request){.path = "/softmax",
                                            .body = bytes,
                                            .body_bytes = count,
                                            .headers = HEADERS(encoding)});
    assert_int_equal(answer.status, status);
    if (!strstr(answer.body, part))
        fail_msg("no %s in: %s", part, answer.body);
    http_answer_free(&answer);
}

static void test_bodies(void **state)
{
    (void)state;
    size_t bytes;
    char *gzip = squeeze(BODY, strlen(BODY), 31, &bytes);
    check(gzip, bytes, "Content-Encoding: gzip", 200, ANSWER);
    check(gzip, bytes, "Content-Encoding: x-gzip", 200, ANSWER);
    check(gzip, bytes, "Content-Encoding: deflate", 400, "must be deflate");
    check(gzip, bytes, "Content-Encoding: identity\r\nContent-Encoding: gzip",
          415, "got identity and more, must be gzip");
    for (size_t n = 1; n < bytes; n++)
        check(gzip, n, "Content-Encoding: gzip", 400, "must be a whole one");
    free(gzip);
    char *zlib = squeeze(BODY, strlen(BODY), 15, &bytes);
    check(zlib, bytes, "Content-Encoding: deflate", 200, ANSWER);
    check(zlib, bytes, "Content-Encoding: gzip", 400, "must be gzip");
    char more[512];
    assert_true(bytes < sizeof more);
    memcpy(more, zlib, bytes);
    more[bytes] = 'x'; /* a stream of it ends where it ends */
    check(more, bytes + 1, "Content-Encoding: deflate", 400, "must be deflate");
    zlib[bytes - 1] ^= 1;
    check(zlib, bytes, "Content-Encoding: deflate", 400, "must be deflate");
    free(zlib);
    check(BODY, strlen(BODY), "Content-Encoding: gzip", 400, "must be gzip");
    check("", 0, "Content-Encoding: gzip", 400, "got no gzip stream");
}

static void test_gzip_of_two_members(void **state)
{
    (void)state;
    size_t first, second;
    char *a = squeeze("{\"logits\":", 10, 31, &first);
    char *b = squeeze("[1,2,3]}", 8, 31, &second);
    char *both = malloc(first + second);
    assert_non_null(both);
    memcpy(both, a, first);
    memcpy(both + first, b, second);
    check(both, first + second, "Content-Encoding: gzip", 200, ANSWER);
    free(a);
    free(b);
    free(both);
}

static void test_a_bomb(void **state)
{
    (void)state;
    size_t plain = 64 << 20, bytes;
    char *text = calloc(1, plain);
    assert_non_null(text);
    for (size_t i = 0; i < plain; i += 2)
        memcpy(text + i, "1,", 2);
    memcpy(text, "{\"logits\":[10,", 14);
    char *bomb = squeeze(text, plain, 31, &bytes);
    free(text);
    assert_true(bytes < 1 << 20);
    check(bomb, bytes, "Content-Encoding: gzip", 413, "--max-body");
    free(bomb);
}

static char *logits(size_t count)
{
    char *text = malloc(count * 8 + 32);
    assert_non_null(text);
    size_t used = (size_t)snprintf(text, 16, "{\"logits\":[");
    for (size_t i = 0; i < count; i++)
        used += (size_t)snprintf(text + used, 16, "%s%d.%d", i ? "," : "",
                                 (int)(i % 9), (int)(i % 7));
    memcpy(text + used, "]}", 3);
    return text;
}

/** The same request with these headers and without them: the same text, in
 *  this coding. */
static void check_answer(const char *url, const struct http_request *request,
                         const char *const *headers, const char *coding)
{
    struct http_request asking = *request;
    char got[32] = "";
    asking.headers = headers;
    struct http_answer plain = http_send(url, request);
    struct http_answer packed = http_send(url, &asking);
    assert_int_equal(plain.status, 200);
    assert_int_equal(packed.status, 200);
    http_header(&packed, "Content-Encoding", got, sizeof got);
    if (strcmp(got, coding) != 0)
        fail_msg("%s: got \"%s\", expected \"%s\"", request->path, got, coding);
    if (*coding) {
        size_t bytes;
        char *body = expand(packed.body, packed.body_bytes, &bytes);
        assert_int_equal(bytes, plain.body_bytes);
        assert_memory_equal(body, plain.body, bytes);
        assert_true(packed.body_bytes < plain.body_bytes);
        assert_true(http_header(&packed, "Vary", got, sizeof got));
        free(body);
    } else {
        assert_int_equal(packed.body_bytes, plain.body_bytes);
        assert_memory_equal(packed.body, plain.body, plain.body_bytes);
        assert_int_equal(http_header(&packed, "Vary", got, sizeof got),
                         http_header(&plain, "Vary", got, sizeof got));
    }
    http_answer_free(&plain);
    http_answer_free(&packed);
}

/* What the clients of these languages send when nobody tells them otherwise:
 * it costs a million logits neither a byte nor a turn through deflate. */
static void test_the_headers_of_common_clients(void **state)
{
    (void)state;
    const char *const *const clients[] = {
        HEADERS("User-Agent: python-requests/2.28.1",
                "Accept-Encoding: gzip, deflate", "Accept: */*",
                "Connection: keep-alive"),
        HEADERS("User-Agent: python-httpx/0.27.0", "Accept: */*",
                "Accept-Encoding: gzip, deflate, br, zstd"),
        HEADERS("User-Agent: Go-http-client/1.1", "Accept-Encoding: gzip"),
        HEADERS("User-Agent: node", "Accept: */*", "Accept-Language: *",
                "Sec-Fetch-Mode: cors", "Accept-Encoding: gzip, deflate"),
        HEADERS("User-Agent: Java/11.0.20", "Connection: keep-alive",
                "Accept: text/html, image/gif, image/jpeg, *; q=.2, "
                "*/*; q=.2"),
    };
    char *text = logits(1000000);
    for (size_t i = 0; i < sizeof clients / sizeof clients[0]; i++)
        check_answer(roomy.url,
                     &(struct http_request){
                         .path = "/softmax",
                         .body = text,
                         .headers = HEADERS("Accept-Encoding: identity")},
                     clients[i], "");
    free(text);
}

#define INPUT                                                                  \
    "{\"inputs\":[{\"name\":\"logits\",\"shape\":[500],\"datatype\":"          \
    "\"FP32\",\"data\":"

static void test_what_compress_allows(void **state)
{
    (void)state;
    char *many = logits(100000), *some = logits(500);
    char url[64], *infer, *binary;
    /* It ends as the input of the protocol does: "[...]}". */
    const char *data = strchr(some, '[');
    assert_true(asprintf(&infer, INPUT "%s]}", data) > 0);
    assert_true(asprintf(&binary,
                         INPUT "%s],\"parameters\":"
                               "{\"binary_data_output\":true}}",
                         data) > 0);
    const struct {
        const char *path, *body, *accept, *coding;
    } cases[] = {
        {"/softmax", some, "gzip", "gzip"},
        {"/softmax", many, "gzip", "gzip"},
        {"/softmax", many, "deflate", "deflate"},
        {"/softmax", BODY, "gzip", ""}, /* does not pay */
        {"/softmax", some, "br", ""},
        {"/softmax", some, "gzip;q=0", ""},
        {"/openapi.yaml", NULL, "gzip", "gzip"},
        {"/", NULL, "gzip", "gzip"},
        {"/v2/models/softmax/infer", infer, "gzip", "gzip"},
        {"/v2/models/softmax/infer", binary, "gzip", ""},
        {"/v2/models/gradient", NULL, "gzip", ""},
        {"/v2/models/gradient/config", NULL, "gzip", ""},
    };
    fixture_outer_url(&packing, url, sizeof url);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct http_request request = {.path = cases[i].path,
                                       .body = cases[i].body};
        char accept[64];
        snprintf(accept, sizeof accept, "Accept-Encoding: %s", cases[i].accept);
        check_answer(url, &request, HEADERS(accept), cases[i].coding);
    }
    /* Never where the bytes do not leave the machine. */
    check_answer(daemon_address(packing.daemon, 1),
                 &(struct http_request){.path = "/softmax", .body = many},
                 HEADERS("Accept-Encoding: gzip"), "");
    free(many);
    free(some);
    free(infer);
    free(binary);
}

/* Where memory is too short for deflate, the answer leaves as it is. */
static void test_too_little_memory_to_compress(void **state)
{
    (void)state;
    struct fixture small;
    char url[64], *text = logits(5000);
    fixture_start(&small,
                  (const char *const[]){"--compress", "--listen=0.0.0.0:0",
                                        "--memory-limit=200K", NULL});
    fixture_outer_url(&small, url, sizeof url);
    check_answer(url, &(struct http_request){.path = "/softmax", .body = text},
                 HEADERS("Accept-Encoding: gzip"), "");
    fixture_stop(&small);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_gzip_of_two_members),
        cmocka_unit_test(test_a_bomb),
        cmocka_unit_test(test_the_headers_of_common_clients),
        cmocka_unit_test(test_what_compress_allows),
        cmocka_unit_test(test_too_little_memory_to_compress),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
