// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "connection.h"

#include <gnutls/gnutls.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "../address.h"
#include "../clock.h"
#include "../freelist.h"
#include "server.h"

enum {
    PHASE_BITS = 3,
    PHASE_MASK = (1 << PHASE_BITS) - 1,
    EVICT_IDLE_MS = 1000, /* whoever is idle for less may be about to ask */
    EVICT_AGAIN_MS = 50,  /* after a search in vain */
    PAUSE_TIMES = 4,      /* as long for one that has begun to ask and pauses */
    MESSAGE_BYTES = 6 * 1024 /* of an answer by hand */
};

static uint64_t state_of(enum phase phase, uint64_t deadline_ms)
{
    return deadline_ms << PHASE_BITS | (uint64_t)phase;
}

static enum phase phase_of(uint64_t state)
{
    return (enum phase)(state & PHASE_MASK);
}

/** It is over, if it is still in that state: only who swaps this in may touch
 *  the socket from here on. */
static bool expire(struct connection *connection, uint64_t state)
{
    return atomic_compare_exchange_strong(&connection->state, &state,
                                          (uint64_t)PHASE_EXPIRED);
}

uint64_t connection_timeout_ms(const struct connection *connection)
{
    return connection->list->server->options->request_timeout * 1000;
}

bool connection_list_init(struct connection_list *list, struct server *server)
{
    list->server = server;
    pthread_mutex_init(&list->lock, NULL);
    return linger_init(&list->linger);
}

void connection_list_deinit(struct connection_list *list)
{
    linger_deinit(&list->linger);
    pthread_mutex_destroy(&list->lock);
}

/** Does it come over loopback or a Unix socket, where compressing costs more
 *  time than it saves? */
static bool is_local(int fd)
{
    struct sockaddr_storage peer = {0};
    socklen_t bytes = sizeof peer;
    return getpeername(fd, (struct sockaddr *)&peer, &bytes) == 0 &&
           address_is_local((const struct sockaddr *)&peer);
}

bool connection_is_over(const struct connection_list *list)
{
    return !list->admin && list->server->connections >
                               list->capacity.connections + list->evicted;
}

struct connection *connection_create(struct connection_list *list,
                                     struct MHD_Connection *mhd, int fd)
{
    struct connection *connection = calloc(1, sizeof *connection);
    if (!connection)
        return NULL;
    connection->list = list;
    connection->mhd = mhd;
    connection->fd = fd;
    connection->over = connection_is_over(list);
    connection->connected_ms = clock_ms();
    connection->local = list->server->options->compress && is_local(fd);
    const struct options *options = list->server->options;
    connection->state = state_of(
        PHASE_FRESH, connection->connected_ms +
                         (options->idle_timeout < options->request_timeout
                              ? options->idle_timeout * 1000
                              : options->request_timeout * 1000));
    pthread_mutex_lock(&list->lock);
    LIST_INSERT_HEAD(&list->all, connection, link);
    pthread_mutex_unlock(&list->lock);
    return connection;
}

/** May its client still be sending, because we closed before all of its request
 *  had come? */
static bool may_send(const struct connection *connection)
{
    enum phase phase = connection_phase(connection);
    return connection->lingers || phase == PHASE_FRESH ||
           phase == PHASE_HEADERS;
}

void connection_free(struct connection *connection)
{
    if (!connection)
        return;
    struct connection_list *list = connection->list;
    if (may_send(connection))
        linger_add(&list->linger, connection->fd);
    pthread_mutex_lock(&list->lock);
    LIST_REMOVE(connection, link);
    list->evicted -= connection->evicted;
    pthread_mutex_unlock(&list->lock);
    free(connection);
}

bool connection_enter(struct connection *connection, enum phase phase,
                      uint64_t deadline_ms)
{
    uint64_t next = state_of(phase, deadline_ms), now = connection->state;
    do {
        if (phase_of(now) == PHASE_EXPIRED)
            return false;
    } while (!atomic_compare_exchange_weak(&connection->state, &now, next));
    return true;
}

enum phase connection_phase(const struct connection *connection)
{
    return phase_of(connection->state);
}

/* ---- answers by hand -------------------------------------------------- */

/** The answer fits into an empty socket buffer. A client that has left the
 *  buffer full does not read anyway and gets only the close that follows. */
static void send_all(struct connection *connection, const char *bytes,
                     size_t count)
{
    if (connection->tls)
        gnutls_record_send(connection->tls, bytes, count);
    else
        send(connection->fd, bytes, count, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void send_answer(struct connection *connection, struct exchange *x)
{
    char message[MESSAGE_BYTES];
    struct response response;
    if (!exchange_respond(x, &response))
        return;
    size_t bytes = response_format(&response, message, sizeof message);
    if (bytes > 0)
        send_all(connection, message, bytes);
    response_deinit(&response);
}

void connection_refuse(struct connection *connection)
{
    connection->lingers = true;
    connection->exchange.close = true;
    connection->sent =
        connection_enter(connection, PHASE_REFUSED, clock_ms() + LINGER_MS);
    if (connection->sent)
        send_answer(connection, &connection->exchange);
}

/* ---- the keeper's side ------------------------------------------------ */

/** Answer a request before its end, from the keeper. The event loop may be at
 *  work on the exchange: only its id and its route may be read, and those once
 *  the connection is in PHASE_READING; its path lies in memory of
 *  libmicrohttpd's. */
static void refuse_early(struct connection *connection, enum phase phase,
                         const struct problem *problem)
{
    struct server *server = connection->list->server;
    struct exchange view = {
        .server = server, .method = "", .close = true, .problem = *problem};
    metrics_reject(server->service.metrics, problem->cause);
    connection->refused_with = problem->status;
    /* Only its event loop may use a TLS session, and may be doing so now: the
     * client gets no more than the close. */
    if (connection->tls)
        return;
    if (phase == PHASE_READING) {
        memcpy(view.id, connection->exchange.id, sizeof view.id);
        view.route = connection->exchange.route;
    }
    send_answer(connection, &view);
    freelist_give(view.text);
}

static void refuse_late(struct connection *connection, enum phase phase)
{
    struct problem problem = {0};
    problem_reject(
        &problem, CAUSE_TIMEOUT,
        "request: got a part of it, must arrive within %lu seconds "
        "(--request-timeout)",
        (unsigned long)connection->list->server->options->request_timeout);
    refuse_early(connection, phase, &problem);
}

void connection_give_up(struct connection *connection, enum phase phase)
{
    struct problem problem = {0};
    uint64_t state;
    do {
        state = connection->state;
        if (phase_of(state) != phase)
            return;
    } while (!expire(connection, state));
    problem_memory(&problem);
    if (phase == PHASE_READING)
        refuse_early(connection, phase, &problem);
    shutdown(connection->fd, SHUT_RDWR);
}

static bool has_unread(const struct connection *connection)
{
    char byte;
    return recv(connection->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

bool connection_has_left(const struct connection *connection)
{
    struct pollfd out = {.fd = connection->fd, .events = POLLRDHUP};
    return poll(&out, 1, 0) > 0;
}

/** How long ago its last bytes came, of the first request or of the handshake
 *  before it. UINT64_MAX: nothing has come yet, or it is a Unix socket, where
 *  the kernel does not tell. */
static uint64_t paused_ms(const struct connection *connection)
{
    struct tcp_info info = {0};
    socklen_t bytes = sizeof info;
    if (has_unread(connection))
        return 0;
    getsockopt(connection->fd, IPPROTO_TCP, TCP_INFO, &info, &bytes);
    return info.tcpi_bytes_received > 0 ? info.tcpi_last_data_recv : UINT64_MAX;
}

static bool has_begun(const struct connection *connection)
{
    return paused_ms(connection) != UINT64_MAX;
}

/** Since when it has been open without a request; UINT64_MAX: it has one. */
static uint64_t idle_since(const struct connection *connection, uint64_t state)
{
    if (phase_of(state) == PHASE_FRESH)
        return connection->connected_ms;
    if (phase_of(state) == PHASE_IDLE)
        return (state >> PHASE_BITS) -
               connection->list->server->options->idle_timeout * 1000;
    return UINT64_MAX;
}

/** Has it been without a request for idle_ms, and is none on its way? */
static bool idle_for(const struct connection *connection, uint64_t state,
                     uint64_t now, uint64_t idle_ms)
{
    uint64_t since = idle_since(connection, state);
    if (since > now || now - since < idle_ms)
        return false;
    return phase_of(state) == PHASE_FRESH
               ? paused_ms(connection) >= PAUSE_TIMES * idle_ms
               : !has_unread(connection);
}

/** A new connection may wait with its first request as long as an idle one;
 *  once the request has begun, it has to arrive like every other. */
static uint64_t fresh_deadline(const struct connection *connection)
{
    const struct options *options = connection->list->server->options;
    return connection->connected_ms + 1000 * (has_begun(connection)
                                                  ? options->request_timeout
                                                  : options->idle_timeout);
}

/** Is time up? What came while this process was stopped is not too late. */
static bool is_due(struct connection *connection, uint64_t state, uint64_t now)
{
    enum phase phase = phase_of(state);
    if (state >> PHASE_BITS > now)
        return false;
    if (phase != PHASE_FRESH && phase != PHASE_IDLE)
        return true;
    if (has_unread(connection))
        return false;
    uint64_t deadline = fresh_deadline(connection);
    if (phase == PHASE_IDLE || deadline <= now)
        return true;
    atomic_compare_exchange_strong(&connection->state, &state,
                                   state_of(PHASE_FRESH, deadline));
    return false;
}

/** Has its client left in the middle of a request? libmicrohttpd takes no
 *  notice of an end that comes together with data. The state has to be the same
 *  at two looks, as the event loop may still be at work on what came before the
 *  end. */
static bool abandoned(struct connection *connection, uint64_t state)
{
    if (phase_of(state) == PHASE_WRITING || phase_of(state) == PHASE_EXPIRED ||
        !connection_has_left(connection) || has_unread(connection))
        return false;
    bool again = connection->left_state == state;
    connection->left_state = state;
    return again;
}

static void sweep_one(struct connection *connection, uint64_t now,
                      uint64_t idle_ms, bool look)
{
    uint64_t state = connection->state;
    enum phase phase = phase_of(state);
    bool left = false;
    if (phase == PHASE_COMPUTING) {
        if (connection_has_left(connection))
            connection->gone = true;
        return;
    }
    if (look && (left = abandoned(connection, state)))
        connection->gone = true;
    if (phase == PHASE_EXPIRED ||
        (!left && !is_due(connection, state, now) &&
         (idle_ms == UINT64_MAX ||
          !idle_for(connection, state, now, idle_ms))) ||
        !expire(connection, state))
        return;
    if (!left && ((phase == PHASE_FRESH && has_begun(connection)) ||
                  phase == PHASE_HEADERS || phase == PHASE_READING))
        refuse_late(connection, phase);
    shutdown(connection->fd, SHUT_RDWR);
}

void connection_sweep(struct connection_list *list, uint64_t idle_ms, bool look)
{
    uint64_t now = clock_ms();
    struct connection *connection;
    /* The lock keeps every client, and with it its socket, alive. */
    pthread_mutex_lock(&list->lock);
    for (connection = LIST_FIRST(&list->all); connection;
         connection = LIST_NEXT(connection, link))
        sweep_one(connection, now, idle_ms, look);
    pthread_mutex_unlock(&list->lock);
}

/** Find the connections that have been without a request for longest, in order.
 *  @return how many there are, up to most. */
static size_t longest_idle(const struct connection_list *list, uint64_t before,
                           struct connection **longest, size_t most)
{
    uint64_t since[CONNECTION_EVICT_MAX];
    size_t count = 0;
    struct connection *connection;
    for (connection = LIST_FIRST(&list->all); connection;
         connection = LIST_NEXT(connection, link)) {
        uint64_t idle = idle_since(connection, connection->state);
        if (idle > before || (count == most && idle >= since[count - 1]))
            continue;
        size_t at = count < most ? count++ : count - 1;
        for (; at > 0 && since[at - 1] > idle; at--) {
            since[at] = since[at - 1];
            longest[at] = longest[at - 1];
        }
        since[at] = idle;
        longest[at] = connection;
    }
    return count;
}

void connection_evict(struct connection_list *list)
{
    struct connection *longest[CONNECTION_EVICT_MAX];
    uint64_t now = clock_ms();
    size_t most = list->capacity.connections, open = list->server->connections;
    if (open < most + list->evicted || now < list->evict_ms)
        return;
    size_t wanted = open + 1 - most - list->evicted;
    if (wanted < list->capacity.evicted)
        wanted = list->capacity.evicted;
    if (wanted > CONNECTION_EVICT_MAX)
        wanted = CONNECTION_EVICT_MAX;
    pthread_mutex_lock(&list->lock);
    size_t before = list->evicted;
    size_t count = longest_idle(list, now - EVICT_IDLE_MS, longest, wanted);
    for (size_t i = 0; i < count; i++) {
        uint64_t state = longest[i]->state;
        if (!idle_for(longest[i], state, now, EVICT_IDLE_MS) ||
            !expire(longest[i], state))
            continue;
        shutdown(longest[i]->fd, SHUT_RDWR);
        longest[i]->evicted = true;
        list->evicted++;
    }
    if (list->evicted == before)
        list->evict_ms = now + EVICT_AGAIN_MS;
    pthread_mutex_unlock(&list->lock);
}

bool connection_may_open(struct connection_list *list)
{
    const struct capacity *capacity = &list->capacity;
    const struct server *server = list->server;
    if (list->admin)
        return true;
    connection_evict(list);
    size_t evicted = list->evicted;
    if (evicted > capacity->evicted)
        evicted = capacity->evicted; /* they still have their descriptors */
    if (server->connections < capacity->connections + capacity->spare + evicted)
        return true;
    metrics_reject(server->service.metrics, CAUSE_CONNECTIONS);
    return false;
}

size_t connection_abandon(struct connection_list *list)
{
    size_t computing = 0;
    struct connection *connection;
    pthread_mutex_lock(&list->lock);
    for (connection = LIST_FIRST(&list->all); connection;
         connection = LIST_NEXT(connection, link)) {
        connection->gone = true;
        uint64_t state;
        while (phase_of(state = connection->state) != PHASE_COMPUTING &&
               phase_of(state) != PHASE_EXPIRED)
            if (expire(connection, state))
                shutdown(connection->fd, SHUT_RDWR);
        computing += phase_of(state) == PHASE_COMPUTING;
    }
    pthread_mutex_unlock(&list->lock);
    return computing;
}
