// SPDX-License-Identifier: MIT
#include "inference.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "../../server/api/native.h"
#include "../../server/v2/v2_routes.h"

struct server inference_server;

int inference_start(void **state)
{
    (void)state;
    struct service *service = &inference_server.service;
    roundtrip_serve(&inference_server, v2_routes, v2_route_count);
    assert_true(
        routes_add(&inference_server.routes, api_routes, api_route_count));
    service->budget.limit = 64 << 20;
    service->max_body = 8 << 20;
    return smx_context_create(&service->compute, NULL);
}

int inference_stop(void **state)
{
    (void)state;
    smx_context_free(inference_server.service.compute);
    return 0;
}

struct body body_of(const char *json, const void *data, size_t bytes)
{
    struct body body = {.bytes = strlen(json) + bytes};
    assert_true(body.bytes <= sizeof body.text);
    memcpy(body.text, json, strlen(json));
    if (bytes)
        memcpy(body.text + strlen(json), data, bytes);
    snprintf(body.length, sizeof body.length, "%zu", strlen(json));
    return body;
}

void inference_do(struct roundtrip *trip)
{
    roundtrip_do(trip, &inference_server);
}

struct roundtrip send_body(const char *path, const struct body *body,
                           size_t slice)
{
    struct roundtrip trip = {.path = path,
                             .header_length = body->length,
                             .body = body->text,
                             .bytes = body->bytes,
                             .slice = slice};
    inference_do(&trip);
    return trip;
}

struct roundtrip send_json(const char *path, const char *json)
{
    struct roundtrip trip = {.path = path, .body = json, .bytes = strlen(json)};
    inference_do(&trip);
    return trip;
}

struct roundtrip send_native(const char *path, const char *json)
{
    struct roundtrip trip = {.path = path, .body = json, .bytes = strlen(json)};
    roundtrip_do(&trip, &inference_server);
    return trip;
}

void assert_has(const struct roundtrip *trip, const char *text)
{
    if (!strstr(trip->answer, text))
        fail_msg("%s is not in %s", text, trip->answer);
}

void assert_error(struct roundtrip trip, int status, const char *sentence)
{
    if (trip.status != status)
        fail_msg("got %d, expected %d: %s", trip.status, status, trip.answer);
    assert_string_equal(trip.type, "application/json");
    assert_memory_equal(trip.answer, "{\"error\":\"", 10);
    assert_has(&trip, sentence);
    roundtrip_free(&trip);
}

void copy_array(char *to, size_t bytes, const struct roundtrip *trip,
                const char *before)
{
    const char *at = strstr(trip->answer, before);
    if (!at)
        fail_msg("%s is not in %s", before, trip->answer);
    at += strlen(before);
    snprintf(to, bytes, "%.*s", (int)strcspn(at, "]"), at);
}
