/* SPDX-License-Identifier: MIT */
/**
 * Is the head of a request what RFC 9112 calls well formed, so that a proxy in
 * front and we see the same end of it, and of its body?
 *
 * libmicrohttpd 0.9.75 lets a lot through: an empty field name, which it takes
 * for the end of the head; a folded line, which it appends to the *name*
 * before; a NUL, a line that ends in LF alone. Each of these leaves a gap: the
 * fields that it hands out, laid beside each other, no longer fill the head
 * from the request line to its end.
 */
#ifndef FRAMING_H
#define FRAMING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "headers.h"

struct framing {
    const char *fault; /* what was found; NULL: nothing wrong */
    bool gapless;      /* fields have to fill the head */
    bool http_1_1;
    uintptr_t end;      /* of what has been seen of the head */
    const char *length; /* Content-Length; NULL: none yet */
    unsigned hosts, encodings;
};

/** version: the last word of the request line, where it stands in the head. */
void framing_begin(struct framing *framing, const char *version, bool gapless);

/** The words of the request line, where they stand in the head; target_end:
 *  where the string of the target ends. */
void framing_line(struct framing *framing, const char *method,
                  const char *target, const char *target_end,
                  const char *version);

/** The next field, where it stands in the head. A NUL follows the value. */
void framing_field(struct framing *framing, enum field field, const char *name,
                   size_t name_bytes, const char *value, size_t value_bytes);

/** The head ends there, after its empty line. */
void framing_finish(struct framing *framing, const char *head_end);

#endif
