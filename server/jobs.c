// SPDX-License-Identifier: MIT
#include "jobs.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

struct job {
    struct job *next;
    void (*run)(void *argument);
    void *argument;
};

struct jobs {
    pthread_mutex_t lock;
    pthread_cond_t work; /* a job, or the end */
    struct job *first, **last;
    atomic_size_t queued;
    atomic_size_t owners; /* see jobs_enter */
    bool ending;
    size_t started;
    pthread_t thread[];
};

/* The next job; NULL at the end, when none is left. */
static struct job *jobs_take(struct jobs *jobs)
{
    pthread_mutex_lock(&jobs->lock);
    while (!jobs->first && !jobs->ending)
        pthread_cond_wait(&jobs->work, &jobs->lock);
    struct job *job = jobs->first;
    if (job) {
        jobs->first = job->next;
        if (!jobs->first)
            jobs->last = &jobs->first;
        atomic_fetch_sub(&jobs->queued, 1);
    }
    pthread_mutex_unlock(&jobs->lock);
    return job;
}

static void *jobs_main(void *argument)
{
    struct job *job;
    while ((job = jobs_take(argument))) {
        job->run(job->argument);
        free(job);
    }
    return NULL;
}

struct jobs *jobs_create(size_t threads)
{
    struct jobs *jobs =
        calloc(1, sizeof *jobs + threads * sizeof jobs->thread[0]);
    if (!jobs)
        return NULL;
    pthread_mutex_init(&jobs->lock, NULL);
    pthread_cond_init(&jobs->work, NULL);
    jobs->last = &jobs->first;
    for (; jobs->started < threads; jobs->started++)
        if (pthread_create(&jobs->thread[jobs->started], NULL, jobs_main,
                           jobs)) {
            jobs_free(jobs);
            return NULL;
        }
    return jobs;
}

void jobs_free(struct jobs *jobs)
{
    if (!jobs)
        return;
    pthread_mutex_lock(&jobs->lock);
    jobs->ending = true;
    pthread_cond_broadcast(&jobs->work);
    pthread_mutex_unlock(&jobs->lock);
    for (size_t i = 0; i < jobs->started; i++)
        pthread_join(jobs->thread[i], NULL);
    pthread_cond_destroy(&jobs->work);
    pthread_mutex_destroy(&jobs->lock);
    free(jobs);
}

bool jobs_submit(struct jobs *jobs, void (*run)(void *), void *argument)
{
    struct job *job = malloc(sizeof *job);
    if (!job)
        return false;
    *job = (struct job){NULL, run, argument};
    pthread_mutex_lock(&jobs->lock);
    *jobs->last = job;
    jobs->last = &job->next;
    atomic_fetch_add(&jobs->queued, 1);
    pthread_cond_signal(&jobs->work);
    pthread_mutex_unlock(&jobs->lock);
    return true;
}

size_t jobs_threads(const struct jobs *jobs)
{
    return jobs->started;
}

void jobs_enter(struct jobs *jobs)
{
    atomic_fetch_add(&jobs->owners, 1);
}

void jobs_leave(struct jobs *jobs)
{
    atomic_fetch_sub(&jobs->owners, 1);
}

size_t jobs_helpers(const struct jobs *jobs)
{
    size_t owners = atomic_load(&((struct jobs *)jobs)->owners);
    return owners > 0 && owners < jobs->started
               ? (jobs->started - owners) / owners
               : 0;
}

size_t jobs_queued(const struct jobs *jobs)
{
    return atomic_load(&((struct jobs *)jobs)->queued);
}
