// SPDX-License-Identifier: MIT
/* The protocol as a socket has it: headers, encodings, chunks, methods. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <zlib.h>

#include "../support/daemon_fixture.h"

#define INFER "/v2/models/softmax/infer"
#define JSON_PART                                                              \
    "{\"inputs\":[{\"name\":\"logits\",\"shape\":[1,3],\"datatype\":\"FP32\"," \
    "\"parameters\":{\"binary_data_size\":12}}],"                              \
    "\"parameters\":{\"binary_data_output\":true}}"
#define JSON_ONLY                                                              \
    "{\"inputs\":[{\"name\":\"logits\",\"shape\":[3],\"datatype\":\"FP32\","   \
    "\"data\":[1,2,3]}]}"

static struct fixture fixture;

static int start(void **state)
{
    (void)state;
    static const char *const flags[] = {"--max-body=64KiB", NULL};
    fixture_start(&fixture, flags);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    fixture_stop(&fixture);
    return 0;
}

/* JSON_PART and its tensor; the header's line names the length of the first. */
static const unsigned char tensor[12] = {0, 0,    0x80, 0x3f, 0,    0,
                                         0, 0x40, 0,    0,    0x40, 0x40};
static char body[sizeof JSON_PART - 1 + sizeof tensor];
static char length[64];

static void fill(void)
{
    memcpy(body, JSON_PART, sizeof JSON_PART - 1);
    memcpy(body + sizeof JSON_PART - 1, tensor, sizeof tensor);
    snprintf(length, sizeof length, "Inference-Header-Content-Length: %zu",
             sizeof JSON_PART - 1);
}

static void assert_header(const struct http_answer *answer, const char *name,
                          const char *expected)
{
    char text[128];
    assert_true(http_header(answer, name, text, sizeof text));
    assert_string_equal(text, expected);
}

/* The three probabilities behind the JSON part, by their bits. */
static void assert_probabilities(const struct http_answer *answer)
{
    static const float expected[] = {0.09003057f, 0.24472848f, 0.66524094f};
    char text[32];
    if (answer->status != 200)
        fail_msg("got %d %s", answer->status, answer->body);
    assert_header(answer, "Content-Type", "application/octet-stream");
    assert_true(http_header(answer, "Inference-Header-Content-Length", text,
                            sizeof text));
    size_t json = strtoul(text, NULL, 10);
    assert_int_equal(answer->body_bytes, json + sizeof expected);
    assert_memory_equal(answer->body + json, expected, sizeof expected);
}

static void assert_refused(const struct http_request *request, int status,
                           const char *sentence)
{
    struct http_answer answer = http_send(fixture.url, request);
    if (answer.status != status || !strstr(answer.body, sentence))
        fail_msg("got %d %s, expected %d %s", answer.status, answer.body,
                 status, sentence);
    assert_header(&answer, "Content-Type", "application/json");
    assert_memory_equal(answer.body, "{\"error\":\"", 10);
    http_answer_free(&answer);
}

/* ---- bodies ------------------------------------------------------------- */

static void binary_with_and_without_a_length(void **state)
{
    (void)state;
    const char *const headers[] = {
        length, "Content-Type: application/octet-stream", NULL};
    for (int chunked = 0; chunked < 2; chunked++) {
        struct http_answer answer = http_send(
            fixture.url, &(struct http_request){.path = INFER,
                                                .headers = headers,
                                                .body = body,
                                                .body_bytes = sizeof body,
                                                .chunked = chunked});
        assert_probabilities(&answer);
        http_answer_free(&answer);
    }
}

/* The Python client of Triton sends none, its asyncio twin octet-stream. */
static void types_are_not_asked_for(void **state)
{
    (void)state;
    static const char *const types[] = {"Content-Type:", "Content-Type: a/b",
                                        "Accept: application/octet-stream"};
    for (size_t i = 0; i < 3; i++) {
        const char *const headers[] = {length, types[i], NULL};
        struct http_answer answer = http_send(
            fixture.url, &(struct http_request){.path = INFER,
                                                .headers = headers,
                                                .body = body,
                                                .body_bytes = sizeof body});
        assert_probabilities(&answer);
        http_answer_free(&answer);
        answer = http_send(fixture.url,
                           &(struct http_request){.path = INFER,
                                                  .headers = headers + 1,
                                                  .body = JSON_ONLY});
        assert_int_equal(answer.status, 200);
        assert_header(&answer, "Content-Type", "application/json");
        http_answer_free(&answer);
    }
}

/* window: 15 writes zlib (deflate), 31 gzip. */
static size_t compress_body(unsigned char *out, size_t room, int window)
{
    z_stream stream = {.next_in = (unsigned char *)body,
                       .avail_in = sizeof body,
                       .next_out = out,
                       .avail_out = (uInt)room};
    assert_int_equal(
        deflateInit2(&stream, 6, Z_DEFLATED, window, 8, Z_DEFAULT_STRATEGY),
        Z_OK);
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    size_t bytes = room - stream.avail_out;
    deflateEnd(&stream);
    return bytes;
}

/* The header counts the bytes before they were compressed. */
static void whole_bodies_are_compressed(void **state)
{
    (void)state;
    static const struct {
        const char *encoding;
        int window;
    } cases[] = {{"Content-Encoding: gzip", 31},
                 {"Content-Encoding: deflate", 15}};
    for (size_t i = 0; i < 2; i++) {
        unsigned char packed[512];
        size_t bytes = compress_body(packed, sizeof packed, cases[i].window);
        const char *const headers[] = {length, cases[i].encoding, NULL};
        struct http_answer answer = http_send(
            fixture.url, &(struct http_request){.path = INFER,
                                                .headers = headers,
                                                .body = (const char *)packed,
                                                .body_bytes = bytes});
        assert_probabilities(&answer);
        http_answer_free(&answer);
    }
}

static void names_are_percent_decoded(void **state)
{
    (void)state;
    static const char *const paths[] = {
        "/v2/models/soft%6Dax/infer",
        "/v2/models/soft%6dax/versions/%31/infer"};
    for (size_t i = 0; i < 2; i++) {
        struct http_answer answer = http_post(fixture.url, paths[i], JSON_ONLY);
        assert_int_equal(answer.status, 200);
        assert_header(&answer, "Content-Type", "application/json");
        http_answer_free(&answer);
    }
}

/* ---- refusals ----------------------------------------------------------- */

static void paths_and_methods_answer_in_the_protocol(void **state)
{
    (void)state;
    static const struct {
        const char *method, *path;
        int status;
        const char *sentence;
    } cases[] = {
        {"GET", "/v2/nothing", 404,
         "path: got /v2/nothing, must be one that GET /openapi.json lists"},
        {"GET", "/v2/models/resnet", 404,
         "model: got \\\"resnet\\\", must be one of softmax, log_softmax, "
         "loss, gradient"},
        {"GET", "/v2/models/softmax/versions/7/ready", 404,
         "model softmax: got version \\\"7\\\", must be \\\"1\\\""},
        {"GET", INFER, 405, "method: got GET, must be POST"},
        {"DELETE", "/v2/models/softmax", 405, "method: got DELETE, must be "},
        {"PUT", "/v2/health/live", 405, "method: got PUT, must be "},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_refused(&(struct http_request){.method = cases[i].method,
                                              .path = cases[i].path},
                       cases[i].status, cases[i].sentence);
    assert_refused(&(struct http_request){.path = "/v2/models/resnet/infer",
                                          .body = JSON_ONLY},
                   404, "model: got \\\"resnet\\\", must be ");
}

static void methods_are_those_of_the_path(void **state)
{
    (void)state;
    static const struct {
        const char *method, *path;
        int status;
        const char *allow;
    } cases[] = {
        {"OPTIONS", INFER, 204, "OPTIONS, POST"},
        {"GET", INFER, 405, "OPTIONS, POST"},
        {"PUT", INFER, 405, "OPTIONS, POST"},
        {"OPTIONS", "/v2/models/loss/ready", 204, "GET, HEAD, OPTIONS"},
        {"POST", "/v2/models/loss", 405, "GET, HEAD, OPTIONS"},
        {"OPTIONS", "/v2", 204, "GET, HEAD, OPTIONS"},
        {"OPTIONS", "/v2/repository/index", 204, "OPTIONS, POST"},
        {"OPTIONS", "/v2/models/resnet/infer", 404, NULL},
        {"PUT", "/v2/models/resnet/infer", 404, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[128];
        struct http_answer answer = http_send(
            fixture.url, &(struct http_request){.method = cases[i].method,
                                                .path = cases[i].path});
        assert_int_equal(answer.status, cases[i].status);
        if (cases[i].allow)
            assert_header(&answer, "Allow", cases[i].allow);
        else
            assert_false(http_header(&answer, "Allow", text, sizeof text));
        http_answer_free(&answer);
    }
}

static void limits_and_encodings_answer_in_the_protocol(void **state)
{
    (void)state;
    static const char *const brotli[] = {"Content-Encoding: br", NULL};
    static char large[70000];
    memset(large, ' ', sizeof large);
    assert_refused(&(struct http_request){.path = INFER,
                                          .headers = brotli,
                                          .body = JSON_ONLY},
                   415,
                   "Content-Encoding: got br, must be gzip, deflate or "
                   "identity");
    for (int chunked = 0; chunked < 2; chunked++)
        assert_refused(&(struct http_request){.path = INFER,
                                              .body = large,
                                              .body_bytes = sizeof large,
                                              .chunked = chunked},
                       413, "must be at most 65536");
}

static void lengths_out_of_range_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *header, *sentence;
    } cases[] = {
        {"Inference-Header-Content-Length: 9999", "got 9999, must be at most"},
        {"Inference-Header-Content-Length: -1", "must be a number of bytes"},
        {"Inference-Header-Content-Length: x", "must be a number of bytes"},
        {"Inference-Header-Content-Length: 30",
         "at byte 30 (line 1, column 31)"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const char *const headers[] = {cases[i].header, NULL};
        assert_refused(&(struct http_request){.path = INFER,
                                              .headers = headers,
                                              .body = JSON_ONLY},
                       400, cases[i].sentence);
    }
}

static void short_and_left_over_bytes_are_refused(void **state)
{
    (void)state;
    char more[sizeof body + 5];
    const char *const headers[] = {length, NULL};
    memset(more, 0, sizeof more);
    memcpy(more, body, sizeof body);
    assert_refused(&(struct http_request){.path = INFER,
                                          .headers = headers,
                                          .body = body,
                                          .body_bytes = sizeof body - 1},
                   400, "input 'logits': got 11 bytes, must be 12");
    assert_refused(&(struct http_request){.path = INFER,
                                          .headers = headers,
                                          .body = more,
                                          .body_bytes = sizeof more},
                   400, "of JSON and 12 of binary tensors");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(binary_with_and_without_a_length),
        cmocka_unit_test(types_are_not_asked_for),
        cmocka_unit_test(whole_bodies_are_compressed),
        cmocka_unit_test(names_are_percent_decoded),
        cmocka_unit_test(paths_and_methods_answer_in_the_protocol),
        cmocka_unit_test(methods_are_those_of_the_path),
        cmocka_unit_test(limits_and_encodings_answer_in_the_protocol),
        cmocka_unit_test(lengths_out_of_range_are_refused),
        cmocka_unit_test(short_and_left_over_bytes_are_refused),
    };
    fill();
    return cmocka_run_group_tests(tests, start, stop);
}
