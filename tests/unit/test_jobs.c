// SPDX-License-Identifier: MIT
/* The server's jobs: in the order of submission, all of them run, and any
 * number of them may compute at once. */
#include "../support/expect.h"

#include <errno.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "../../server/jobs.h"
#include "../support/exact_row.h"

enum { JOBS = 200, ROWS = 40, CLASSES = 3000 };

struct order {
    sem_t done, gate;
    atomic_int next;
    int started[JOBS];
};

struct job {
    struct order *order;
    int number;
    float *logits;
    enum smx_status status;
};

static void wait_for(sem_t *semaphore)
{
    struct timespec end;

    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += 30;
    while (sem_timedwait(semaphore, &end) != 0)
        if (errno != EINTR)
            fail_msg("nothing happened for 30 s");
}

static void order_init(struct order *order)
{
    *order = (struct order){0};
    sem_init(&order->done, 0, 0);
    sem_init(&order->gate, 0, 0);
}

static void order_deinit(struct order *order)
{
    sem_destroy(&order->done);
    sem_destroy(&order->gate);
}

static void wait_at_the_gate(void *argument)
{
    struct order *order = argument;

    wait_for(&order->gate);
}

static void note_order(void *argument)
{
    struct job *job = argument;
    struct order *order = job->order;

    order->started[atomic_fetch_add(&order->next, 1)] = job->number;
    sem_post(&order->done);
}

/* With one thread they start as they were submitted. */
static void jobs_start_in_the_order_of_submission(void **state)
{
    struct jobs *jobs = jobs_create(1);
    struct order order;
    struct job job[JOBS];

    (void)state;
    assert_non_null(jobs);
    order_init(&order);
    assert_true(jobs_submit(jobs, wait_at_the_gate, &order));
    for (int i = 0; i < JOBS; i++) {
        job[i] = (struct job){.order = &order, .number = i};
        assert_true(jobs_submit(jobs, note_order, &job[i]));
    }
    assert_true(jobs_queued(jobs) >= JOBS);
    sem_post(&order.gate);
    for (int i = 0; i < JOBS; i++)
        wait_for(&order.done);
    for (int i = 0; i < JOBS; i++)
        assert_int_equal(order.started[i], i);
    assert_int_equal(jobs_queued(jobs), 0);
    jobs_free(jobs);
    order_deinit(&order);
}

static void jobs_in_line_run_before_the_end(void **state)
{
    struct jobs *jobs = jobs_create(2);
    struct order order;
    struct job job[JOBS];

    (void)state;
    order_init(&order);
    for (int i = 0; i < JOBS; i++) {
        job[i] = (struct job){.order = &order, .number = i};
        assert_true(jobs_submit(jobs, note_order, &job[i]));
    }
    jobs_free(jobs);
    assert_int_equal(order.next, JOBS);
    order_deinit(&order);
}

static void compute(void *argument)
{
    struct job *job = argument;
    struct smx_logits logits = logits_float(job->logits, ROWS, CLASSES);
    struct smx_softmax_out out = {.size = sizeof out, .values = job->logits};

    job->status = smx_softmax(expect_context, &logits, NULL, &out, NULL);
    sem_post(&job->order->done);
}

/* Also where every thread computes and asks for the pool. */
static void jobs_compute_at_once(void **state)
{
    const size_t threads[] = {1, 2, 7};

    (void)state;
    for (int t = 0; t < 3; t++) {
        struct jobs *jobs = jobs_create(threads[t]);
        struct order order;
        struct job job[16];

        order_init(&order);
        for (int i = 0; i < 16; i++) {
            job[i] = (struct job){
                .order = &order,
                .logits = must(calloc(ROWS * CLASSES, sizeof(float))),
                .status = SMX_EARGUMENT};
            assert_true(jobs_submit(jobs, compute, &job[i]));
        }
        for (int i = 0; i < 16; i++)
            wait_for(&order.done);
        jobs_free(jobs);
        for (int i = 0; i < 16; i++) {
            assert_status(job[i].status, SMX_OK);
            assert_true(job[i].logits[ROWS * CLASSES - 1] == 1.0f / CLASSES);
            free(job[i].logits);
        }
        order_deinit(&order);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jobs_start_in_the_order_of_submission),
        cmocka_unit_test(jobs_in_line_run_before_the_end),
        cmocka_unit_test(jobs_compute_at_once),
    };

    return cmocka_run_group_tests(tests, expect_start, expect_stop);
}
