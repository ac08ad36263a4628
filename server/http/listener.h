/* SPDX-License-Identifier: MIT */
/** One address to listen on: TCP, a Unix socket, or handed over by systemd. */
#ifndef LISTENER_H
#define LISTENER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "../error.h"

struct MHD_Daemon;

enum { LISTENER_URL_BYTES = 160 };

struct listener {
    int fd;                       /* -1: none */
    bool local;                   /* a Unix socket */
    bool inherited;               /* the service manager goes on listening */
    char path[108];               /* of it, to be removed; "": not ours */
    char url[LISTENER_URL_BYTES]; /* "http://127.0.0.1:8080" */
    struct MHD_Daemon *mhd;       /* that accepts from it */
};

/** Those that serve the same: of --listen, or of --admin-listen. */
enum { LISTENERS_MAX = 32 };

struct listener_list {
    struct listener one[LISTENERS_MAX];
    size_t count;
};

/**
 * Listen on "host:port", "[::1]:port", ":port" or "*:port" (every address), or
 * "unix:/path" (mode: of the socket). A name stands for all its addresses, on
 * one port. Where this machine has no IPv6, "[::]:port" is "0.0.0.0:port". A
 * Unix socket that nobody listens on any more is replaced.
 *
 * @return false with one line in error; what is open already stays so.
 */
bool listener_open(struct listener_list *list, const char *address,
                   unsigned mode, bool tls, struct error *error);

/** How many sockets the service manager hands over (LISTEN_FDS); they are
 *  file descriptors 3 and up. The variables are unset. */
size_t listener_inherited(void);

/** Take over such a socket; number: which of them, from 0. */
bool listener_adopt(struct listener_list *list, size_t number, bool tls,
                    struct error *error);

/**
 * Stop taking new connections so that none is lost that a client believes to
 * have: first drop new handshakes, which leaves the queue to drain... An
 * inherited socket stays as it is: who comes now waits in the queue for the
 * process that the service manager starts next.
 */
void listener_hold(struct listener *listener);

/** Is the queue of connections to be accepted empty? */
bool listener_empty(const struct listener *listener);

/** ...then refuse everybody, but at an inherited socket. The file descriptor
 *  stays open. */
void listener_shut(struct listener *listener);

/** Remove a Unix socket from the file system. */
void listener_unlink(struct listener *listener);

void listener_close(struct listener *listener);

#endif
