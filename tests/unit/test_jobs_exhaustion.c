/* SPDX-License-Identifier: MIT */
/*
 * The server's jobs when memory or threads run out: at each allocation and each
 * thread in turn there are no jobs, and no thread is left behind; a job for
 * which there is no memory does not run, and all others do.
 *
 * malloc, calloc, free, pthread_create and pthread_join below take the place of
 * libc's for the whole program. Sanitizers bring their own; there is nothing to
 * run then.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../../server/jobs.h"
#include "../support/libc_malloc.h"

/* Calls until one fails, of the thread that tests; negative: none will. */
static _Thread_local long memory_left = -1, threads_left = -1;
static atomic_long blocks, threads; /* that there are now */

#if REPLACED

static bool fails(long *left)
{
    return *left >= 0 && (*left)-- == 0;
}

void *malloc(size_t bytes)
{
    void *block = fails(&memory_left) ? NULL : __libc_malloc(bytes);
    blocks += block != NULL;
    return block;
}

void *calloc(size_t count, size_t bytes)
{
    void *block = fails(&memory_left) ? NULL : __libc_calloc(count, bytes);
    blocks += block != NULL;
    return block;
}

void free(void *block)
{
    blocks -= block != NULL;
    __libc_free(block);
}

typedef int create(pthread_t *, const pthread_attr_t *, void *(*)(void *),
                   void *);
typedef int join(pthread_t, void **);

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                   void *(*start)(void *), void *argument)
{
    static create *libc;
    long left = memory_left;
    int error = EAGAIN;

    memory_left = -1; /* not libc's own */
    if (!libc)
        *(void **)&libc = dlsym(RTLD_NEXT, "pthread_create");
    if (!fails(&threads_left))
        error = libc(thread, attributes, start, argument);
    threads += error == 0;
    memory_left = left;
    return error;
}

int pthread_join(pthread_t thread, void **result)
{
    static join *libc;

    if (!libc)
        *(void **)&libc = dlsym(RTLD_NEXT, "pthread_join");
    int error = libc(thread, result);
    threads -= error == 0;
    return error;
}

#endif

enum { THREADS = 4, JOBS = 20 };

/** Create with k calls left of that kind, k = 0, 1, 2 ... until it works.
 *  @return how often it failed. */
static long exhaust_creation(long *left)
{
    struct jobs *jobs = NULL;
    long k = 0;

    jobs_free(jobs_create(THREADS)); /* libc keeps what threads need */
    long before = blocks;
    for (; !jobs; k++) {
        assert_true(k < 100);
        *left = k;
        jobs = jobs_create(THREADS);
        *left = -1;
        assert_int_equal(threads, jobs ? THREADS : 0);
    }
    assert_int_equal(jobs_threads(jobs), THREADS);
    jobs_free(jobs);
    assert_int_equal(threads, 0);
    assert_int_equal(blocks, before);
    return k - 1;
}

static void creation_without_memory(void **state)
{
    (void)state;
    if (!REPLACED)
        skip();
    assert_int_equal(exhaust_creation(&memory_left), 1);
}

static void creation_without_threads(void **state)
{
    (void)state;
    if (!REPLACED)
        skip();
    assert_int_equal(exhaust_creation(&threads_left), THREADS);
}

struct order {
    int ran[JOBS]; /* in turn; one thread runs them all */
    int count;
};

struct numbered {
    struct order *order;
    int number;
};

static void note(void *argument)
{
    const struct numbered *job = argument;

    job->order->ran[job->order->count++] = job->number;
}

/* Each third job finds no memory: first, last and between others. */
static void jobs_without_memory_do_not_run(void **state)
{
    struct order order = {.count = 0};
    struct numbered job[JOBS];
    int submitted = 0;

    (void)state;
    if (!REPLACED)
        skip();
    struct jobs *jobs = jobs_create(1);
    assert_non_null(jobs);
    long before = blocks;
    for (int i = 0; i < JOBS; i++) {
        job[i] = (struct numbered){&order, i};
        memory_left = i % 3 == 0 ? 0 : -1;
        bool good = jobs_submit(jobs, note, &job[i]);
        memory_left = -1;
        assert_int_equal(good, i % 3 != 0);
        assert_true(jobs_queued(jobs) <= (size_t)(submitted += good));
    }
    jobs_free(jobs);
    assert_int_equal(threads, 0);
    assert_int_equal(order.count, submitted);
    for (int i = 0, at = 0; i < JOBS; i++)
        if (i % 3 != 0)
            assert_int_equal(order.ran[at++], i);
    assert_int_equal(blocks, before - 1); /* only the jobs' own block went */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(creation_without_memory),
        cmocka_unit_test(creation_without_threads),
        cmocka_unit_test(jobs_without_memory_do_not_run),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
