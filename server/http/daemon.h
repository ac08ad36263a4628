/* SPDX-License-Identifier: MIT */
/**
 * The daemon: listens, serves, drains, stops. In process, so that tests can
 * have one on port 0 for each case.
 */
#ifndef DAEMON_H
#define DAEMON_H

#include <stdbool.h>
#include <stddef.h>

#include "../error.h"
#include "../endpoint.h"
#include "../options.h"

struct daemon;

/** Rows of the routing table that one protocol brings along. */
struct route_table {
    const struct route *routes;
    size_t count;
};

/**
 * Start to listen and serve. Paths of tables in front win.
 *
 * Ownership    *options and the tables are borrowed until daemon_stop.
 * log_fd       where the log goes, see log.h; borrowed.
 * @return NULL with one line, without newline, in error.
 */
struct daemon *daemon_start(const struct options *options,
                            const struct route_table *tables, size_t count,
                            int log_fd, struct error *error);

/** Where address number i is: "http://127.0.0.1:8080", "unix:/run/s";
 *  NULL beyond the last. Borrowed. */
const char *daemon_address(const struct daemon *daemon, size_t i);

/** The same of --admin-listen. */
const char *daemon_admin_address(const struct daemon *daemon, size_t i);

/** What the compute pool and the budget of this daemon are. */
struct service *daemon_service(struct daemon *daemon);

/** Read the TLS files and the tokens again; false: all stay as they were. */
bool daemon_reload(struct daemon *daemon, struct error *error);

/** Begin to drain: readiness off, then as the options say. Does not wait. */
void daemon_drain(struct daemon *daemon);

enum daemon_drained {
    DRAIN_RUNNING,
    DRAIN_DONE,   /* every request was answered */
    DRAIN_TIMEOUT /* --drain-timeout is over and some were not */
};

/** How far draining is. */
enum daemon_drained daemon_drained(struct daemon *daemon);

/** Requests under way now. */
size_t daemon_in_flight(const struct daemon *daemon);

/** Stop listening: Unix sockets are removed. Also safe before an _exit. */
void daemon_unlink(struct daemon *daemon);

/** Stop at once, breaking off what is in flight (jobs that run are waited
 *  for), and release everything. NULL is ignored. */
void daemon_stop(struct daemon *daemon);

#endif
