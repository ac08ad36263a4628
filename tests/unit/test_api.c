// SPDX-License-Identifier: MIT
/* The native endpoints without a socket: every case, wherever slices fall,
 * whatever memory is missing. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../server/api/native.h"
#include "../support/cases.h"
#include "../support/exchange.h"
#include "../support/vectors.h"

#include <jansson.h>

static struct service service;
static size_t slice; /* bytes that are fed at once; 0: all */

static int start(void **state)
{
    (void)state;
    service.budget.limit = SIZE_MAX;
    return smx_context_create(&service.compute, NULL);
}

static int stop(void **state)
{
    (void)state;
    smx_context_free(service.compute);
    return 0;
}

static const struct endpoint *endpoint_of(const char *path)
{
    for (size_t i = 0; i < api_route_count; i++)
        if (!strcmp(api_routes[i].path, path))
            return api_routes[i].endpoint;
    return NULL;
}

static char *problem_text(const struct problem *problem, size_t *bytes)
{
    char *text = NULL;
    json_t *json =
        json_pack("{s:s, s:s, s:i, s:s, s:s}", "type", "about:blank", "title",
                  problem_title(problem->status), "status", problem->status,
                  "detail", problem->detail, "pointer", problem->pointer);
    if (problem->located)
        json_object_update_new(json,
                               json_pack("{s:I, s:I, s:I}", "offset",
                                         (json_int_t)problem->offset, "line",
                                         (json_int_t)problem->line, "column",
                                         (json_int_t)problem->column));
    text = json_dumps(json, 0);
    json_decref(json);
    *bytes = strlen(text);
    return text;
}

static int post(const struct test_case *c, char **text, size_t *bytes)
{
    struct exchange exchange = {.path = c->path,
                                .body = c->body,
                                .bytes = strlen(c->body),
                                .slice = slice};
    exchange_do(&exchange, &service, api_routes, api_route_count);
    if (exchange.problem.status) {
        exchange_free(&exchange);
        *text = problem_text(&exchange.problem, bytes);
    } else {
        *text = exchange.answer;
        *bytes = exchange.answer_bytes;
    }
    return exchange.status;
}

static void run(const char *file, size_t least)
{
    static const size_t slices[] = {1, 7, 64, 0};
    for (size_t i = 0; i < sizeof slices / sizeof slices[0]; i++) {
        size_t count;
        slice = slices[i];
        assert_int_equal(cases_run(file, post, &count), 0);
        assert_true(count >= least);
    }
}

static void softmax(void **state)
{
    (void)state;
    run("tests/http/cases/softmax.txt", 30);
}

static void loss(void **state)
{
    (void)state;
    run("tests/http/cases/loss.txt", 35);
}

static void gradient(void **state)
{
    (void)state;
    run("tests/http/cases/gradient.txt", 18);
}

static void errors(void **state)
{
    (void)state;
    run("tests/http/cases/errors.txt", 75);
}

static void vectors(void **state)
{
    (void)state;
    size_t count;
    slice = 1000;
    assert_int_equal(vectors_run(post, &count), 0);
    assert_true(count >= 2 * 600);
}

/* From no memory at all upwards: it never fits and nothing is kept, until it
 * does. */
static void a_small_budget_is_a_413(void **state)
{
    (void)state;
    static const struct test_case cases[] = {
        {.path = "/softmax",
         .body = "{\"logits\":[[1,2,3],[4,5,6]],\"top_k\":2,"
                 "\"include\":[\"logsumexp\",\"entropy\",\"argmax\"]}"},
        {.path = "/loss",
         .body = "{\"logits\":[[1,2,3],[4,5,6]],\"labels\":[0,1],\"weights\":"
                 "[1,2,3],\"reduction\":\"none\",\"include\":[\"logsumexp\","
                 "\"argmax\",\"accuracy\"]}"},
        {.path = "/gradient",
         .body = "{\"of\":\"softmax\",\"logits\":[[1,2,3],[4,5,6]]}"},
    };
    slice = 5;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int status = 413;
        size_t refused = 0;
        for (size_t limit = 0; status == 413; limit += 32) {
            char *text = NULL;
            size_t bytes;
            assert_true(limit < 1 << 20);
            service.budget.limit = limit;
            status = post(&cases[i], &text, &bytes);
            refused += status == 413;
            assert_int_equal(service.budget.taken, 0);
            free(text);
        }
        assert_int_equal(status, 200);
        assert_true(refused > 3);
    }
    service.budget.limit = SIZE_MAX;
}

static void work_is_told_to_the_server(void **state)
{
    (void)state;
    static const struct {
        const char *path, *body;
        struct work work;
    } cases[] = {
        {"/softmax", "{\"logits\":[[1,2,3],[4,5,6]]}", {2, 3, 6}},
        {"/softmax", "{\"logits\":[[1,2,3],[4,5,6]],\"axis\":0}", {3, 2, 6}},
        {"/gradient",
         "{\"of\":\"softmax\",\"logits\":[[1,2,3],[4,5,6]]}",
         {2, 3, 18}}, /* the Jacobian is what is computed */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct endpoint *endpoint = endpoint_of(cases[i].path);
        struct problem problem = {0};
        struct work work = {0};
        struct head head = {.path = cases[i].path};
        void *call = endpoint->begin(&service, &head, &problem);
        assert_true(endpoint->feed(call, cases[i].body, strlen(cases[i].body),
                                   &problem));
        assert_true(endpoint->ready(call, &work, &problem));
        assert_memory_equal(&work, &cases[i].work, sizeof work);
        endpoint->end(call);
    }
}

/* However long the arrays are. */
static void dtype_may_stand_before_and_after_the_arrays(void **state)
{
    enum { ELEMENTS = (1 << 20) + 1 };
    static const char *const ends[][2] = {
        {"{\"dtype\":\"float64\",\"labels\":0,\"logits\":[0", "]}"},
        {"{\"labels\":0,\"logits\":[0", "],\"dtype\":\"float64\"}"},
    };
    char *body = malloc(2 * ELEMENTS + 128);
    (void)state;
    assert_non_null(body);
    for (int late = 0; late < 2; late++) {
        size_t used = strlen(ends[late][0]);
        memcpy(body, ends[late][0], used);
        for (int i = 1; i < ELEMENTS; i++, used += 2)
            memcpy(body + used, ",0", 2);
        memcpy(body + used, ends[late][1], strlen(ends[late][1]) + 1);
        struct exchange exchange = {
            .path = "/loss", .body = body, .bytes = strlen(body)};
        exchange_do(&exchange, &service, api_routes, api_route_count);
        assert_int_equal(exchange.status, 200);
        assert_non_null(strstr(exchange.answer, "13.86294456487276"));
        exchange_free(&exchange);
    }
    free(body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(softmax),
        cmocka_unit_test(loss),
        cmocka_unit_test(gradient),
        cmocka_unit_test(errors),
        cmocka_unit_test(vectors),
        cmocka_unit_test(a_small_budget_is_a_413),
        cmocka_unit_test(work_is_told_to_the_server),
        cmocka_unit_test(dtype_may_stand_before_and_after_the_arrays),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
