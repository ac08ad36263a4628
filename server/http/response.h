/* SPDX-License-Identifier: MIT */
/** What leaves: an answer or a problem, in one piece or many. */
#ifndef RESPONSE_H
#define RESPONSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../endpoint.h"
#include "negotiate.h"
#include "routes.h"
#include "stream.h"

enum {
    RESPONSE_MAX_HEADERS = 12,
    RESPONSE_SMALL_BYTES = STREAM_SLICE_BYTES /* a stream may begin with it */
};

struct response {
    struct reply reply; /* status and tensors; the writer gives what follows
                           the text */
    struct {
        const char *name, *value;
    } header[RESPONSE_MAX_HEADERS];
    size_t header_count;
    const char *text; /* of the body; all of it, or its beginning */
    size_t text_bytes;
    bool whole;      /* nothing follows the text but the tensors */
    uint64_t length; /* of the body; UINT64_MAX: nobody knows */
};

/** A reply to be filled in, as endpoint.h promises it; no headers. */
void response_init(struct response *response);

void response_deinit(struct response *response);

/**
 * Make it describe a problem: in the form of the path's protocol, or as RFC
 * 9457 problem details. path NULL: the route's. Where memory is short, its text
 * is a static one.
 */
void response_problem(struct response *response, const struct routes *routes,
                      const char *path, const struct route *route,
                      const struct problem *problem);

/** The same where memory is short: a problem whose text is a static one. */
void response_no_memory(struct response *response);

/** The value is borrowed. */
void response_header(struct response *response, const char *name,
                     const char *value);

/** Write its text, or what of it fits, into RESPONSE_SMALL_BYTES of memory,
 *  which it borrows; NULL will do where the text is a static one. */
void response_write(struct response *response, char *text);

/** Of a HEAD: keep the length that GET would have, and drop the body. */
void response_drop_body(struct response *response);

/** The whole message as bytes, for where libmicrohttpd takes no response;
 *  0: it does not fit. Of a response that is whole and has no tensors. */
size_t response_format(const struct response *response, char *bytes,
                       size_t room);

#endif
