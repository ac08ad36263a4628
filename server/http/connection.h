/* SPDX-License-Identifier: MIT */
/**
 * One connection: where its request stands and until when it may stay there.
 *
 * libmicrohttpd gives a silent client no thread to run on, and a suspended
 * connection neither times out nor notices that its client left. So a keeper
 * thread looks at all clients a few times a second. It and the event loop
 * agree through one atomic word that holds phase and deadline together:
 * whoever swaps it first has decided.
 */
#ifndef CONNECTION_H
#define CONNECTION_H

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "exchange.h"

enum phase {
    PHASE_FRESH,     /* connected, no request line yet */
    PHASE_HEADERS,   /* the request line is in */
    PHASE_READING,   /* the headers are in, the body arrives */
    PHASE_COMPUTING, /* suspended; no deadline */
    PHASE_WRITING,   /* the answer leaves */
    PHASE_IDLE,      /* kept alive between requests */
    PHASE_REFUSED,   /* answered before its headers were read */
    PHASE_EXPIRED    /* the keeper shut the socket down: over */
};

struct client {
    struct daemon *daemon;
    struct MHD_Connection *connection;
    void *tls;                     /* gnutls_session_t; NULL: plain */
    struct tls_identity *identity; /* that its session borrows from */
    int fd;
    bool over;                /* beyond --max-connections */
    bool lingers;             /* closed while it may still send */
    _Atomic uint64_t state;   /* deadline in ms << 3 | enum phase */
    atomic_bool gone;         /* it left: its work need not be done */
    uint64_t left_state;      /* the state in which it seemed to have left */
    struct client *next;      /* in the list, under its lock */
    struct client **previous; /* what points here */
    struct exchange exchange;
};

struct client_list {
    pthread_mutex_t lock;
    struct client *first;
};

/** A new client in the list; NULL when out of memory. */
struct client *client_create(struct client_list *list, struct daemon *daemon,
                             struct MHD_Connection *connection);

/** Take it out of the list and release it. NULL is ignored. */
void client_free(struct client_list *list, struct client *client);

/**
 * Go to the next phase, to last timeout_ms at most (0: as long as it takes).
 * @return false: too late, the keeper has given the client up.
 */
bool client_enter(struct client *client, enum phase phase, uint64_t timeout_ms);

/** Was it closed by us before it had sent its request, or all of it? */
bool client_may_send(const struct client *client);

/** Has it closed its side, or reset the connection? */
bool client_has_left(const struct client *client);

/**
 * Look at every client: answer 408 to those too slow to ask, shut down those
 * too slow to listen or idle for too long, and give up the work of those that
 * left. With idle_ms < UINT64_MAX also those that idle that long. With look,
 * which costs a system call for each, also those that left unnoticed; two
 * looks find them.
 */
void client_sweep(struct client_list *list, uint64_t idle_ms, bool look);

/**
 * Give every client up: no job of theirs begins any more, no request of theirs
 * is answered. @return how many jobs still run.
 */
size_t client_abandon(struct client_list *list);

#endif
