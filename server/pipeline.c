// SPDX-License-Identifier: MIT
#include "pipeline.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>

#include "clock.h"

/** What the blocks lie in, one after the other, again and again. */
struct ring {
    size_t bytes;
    _Alignas(max_align_t) char blocks[];
};

/* The ring of the last pipeline that ended waits for the next: to have its
 * pages mapped and cleared costs a fifth of a request of a hundred thousand
 * numbers. One is kept, however many there were at a time. */
static _Atomic(struct ring *) kept_ring;

static struct ring *ring_take(size_t bytes)
{
    struct ring *ring = atomic_exchange(&kept_ring, NULL);
    if (ring && ring->bytes >= bytes)
        return ring;
    free(ring);
    ring = malloc(sizeof *ring + bytes);
    if (ring)
        ring->bytes = bytes;
    return ring;
}

static void ring_give(struct ring *ring)
{
    free(atomic_exchange(&kept_ring, ring));
}

struct pipeline {
    pthread_mutex_t lock;
    pthread_cond_t worked; /* on a block */
    struct jobs *jobs;
    void (*work)(void *block);
    struct budget *budget;
    size_t charged;
    struct ring *ring;
    size_t block_bytes;
    size_t collected, begun; /* blocks so far */
    atomic_size_t posted;
    bool done[PIPELINE_BLOCKS];
    size_t working; /* threads that are inside a block */
    size_t helpers; /* jobs that have not ended */
    bool ended;     /* no block is begun any more */
    bool left;      /* the owner has: the last helper clears up */
};

struct pipeline *pipeline_create(struct jobs *jobs, size_t block_bytes,
                                 void (*work)(void *block),
                                 struct budget *budget)
{
    size_t bytes = PIPELINE_BLOCKS * block_bytes;
    if (!jobs || jobs_threads(jobs) < 2 || !budget_take(budget, bytes))
        return NULL;
    struct pipeline *pipeline = calloc(1, sizeof *pipeline);
    struct ring *ring = ring_take(bytes);
    if (!pipeline || !ring) {
        budget_give(budget, bytes);
        free(pipeline);
        free(ring);
        return NULL;
    }
    pthread_mutex_init(&pipeline->lock, NULL);
    pthread_cond_init(&pipeline->worked, NULL);
    pipeline->jobs = jobs;
    pipeline->work = work;
    pipeline->budget = budget;
    pipeline->charged = bytes;
    pipeline->ring = ring;
    pipeline->block_bytes = block_bytes;
    jobs_enter(jobs);
    return pipeline;
}

static void pipeline_destroy(struct pipeline *pipeline)
{
    pthread_cond_destroy(&pipeline->worked);
    pthread_mutex_destroy(&pipeline->lock);
    free(pipeline);
}

static void *block_at(const struct pipeline *pipeline, size_t number)
{
    return pipeline->ring->blocks +
           number % PIPELINE_BLOCKS * pipeline->block_bytes;
}

/* Work on the oldest block that nobody has begun, with the lock left
 * meanwhile; false: there is none. */
static bool work_one(struct pipeline *pipeline)
{
    if (pipeline->ended || pipeline->begun == pipeline->posted)
        return false;
    size_t number = pipeline->begun++;
    pipeline->working++;
    pthread_mutex_unlock(&pipeline->lock);
    pipeline->work(block_at(pipeline, number));
    pthread_mutex_lock(&pipeline->lock);
    pipeline->working--;
    pipeline->done[number % PIPELINE_BLOCKS] = true;
    pthread_cond_signal(&pipeline->worked);
    return true;
}

/* A wake-up costs as much, and blocks often follow each other. */
enum { LOOK_NS = 50000 };

/* With the lock left meanwhile: will there be a block? */
static bool look_out(struct pipeline *pipeline)
{
    size_t begun = pipeline->begun;
    pthread_mutex_unlock(&pipeline->lock);
    for (uint64_t end = clock_ns() + LOOK_NS;
         pipeline->posted == begun && clock_ns() < end;)
        continue;
    pthread_mutex_lock(&pipeline->lock);
    return pipeline->begun < pipeline->posted;
}

/* A job: as long as there are blocks, and no other owner needs the thread: an
 * event loop that waits for a helper whom others keep from running keeps small
 * requests waiting. It goes to the end of the line when jobs wait there. */
static void help(void *argument)
{
    struct pipeline *pipeline = argument;
    pthread_mutex_lock(&pipeline->lock);
    while (pipeline->helpers <= jobs_helpers(pipeline->jobs) &&
           (work_one(pipeline) || (!pipeline->ended && look_out(pipeline))))
        if (jobs_queued(pipeline->jobs) > 0 &&
            jobs_submit(pipeline->jobs, help, pipeline)) {
            pthread_mutex_unlock(&pipeline->lock);
            return;
        }
    bool last = --pipeline->helpers == 0 && pipeline->left;
    pthread_mutex_unlock(&pipeline->lock);
    if (last)
        pipeline_destroy(pipeline);
}

void *pipeline_next(struct pipeline *pipeline)
{
    return pipeline->posted - pipeline->collected < PIPELINE_BLOCKS
               ? block_at(pipeline, pipeline->posted)
               : NULL;
}

void pipeline_post(struct pipeline *pipeline)
{
    pthread_mutex_lock(&pipeline->lock);
    pipeline->done[pipeline->posted++ % PIPELINE_BLOCKS] = false;
    if (pipeline->helpers < jobs_helpers(pipeline->jobs) &&
        jobs_submit(pipeline->jobs, help, pipeline))
        pipeline->helpers++;
    pthread_mutex_unlock(&pipeline->lock);
}

void *pipeline_collect(struct pipeline *pipeline)
{
    size_t number = pipeline->collected;
    if (number == pipeline->posted)
        return NULL;
    pthread_mutex_lock(&pipeline->lock);
    while (!pipeline->done[number % PIPELINE_BLOCKS] && !pipeline->ended)
        if (!work_one(pipeline))
            pthread_cond_wait(&pipeline->worked, &pipeline->lock);
    pthread_mutex_unlock(&pipeline->lock);
    return block_at(pipeline, number);
}

void pipeline_release(struct pipeline *pipeline)
{
    pipeline->collected++;
}

void pipeline_end(struct pipeline *pipeline)
{
    pthread_mutex_lock(&pipeline->lock);
    pipeline->ended = true;
    while (pipeline->working > 0)
        pthread_cond_wait(&pipeline->worked, &pipeline->lock);
    pthread_mutex_unlock(&pipeline->lock);
    if (pipeline->charged > 0)
        jobs_leave(pipeline->jobs);
    budget_give(pipeline->budget, pipeline->charged);
    pipeline->charged = 0;
}

void pipeline_free(struct pipeline *pipeline)
{
    if (!pipeline)
        return;
    pipeline_end(pipeline);
    pthread_mutex_lock(&pipeline->lock);
    ring_give(pipeline->ring);
    pipeline->left = true;
    bool last = pipeline->helpers == 0;
    pthread_mutex_unlock(&pipeline->lock);
    if (last)
        pipeline_destroy(pipeline);
}
