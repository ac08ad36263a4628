// SPDX-License-Identifier: MIT
/** Work that an event loop must not wait for: jobs in line for a fixed number
 *  of threads. */
#ifndef JOBS_H
#define JOBS_H

#include <stdbool.h>
#include <stddef.h>

struct jobs;

/** NULL: no memory, or a thread could not be started. jobs_free releases it. */
struct jobs *jobs_create(size_t threads);

/** Runs what is in line, then joins the threads. NULL is ignored. */
void jobs_free(struct jobs *jobs);

/** run(argument) on one of the threads, started in the order of submission;
 *  false: no memory, it will not run. */
bool jobs_submit(struct jobs *jobs, void (*run)(void *argument),
                 void *argument);

size_t jobs_threads(const struct jobs *jobs);

/** Somebody who has work for several threads comes, and leaves. */
void jobs_enter(struct jobs *jobs);
void jobs_leave(struct jobs *jobs);

/** Threads that may help each of them, beside its own. */
size_t jobs_helpers(const struct jobs *jobs);

/** Jobs that wait for a thread now (a gauge). */
size_t jobs_queued(const struct jobs *jobs);

#endif
