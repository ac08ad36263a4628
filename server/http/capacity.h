/* SPDX-License-Identifier: MIT */
/** How many connections the limit of open files allows. */
#ifndef CAPACITY_H
#define CAPACITY_H

#include <stdbool.h>
#include <stddef.h>

/** How many connections --admin-listen serves at once (more wait to be
 *  accepted), and how many closed ones of it may linger. */
enum { CAPACITY_ADMIN = 32, CAPACITY_ADMIN_LINGERING = 4 };

struct capacity {
    size_t connections; /* that are served */
    size_t spare;       /* beyond them: to be told 503, or probes */
    size_t evicted;     /* idle ones being closed for new ones, at once */
    size_t lingering;   /* closed ones whose clients still send, see linger.h */
};

/**
 * Raise the limit of open files as far as it goes, and divide what the other
 * files leave of it.
 *
 * @param wanted connections at the most.
 * @param loops  event loops that will run.
 * @param admin  addresses of --admin-listen.
 * @param others files that are kept open besides.
 * @retval false there are too few; *files is the limit, and *needed the least
 *               that would do.
 */
bool capacity_plan(struct capacity *capacity, size_t wanted, size_t loops,
                   size_t admin, size_t others, size_t *files, size_t *needed);

#endif
