// SPDX-License-Identifier: MIT
#include "exchange.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static bool path_matches(const struct route *route, const char *path)
{
    size_t bytes = strlen(route->path);
    if (route->path[bytes - 1] == '*')
        return strncmp(route->path, path, bytes - 1) == 0;
    return strcmp(route->path, path) == 0;
}

static void append(struct exchange *exchange, const void *data, size_t bytes)
{
    exchange->answer =
        realloc(exchange->answer, exchange->answer_bytes + bytes + 1);
    assert_non_null(exchange->answer);
    if (bytes)
        memcpy(exchange->answer + exchange->answer_bytes, data, bytes);
    exchange->answer_bytes += bytes;
    exchange->answer[exchange->answer_bytes] = '\0';
}

static void take_headers(struct exchange *exchange, const struct reply *reply)
{
    for (size_t i = 0; i < reply->header_count; i++) {
        const char *name = reply->header[i].name;
        if (strcmp(name, "Inference-Header-Content-Length") == 0)
            snprintf(exchange->text_length, sizeof exchange->text_length, "%s",
                     reply->header[i].value);
    }
}

static void take_reply(struct exchange *exchange, struct reply *reply)
{
    char buffer[100];
    exchange->status = reply->status;
    exchange->type = reply->content_type;
    take_headers(exchange, reply);
    for (size_t n; (n = writer_next(reply->writer, buffer, sizeof buffer));)
        append(exchange, buffer, n);
    exchange->text_bytes = exchange->answer_bytes;
    if (reply->text_bytes != SIZE_MAX)
        assert_int_equal(reply->text_bytes, exchange->text_bytes);
    for (size_t i = 0; i < reply->tensor_count; i++) {
        const struct tensor *tensor = reply->tensors[i];
        append(exchange, tensor->data,
               tensor->count * tensor_element_bytes(tensor->type));
    }
}

static bool feed(struct exchange *exchange, const struct endpoint *endpoint,
                 void *call, struct problem *problem)
{
    size_t slice = exchange->slice ? exchange->slice : exchange->bytes;
    for (size_t at = 0; at < exchange->bytes; at += slice) {
        size_t left = exchange->bytes - at;
        size_t count = left < slice ? left : slice;
        char *copy = malloc(count); /* so that reading beyond it is seen */
        assert_non_null(copy);
        memcpy(copy, exchange->body + at, count);
        bool good = endpoint->feed(call, copy, count, problem);
        free(copy);
        if (!good)
            return false;
    }
    return true;
}

static bool post(struct exchange *exchange, struct service *service,
                 const struct endpoint *endpoint, const struct head *head,
                 struct problem *problem)
{
    struct work work = {0};
    struct reply reply = {.status = 200, .text_bytes = SIZE_MAX};
    void *call = endpoint->begin(service, head, problem);
    bool good = call && feed(exchange, endpoint, call, problem) &&
                endpoint->ready(call, &work, problem) &&
                endpoint->run(call, problem) &&
                endpoint->answer(call, &reply, problem);
    if (good)
        take_reply(exchange, &reply);
    writer_free(reply.writer);
    endpoint->end(call);
    return good;
}

static bool get(struct exchange *exchange, struct service *service,
                const struct page *page, const struct head *head,
                struct problem *problem)
{
    struct reply reply = {.status = 200, .text_bytes = SIZE_MAX};
    bool good = page->get(service, head, &reply, problem);
    if (good)
        take_reply(exchange, &reply);
    writer_free(reply.writer);
    return good;
}

static bool serve(struct exchange *exchange, struct service *service,
                  const struct route *routes, size_t count,
                  struct problem *problem)
{
    const struct head head = {.path = exchange->path,
                              .inference_header_length =
                                  exchange->header_length,
                              .query = exchange->query,
                              .query_count = exchange->query_count};
    const char *method = exchange->method ? exchange->method : "POST";
    bool known = false;
    for (size_t i = 0; i < count; i++) {
        if (!routes[i].method || !path_matches(&routes[i], exchange->path))
            continue;
        known = true;
        if (strcmp(routes[i].method, method) != 0)
            continue;
        return routes[i].endpoint
                   ? post(exchange, service, routes[i].endpoint, &head, problem)
                   : get(exchange, service, routes[i].page, &head, problem);
    }
    return problem_set(problem, known ? 405 : 404, NULL, "%s: no such route",
                       exchange->path);
}

static void refuse(struct exchange *exchange, const struct route *routes,
                   size_t count, const struct problem *problem)
{
    struct reply reply = {.status = 200, .text_bytes = SIZE_MAX};
    assert_int_not_equal(problem->status, 0);
    exchange->status = problem->status;
    for (size_t i = 0; i < count; i++)
        if (routes[i].fail && path_matches(&routes[i], exchange->path)) {
            if (exchange->status == 405 && routes[i].allow)
                snprintf(exchange->allow, sizeof exchange->allow, "%s",
                         routes[i].allow(exchange->path));
            assert_true((routes[i].fail)(
                problem, &reply)); /* cmocka has a macro of that name */
            take_reply(exchange, &reply);
            writer_free(reply.writer);
            return;
        }
    append(exchange, problem->detail, strlen(problem->detail));
}

void exchange_do(struct exchange *exchange, struct service *service,
                 const struct route *routes, size_t count)
{
    size_t before = atomic_load(&service->budget.taken);
    exchange->problem = (struct problem){0};
    if (!serve(exchange, service, routes, count, &exchange->problem))
        refuse(exchange, routes, count, &exchange->problem);
    assert_int_equal(atomic_load(&service->budget.taken), before);
}

void exchange_free(struct exchange *exchange)
{
    free(exchange->answer);
    exchange->answer = NULL;
    exchange->answer_bytes = exchange->text_bytes = 0;
}
