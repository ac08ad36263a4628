/* SPDX-License-Identifier: MIT */
/** The request's headers that matter, found in one pass. */
#ifndef HEADERS_H
#define HEADERS_H

#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum coding { CODING_IDENTITY, CODING_GZIP, CODING_DEFLATE, CODING_UNKNOWN };

/** Borrowed from the connection; NULL where absent. */
struct headers {
    const char *accept;
    const char *accept_encoding;
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
    bool ambiguous; /* two answers to where the body ends, or none */
};

void headers_read(struct headers *headers, struct MHD_Connection *connection);

/** The coding that a Content-Encoding names; NULL is identity. */
enum coding headers_content_coding(const char *content_encoding);

/**
 * The best coding that an Accept-Encoding allows, by its q-values: gzip before
 * deflate where they are equal; identity where nothing asks for more.
 */
enum coding headers_accepted_coding(const char *accept_encoding);

/** Does a Content-Type name JSON: application/json, application/x+json? */
bool headers_is_json(const char *content_type);

/** Does an Accept allow application/json? */
bool headers_accept_json(const char *accept);

/** "gzip" and so on, as Content-Encoding says it. */
const char *headers_coding_name(enum coding coding);

#endif
