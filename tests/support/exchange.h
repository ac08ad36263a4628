/* SPDX-License-Identifier: MIT */
/** One request through a routing table without a socket: what http/ does. */
#ifndef EXCHANGE_H
#define EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>

#include "../../server/endpoint.h"

struct exchange {
    /* asked */
    const char *method; /* NULL: "POST" */
    const char *path;
    const char *header_length; /* NULL: absent */
    const struct argument *query;
    size_t query_count;
    const char *body;
    size_t bytes;
    size_t slice; /* bytes at a time; 0: all at once */

    /* answered; exchange_free releases body */
    int status;
    struct problem problem; /* status 0: none */
    const char *type;
    char allow[128];       /* "": absent */
    char text_length[128]; /* of the text; "": no such header */
    char *answer;          /* text, tensors behind it, a NUL */
    size_t text_bytes, answer_bytes;
};

/** Do it. Asserts that the budget is as before once the call has ended. */
void exchange_do(struct exchange *exchange, struct service *service,
                 const struct route *routes, size_t count);

void exchange_free(struct exchange *exchange);

#endif
