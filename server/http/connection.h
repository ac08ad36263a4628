/* SPDX-License-Identifier: MIT */
/**
 * One connection: where its request stands and until when it may stay there.
 *
 * libmicrohttpd gives a silent client no thread to run on, and a suspended
 * connection neither times out nor notices that its client left. So a keeper
 * thread looks at all connections a few times a second. It and the event loop
 * agree through one atomic word that holds phase and deadline together:
 * whoever swaps it first has decided.
 */
#ifndef CONNECTION_H
#define CONNECTION_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "capacity.h"
#include "exchange.h"
#include "linger.h"
#include "pace.h"

struct server;
struct tls;
struct MHD_Connection;

/** How many are closed for new ones in one search for them. */
enum { CONNECTION_EVICT_MAX = 32 };

enum phase {
    PHASE_FRESH,     /* connected, no request line yet */
    PHASE_HEADERS,   /* the request line is in */
    PHASE_READING,   /* the headers are in, the body arrives */
    PHASE_COMPUTING, /* suspended; no deadline */
    PHASE_WRITING,   /* the answer leaves */
    PHASE_IDLE,      /* kept alive between requests */
    PHASE_REFUSED,   /* answered by hand, to be closed */
    PHASE_EXPIRED    /* the keeper shut the socket down: over */
};

struct connection {
    struct connection_list *list;
    struct MHD_Connection *mhd;
    void *tls;                     /* gnutls_session_t; NULL: plain */
    struct tls_identity *identity; /* that its session borrows from */
    int fd;
    uint64_t connected_ms;
    bool over;               /* beyond --max-connections */
    bool evicted;            /* for new ones; under the list's lock */
    bool local;              /* where compressing does not pay */
    bool lingers;            /* closed while its client may still send */
    bool queued;             /* libmicrohttpd has the answer */
    bool sent;               /* it was sent by hand */
    _Atomic uint64_t state;  /* deadline in ms << 3 | enum phase */
    atomic_bool gone;        /* the client left: its work is not wanted */
    uint64_t left_state;     /* the state in which it seemed to have */
    atomic_int refused_with; /* the keeper's status; 0: none */
    const char *target_end; /* of the request line, in libmicrohttpd's memory */
    struct pace pace;
    LIST_ENTRY(connection) link; /* in the list, under its lock */
    struct exchange exchange;
};

/** All connections, and what they share. */
struct connection_list {
    struct server *server;
    struct tls *tls; /* NULL: plain */
    bool admin;      /* of --admin-listen: without tokens, TLS and limits */
    struct linger_list linger;
    struct capacity capacity;
    size_t refused_before;     /* for memory; the keeper's, see pace.c */
    atomic_size_t evicted;     /* of those in the list */
    _Atomic uint64_t evict_ms; /* until then a search would find none again */
    pthread_mutex_t lock;
    LIST_HEAD(connections, connection) all;
};

/** false: no epoll instance. */
bool connection_list_init(struct connection_list *list, struct server *server);

void connection_list_deinit(struct connection_list *list);

/** A new connection in the list; NULL when out of memory. */
struct connection *connection_create(struct connection_list *list,
                                     struct MHD_Connection *mhd, int fd);

/** It is closed: take it out of the list and release it. NULL is ignored. */
void connection_free(struct connection *connection);

/** Enter a phase, which may last until that clock_ms (UINT64_MAX: as long as it
 *  takes). false: too late, the keeper has given the connection up. */
bool connection_enter(struct connection *connection, enum phase phase,
                      uint64_t deadline_ms);

/** --request-timeout. */
uint64_t connection_timeout_ms(const struct connection *connection);

/** Where its request stands. */
enum phase connection_phase(const struct connection *connection);

/** Give up a connection that holds memory for too long, if it is still in that
 *  phase; a client that can still be answered gets a 503. For the keeper. */
void connection_give_up(struct connection *connection, enum phase phase);

/** Has the client closed its side, or reset the connection? */
bool connection_has_left(const struct connection *connection);

/** Send the exchange's answer by hand, for where libmicrohttpd takes none:
 *  before it has read the headers, and while a body is still arriving that
 *  nobody wants. The connection has to be closed. */
void connection_refuse(struct connection *connection);

/**
 * Look at every connection: answer 408 to clients too slow to ask, shut down
 * those too slow to listen or idle for too long, and give up the work of those
 * that left. idle_ms below UINT64_MAX: close also those that idle for so long
 * or have not begun to ask. look: find also those that left unnoticed, which
 * costs a system call for each and takes two looks.
 */
void connection_sweep(struct connection_list *list, uint64_t idle_ms,
                      bool look);

/** May one more connection open? Where all are taken, make those idle for
 *  longest give way. false: close it at once, as there is no room to tell it
 *  503 and it would hang. */
bool connection_may_open(struct connection_list *list);

/** Is there one more than --max-connections allows? */
bool connection_is_over(const struct connection_list *list);

/** Where one more connection would be too many, close some that have been
 *  without a request for longest, and for at least a second. */
void connection_evict(struct connection_list *list);

/**
 * Give every connection up: no job of theirs begins any more, no request of
 * theirs is answered. @return how many jobs still run.
 */
size_t connection_abandon(struct connection_list *list);

#endif
