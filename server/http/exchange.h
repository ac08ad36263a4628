/* SPDX-License-Identifier: MIT */
/**
 * One request and its answer, without a socket: what the head decides, where
 * the body goes, when to compute, what to say.
 *
 *   exchange_init -> (headers, fault, over, local, admin are filled in)
 *   -> exchange_begin -> exchange_feed* -> exchange_finish
 *   -> [exchange_run, on any thread] -> exchange_respond -> exchange_end
 *
 * Each of those that take in the request tells what comes next.
 */
#ifndef EXCHANGE_H
#define EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "../endpoint.h"
#include "headers.h"
#include "response.h"

struct server;
struct inflater;

enum exchange_next {
    EXCHANGE_READ,    /* feed what comes, finish at its end */
    EXCHANGE_COMPUTE, /* run, then respond */
    EXCHANGE_RESPOND  /* respond now; the rest of a body that has not ended is
                         not read, and the connection closes */
};

enum exchange_stage {
    STAGE_HEAD,    /* exchange_begin comes next */
    STAGE_BODY,    /* the body goes to the endpoint */
    STAGE_DISCARD, /* a problem is set; the rest of the body is dropped */
    STAGE_COMPUTED,
    STAGE_RESPONDED
};

enum { EXCHANGE_ID_BYTES = 129, EXCHANGE_TRACE_BYTES = 56 };

struct exchange {
    struct server *server;
    enum exchange_stage stage;
    const struct route *route; /* NULL: no such path or method */
    size_t route_number;       /* for the metrics */
    const struct endpoint *endpoint;
    void *call;
    struct inflater *inflater; /* NULL: the body is not encoded */
    struct stream *stream;     /* NULL: answered in one piece */
    char *text; /* of the response, then slices of it; NULL: not yet */
    struct work work;
    const char *method;
    const char *fault; /* of the framing: nobody can tell where it ends */
    const char *allow; /* static; for 405 and OPTIONS */
    bool options;      /* answer OPTIONS */
    bool over;         /* its connection is beyond --max-connections */
    bool local;        /* over loopback or a Unix socket */
    bool admin;        /* at --admin-listen */
    bool close;        /* the connection, after the answer */
    bool counted;      /* as in flight */
    int status;        /* 0: not answered */
    uint64_t started, read_done, computed; /* ns; 0: not yet */
    size_t received;                       /* bytes of the body as sent */
    size_t decoded;                        /* bytes of the body */
    size_t discarded;                      /* bytes dropped after a problem */
    size_t sent;                           /* bytes of the answer's body */
    char id[EXCHANGE_ID_BYTES];
    char trace[EXCHANGE_TRACE_BYTES]; /* "" where none was sent */
    struct head head;
    struct problem problem;
    struct headers headers;
};

/** Of a HEAD the answer has no body. */
static inline bool exchange_is_head(const struct exchange *x)
{
    return x->method[0] == 'H' && strcmp(x->method, "HEAD") == 0;
}

/** A request begins to arrive. */
void exchange_init(struct exchange *x, struct server *server);

/** The head is here. url: as in the request line, decoded; both texts are
 *  borrowed until the end. */
enum exchange_next exchange_begin(struct exchange *x, const char *method,
                                  const char *url);

/** The next slice of the body. */
enum exchange_next exchange_feed(struct exchange *x, const char *data,
                                 size_t bytes);

/** The body has ended. */
enum exchange_next exchange_finish(struct exchange *x);

/** Compute, unless a problem has been set meanwhile. */
void exchange_run(struct exchange *x);

/** Describe what to send, an answer or a problem. The response borrows from the
 *  exchange, its text too, until that ends; response_deinit releases it. false:
 *  there is no memory, not even to say so. */
bool exchange_respond(struct exchange *x, struct response *response);

/** Have the response leave slice by slice, compressed where coding says so;
 *  false: out of memory or budget. */
bool exchange_stream(struct exchange *x, struct response *response,
                     enum coding coding);

/** Count the request, log it and give back what it holds.
 *  aborted: the client did not get all of the answer. */
void exchange_end(struct exchange *x, bool aborted);

#endif
