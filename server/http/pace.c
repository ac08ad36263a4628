// SPDX-License-Identifier: MIT
#include "pace.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <sys/socket.h>

#include "../clock.h"
#include "connection.h"
#include "server.h"

enum {
    SMALL_BYTES = 64 * 1024, /* that nobody misses */
    DAWDLE_MS = 3000,        /* before, TCP may still gather speed */
    BYTES_A_MS = 1049        /* 1 MiB a second */
};

/** What the peer has confirmed of all that was ever sent to it: of an answer
 *  the kernel may have been given all at once. 0: nothing, or the kernel does
 *  not know. */
static size_t confirmed(const struct connection *connection)
{
    struct tcp_info info = {0};
    socklen_t bytes = sizeof info;
    if (getsockopt(connection->fd, IPPROTO_TCP, TCP_INFO, &info, &bytes) != 0 ||
        bytes < offsetof(struct tcp_info, tcpi_bytes_received))
        return 0; /* not a socket of TCP */
    return info.tcpi_bytes_acked;
}

void pace_begin(struct connection *connection, size_t held)
{
    struct pace *pace = &connection->pace;
    if (held < SMALL_BYTES)
        return;
    pace->held = held;
    pace->moved = 0;
    pace->before = confirmed(connection);
    pace->began_ms = clock_ms();
}

void pace_move(struct connection *connection, size_t moved)
{
    atomic_store_explicit(&connection->pace.moved, moved, memory_order_relaxed);
}

void pace_end(struct connection *connection)
{
    atomic_store_explicit(&connection->pace.began_ms, 0, memory_order_release);
}

/* ---- the keeper's side ------------------------------------------------ */

struct progress {
    uint64_t passed_ms; /* 0: nothing is timed */
    size_t held, moved;
    enum phase phase;
};

static struct progress look(const struct connection *connection)
{
    const struct pace *pace = &connection->pace;
    uint64_t began = pace->began_ms, now = clock_ms();
    enum phase phase = connection_phase(connection);
    if (!began || began > now ||
        (phase != PHASE_READING && phase != PHASE_WRITING))
        return (struct progress){0};
    struct progress progress = {now - began, pace->held, pace->moved, phase};
    size_t sent = phase == PHASE_WRITING ? confirmed(connection) : 0;
    if (sent > pace->before)
        progress.moved = sent - pace->before;
    return progress;
}

/** An answer has to leave at its pace, however much memory is free. */
static bool is_too_slow(const struct progress *progress, uint64_t timeout_ms)
{
    return progress->phase == PHASE_WRITING &&
           progress->passed_ms > timeout_ms + progress->moved / BYTES_A_MS;
}

/** Would it need more than the timeout, at the pace so far? */
static bool dawdles(const struct progress *progress, uint64_t timeout_ms)
{
    return progress->passed_ms > DAWDLE_MS &&
           (double)progress->moved * (double)timeout_ms <
               (double)progress->held * (double)progress->passed_ms;
}

/** Give up all that are too slow. @return what those who dawdle hold, and in
 *  *largest who of them holds most. */
static size_t survey(struct connection_list *list, struct connection **largest)
{
    uint64_t timeout_ms = list->server->options->request_timeout * 1000;
    size_t sum = 0, most = 0;
    struct connection *connection;
    *largest = NULL;
    for (connection = LIST_FIRST(&list->all); connection;
         connection = LIST_NEXT(connection, link)) {
        struct progress progress = look(connection);
        if (is_too_slow(&progress, timeout_ms)) {
            connection_give_up(connection, progress.phase);
        } else if (dawdles(&progress, timeout_ms)) {
            sum += progress.held;
            if (progress.held > most) {
                most = progress.held;
                *largest = connection;
            }
        }
    }
    return sum;
}

/** Was somebody refused for want of memory, or is there next to none? */
static bool is_short(struct connection_list *list)
{
    const struct budget *budget = &list->server->service.budget;
    size_t refused = budget->refused;
    bool more = refused != list->refused_before;
    list->refused_before = refused;
    return more || !budget_has_room(budget);
}

void pace_keep(struct connection_list *list)
{
    bool short_of_memory = is_short(list);
    size_t half = list->server->service.budget.limit / 2;
    struct connection *largest;
    pthread_mutex_lock(&list->lock);
    while (survey(list, &largest) > half && short_of_memory)
        connection_give_up(largest, connection_phase(largest));
    pthread_mutex_unlock(&list->lock);
}
