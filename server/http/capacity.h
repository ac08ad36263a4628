/* SPDX-License-Identifier: MIT */
/** How many connections the limit of open files allows. */
#ifndef CAPACITY_H
#define CAPACITY_H

#include <stdbool.h>
#include <stddef.h>

/** Connections of --admin-listen, more of which wait to be accepted; and of
 *  those how many linger. */
enum { CAPACITY_ADMIN = 32, CAPACITY_ADMIN_LINGERING = 4 };

struct capacity {
    size_t connections; /* that are served */
    size_t spare;       /* beyond them: to be told 503, or probes */
    size_t evicted;     /* idle ones being closed for new ones, at once */
    size_t lingering;   /* closed ones whose clients still send, see linger.h */
};

/**
 * Raise the limit of open files as far as it goes, and divide what is left of
 * it among up to wanted connections, the event loops that will be, and
 * connections of --admin-listen (admin: on so many addresses); others may be
 * open besides.
 *
 * @retval false there are too few; *files is the limit and *needed the least
 *               that would do.
 */
bool capacity_plan(struct capacity *capacity, size_t wanted, size_t loops,
                   size_t admin, size_t others, size_t *files, size_t *needed);

#endif
