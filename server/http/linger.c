// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "linger.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../clock.h"

enum {
    SLICE_BYTES = 64 * 1024,
    SLICES = 64 /* of one socket at once, so that the others get their turn */
};

bool linger_init(struct linger_list *linger)
{
    *linger = (struct linger_list){.epoll = epoll_create1(EPOLL_CLOEXEC),
                                   .most = LINGER_MAX};
    pthread_mutex_init(&linger->lock, NULL);
    return linger->epoll >= 0;
}

void linger_add(struct linger_list *linger, int fd)
{
    pthread_mutex_lock(&linger->lock);
    int copy =
        linger->count < linger->most ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;
    struct epoll_event event = {.events = EPOLLIN, .data.fd = copy};
    if (copy >= 0 &&
        epoll_ctl(linger->epoll, EPOLL_CTL_ADD, copy, &event) == 0) {
        shutdown(copy, SHUT_WR);
        linger->socket[linger->count].fd = copy;
        linger->socket[linger->count++].deadline_ms = clock_ms() + LINGER_MS;
    } else if (copy >= 0) {
        close(copy);
    }
    pthread_mutex_unlock(&linger->lock);
}

/** false: the client has closed. */
static bool discard(int fd)
{
    static char slice[SLICE_BYTES]; /* only the thread that waits is here */
    ssize_t bytes = 1;
    for (int i = 0; i < SLICES && bytes > 0; i++)
        bytes = recv(fd, slice, sizeof slice, MSG_DONTWAIT | MSG_TRUNC);
    return bytes > 0 || (bytes < 0 && errno == EAGAIN);
}

static bool is_over(const struct linger_list *linger, size_t i, uint64_t now)
{
    return now >= linger->socket[i].deadline_ms ||
           !discard(linger->socket[i].fd);
}

void linger_wait(struct linger_list *linger, int ms)
{
    uint64_t now = clock_ms(), end = now + (uint64_t)ms;
    struct epoll_event event;
    do {
        epoll_wait(linger->epoll, &event, 1, (int)(end - now));
        pthread_mutex_lock(&linger->lock);
        for (size_t i = linger->count; i-- > 0;)
            if (is_over(linger, i, clock_ms())) {
                close(linger->socket[i].fd);
                linger->socket[i] = linger->socket[--linger->count];
            }
        pthread_mutex_unlock(&linger->lock);
    } while ((now = clock_ms()) < end);
}

size_t linger_count(struct linger_list *linger)
{
    pthread_mutex_lock(&linger->lock);
    size_t count = linger->count;
    pthread_mutex_unlock(&linger->lock);
    return count;
}

void linger_deinit(struct linger_list *linger)
{
    while (linger->count > 0)
        close(linger->socket[--linger->count].fd);
    if (linger->epoll >= 0)
        close(linger->epoll);
    pthread_mutex_destroy(&linger->lock);
}
