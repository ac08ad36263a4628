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
#include "../support/roundtrip.h"
#include "../support/vectors.h"

static struct server server;
static size_t slice; /* bytes that are fed at once; 0: all */

static int start(void **state)
{
    (void)state;
    roundtrip_serve(&server, api_routes, api_route_count);
    return smx_context_create(&server.service.compute, NULL);
}

static int stop(void **state)
{
    (void)state;
    smx_context_free(server.service.compute);
    return 0;
}

static int post(const struct test_case *c, char **text, size_t *bytes)
{
    struct roundtrip trip = {.path = c->path,
                             .body = c->body,
                             .bytes = strlen(c->body),
                             .slice = slice};
    roundtrip_do(&trip, &server);
    *text = trip.answer;
    *bytes = trip.answer_bytes;
    return trip.status;
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
            server.service.budget.limit = limit;
            status = post(&cases[i], &text, &bytes);
            refused += status == 413;
            assert_int_equal(server.service.budget.taken, 0);
            free(text);
        }
        assert_int_equal(status, 200);
        assert_true(refused > 3);
    }
    server.service.budget.limit = SIZE_MAX;
}

/* While dtype may still come after the logits, they are doubles. */
static void logits_without_a_dtype_are_charged_as_doubles(void **state)
{
    (void)state;
    enum { ELEMENTS = 4096 };
    static const struct {
        const char *start;
        int status;
    } cases[] = {{"{\"dtype\":\"float32\",\"labels\":0,\"logits\":[0", 200},
                 {"{\"labels\":0,\"logits\":[0", 413}};
    static char body[2 * ELEMENTS + 128];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t used = strlen(cases[i].start);
        memcpy(body, cases[i].start, used);
        for (int k = 1; k < ELEMENTS; k++, used += 2)
            memcpy(body + used, ",0", 2);
        memcpy(body + used, "]}", 2);
        struct roundtrip trip = {
            .path = "/loss", .body = body, .bytes = used + 2};
        server.service.budget.limit = 7 * ELEMENTS;
        roundtrip_do(&trip, &server);
        server.service.budget.limit = SIZE_MAX;
        assert_int_equal(trip.status, cases[i].status);
        roundtrip_free(&trip);
    }
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
        struct roundtrip trip = {.path = cases[i].path,
                                 .body = cases[i].body,
                                 .bytes = strlen(cases[i].body)};
        roundtrip_do(&trip, &server);
        assert_memory_equal(&trip.work, &cases[i].work, sizeof trip.work);
        roundtrip_free(&trip);
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
        struct roundtrip trip = {
            .path = "/loss", .body = body, .bytes = strlen(body)};
        roundtrip_do(&trip, &server);
        assert_int_equal(trip.status, 200);
        assert_non_null(strstr(trip.answer, "13.86294456487276"));
        roundtrip_free(&trip);
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
        cmocka_unit_test(logits_without_a_dtype_are_charged_as_doubles),
        cmocka_unit_test(work_is_told_to_the_server),
        cmocka_unit_test(dtype_may_stand_before_and_after_the_arrays),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
