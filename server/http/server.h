/* SPDX-License-Identifier: MIT */
/** What all exchanges of one daemon share, sockets and threads left out. */
#ifndef SERVER_H
#define SERVER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "../endpoint.h"
#include "../observe/log.h"
#include "../observe/metrics.h"
#include "../options.h"
#include "routes.h"

struct tokens;

enum life {
    LIFE_SERVING,
    LIFE_DELAY,   /* draining: not ready, still serving all */
    LIFE_CLOSING, /* refuse new connections, close after each answer */
    LIFE_DRAINED,
    LIFE_OVERDUE /* --drain-timeout is over */
};

struct server {
    struct service service; /* first: pages get only this */
    const struct options *options;
    struct routes routes;
    struct tokens *tokens;  /* NULL: none asked for */
    struct log *log;        /* NULL: nothing is logged */
    size_t max_connections; /* that the file descriptors allow too */
    atomic_size_t connections;
    atomic_size_t in_flight;
    atomic_int life;      /* enum life */
    atomic_bool stopping; /* no new job may begin */
};

/** The server that a page's service belongs to. */
static inline struct server *server_of(struct service *service)
{
    return (struct server *)service;
}

static inline enum life server_life(const struct server *server)
{
    return (enum life)atomic_load_explicit(&server->life, memory_order_relaxed);
}

#endif
