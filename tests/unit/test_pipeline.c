// SPDX-License-Identifier: MIT
/* Blocks are collected in order whoever works on them, and an owner may leave
 * at any time, whatever the jobs are busy with. */
#include "../support/expect.h"

#include <pthread.h>
#include <string.h>

#include "../../server/pipeline.h"

enum { ROUNDS = 3000 };

struct sum {
    size_t number, result;
};

static size_t work_of(size_t number)
{
    size_t result = number;
    for (size_t i = 0; i < number % 7 * 500; i++)
        result = result * 6364136223846793005u + 1;
    return result;
}

static void add_up(void *block)
{
    struct sum *sum = block;
    sum->result = work_of(sum->number);
}

static size_t fill(struct pipeline *pipeline, size_t posted)
{
    struct sum *sum;
    while (posted < ROUNDS && (sum = pipeline_next(pipeline))) {
        sum->number = posted++;
        pipeline_post(pipeline);
    }
    return posted;
}

static void blocks_come_back_in_order(void **state)
{
    (void)state;
    for (size_t threads = 2; threads < 8; threads++) {
        struct budget budget = {.limit = SIZE_MAX};
        struct jobs *jobs = jobs_create(threads);
        struct pipeline *pipeline =
            pipeline_create(jobs, sizeof(struct sum), add_up, &budget);
        size_t posted = 0, collected = 0;
        assert_non_null(pipeline);
        assert_int_equal(budget.taken, PIPELINE_BLOCKS * sizeof(struct sum));
        struct sum *sum;
        while (posted = fill(pipeline, posted),
               (sum = pipeline_collect(pipeline))) {
            assert_int_equal(sum->number, collected++);
            assert_int_equal(sum->result, work_of(sum->number));
            pipeline_release(pipeline);
        }
        assert_int_equal(collected, ROUNDS);
        pipeline_free(pipeline);
        assert_int_equal(budget.taken, 0);
        jobs_free(jobs);
    }
}

static void hold(void *argument)
{
    pthread_mutex_lock(argument);
    pthread_mutex_unlock(argument);
}

/* All threads of the jobs are busy, and still when the owner has left. */
static void an_owner_works_alone(void **state)
{
    (void)state;
    pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
    struct budget budget = {.limit = SIZE_MAX};
    struct jobs *jobs = jobs_create(2);
    pthread_mutex_lock(&gate);
    assert_true(jobs_submit(jobs, hold, &gate));
    assert_true(jobs_submit(jobs, hold, &gate));
    struct pipeline *pipeline =
        pipeline_create(jobs, sizeof(struct sum), add_up, &budget);
    assert_non_null(pipeline);
    fill(pipeline, 0);
    for (size_t i = 0; i < PIPELINE_BLOCKS; i++) {
        struct sum *sum = pipeline_collect(pipeline);
        assert_int_equal(sum->result, work_of(i));
        pipeline_release(pipeline);
    }
    assert_null(pipeline_collect(pipeline));
    fill(pipeline, PIPELINE_BLOCKS);
    pipeline_free(pipeline);
    assert_int_equal(budget.taken, 0);
    pthread_mutex_unlock(&gate);
    jobs_free(jobs);
}

static void an_owner_leaves_in_the_middle(void **state)
{
    (void)state;
    struct budget budget = {.limit = SIZE_MAX};
    struct jobs *jobs = jobs_create(3);
    for (int i = 0; i < 500; i++) {
        struct pipeline *pipeline =
            pipeline_create(jobs, sizeof(struct sum), add_up, &budget);
        assert_non_null(pipeline);
        fill(pipeline, (size_t)i);
        if (i % 2)
            pipeline_collect(pipeline);
        pipeline_free(pipeline);
        assert_int_equal(budget.taken, 0);
    }
    jobs_free(jobs);
}

static void note_thread(void *block)
{
    *(pthread_t *)block = pthread_self();
}

/* A second owner leaves no thread to spare: each works alone. */
static void owners_share_what_is_to_spare(void **state)
{
    (void)state;
    struct budget budget = {.limit = SIZE_MAX};
    struct jobs *jobs = jobs_create(2);
    struct pipeline *one =
        pipeline_create(jobs, sizeof(pthread_t), note_thread, &budget);
    assert_int_equal(jobs_helpers(jobs), 1);
    struct pipeline *two =
        pipeline_create(jobs, sizeof(pthread_t), note_thread, &budget);
    assert_int_equal(jobs_helpers(jobs), 0);
    for (int i = 0; i < ROUNDS; i++) {
        assert_non_null(pipeline_next(two));
        pipeline_post(two);
        assert_true(
            pthread_equal(*(pthread_t *)pipeline_collect(two), pthread_self()));
        pipeline_release(two);
    }
    pipeline_free(two);
    assert_int_equal(jobs_helpers(jobs), 1);
    pipeline_free(one);
    jobs_free(jobs);
}

static void one_thread_or_no_memory_is_no_pipeline(void **state)
{
    (void)state;
    struct budget budget = {.limit = PIPELINE_BLOCKS * sizeof(struct sum) - 1};
    struct jobs *one = jobs_create(1), *two = jobs_create(2);
    assert_null(pipeline_create(NULL, 8, add_up, &budget));
    assert_null(pipeline_create(one, 8, add_up, &budget));
    assert_null(pipeline_create(two, sizeof(struct sum), add_up, &budget));
    assert_int_equal(budget.taken, 0);
    jobs_free(one);
    jobs_free(two);
}

/* A smaller one too; of two at a time each has its own. */
static void the_blocks_of_the_last_are_used_again(void **state)
{
    (void)state;
    struct budget budget = {.limit = SIZE_MAX};
    struct jobs *jobs = jobs_create(2);
    struct pipeline *last = pipeline_create(jobs, 4096, add_up, &budget);
    assert_non_null(last);
    void *block = pipeline_next(last);
    pipeline_free(last);
    struct pipeline *next = pipeline_create(jobs, 1024, add_up, &budget),
                    *other = pipeline_create(jobs, 1024, add_up, &budget);
    assert_non_null(next);
    assert_non_null(other);
    assert_ptr_equal(pipeline_next(next), block);
    assert_ptr_not_equal(pipeline_next(other), block);
    pipeline_free(next);
    pipeline_free(other);
    jobs_free(jobs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_come_back_in_order),
        cmocka_unit_test(an_owner_works_alone),
        cmocka_unit_test(an_owner_leaves_in_the_middle),
        cmocka_unit_test(owners_share_what_is_to_spare),
        cmocka_unit_test(one_thread_or_no_memory_is_no_pipeline),
        cmocka_unit_test(the_blocks_of_the_last_are_used_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
