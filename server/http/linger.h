/* SPDX-License-Identifier: MIT */
/**
 * Sockets that were closed with the client still sending.
 *
 * To close a socket with unread bytes resets the connection, and the reset
 * overtakes the answer that is on its way. So an answer that does not wait for
 * the end of its request leaves a duplicate of the descriptor here: the
 * sending side is shut down, and what still arrives is thrown away, until the
 * client closes or time is up.
 */
#ifndef LINGER_H
#define LINGER_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LINGER_MAX = 32, LINGER_MS = 2000 };

struct linger_list {
    pthread_mutex_t lock;
    int epoll;          /* -1: none */
    size_t count, most; /* most: up to LINGER_MAX */
    struct {
        int fd;
        uint64_t deadline_ms;
    } socket[LINGER_MAX];
};

bool linger_init(struct linger_list *linger);

/** Keep a duplicate of the descriptor. Where as many as allowed are kept
 *  already, nothing happens, and the close that follows is a plain one. */
void linger_add(struct linger_list *linger, int fd);

/** Throw away what arrives, for that long; and close what has ended. */
void linger_wait(struct linger_list *linger, int ms);

/** How many sockets are kept. */
size_t linger_count(struct linger_list *linger);

/** Close all. */
void linger_deinit(struct linger_list *linger);

#endif
