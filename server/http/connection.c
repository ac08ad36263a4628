// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "connection.h"

#include <gnutls/gnutls.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "../address.h"
#include "../clock.h"
#include "server.h"

enum {
    PHASE_BITS = 3,
    PHASE_MASK = (1 << PHASE_BITS) - 1,
    BYTES_A_MS = 1049,       /* 1 MiB a second */
    MESSAGE_BYTES = 6 * 1024 /* of an answer by hand */
};
#define NO_DEADLINE (UINT64_MAX >> PHASE_BITS)

static uint64_t state_of(enum phase phase, uint64_t timeout_ms)
{
    uint64_t deadline = timeout_ms ? clock_ms() + timeout_ms : NO_DEADLINE;
    return deadline << PHASE_BITS | (uint64_t)phase;
}

static enum phase phase_of(uint64_t state)
{
    return (enum phase)(state & PHASE_MASK);
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

struct connection *connection_create(struct connection_list *list,
                                     struct MHD_Connection *mhd, int fd)
{
    struct connection *connection = calloc(1, sizeof *connection);
    if (!connection)
        return NULL;
    connection->list = list;
    connection->mhd = mhd;
    connection->fd = fd;
    connection->over = !list->admin && list->server->connections >
                                           list->server->max_connections;
    connection->local = list->server->options->compress && is_local(fd);
    connection->state =
        state_of(PHASE_FRESH, connection_timeout_ms(connection));
    pthread_mutex_lock(&list->lock);
    connection->next = list->first;
    connection->previous = &list->first;
    if (list->first)
        list->first->previous = &connection->next;
    list->first = connection;
    pthread_mutex_unlock(&list->lock);
    return connection;
}

/** Was it closed by us before its client had sent the request, or all of it? */
static bool may_send(const struct connection *connection)
{
    enum phase phase = phase_of(
        atomic_load_explicit(&connection->state, memory_order_relaxed));
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
    *connection->previous = connection->next;
    if (connection->next)
        connection->next->previous = connection->previous;
    pthread_mutex_unlock(&list->lock);
    free(connection);
}

bool connection_enter(struct connection *connection, enum phase phase,
                      uint64_t timeout_ms)
{
    uint64_t next = state_of(phase, timeout_ms);
    uint64_t now =
        atomic_load_explicit(&connection->state, memory_order_relaxed);
    do {
        if (phase_of(now) == PHASE_EXPIRED)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(&connection->state, &now,
                                                    next, memory_order_acq_rel,
                                                    memory_order_relaxed));
    return true;
}

/* Each slice that was taken buys the time for the next, but all of them
 * together leave at BYTES_A_MS once the first timeout is over: an answer holds
 * its tensors until its reader has it. */
bool connection_enter_slice(struct connection *connection)
{
    const struct exchange *x = &connection->exchange;
    uint64_t most = connection_timeout_ms(connection);
    uint64_t passed = (clock_ns() - x->computed) / 1000000;
    uint64_t allowed = most + x->sent / BYTES_A_MS;
    if (passed >= allowed)
        return false;
    allowed -= passed;
    return connection_enter(connection, PHASE_WRITING,
                            allowed < most ? allowed : most);
}

/* ---- answers by hand -------------------------------------------------- */

/** All of it fits into an empty socket buffer; where the buffer is not empty
 *  the client does not listen anyway, and the close that follows must do. */
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
    connection->sent = connection_enter(connection, PHASE_REFUSED, LINGER_MS);
    if (connection->sent)
        send_answer(connection, &connection->exchange);
}

/** Answer 408. The event loop may be at work on the exchange; its id and its
 *  route stand since the connection went to PHASE_READING, its path is
 *  libmicrohttpd's. */
static void refuse_late(struct connection *connection, enum phase phase)
{
    struct server *server = connection->list->server;
    struct exchange view = {.server = server, .method = "", .close = true};
    metrics_reject(server->service.metrics, CAUSE_TIMEOUT);
    /* Before the first request a session may not have shaken hands yet. */
    if (connection->tls && phase != PHASE_READING)
        return;
    if (phase == PHASE_READING) {
        memcpy(view.id, connection->exchange.id, sizeof view.id);
        view.route = connection->exchange.route;
    }
    problem_reject(&view.problem, CAUSE_TIMEOUT,
                   "request: got a part of it, must arrive within %lu seconds "
                   "(--request-timeout)",
                   (unsigned long)server->options->request_timeout);
    send_answer(connection, &view);
}

/* ---- the keeper's side ------------------------------------------------ */

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

/** Idle long enough to be closed while draining, and sending nothing? */
static bool idle_for(const struct connection *connection, uint64_t state,
                     uint64_t now, uint64_t idle_ms)
{
    uint64_t whole = connection->list->server->options->idle_timeout * 1000;
    uint64_t began = (state >> PHASE_BITS) - whole;
    return phase_of(state) == PHASE_IDLE && now - began >= idle_ms &&
           !has_unread(connection);
}

/** Has it left in the middle? The end of its data may come together with the
 *  data, and libmicrohttpd then takes no notice of it. Two looks at the same
 *  state, since the event loop may be at work on what came before the end. */
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
    uint64_t state =
        atomic_load_explicit(&connection->state, memory_order_acquire);
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
        (!left && state >> PHASE_BITS > now &&
         (idle_ms == UINT64_MAX || !idle_for(connection, state, now, idle_ms))))
        return;
    /* Only who swaps this in may touch the socket from here on. */
    if (!atomic_compare_exchange_strong_explicit(
            &connection->state, &state, (uint64_t)PHASE_EXPIRED,
            memory_order_acq_rel, memory_order_relaxed))
        return;
    if (!left && (phase == PHASE_FRESH || phase == PHASE_HEADERS ||
                  phase == PHASE_READING))
        refuse_late(connection, phase);
    shutdown(connection->fd, SHUT_RDWR);
}

void connection_sweep(struct connection_list *list, uint64_t idle_ms, bool look)
{
    uint64_t now = clock_ms();
    /* The lock keeps every client, and with it its socket, alive. */
    pthread_mutex_lock(&list->lock);
    for (struct connection *connection = list->first; connection;
         connection = connection->next)
        sweep_one(connection, now, idle_ms, look);
    pthread_mutex_unlock(&list->lock);
}

size_t connection_abandon(struct connection_list *list)
{
    size_t computing = 0;
    pthread_mutex_lock(&list->lock);
    for (struct connection *connection = list->first; connection;
         connection = connection->next) {
        connection->gone = true;
        uint64_t state = connection->state;
        while (phase_of(state) != PHASE_COMPUTING &&
               phase_of(state) != PHASE_EXPIRED)
            if (atomic_compare_exchange_weak(&connection->state, &state,
                                             (uint64_t)PHASE_EXPIRED))
                shutdown(connection->fd, SHUT_RDWR);
        computing += phase_of(connection->state) == PHASE_COMPUTING;
    }
    pthread_mutex_unlock(&list->lock);
    return computing;
}
