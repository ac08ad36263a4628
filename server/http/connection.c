// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "connection.h"

#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "../clock.h"
#include "refuse.h"
#include "server.h"

enum { PHASE_BITS = 3, PHASE_MASK = (1 << PHASE_BITS) - 1 };
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

struct client *client_create(struct client_list *list, struct daemon *daemon,
                             struct MHD_Connection *connection)
{
    struct client *client = calloc(1, sizeof *client);
    if (!client)
        return NULL;
    client->daemon = daemon;
    client->connection = connection;
    client->fd =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)
            ->connect_fd;
    client->state =
        state_of(PHASE_FRESH, daemon->options->request_timeout * 1000);
    pthread_mutex_lock(&list->lock);
    client->next = list->first;
    client->previous = &list->first;
    if (list->first)
        list->first->previous = &client->next;
    list->first = client;
    pthread_mutex_unlock(&list->lock);
    return client;
}

void client_free(struct client_list *list, struct client *client)
{
    if (!client)
        return;
    pthread_mutex_lock(&list->lock);
    *client->previous = client->next;
    if (client->next)
        client->next->previous = client->previous;
    pthread_mutex_unlock(&list->lock);
    free(client);
}

bool client_enter(struct client *client, enum phase phase, uint64_t timeout_ms)
{
    uint64_t next = state_of(phase, timeout_ms);
    uint64_t now = atomic_load_explicit(&client->state, memory_order_relaxed);
    do {
        if (phase_of(now) == PHASE_EXPIRED)
            return false;
    } while (!atomic_compare_exchange_weak_explicit(&client->state, &now, next,
                                                    memory_order_acq_rel,
                                                    memory_order_relaxed));
    return true;
}

bool client_may_send(const struct client *client)
{
    enum phase phase =
        phase_of(atomic_load_explicit(&client->state, memory_order_relaxed));
    return client->lingers || phase == PHASE_FRESH || phase == PHASE_HEADERS;
}

/* ---- the keeper's side ------------------------------------------------ */

static bool has_unread(const struct client *client)
{
    char byte;
    return recv(client->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

bool client_has_left(const struct client *client)
{
    struct pollfd out = {.fd = client->fd, .events = POLLRDHUP};
    return poll(&out, 1, 0) > 0;
}

/** Idle long enough to be closed while draining, and sending nothing? */
static bool idle_for(const struct client *client, uint64_t state, uint64_t now,
                     uint64_t idle_ms)
{
    uint64_t whole = client->daemon->options->idle_timeout * 1000;
    uint64_t began = (state >> PHASE_BITS) - whole;
    return phase_of(state) == PHASE_IDLE && now - began >= idle_ms &&
           !has_unread(client);
}

/** Has it left in the middle? The end of its data may come together with the
 *  data, and libmicrohttpd then takes no notice of it. Two looks at the same
 *  state, since the event loop may be at work on what came before the end. */
static bool abandoned(struct client *client, uint64_t state)
{
    if (phase_of(state) == PHASE_WRITING || phase_of(state) == PHASE_EXPIRED ||
        !client_has_left(client) || has_unread(client))
        return false;
    bool again = client->left_state == state;
    client->left_state = state;
    return again;
}

static void sweep_one(struct client *client, uint64_t now, uint64_t idle_ms,
                      bool look)
{
    uint64_t state = atomic_load_explicit(&client->state, memory_order_acquire);
    enum phase phase = phase_of(state);
    bool left = false;
    if (phase == PHASE_COMPUTING) {
        if (client_has_left(client))
            client->gone = true;
        return;
    }
    if (look && (left = abandoned(client, state)))
        client->gone = true;
    if (phase == PHASE_EXPIRED ||
        (!left && state >> PHASE_BITS > now &&
         (idle_ms == UINT64_MAX || !idle_for(client, state, now, idle_ms))))
        return;
    /* Only who swaps this in may touch the socket from here on. */
    if (!atomic_compare_exchange_strong_explicit(
            &client->state, &state, (uint64_t)PHASE_EXPIRED,
            memory_order_acq_rel, memory_order_relaxed))
        return;
    if (!left && (phase == PHASE_FRESH || phase == PHASE_HEADERS ||
                  phase == PHASE_READING))
        refuse_late(client, phase);
    shutdown(client->fd, SHUT_RDWR);
}

void client_sweep(struct client_list *list, uint64_t idle_ms, bool look)
{
    uint64_t now = clock_ms();
    /* The lock keeps every client, and with it its socket, alive. */
    pthread_mutex_lock(&list->lock);
    for (struct client *client = list->first; client; client = client->next)
        sweep_one(client, now, idle_ms, look);
    pthread_mutex_unlock(&list->lock);
}

size_t client_abandon(struct client_list *list)
{
    size_t computing = 0;
    pthread_mutex_lock(&list->lock);
    for (struct client *client = list->first; client; client = client->next) {
        client->gone = true;
        uint64_t state = client->state;
        while (phase_of(state) != PHASE_COMPUTING &&
               phase_of(state) != PHASE_EXPIRED)
            if (atomic_compare_exchange_weak(&client->state, &state,
                                             (uint64_t)PHASE_EXPIRED))
                shutdown(client->fd, SHUT_RDWR);
        computing += phase_of(client->state) == PHASE_COMPUTING;
    }
    pthread_mutex_unlock(&list->lock);
    return computing;
}
