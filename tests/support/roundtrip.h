/* SPDX-License-Identifier: MIT */
/** One request through the server's exchange, without a socket. */
#ifndef ROUNDTRIP_H
#define ROUNDTRIP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../server/http/exchange.h"
#include "../../server/http/server.h"

enum { ROUNDTRIP_MAX_FIELDS = 12 };

struct roundtrip_field {
    const char *name, *value;
};

struct roundtrip {
    /* asked */
    const char *method; /* NULL: "POST" */
    const char *path;
    const char *header_length; /* of Inference-Header-Content-Length */
    struct roundtrip_field field[ROUNDTRIP_MAX_FIELDS]; /* others, name NULL at
                                                           the end */
    const struct argument *query;
    size_t query_count;
    const char *body;
    size_t bytes;
    size_t slice;  /* bytes at a time; 0: all at once */
    bool in_place; /* hand the body itself over, not copies that end where the
                      slices do, so that the asker allocates nothing */
    const char *fault; /* of the framing */
    bool over;         /* its connection is one too many */

    /* answered; roundtrip_free releases it */
    int status;             /* 0: no memory for an answer */
    bool early;             /* before the body had ended */
    struct problem problem; /* status 0: none */
    struct work work;
    char type[64];
    char headers[1024];   /* "\nName: value" */
    char text_length[32]; /* of the text; "": no such header */
    char *answer;         /* text, tensors after it, a NUL */
    size_t text_bytes, answer_bytes;
    uint64_t length; /* that Content-Length tells; UINT64_MAX: none */
};

/** A server with those routes, options as they are without flags, no limits of
 *  memory and body, always ready; the caller adds a compute context. */
void roundtrip_serve(struct server *server, const struct route *routes,
                     size_t count);

/** Add a compute context of one thread; the caller frees it. */
enum smx_status roundtrip_compute(struct server *server);

/** Bring the request to the point where exchange_respond is due. true: the body
 *  has ended. */
bool roundtrip_ask(const struct roundtrip *trip, struct exchange *x,
                   struct server *server);

/** Do all of it. Asserts that the budget is as before in the end. */
void roundtrip_do(struct roundtrip *trip, struct server *server);

/** A header's value; NULL: absent. Fails where it stands twice. */
const char *roundtrip_header(const struct roundtrip *trip, const char *name);

void roundtrip_free(struct roundtrip *trip);

#endif
