/* SPDX-License-Identifier: MIT */
/**
 * A tensor in base64, where an array may stand:
 * {"base64": TEXT, "dtype": "float32", "shape": [2, 3]}.
 *
 * The members come in any order. The text goes straight into the tensor's
 * memory, decoded; when the object ends, its dtype and shape say what that is.
 */
#ifndef ENCODED_H
#define ENCODED_H

#include <stdbool.h>
#include <stddef.h>

#include "../datatype.h"
#include "../number/base64.h"
#include "element_buffer.h"

struct encoded {
    int depth;        /* of nesting in its object; 0: none is open */
    enum smx_isa isa; /* to widen elements with */
    struct reader_destination destination;
    struct base64_decoder decoder;
    size_t bytes;   /* decoded so far */
    bool given;     /* the text has begun */
    bool ended;     /* the text has ended */
    char escape[6]; /* of a character, as far as it is here: "\u002b" */
    size_t escape_bytes;
    char name[256]; /* of the value: "logits" */
};

/** An object begins where destination's tensor, which is absent, may stand. */
void encoded_begin(struct encoded *encoded,
                   const struct reader_destination *destination,
                   const struct reader_path *path, int depth, enum smx_isa isa);

/**
 * A value begins with the byte first, under that name, in the object.
 *
 * @param text true: it is the text, which follows the quote.
 * @return false: a problem is set, 422.
 */
bool encoded_member(struct encoded *encoded, const char *name, char first,
                    bool *text, struct problem *problem);

/**
 * Take text from p on, to its closing quote, after which encoded->ended, or to
 * end.
 * @return where it stopped; NULL: a problem is set, at *bad.
 */
const char *encoded_feed(struct encoded *encoded, const char *p,
                         const char *end, const char **bad,
                         struct problem *problem);

/**
 * The object ended, whose small members are in value: make the tensor what they
 * say, in *buffer.
 * @return false: a problem is set, 422 or 503.
 */
bool encoded_finish(struct encoded *encoded, const struct value *value,
                    struct element_buffer *buffer, struct problem *problem);

#endif
