/* SPDX-License-Identifier: MIT */
/**
 * Does a client keep pace? A large request holds memory from its head to the
 * last byte of its answer, and its client decides how long that takes. So:
 *
 * - An answer has to leave at 1 MiB a second once --request-timeout is over.
 * - A client dawdles if it would need more than --request-timeout at its pace
 *   of the first three seconds or more. Where memory runs short, those that
 *   dawdle are cut down to half of --memory-limit together, the largest first:
 *   so nobody keeps others out for long, over however many connections.
 */
#ifndef PACE_H
#define PACE_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct connection;
struct connection_list;

/** Written by the connection's event loop, read by the keeper. */
struct pace {
    _Atomic uint64_t began_ms; /* 0: nothing large is on its way */
    atomic_size_t held;        /* bytes of memory until it has arrived */
    atomic_size_t moved;       /* bytes of it that have */
    atomic_size_t before;      /* that the peer had confirmed at its begin */
};

/** A body of so many bytes begins to arrive, or an answer that holds so many
 *  begins to leave. Small ones are not timed. */
void pace_begin(struct connection *connection, size_t held);

/** So many bytes of it have arrived, or left. */
void pace_move(struct connection *connection, size_t moved);

/** All of it has arrived, or the request has ended. */
void pace_end(struct connection *connection);

/** Give up those whose answers leave too slowly and, where memory runs short,
 *  those who dawdle. From the keeper. */
void pace_keep(struct connection_list *list);

#endif
