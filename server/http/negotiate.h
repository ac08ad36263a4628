/* SPDX-License-Identifier: MIT */
/** Media types and content codings: what a client sends, and what it accepts
 *  (RFC 9110, 8.3, 8.4 and 12.5). */
#ifndef NEGOTIATE_H
#define NEGOTIATE_H

#include <stdbool.h>
#include <stddef.h>

enum coding { CODING_IDENTITY, CODING_GZIP, CODING_DEFLATE, CODING_UNKNOWN };

/** "gzip" and so on, as Content-Encoding says it. */
const char *coding_name(enum coding coding);

enum { FIELD_MAX_LINES = 8 };

/** The lines of a header that may stand several times: they are one list. */
struct field_lines {
    const char *line[FIELD_MAX_LINES];
    size_t count; /* of all that were sent; those beyond the most are lost */
};

/** The coding that a Content-Encoding names; none is identity, several are
 *  unknown. */
enum coding coding_of_content(const struct field_lines *lines);

enum media { MEDIA_JSON, MEDIA_NPY, MEDIA_UNKNOWN };

/** What a Content-Type names: JSON by application/json, application/x+json;
 *  NULL is JSON. */
enum media media_of_content(const char *content_type);

/** How much an Accept wants each, in thousandths; 0: not at all. */
struct accepted_media {
    int json, npy;
};

/**
 * What an Accept allows. Of JSON the most specific range that matches decides;
 * it is excluded only where all of it was understood: whoever sends something
 * odd is better served with an answer. NumPy's format has to be named.
 */
struct accepted_media accepted_media(const struct field_lines *accept);

/**
 * The best coding that an Accept-Encoding allows, by its q-values: gzip before
 * deflate where they are equal; identity where nothing asks for more.
 */
enum coding accepted_coding(const struct field_lines *accept_encoding);

#endif
