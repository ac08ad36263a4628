// SPDX-License-Identifier: MIT
/* The native endpoints through a socket: every case, every vector, the same
 * bits however they are asked. */
#define _GNU_SOURCE
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../server/number/write.h"
#include "../support/cases.h"
#include "../support/daemon_fixture.h"
#include "../support/vectors.h"

static struct fixture fixture;

static int start(void **state)
{
    (void)state;
    fixture_start(&fixture, NULL);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    fixture_stop(&fixture);
    return 0;
}

/* The body of an answer whose type fits its status; the caller frees it. */
static int post(const struct test_case *c, char **text, size_t *bytes)
{
    struct http_answer answer = http_post(fixture.url, c->path, c->body);
    char type[64] = "";
    http_header(&answer, "Content-Type", type, sizeof type);
    assert_string_equal(type, answer.status == 200
                                  ? "application/json"
                                  : "application/problem+json");
    *text = answer.body;
    *bytes = answer.body_bytes;
    answer.body = NULL;
    int status = answer.status;
    http_answer_free(&answer);
    return status;
}

static void run(const char *file, size_t least)
{
    size_t count;
    assert_int_equal(cases_run(file, post, &count), 0);
    assert_true(count >= least);
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
    run("tests/http/cases/gradient.txt", 19);
}

static void errors(void **state)
{
    (void)state;
    run("tests/http/cases/errors.txt", 80);
}

static void encoded(void **state)
{
    (void)state;
    run("tests/http/cases/encoded.txt", 65);
}

static void vectors(void **state)
{
    (void)state;
    size_t count;
    assert_int_equal(vectors_run(post, &count), 0);
    assert_true(count >= 2 * 600);
}

/* ---- the same bits ------------------------------------------------------ */

enum { ROWS = 300, CLASSES = 257, ROW_BYTES = CLASSES * 16 };

/* Row r as JSON; always the same. */
static size_t write_row(char *text, size_t r)
{
    uint32_t seed = (uint32_t)r * 2654435761u + 12345;
    size_t used = 0;
    for (size_t c = 0; c < CLASSES; c++) {
        seed = seed * 1664525u + 1013904223u;
        used += (size_t)snprintf(text + used, ROW_BYTES - used, "%s%.5f",
                                 c ? "," : "[", (seed >> 8) / 1e6 - 8);
    }
    return used + (size_t)snprintf(text + used, ROW_BYTES - used, "]");
}

static char *batch(size_t first, size_t rows)
{
    char *text = malloc(rows * ROW_BYTES + 64);
    assert_non_null(text);
    size_t used = (size_t)snprintf(text, 64, "{\"logits\":[");
    for (size_t r = 0; r < rows; r++) {
        used += write_row(text + used, first + r);
        text[used++] = ',';
    }
    memcpy(text + used - 1, "]}", 3);
    return text;
}

static char *answer_to(const char *url, const char *body, bool chunked)
{
    struct http_answer answer = http_send(
        url, &(struct http_request){
                 .path = "/softmax", .body = body, .chunked = chunked});
    assert_int_equal(answer.status, 200);
    free(answer.headers);
    return answer.body;
}

static void a_row_does_not_depend_on_its_neighbours(void **state)
{
    (void)state;
    static const size_t rows[] = {0, 1, 150, ROWS - 1};
    char *all = batch(0, ROWS), *together = answer_to(fixture.url, all, false);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char *one = batch(rows[i], 1);
        char *alone = answer_to(fixture.url, one, false);
        const char *numbers = strchr(alone, '[') + 1; /* the row, bracketed */
        char *row = strndup(numbers, (size_t)(strchr(numbers, ']') - numbers));
        assert_non_null(row);
        assert_non_null(strstr(together, row));
        free(row);
        free(alone);
        free(one);
    }
    free(together);
    free(all);
}

static void threads_and_chunks_change_no_bit(void **state)
{
    (void)state;
    static const char *const few[] = {"--compute-threads=1", "--io-threads=1",
                                      "--isa=base", NULL};
    static const char *const many[] = {"--compute-threads=7", "--io-threads=3",
                                       NULL};
    const char *const *flags[] = {few, many};
    char *body = batch(0, ROWS);
    char *want = answer_to(fixture.url, body, false);
    for (int i = 0; i < 4; i++) {
        struct fixture other;
        fixture_start(&other, flags[i / 2]);
        if (i < 2) /* what is forced is forced for the text too */
            assert_ptr_equal(number_write_get(), number_block_of(SMX_ISA_BASE));
        char *got = answer_to(other.url, body, i % 2);
        assert_string_equal(got, want);
        free(got);
        fixture_stop(&other);
    }
    free(want);
    free(body);
}

/* ---- at once ------------------------------------------------------------ */

enum { CLIENTS = 16, TURNS = 40 };

static const struct {
    const char *path, *body;
    int status;
} mixed[] = {
    {"/softmax", "{\"logits\":[1,2,3]}", 200},
    {"/loss", "{\"logits\":[[1,2],[3,4]],\"labels\":[0,5]}", 422},
    {"/gradient", "{\"logits\":[1,2,3],\"labels\":1}", 200},
    {"/softmax", "{\"logits\":[1,2", 400},
};

static void *client(void *wrong)
{
    for (size_t i = 0; i < TURNS; i++) {
        size_t m = i % (sizeof mixed / sizeof mixed[0]);
        struct http_answer answer =
            http_post(fixture.url, mixed[m].path, mixed[m].body);
        if (answer.status != mixed[m].status)
            *(int *)wrong += 1;
        http_answer_free(&answer);
    }
    return NULL;
}

static void an_error_costs_nobody_else_anything(void **state)
{
    (void)state;
    pthread_t threads[CLIENTS];
    int wrong[CLIENTS] = {0};
    for (int i = 0; i < CLIENTS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, client, &wrong[i]),
                         0);
    for (int i = 0; i < CLIENTS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(wrong[i], 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(softmax),
        cmocka_unit_test(loss),
        cmocka_unit_test(gradient),
        cmocka_unit_test(errors),
        cmocka_unit_test(encoded),
        cmocka_unit_test(vectors),
        cmocka_unit_test(a_row_does_not_depend_on_its_neighbours),
        cmocka_unit_test(threads_and_chunks_change_no_bit),
        cmocka_unit_test(an_error_costs_nobody_else_anything),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
