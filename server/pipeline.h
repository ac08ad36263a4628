/* SPDX-License-Identifier: MIT */
/**
 * Work in line: one thread, the owner, fills blocks and collects them in the
 * same order. In between, the threads of the jobs work on them. So does the
 * owner instead of waiting: it waits only for a block that another thread has
 * begun.
 */
#ifndef PIPELINE_H
#define PIPELINE_H

#include <stddef.h>

#include "budget.h"
#include "jobs.h"

enum { PIPELINE_BLOCKS = 8 };

struct pipeline;

/**
 * work(block) may run on any thread, for several blocks at once. The blocks are
 * charged to budget, and not cleared.
 * @return NULL: no memory, or jobs (which may be NULL) has no second thread.
 */
struct pipeline *pipeline_create(struct jobs *jobs, size_t block_bytes,
                                 void (*work)(void *block),
                                 struct budget *budget);

/** The block to fill next; NULL: none is free. */
void *pipeline_next(struct pipeline *pipeline);

/** That block is filled. */
void pipeline_post(struct pipeline *pipeline);

/** The oldest block that was posted, when it has been worked on; NULL: there is
 *  none. */
void *pipeline_collect(struct pipeline *pipeline);

/** The oldest block is free again. */
void pipeline_release(struct pipeline *pipeline);

/** No thread is at work, or begins to be: from now on blocks are collected
 *  whether they have been worked on or not, and, as they are to be freed soon,
 *  charged no more. */
void pipeline_end(struct pipeline *pipeline);

/** Blocks that nobody has begun are dropped. NULL is ignored. */
void pipeline_free(struct pipeline *pipeline);

#endif
