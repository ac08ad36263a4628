/* SPDX-License-Identifier: MIT */
/**
 * A daemon in this process on port 0, and libcurl to drive it. All fail the
 * running cmocka test where something cannot be set up.
 */
#ifndef DAEMON_FIXTURE_H
#define DAEMON_FIXTURE_H

#include <stdbool.h>
#include <stddef.h>

#include "../../server/http/daemon.h"
#include "../../server/options.h"

struct fixture {
    struct options options;
    struct daemon *daemon;
    const char *url; /* "http://127.0.0.1:PORT", of the first address */
    int log_fd;      /* an unnamed file, what the daemon logged */
};

/** flags: as on the command line, NULL at the end; NULL: none. Listens on
 *  127.0.0.1:0 unless a flag says otherwise. */
void fixture_start(struct fixture *fixture, const char *const *flags);

/** The same with more routes in front of the daemon's own. */
void fixture_start_routes(struct fixture *fixture, const char *const *flags,
                          const struct route_table *routes);

/** A daemon with these flags does not start, and says part. */
void fixture_refuses(const char *const *flags, const char *part);

/** Stop; fails the test where a byte of the memory budget is still taken. */
void fixture_stop(struct fixture *fixture);

/** Between two looks at something that has an end. */
void fixture_sleep_ms(long ms);

/** Until so many requests are under way; fails the test after 10 s. */
void fixture_wait_in_flight(const struct fixture *fixture, size_t count);

/** Drain as SIGTERM does and wait for the end of it. */
enum daemon_drained fixture_drain(struct fixture *fixture);

/** The log so far, to be freed. Lines appear within 200 ms. */
char *fixture_log(const struct fixture *fixture);

/** The URL of a daemon that listens on 0.0.0.0, at an address of this machine
 *  that is not its loopback; skips the test where it has none. */
void fixture_outer_url(const struct fixture *fixture, char *url,
                       size_t url_bytes);

/** The port of an "http://host:port" URL. */
int fixture_port(const char *url);

/** A connected TCP socket to that daemon, to misbehave by hand. */
int fixture_connect(const struct fixture *fixture);

/** Send text there and read until the other side closes or has said until
 *  (NULL: until it closes). To be freed. */
char *converse(int fd, const char *text, const char *until);

/* ---- libcurl ---------------------------------------------------------- */

struct http_request {
    const char *method;         /* NULL: GET, or POST with a body */
    const char *path;           /* "/softmax" */
    const char *const *headers; /* "Name: value", NULL at the end; or NULL */
    const char *body;           /* NULL: none */
    size_t body_bytes;          /* 0: strlen(body) */
    bool chunked;               /* send the body without its length */
    long timeout_ms;            /* 0: 20 s */
    const char *ca;             /* PEM files for https; NULL: none */
    const char *cert, *key;     /* the client's own */
};

struct http_answer {
    int status; /* 0: none came */
    int code;   /* CURLcode */
    char *headers;
    char *body; /* a NUL follows */
    size_t body_bytes;
};

/** One request on a connection of its own; a Content-Type of JSON goes with a
 *  body unless headers name another ("Content-Type:" sends none). Free with
 *  http_answer_free. */
struct http_answer http_send(const char *url,
                             const struct http_request *request);

/** POST JSON text. */
struct http_answer http_post(const char *url, const char *path,
                             const char *json);

struct http_answer http_get(const char *url, const char *path);

/** A header's value, copied into text; false: absent. */
bool http_header(const struct http_answer *answer, const char *name, char *text,
                 size_t text_bytes);

void http_answer_free(struct http_answer *answer);

#endif
