/* SPDX-License-Identifier: MIT */
/** Is it JSON? By Jansson, where Jansson is right. */
#ifndef VERDICT_H
#define VERDICT_H

#include <stdbool.h>
#include <string.h>

#include <jansson.h>

static inline bool jansson_accepts(const char *body, size_t bytes)
{
    json_error_t error;
    /* integers beyond 64 bits are JSON too */
    size_t flags = JSON_REJECT_DUPLICATES | JSON_DECODE_INT_AS_REAL;
    json_t *document = json_loadb(body, bytes, flags, &error);
    bool accepts = json_is_object(document);
    json_decref(document);
    /* a NUL behind a number escapes Jansson, which takes it back twice */
    return accepts && !memchr(body, '\0', bytes);
}

#endif
