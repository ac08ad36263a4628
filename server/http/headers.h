/* SPDX-License-Identifier: MIT */
/** The request's headers that matter. */
#ifndef HEADERS_H
#define HEADERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../endpoint.h"
#include "negotiate.h"

/** The memory of each connection, which libmicrohttpd clears for each request;
 *  half of it is a slice of a body. Half as much would make a small request a
 *  twentieth cheaper and a million logits a tenth dearer, and not hold every
 *  head that is allowed. */
enum { HEADERS_CONNECTION_BYTES = 32 * 1024 };

/** What a field's name means to the rules of framing. */
enum field {
    FIELD_OTHER,
    FIELD_KNOWN, /* one of those below, of no more interest */
    FIELD_HOST,
    FIELD_CONTENT_LENGTH,
    FIELD_TRANSFER_ENCODING
};

/** Borrowed from the connection; NULL where absent. */
struct headers {
    struct field_lines accept;
    struct field_lines accept_encoding;
    struct field_lines content_encoding;
    const char *authorization;
    const char *content_length_text;
    const char *content_type;
    const char *expect;
    const char *host;
    const char *inference_header_length;
    const char *request_id;
    const char *traceparent;
    const char *transfer_encoding;

    size_t bytes;        /* of the head, as sent */
    size_t records;      /* fields, cookies and arguments of the query */
    size_t cookie_bytes; /* of the last Cookie field; 0: there is none */

    uint64_t content_length; /* UINT64_MAX: not told (chunked) */
    bool has_body;
    bool expects_continue;

    /* the query string, decoded; count goes on where the room ends */
    size_t query_count;
    struct argument query[QUERY_MAX];
};

/** None yet. */
void headers_clear(struct headers *headers);

/** Take the next field of the head. Of a field that may stand once, the first
 *  line counts. */
enum field headers_field(struct headers *headers, const char *name,
                         size_t name_bytes, const char *value);

/** The next argument of the query; value NULL: the name stands alone. */
void headers_argument(struct headers *headers, const char *name,
                      const char *value);

/** The head has ended: what follows from its fields together. */
void headers_finish(struct headers *headers);

/** Bytes of a header's value without the blanks that may follow it (RFC 9110,
 *  5.5), which not every version of libmicrohttpd takes off. */
size_t headers_value_bytes(const char *value);

/** Could the path and query of a request line, up to end, break the rest of its
 *  head? false: they could, and the problem is set. */
bool headers_check_line(const char *uri, const char *end,
                        struct problem *problem);

/** Does the head leave room for an answer in its connection's memory? false:
 * the problem is set. */
bool headers_check_size(const struct headers *headers, struct problem *problem);

#endif
