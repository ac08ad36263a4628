// SPDX-License-Identifier: MIT
#include "roundtrip.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static bool always_ready(const struct service *unused)
{
    (void)unused;
    return true;
}

void roundtrip_serve(struct server *server, const struct route *routes,
                     size_t count)
{
    static struct options options;
    options_defaults(&options);
    *server = (struct server){
        .service = {.budget = {.limit = SIZE_MAX},
                    .max_body = SIZE_MAX,
                    .is_ready = always_ready},
        .options = &options,
        .max_connections = (size_t)options.max_connections,
    };
    assert_true(routes_add(&server->routes, routes, count));
}

enum smx_status roundtrip_compute(struct server *server)
{
    const struct smx_config config = {.size = sizeof config, .threads = 1};
    return smx_context_create(&server->service.compute, &config);
}

/* ---- ask -------------------------------------------------------------- */

static void add_field(struct exchange *x, const char *name, const char *value)
{
    if (value)
        headers_field(&x->headers, name, strlen(name), value);
}

static void add_head(const struct roundtrip *trip, struct exchange *x)
{
    char length[32];
    snprintf(length, sizeof length, "%zu", trip->bytes);
    add_field(x, "Inference-Header-Content-Length", trip->header_length);
    for (const struct roundtrip_field *f = trip->field; f->name; f++)
        add_field(x, f->name, f->value);
    for (size_t i = 0; i < trip->query_count; i++)
        headers_argument(&x->headers, trip->query[i].name,
                         trip->query[i].value);
    if (!x->headers.transfer_encoding && !x->headers.content_length_text)
        add_field(x, "Content-Length", length);
    headers_finish(&x->headers);
    x->headers.content_length_text = NULL; /* it ends with this function */
    x->fault = trip->fault;
    x->over = trip->over;
}

static enum exchange_next feed(const struct roundtrip *trip, struct exchange *x,
                               const char *slice, size_t count)
{
    if (trip->in_place)
        return exchange_feed(x, slice, count);
    char *copy = malloc(count); /* so that reading beyond it is seen */
    assert_non_null(copy);
    memcpy(copy, slice, count);
    enum exchange_next next = exchange_feed(x, copy, count);
    free(copy);
    return next;
}

bool roundtrip_ask(const struct roundtrip *trip, struct exchange *x,
                   struct server *server)
{
    size_t slice = trip->slice ? trip->slice : trip->bytes, left;
    exchange_init(x, server);
    add_head(trip, x);
    enum exchange_next next =
        exchange_begin(x, trip->method ? trip->method : "POST", trip->path);
    for (size_t at = 0; next == EXCHANGE_READ && at < trip->bytes; at += slice)
        left = trip->bytes - at,
        next = feed(trip, x, trip->body + at, left < slice ? left : slice);
    if (next == EXCHANGE_RESPOND)
        return false;
    if (exchange_finish(x) == EXCHANGE_COMPUTE)
        exchange_run(x);
    return true;
}

/* ---- what comes back -------------------------------------------------- */

static void append(struct roundtrip *trip, const void *data, size_t bytes)
{
    trip->answer = realloc(trip->answer, trip->answer_bytes + bytes + 1);
    assert_non_null(trip->answer);
    if (bytes)
        memcpy(trip->answer + trip->answer_bytes, data, bytes);
    trip->answer_bytes += bytes;
    trip->answer[trip->answer_bytes] = '\0';
}

static void take_headers(struct roundtrip *trip,
                         const struct response *response)
{
    size_t used = 0;
    trip->headers[0] = trip->text_length[0] = trip->type[0] = '\0';
    for (size_t i = 0; i < response->header_count; i++) {
        const char *name = response->header[i].name;
        const char *value = response->header[i].value;
        used +=
            (size_t)snprintf(trip->headers + used, sizeof trip->headers - used,
                             "\n%s: %s", name, value);
        assert_true(used < sizeof trip->headers);
        if (strcmp(name, "Inference-Header-Content-Length") == 0)
            snprintf(trip->text_length, sizeof trip->text_length, "%s", value);
        if (strcmp(name, "Content-Type") == 0)
            snprintf(trip->type, sizeof trip->type, "%s", value);
    }
}

static void take_body(struct roundtrip *trip, const struct response *response,
                      struct stream *stream)
{
    char buffer[100];
    ssize_t n = 0;
    append(trip, NULL, 0);
    if (!stream) {
        append(trip, response->text, response->text_bytes);
        trip->text_bytes = trip->answer_bytes;
        for (size_t i = 0; i < response->reply.tensor_count; i++) {
            const struct tensor *tensor = response->reply.tensors[i];
            append(trip, tensor->data,
                   tensor->count * tensor_element_bytes(tensor->type));
        }
        return;
    }
    while ((n = stream_next(stream, buffer, sizeof buffer)) > 0)
        append(trip, buffer, (size_t)n);
    assert_int_equal(n, 0);
    trip->text_bytes = trip->text_length[0]
                           ? strtoull(trip->text_length, NULL, 10)
                           : trip->answer_bytes;
}

void roundtrip_do(struct roundtrip *trip, struct server *server)
{
    size_t before = atomic_load(&server->service.budget.taken);
    struct response response;
    struct exchange x;
    trip->early = !roundtrip_ask(trip, &x, server);
    trip->status = 0;
    trip->work = x.work;
    if (exchange_respond(&x, &response)) {
        trip->status = response.reply.status;
        trip->length = response.length;
        take_headers(trip, &response);
        take_body(trip, &response, x.stream);
        if (strcmp(x.method, "HEAD") != 0 && response.length != UINT64_MAX)
            assert_int_equal(response.length, trip->answer_bytes);
        response_deinit(&response);
    }
    trip->problem = x.problem;
    exchange_end(&x, false);
    assert_int_equal(atomic_load(&server->service.budget.taken), before);
    assert_int_equal(atomic_load(&server->in_flight), 0);
}

const char *roundtrip_header(const struct roundtrip *trip, const char *name)
{
    static char value[256];
    char start[64];
    size_t bytes = (size_t)snprintf(start, sizeof start, "\n%s: ", name);
    const char *at = strstr(trip->headers, start);
    if (!at)
        return NULL;
    if (strstr(at + bytes, start))
        fail_msg("%s stands twice", name);
    snprintf(value, sizeof value, "%.*s", (int)strcspn(at + bytes, "\n"),
             at + bytes);
    return value;
}

void roundtrip_free(struct roundtrip *trip)
{
    free(trip->answer);
    trip->answer = NULL;
    trip->answer_bytes = trip->text_bytes = 0;
}
