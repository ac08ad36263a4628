/* SPDX-License-Identifier: MIT */
/** The life of one request, from its headers to the last byte of its answer. */
#ifndef EXCHANGE_H
#define EXCHANGE_H

#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../endpoint.h"
#include "headers.h"

struct client;
struct body;
struct stream;

enum stage {
    STAGE_NEW,      /* nothing is known */
    STAGE_BODY,     /* the body goes to the endpoint */
    STAGE_DISCARD,  /* a problem is set; the rest of the body is dropped */
    STAGE_REFUSED,  /* answered by hand already, see refuse.h */
    STAGE_COMPUTED, /* run has been called */
    STAGE_ANSWERED
};

enum { EXCHANGE_ID_BYTES = 129, EXCHANGE_TRACE_BYTES = 56 };

struct exchange {
    enum stage stage;
    const struct route *route; /* NULL: no such path or method */
    size_t route_number;       /* for the metrics */
    const struct endpoint *endpoint;
    void *call;
    struct body *body;     /* NULL: not encoded */
    struct stream *stream; /* NULL: answered in one piece */
    struct head head;
    struct headers headers;
    struct problem problem;
    struct work work;
    const char *method;
    const char *allow; /* static; for 405 and OPTIONS */
    bool options;      /* answer OPTIONS */
    bool malformed;    /* nobody can tell where the request ends */
    bool close;        /* the connection, after the answer */
    bool counted;      /* as in flight */
    int status;        /* 0: not answered */
    uint64_t started, read_done, computed, answered; /* ns; 0: not yet */
    size_t received;  /* bytes of the body as sent */
    size_t decoded;   /* bytes of the body */
    size_t discarded; /* bytes dropped after a problem */
    size_t sent;      /* bytes of the answer's body */
    char id[EXCHANGE_ID_BYTES];
    char trace[EXCHANGE_TRACE_BYTES]; /* "" where none was sent */
};

/** libmicrohttpd's MHD_AccessHandlerCallback. */
enum MHD_Result exchange_handle(void *cls, struct MHD_Connection *connection,
                                const char *url, const char *method,
                                const char *version, const char *data,
                                size_t *data_bytes, void **state);

/** The request line is here, and nothing else: refuse what would break the
 *  rest of the head. */
void exchange_request_line(struct client *client, const char *uri);

/** The connection is closed. Where libmicrohttpd refuses the same request
 *  twice, it does not say before that the request has ended. */
void exchange_closed(struct client *client);

/** libmicrohttpd's MHD_RequestCompletedCallback. */
void exchange_completed(void *cls, struct MHD_Connection *connection,
                        void **state, enum MHD_RequestTerminationCode why);

#endif
