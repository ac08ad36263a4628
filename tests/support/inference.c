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

struct service inference_service;

static bool always_ready(const struct service *unused)
{
    (void)unused;
    return true;
}

int inference_start(void **state)
{
    (void)state;
    inference_service = (struct service){.budget = {.limit = 64 << 20},
                                         .max_body = 8 << 20,
                                         .is_ready = always_ready};
    return smx_context_create(&inference_service.compute, NULL);
}

int inference_stop(void **state)
{
    (void)state;
    smx_context_free(inference_service.compute);
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

void inference_do(struct exchange *exchange)
{
    exchange_do(exchange, &inference_service, v2_routes, v2_route_count);
}

struct exchange send_body(const char *path, const struct body *body,
                          size_t slice)
{
    struct exchange exchange = {.path = path,
                                .header_length = body->length,
                                .body = body->text,
                                .bytes = body->bytes,
                                .slice = slice};
    inference_do(&exchange);
    return exchange;
}

struct exchange send_json(const char *path, const char *json)
{
    struct exchange exchange = {
        .path = path, .body = json, .bytes = strlen(json)};
    inference_do(&exchange);
    return exchange;
}

struct exchange send_native(const char *path, const char *json)
{
    struct exchange exchange = {
        .path = path, .body = json, .bytes = strlen(json)};
    exchange_do(&exchange, &inference_service, api_routes, api_route_count);
    return exchange;
}

void assert_has(const struct exchange *exchange, const char *text)
{
    if (!strstr(exchange->answer, text))
        fail_msg("%s is not in %s", text, exchange->answer);
}

void assert_error(struct exchange exchange, int status, const char *sentence)
{
    if (exchange.status != status)
        fail_msg("got %d, expected %d: %s", exchange.status, status,
                 exchange.answer);
    assert_string_equal(exchange.type, "application/json");
    assert_memory_equal(exchange.answer, "{\"error\":\"", 10);
    assert_has(&exchange, sentence);
    exchange_free(&exchange);
}

void copy_array(char *to, size_t bytes, const struct exchange *exchange,
                const char *before)
{
    const char *at = strstr(exchange->answer, before);
    if (!at)
        fail_msg("%s is not in %s", before, exchange->answer);
    at += strlen(before);
    snprintf(to, bytes, "%.*s", (int)strcspn(at, "]"), at);
}
