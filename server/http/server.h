/* SPDX-License-Identifier: MIT */
/** What the files of this room share of one daemon. */
#ifndef SERVER_H
#define SERVER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../endpoint.h"
#include "../jobs.h"
#include "../observe/log.h"
#include "../observe/metrics.h"
#include "../options.h"
#include "connection.h"
#include "daemon.h"
#include "linger.h"
#include "listener.h"
#include "routes.h"
#include "tls.h"
#include "token.h"

/** Memory of one connection: headers must fit; half of it is a slice. */
enum { CONNECTION_BYTES = 32 * 1024 };

enum life {
    LIFE_STARTING,
    LIFE_SERVING,
    LIFE_DELAY,   /* draining: not ready, still serving all */
    LIFE_CLOSING, /* refuse new connections, close after each answer */
    LIFE_DRAINED,
    LIFE_OVERDUE /* --drain-timeout is over */
};

struct daemon {
    struct service service; /* first: pages get only this */
    const struct options *options;
    struct routes routes;
    struct listener listeners[OPTIONS_MAX_LISTEN];
    size_t listener_count;
    struct client_list clients;
    struct linger_list linger;
    struct jobs *jobs;     /* that compute, beside the event loops */
    struct tokens *tokens; /* NULL: none asked for */
    struct tls *tls;       /* NULL: plain */
    struct metrics *metrics;
    struct log *log;
    size_t max_connections; /* that the file descriptors allow too */
    atomic_size_t connections;
    atomic_size_t in_flight;
    atomic_int life;          /* enum life */
    _Atomic uint64_t life_ms; /* when it began; set before it */
    pthread_t keeper;         /* sweeps clients, moves life on */
    bool keeper_runs;         /* it was started */
    atomic_bool stopping;     /* the keeper shall end */
};

/** The daemon that a page's service belongs to. */
static inline struct daemon *daemon_of(struct service *service)
{
    return (struct daemon *)service;
}

static inline enum life daemon_life(const struct daemon *daemon)
{
    return (enum life)atomic_load_explicit(&daemon->life, memory_order_relaxed);
}

#endif
