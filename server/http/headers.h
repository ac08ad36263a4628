/* SPDX-License-Identifier: MIT */
/** The request's headers that matter, found in one pass. */
#ifndef HEADERS_H
#define HEADERS_H

#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../endpoint.h"
#include "negotiate.h"

/** Borrowed from the connection; NULL where absent. */
struct headers {
    struct field_lines accept;
    struct field_lines accept_encoding;
    const char *authorization;
    const char *content_encoding;
    const char *content_length_text;
    const char *content_type;
    const char *expect;
    const char *host;
    const char *inference_header_length;
    const char *request_id;
    const char *traceparent;
    const char *transfer_encoding;

    uint64_t content_length; /* UINT64_MAX: not told (chunked) */
    bool has_body;
    bool expects_continue;

    /* the query string, decoded; count goes on where the room ends */
    size_t query_count;
    struct argument query[QUERY_MAX];
};

void headers_read(struct headers *headers, struct MHD_Connection *connection);

/** Bytes of a header's value without the blanks that may follow it (RFC 9110,
 *  5.5), which not every version of libmicrohttpd takes off. */
size_t headers_value_bytes(const char *value);

#endif
