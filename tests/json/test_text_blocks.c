// SPDX-License-Identifier: MIT
/* Large arrays, read on several threads: the same elements as on one, and the
 * same problem at the same place, whatever is wrong wherever. */
#include "../number/reading.h"
#include "../support/expect.h"
#include "../support/random.h"

#include "../../server/jobs.h"

enum { BODY_ROOM = 12 << 20 };

struct body {
    const char *member;
    char *text;
    size_t bytes;
};

static void add(struct body *body, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void add(struct body *body, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    body->bytes += (size_t)vsnprintf(
        body->text + body->bytes, BODY_ROOM - body->bytes, format, arguments);
    va_end(arguments);
}

static void add_number(struct body *body, struct random *random)
{
    double value = random_normal(random) * 100;
    if (strcmp(body->member, "labels") == 0)
        add(body, "%.0f", value);
    else if (random_once_in(random, 500))
        add(body, "%.3e", value);
    else
        add(body, "%.*g", random_once_in(random, 50) ? 17 : 7, value);
}

/* So many numbers or so, in rows of that many. */
static void body_of(struct body *body, struct random *random,
                    const char *member, size_t numbers, size_t row,
                    const char *comma)
{
    *body = (struct body){.member = member, .text = malloc(BODY_ROOM)};
    assert_non_null(body->text);
    add(body, "{\"%s\":\n[", member);
    for (size_t i = 0; i < numbers / row; i++) {
        add(body, "%s[", i ? comma : "");
        for (size_t k = 0; k < row; k++) {
            add(body, "%s", k ? comma : "");
            add_number(body, random);
        }
        add(body, "]");
    }
    add(body, "]\n}");
}

static void body_init(struct body *body, struct random *random,
                      const char *member, size_t row, const char *comma)
{
    body_of(body, random, member, 60000, row, comma);
}

struct outcome {
    struct reading reading;
    bool good;
};

static void outcome_init(struct outcome *outcome, const struct body *body,
                         size_t bytes, size_t slice)
{
    outcome->good = reading_slices(&outcome->reading, body->text, bytes, slice);
}

static void outcome_free(struct outcome *outcome)
{
    reading_free(&outcome->reading);
}

static void expect_same_tensor(const struct tensor *got,
                               const struct tensor *want)
{
    assert_int_equal(got->type, want->type);
    assert_int_equal(got->rank, want->rank);
    assert_int_equal(got->count, want->count);
    assert_memory_equal(got->shape, want->shape, sizeof got->shape);
    assert_memory_equal(got->data, want->data,
                        want->count * tensor_element_bytes(want->type));
}

static void expect_same(struct outcome *got, struct outcome *want)
{
    const struct problem *g = &got->reading.problem,
                         *w = &want->reading.problem;
    assert_int_equal(g->status, w->status);
    assert_int_equal(got->good, want->good);
    if (w->status) {
        assert_string_equal(g->detail, w->detail);
        assert_string_equal(g->pointer, w->pointer);
        assert_int_equal(g->located, w->located);
        if (w->located) {
            assert_int_equal(g->offset, w->offset);
            assert_int_equal(g->line, w->line);
            assert_int_equal(g->column, w->column);
        }
        return;
    }
    for (int i = 0; i < READING_TENSORS; i++) {
        enum tensor_type type =
            i == READING_LOGITS ? TENSOR_FLOAT32 : TENSOR_FLOAT64;
        struct tensor *tensor = &got->reading.tensor[i];
        if (tensor->type == TENSOR_NONE)
            continue;
        expect_same_tensor(tensor, &want->reading.tensor[i]);
        if (i != READING_LOGITS && i != READING_ANY)
            continue;
        assert_true(reading_settle(&got->reading, i, type));
        assert_true(reading_settle(&want->reading, i, type));
        expect_same_tensor(tensor, &want->reading.tensor[i]);
    }
}

static void expect_as_alone(const struct body *body, size_t bytes, size_t slice,
                            struct jobs *jobs)
{
    struct outcome got, want;
    reading_jobs = NULL;
    outcome_init(&want, body, bytes, slice);
    reading_jobs = jobs;
    outcome_init(&got, body, bytes, slice);
    reading_jobs = NULL;
    expect_same(&got, &want);
    outcome_free(&got);
    outcome_free(&want);
}

static void elements_are_those_of_one_thread(void **state)
{
    static const char *const members[] = {"logits", "f32", "f64", "labels",
                                          "any"};
    static const size_t rows[] = {3, 100, 60000};
    static const size_t slices[] = {777, 16242, BODY_ROOM};
    (void)state;
    struct random random = {.state = 11};
    for (size_t m = 0; m < 5; m++)
        for (size_t r = 0; r < 3; r++) {
            struct jobs *jobs = jobs_create(r == 1 ? 7 : 2);
            struct body body;
            body_init(&body, &random, members[m], rows[r], m % 2 ? ", " : ",");
            for (size_t s = 0; s < 3; s++)
                expect_as_alone(&body, body.bytes, slices[s], jobs);
            free(body.text);
            jobs_free(jobs);
        }
}

/* More than all blocks hold at a time. */
static void blocks_are_filled_again(void **state)
{
    (void)state;
    struct random random = {.state = 17};
    struct jobs *jobs = jobs_create(2);
    struct body body;
    body_of(&body, &random, "logits", 1000000, 100, ",");
    expect_as_alone(&body, body.bytes, BODY_ROOM, jobs);
    free(body.text);
    jobs_free(jobs);
}

/* Overwrite some bytes somewhere behind the first elements. */
static void spoil(struct body *body, struct random *random, const char *text)
{
    size_t at = body->bytes / 2 + random_below(random, body->bytes / 2);
    if (at + strlen(text) < body->bytes)
        memcpy(body->text + at, text, strlen(text));
}

static void problems_are_those_of_one_thread(void **state)
{
    static const char *const wrong[] = {
        "x",     "]",   "[",        "]]",       ",,",         "null,",
        "true,", "\"",  "\"a,b\",", "1e999,",   "0123,",      "\"Infinity\",",
        "{",     "}",   "],[],[",   "NaN,",     "1e-999,",    ":",
        "\t\n ", "--1", "1[2],3",   "\"-Inf\"", "-Infinity,", "\xff"};
    static const size_t rows[] = {4, 250, 20000};
    enum { WRONG = sizeof wrong / sizeof *wrong };
    (void)state;
    struct random random = {.state = 5};
    struct jobs *jobs = jobs_create(3);
    for (size_t r = 0; r < 3; r++) {
        struct body body, bad = {.text = malloc(BODY_ROOM)};
        body_init(&body, &random, r == 1 ? "f32" : "logits", rows[r],
                  r == 2 ? ",\n" : ",");
        for (size_t i = 0; i < WRONG + 6; i++) {
            memcpy(bad.text, body.text, bad.bytes = body.bytes);
            spoil(&bad, &random, wrong[i % WRONG]);
            if (i >= WRONG)
                spoil(&bad, &random, wrong[random_below(&random, WRONG)]);
            expect_as_alone(&bad, bad.bytes, 16242, jobs);
            if (i % 4 == 0)
                expect_as_alone(&bad, bad.bytes - bad.bytes / 3, 5000, jobs);
        }
        free(body.text);
        free(bad.text);
    }
    jobs_free(jobs);
}

/* Those that a thread on its own fails with, or none. */
static void memory_may_run_out_anywhere(void **state)
{
    (void)state;
    struct random random = {.state = 9};
    struct jobs *jobs = jobs_create(2);
    struct body body;
    struct outcome want;
    body_init(&body, &random, "logits", 30, ",");
    outcome_init(&want, &body, body.bytes, 16242);
    assert_true(want.good);
    reading_jobs = jobs;
    size_t needed = want.reading.budget.taken, good = 0;
    for (size_t limit = 200000; limit < 4000000; limit += 60013) {
        struct reading reading;
        reading_begin_within(&reading, limit);
        for (size_t i = 0; i < body.bytes && !reading.problem.status;
             i += 16242)
            reading_feed_exact(&reading, body.text + i,
                               body.bytes - i < 16242 ? body.bytes - i : 16242);
        if (!reading.problem.status && reading_end(&reading)) {
            good++;
            expect_same_tensor(&reading.tensor[READING_LOGITS],
                               &want.reading.tensor[READING_LOGITS]);
        } else {
            assert_int_equal(reading.problem.status, 503);
            assert_true(limit < needed + needed / 2);
        }
        reading_free(&reading);
        assert_int_equal(reading.budget.taken, 0);
    }
    reading_jobs = NULL;
    assert_true(good > 30);
    outcome_free(&want);
    free(body.text);
    jobs_free(jobs);
}

static void a_reader_may_be_freed_anywhere(void **state)
{
    (void)state;
    struct random random = {.state = 13};
    struct body body;
    body_init(&body, &random, "any", 5000, ",");
    reading_jobs = jobs_create(3);
    for (size_t bytes = body.bytes / 2; bytes < body.bytes; bytes += 9973) {
        struct reading reading;
        reading_begin(&reading);
        for (size_t i = 0; i < bytes; i += 8121)
            reading_feed_exact(&reading, body.text + i,
                               bytes - i < 8121 ? bytes - i : 8121);
        reading_free(&reading);
        assert_int_equal(reading.budget.taken, 0);
    }
    jobs_free(reading_jobs);
    reading_jobs = NULL;
    free(body.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elements_are_those_of_one_thread),
        cmocka_unit_test(blocks_are_filled_again),
        cmocka_unit_test(problems_are_those_of_one_thread),
        cmocka_unit_test(memory_may_run_out_anywhere),
        cmocka_unit_test(a_reader_may_be_freed_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
