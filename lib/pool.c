/* SPDX-License-Identifier: MIT */
#include "pool.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

struct job {
    struct job *next;
    void (*run)(void *argument);
    void *argument;
};

/* A call whose slices are shared; lives on its caller's stack. */
struct loop {
    struct loop *next;
    void (*slice)(void *argument, size_t i);
    void *argument;
    size_t slices;
    size_t helpers; /* threads of the pool inside it, under the lock */
    atomic_size_t taken;
};

struct smx_pool {
    pthread_mutex_t lock;
    pthread_cond_t work; /* a job, a loop, or the end */
    pthread_cond_t left; /* a helper left its loop */
    struct job *first, *last;
    struct loop *loops; /* the one to help next is first */
    atomic_size_t queued;
    bool ending;
    size_t threads, started;
    pthread_t thread[];
};

/* One slice; false when none is left. */
static bool loop_step(struct loop *loop)
{
    size_t i = atomic_fetch_add(&loop->taken, 1);
    if (i >= loop->slices)
        return false;
    loop->slice(loop->argument, i);
    return true;
}

static void loop_unlink(struct smx_pool *pool, struct loop *loop)
{
    struct loop **link = &pool->loops;
    while (*link && *link != loop)
        link = &(*link)->next;
    if (*link)
        *link = loop->next;
}

static void loop_append(struct smx_pool *pool, struct loop *loop)
{
    struct loop **link = &pool->loops;
    while (*link)
        link = &(*link)->next;
    loop->next = NULL;
    *link = loop;
}

static void run_job(struct smx_pool *pool)
{
    struct job *job = pool->first;
    pool->first = job->next;
    if (!pool->first)
        pool->last = NULL;
    atomic_fetch_sub(&pool->queued, 1);
    pthread_mutex_unlock(&pool->lock);
    job->run(job->argument);
    free(job);
    pthread_mutex_lock(&pool->lock);
}

/* One slice of the loop in front, which then goes to the back: callers get
 * turns, so a long one does not starve a short one. */
static void help_loop(struct smx_pool *pool)
{
    struct loop *loop = pool->loops;
    loop_unlink(pool, loop);
    loop->helpers++;
    loop_append(pool, loop);
    pthread_mutex_unlock(&pool->lock);
    bool more = loop_step(loop);
    pthread_mutex_lock(&pool->lock);
    if (!more)
        loop_unlink(pool, loop);
    if (--loop->helpers == 0)
        pthread_cond_broadcast(&pool->left);
}

static void *work(void *argument)
{
    struct smx_pool *pool = argument;
    pthread_mutex_lock(&pool->lock);
    for (;;) {
        if (pool->first)
            run_job(pool);
        else if (pool->loops && pool->threads > 1)
            help_loop(pool);
        else if (pool->ending)
            break;
        else
            pthread_cond_wait(&pool->work, &pool->lock);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

enum smx_status smx_pool_create(struct smx_pool **out, size_t threads)
{
    *out = NULL;
    if (threads == 0)
        threads = 1;
    if (threads > 4096)
        return SMX_EARGUMENT;
    struct smx_pool *pool =
        calloc(1, sizeof *pool + threads * sizeof pool->thread[0]);
    if (!pool)
        return SMX_ENOMEM;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->work, NULL);
    pthread_cond_init(&pool->left, NULL);
    pool->threads = threads;
    for (; pool->started < threads; pool->started++)
        if (pthread_create(&pool->thread[pool->started], NULL, work, pool)) {
            smx_pool_free(pool);
            return SMX_ETHREAD;
        }
    *out = pool;
    return SMX_OK;
}

void smx_pool_free(struct smx_pool *pool)
{
    if (!pool)
        return;
    pthread_mutex_lock(&pool->lock);
    pool->ending = true;
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->lock);
    for (size_t i = 0; i < pool->started; i++)
        pthread_join(pool->thread[i], NULL);
    pthread_cond_destroy(&pool->left);
    pthread_cond_destroy(&pool->work);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}

size_t smx_pool_threads(const struct smx_pool *pool)
{
    return pool->threads;
}

size_t smx_pool_queued(const struct smx_pool *pool)
{
    return atomic_load(&((struct smx_pool *)pool)->queued);
}

enum smx_status smx_pool_submit(struct smx_pool *pool, void (*run)(void *),
                                void *argument)
{
    struct job *job = malloc(sizeof *job);
    if (!job)
        return SMX_ENOMEM;
    *job = (struct job){NULL, run, argument};
    pthread_mutex_lock(&pool->lock);
    if (pool->last)
        pool->last->next = job;
    else
        pool->first = job;
    pool->last = job;
    atomic_fetch_add(&pool->queued, 1);
    pthread_cond_signal(&pool->work);
    pthread_mutex_unlock(&pool->lock);
    return SMX_OK;
}

void smx_pool_for(struct smx_pool *pool, size_t slices,
                  void (*slice)(void *, size_t), void *argument)
{
    if (pool->threads == 1 || slices < 2) {
        for (size_t i = 0; i < slices; i++)
            slice(argument, i);
        return;
    }
    struct loop loop = {NULL, slice, argument, slices, 0, 0};
    pthread_mutex_lock(&pool->lock);
    loop_append(pool, &loop);
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->lock);
    while (loop_step(&loop))
        ;
    pthread_mutex_lock(&pool->lock);
    loop_unlink(pool, &loop);
    while (loop.helpers)
        pthread_cond_wait(&pool->left, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
}
