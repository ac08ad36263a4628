// SPDX-License-Identifier: MIT
/* The exchange without a socket: what the head decides, the headers of every
 * error, when an answer does not wait for the rest of its request. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../server/api/native.h"
#include "../../server/http/pages.h"
#include "../../server/http/tokens.h"
#include "../../server/observe/metrics.h"
#include "../../server/v2/v2_routes.h"
#include "../support/roundtrip.h"

#define THREE "{\"logits\":[1,2,3]}"

static struct server server;
static struct options options;

static int start(void **state)
{
    (void)state;
    roundtrip_serve(&server, api_routes, api_route_count);
    assert_true(routes_add(&server.routes, v2_routes, v2_route_count));
    assert_true(routes_add(&server.routes, pages_routes, pages_route_count));
    options = *server.options;
    server.options = &options;
    server.service.max_body = 1 << 20;
    server.service.budget.limit = 1 << 24;
    server.service.metrics =
        metrics_create(server.routes.route, server.routes.count);
    assert_non_null(server.service.metrics);
    return smx_context_create(&server.service.compute, NULL);
}

static int stop(void **state)
{
    (void)state;
    metrics_free(server.service.metrics);
    smx_context_free(server.service.compute);
    return 0;
}

static struct roundtrip ask(struct roundtrip trip)
{
    trip.bytes = trip.body && !trip.bytes ? strlen(trip.body) : trip.bytes;
    roundtrip_do(&trip, &server);
    return trip;
}

static void assert_header(const struct roundtrip *trip, const char *name,
                          const char *value)
{
    const char *got = roundtrip_header(trip, name);
    if (got ? !value || strcmp(got, value) != 0 : value != NULL)
        fail_msg("%s %s: %d with %s: %s, must be %s",
                 trip->method ? trip->method : "POST", trip->path, trip->status,
                 name, got ? got : "nothing", value ? value : "nothing");
}

/* How often requests were turned away for that reason. */
static unsigned long rejected(const char *reason)
{
    static char text[1 << 18];
    char label[64];
    size_t used = 0;
    struct writer *writer = writer_create();
    assert_true(metrics_write(server.service.metrics, NULL, 0, "base", writer));
    for (size_t n;
         (n = writer_next(writer, text + used, sizeof text - 1 - used)) > 0;)
        used += n;
    text[used] = '\0';
    writer_free(writer);
    snprintf(label, sizeof label, "rejected_total{reason=\"%s\"} ", reason);
    const char *at = strstr(text, label);
    assert_non_null(at);
    return strtoul(at + strlen(label), NULL, 10);
}

/* ---- errors ----------------------------------------------------------- */

static const struct refusal {
    struct roundtrip asked;
    int status;
    const char *detail, *allow, *retry_after, *authenticate, *accept_encoding;
} refusals[] = {
    {{.method = "GET", .path = "/none"}, 404, "path: got /none", 0, 0, 0, 0},
    {{.method = "PUT", .path = "/loss", .body = THREE},
     405,
     "method: got PUT",
     "OPTIONS, POST",
     0,
     0,
     0},
    {{.method = "POST", .path = "/healthz"},
     405,
     "method: got POST",
     "GET, HEAD, OPTIONS",
     0,
     0,
     0},
    {{.method = "DELETE", .path = "/v2/models/loss/infer"},
     405,
     "method: got DELETE",
     "OPTIONS, POST",
     0,
     0,
     0},
    {{.path = "/softmax", .body = THREE, .field = {{"Accept", "text/html"}}},
     406,
     "Accept: got text/html",
     0,
     0,
     0,
     0},
    {{.path = "/softmax",
      .body = THREE,
      .field = {{"Content-Type", "text/html"}}},
     415,
     "Content-Type: got text/html",
     0,
     0,
     0,
     0},
    {{.path = "/softmax", .body = THREE, .field = {{"Content-Encoding", "br"}}},
     415,
     "Content-Encoding: got br",
     0,
     0,
     0,
     "gzip, deflate"},
    {{.method = "GET",
      .path = "/healthz",
      .field = {{"Content-Length", "1048577"}}},
     413,
     "body: got more than it may have",
     0,
     0,
     0,
     0},
    {{.path = "/softmax", .body = THREE, .over = true},
     503,
     "connections: got one more",
     0,
     "1",
     0,
     0},
    {{.path = "/softmax", .body = "{"}, 400, "", 0, 0, 0, 0},
    {{.path = "/softmax", .body = "{}"},
     422,
     "logits: got nothing",
     0,
     0,
     0,
     0},
    {{.path = "/softmax", .body = THREE, .fault = "no Host"},
     400,
     "headers: got no Host",
     0,
     0,
     0,
     0},
};

static void each_error_has_its_headers_once(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refusals / sizeof refusals[0]; i++) {
        const struct refusal *r = &refusals[i];
        struct roundtrip trip = ask(r->asked);
        if (trip.status != r->status || !strstr(trip.answer, r->detail))
            fail_msg("%s: got %d %s, must be %d %s", r->asked.path, trip.status,
                     trip.answer, r->status, r->detail);
        assert_header(&trip, "Allow", r->allow);
        assert_header(&trip, "Retry-After", r->retry_after);
        assert_header(&trip, "WWW-Authenticate", r->authenticate);
        assert_header(&trip, "Accept-Encoding", r->accept_encoding);
        assert_header(&trip, "Connection",
                      r->asked.over || r->asked.fault || r->status == 413
                          ? "close"
                          : NULL);
        assert_non_null(roundtrip_header(&trip, "X-Request-Id"));
        roundtrip_free(&trip);
    }
}

static void readiness_says_when_to_come_back_once(void **state)
{
    (void)state;
    static const char *const paths[] = {"/readyz", "/v2/health/ready",
                                        "/v2/models/loss/ready"};
    server.life = LIFE_DELAY;
    server.service.is_ready = pages_is_ready;
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        struct roundtrip trip =
            ask((struct roundtrip){.method = "GET", .path = paths[i]});
        assert_int_equal(trip.status, 503);
        assert_header(&trip, "Retry-After", "1");
        roundtrip_free(&trip);
    }
    server.life = LIFE_SERVING;
}

static void a_token_is_asked_for(void **state)
{
    (void)state;
    struct error error;
    char name[] = "/tmp/softmaxd-token-XXXXXX";
    int fd = mkstemp(name);
    FILE *file = fdopen(fd, "w");
    assert_non_null(file);
    fputs("secret\n", file);
    assert_int_equal(fclose(file), 0);
    server.tokens = tokens_create(name, &error);
    remove(name);
    assert_non_null(server.tokens);
    unsigned long before = rejected("token");
    struct roundtrip none =
        ask((struct roundtrip){.path = "/softmax", .body = THREE});
    struct roundtrip one =
        ask((struct roundtrip){.path = "/softmax",
                               .body = THREE,
                               .field = {{"Authorization", "Bearer secret"}}});
    assert_int_equal(none.status, 401);
    assert_header(&none, "WWW-Authenticate", "Bearer");
    assert_int_equal(one.status, 200);
    assert_int_equal(rejected("token"), before + 1);
    roundtrip_free(&none);
    roundtrip_free(&one);
    tokens_free(server.tokens);
    server.tokens = NULL;
}

/* ---- why a request was turned away ------------------------------------ */

static void the_metrics_follow_from_the_cause(void **state)
{
    (void)state;
    static const char body[64 * 1024] = "{\"logits\":[0]}";
    const struct {
        const char *reason;
        int status;
        size_t max_in_flight, max_body, limit;
        struct roundtrip asked;
    } cases[] = {
        {"connections",
         503,
         9,
         1 << 20,
         1 << 20,
         {.path = "/loss", .body = THREE, .over = true}},
        {"in_flight",
         503,
         0,
         1 << 20,
         1 << 20,
         {.path = "/loss", .body = THREE}},
        {"too_large", 413, 9, 10, 1 << 20, {.path = "/loss", .body = THREE}},
        {"too_large", 413, 9, 1 << 20, 8, {.path = "/softmax", .body = THREE}},
        /* What undoes the encoding does not fit: there is no call yet. */
        {"memory",
         503,
         9,
         1 << 20,
         1024,
         {.path = "/softmax",
          .body = body,
          .bytes = 100,
          .field = {{"Content-Encoding", "gzip"}}}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        unsigned long before = rejected(cases[i].reason);
        options.max_in_flight = cases[i].max_in_flight;
        server.service.max_body = cases[i].max_body;
        server.service.budget.limit = cases[i].limit;
        struct roundtrip trip = ask(cases[i].asked);
        assert_int_equal(trip.status, cases[i].status);
        assert_int_equal(rejected(cases[i].reason), before + 1);
        roundtrip_free(&trip);
    }
    options.max_in_flight = 1024;
    server.service.max_body = 1 << 20;
    server.service.budget.limit = 1 << 24;
}

/* ---- the rest of a body that nobody wants ----------------------------- */

static void a_short_rest_is_dropped_a_long_one_closes(void **state)
{
    (void)state;
    enum { SHORT = 60 * 1024, LONG = 200 * 1024 };
    char *body = malloc(LONG);
    assert_non_null(body);
    memset(body, 'x', LONG);
    for (int chunked = 0; chunked < 2; chunked++) {
        struct roundtrip trip = {.path = "/none", .body = body, .slice = 1024};
        if (chunked)
            trip.field[0] =
                (struct roundtrip_field){"Transfer-Encoding", "chunked"};
        for (int large = 0; large < 2; large++) {
            trip.bytes = large ? LONG : SHORT;
            roundtrip_do(&trip, &server);
            assert_int_equal(trip.status, 404);
            assert_int_equal(trip.early, large);
            assert_header(&trip, "Connection", large ? "close" : NULL);
            roundtrip_free(&trip);
        }
    }
    free(body);
}

/* Members of gzip that hold nothing may follow one another without an end. */
static void a_stream_of_nothing_is_limited(void **state)
{
    (void)state;
    static const char empty[] = "\x1f\x8b\x08\0\0\0\0\0\0\x03"
                                "\x03\0\0\0\0\0\0\0\0";
    size_t bytes = server.service.max_body + 4 * sizeof empty;
    char *body = malloc(bytes);
    assert_non_null(body);
    for (size_t i = 0; i < bytes; i++)
        body[i] = empty[i % sizeof empty];
    struct roundtrip trip =
        ask((struct roundtrip){.path = "/softmax",
                               .body = body,
                               .bytes = bytes / sizeof empty * sizeof empty,
                               .slice = 4096,
                               .field = {{"Content-Encoding", "gzip"},
                                         {"Transfer-Encoding", "chunked"}}});
    assert_int_equal(trip.status, 413);
    roundtrip_free(&trip);
    free(body);
}

static void who_waits_for_a_continue_is_told_at_once(void **state)
{
    (void)state;
    static const char *const bodies[] = {THREE, "x"}; /* however small */
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        struct roundtrip trip =
            ask((struct roundtrip){.path = "/none",
                                   .body = bodies[i],
                                   .field = {{"Expect", "100-Continue "}}});
        assert_int_equal(trip.status, 404);
        assert_true(trip.early);
        assert_header(&trip, "Connection", "close");
        roundtrip_free(&trip);
    }
}

static void every_answer_closes_while_draining(void **state)
{
    (void)state;
    server.life = LIFE_CLOSING;
    struct roundtrip trip =
        ask((struct roundtrip){.path = "/softmax", .body = THREE});
    server.life = LIFE_SERVING;
    assert_int_equal(trip.status, 200);
    assert_header(&trip, "Connection", "close");
    roundtrip_free(&trip);
}

/* ---- answers ---------------------------------------------------------- */

static void head_has_the_length_and_no_body(void **state)
{
    (void)state;
    static const char *const paths[] = {"/healthz", "/openapi.json"};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        struct roundtrip get =
            ask((struct roundtrip){.method = "GET", .path = paths[i]});
        struct roundtrip head =
            ask((struct roundtrip){.method = "HEAD", .path = paths[i]});
        assert_int_equal(head.status, 200);
        assert_int_equal(head.answer_bytes, 0);
        assert_int_equal(head.length, get.answer_bytes);
        roundtrip_free(&get);
        roundtrip_free(&head);
    }
}

static void options_tells_the_methods(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"/softmax", "OPTIONS, POST"},
        {"/metrics", "GET, HEAD, OPTIONS"},
        {"/v2/models/loss/infer", "OPTIONS, POST"},
        {"/v2/models/loss", "GET, HEAD, OPTIONS"},
        {"*", "GET, HEAD, OPTIONS, POST"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct roundtrip trip =
            ask((struct roundtrip){.method = "OPTIONS", .path = cases[i][0]});
        assert_int_equal(trip.status, 204);
        assert_int_equal(trip.answer_bytes, 0);
        assert_header(&trip, "Allow", cases[i][1]);
        roundtrip_free(&trip);
    }
}

static void what_is_large_or_asked_for_is_compressed(void **state)
{
    (void)state;
    options.compress = 1;
    struct roundtrip asked = {.method = "GET",
                              .path = "/openapi.json",
                              .field = {{"Accept-Encoding", "gzip"}}};
    struct roundtrip large = ask(asked);
    asked.path = "/healthz";
    struct roundtrip small = ask(asked);
    options.compress = 0;
    struct roundtrip plain = ask(asked);
    assert_header(&large, "Content-Encoding", "gzip");
    assert_header(&large, "Vary", "Accept-Encoding");
    assert_memory_equal(large.answer, "\x1f\x8b", 2);
    assert_header(&small, "Content-Encoding", NULL);
    assert_header(&small, "Vary", NULL);
    assert_header(&plain, "Vary", NULL);
    roundtrip_free(&large);
    roundtrip_free(&small);
    roundtrip_free(&plain);
}

static void an_id_is_echoed_where_it_is_plain(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"a-1", "a-1"}, {"a-1 \t", "a-1"}, {"a b", NULL}, {"", NULL}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct roundtrip trip =
            ask((struct roundtrip){.method = "GET",
                                   .path = "/healthz",
                                   .field = {{"X-Request-Id", cases[i][0]}}});
        const char *id = roundtrip_header(&trip, "X-Request-Id");
        assert_non_null(id);
        if (cases[i][1])
            assert_string_equal(id, cases[i][1]);
        else
            assert_int_equal(strspn(id, "0123456789abcdef"), 16);
        roundtrip_free(&trip);
    }
}

/* One that is refused before its head is here, on a kept-alive connection. */
static void nothing_of_the_request_before_is_left(void **state)
{
    (void)state;
    static struct exchange x;
    struct response response;
    const struct roundtrip before = {
        .method = "PUT",
        .path = "/softmax",
        .body = "",
        .field = {{"X-Request-Id", "before"}, {"traceparent", "00-1"}}};
    roundtrip_ask(&before, &x, &server);
    assert_true(exchange_respond(&x, &response));
    response_deinit(&response);
    assert_string_equal(x.id, "before");
    exchange_end(&x, false);
    exchange_init(&x, &server);
    problem_set(&x.problem, 414, NULL, "path: too long");
    assert_true(exchange_respond(&x, &response));
    response_deinit(&response);
    assert_int_equal(x.status, 414);
    assert_string_equal(x.problem.detail, "path: too long");
    assert_string_equal(x.trace, "");
    assert_null(x.allow);
    assert_int_equal(strspn(x.id, "0123456789abcdef"), 16);
    exchange_end(&x, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_error_has_its_headers_once),
        cmocka_unit_test(readiness_says_when_to_come_back_once),
        cmocka_unit_test(a_token_is_asked_for),
        cmocka_unit_test(the_metrics_follow_from_the_cause),
        cmocka_unit_test(a_short_rest_is_dropped_a_long_one_closes),
        cmocka_unit_test(a_stream_of_nothing_is_limited),
        cmocka_unit_test(who_waits_for_a_continue_is_told_at_once),
        cmocka_unit_test(every_answer_closes_while_draining),
        cmocka_unit_test(head_has_the_length_and_no_body),
        cmocka_unit_test(options_tells_the_methods),
        cmocka_unit_test(what_is_large_or_asked_for_is_compressed),
        cmocka_unit_test(an_id_is_echoed_where_it_is_plain),
        cmocka_unit_test(nothing_of_the_request_before_is_left),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
