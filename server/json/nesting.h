/* SPDX-License-Identifier: MIT */
/** Where in a document its reader is: the open brackets and braces, and the
 *  member names and indices that lead there. */
#ifndef NESTING_H
#define NESTING_H

#include <stdbool.h>
#include <stddef.h>

#include "../problem.h"
#include "reader.h"

enum {
    NESTING_MAX_DEPTH = 2048,
    NESTING_STEPS = 4,       /* levels whose names and indices are kept */
    NESTING_NAME_BYTES = 256 /* longer names are cut */
};

/** Only depth is to be set, to 0, before the first bracket. */
struct nesting {
    int depth;
    struct reader_path path;
    unsigned char objects[NESTING_MAX_DEPTH / 8]; /* a bit a level */
    char names[NESTING_STEPS][NESTING_NAME_BYTES];
};

/** A bracket or, with object, a brace opens. false: too deep, 422. */
bool nesting_open(struct nesting *nesting, bool object,
                  struct problem *problem);

/** Is that open level an object? */
bool nesting_is_object(const struct nesting *nesting, int level);

/** Is the innermost? There is one. */
bool nesting_in_object(const struct nesting *nesting);

/** Where a value stands, within an object; NULL: too deep to tell. */
const struct reader_path *nesting_path(struct nesting *nesting);

/** A comma in an array. */
void nesting_count(struct nesting *nesting);

/**
 * Text, with its quotes, is the name of the next value. *plain becomes false
 * where it must be decoded: it has an escape, bytes beyond ASCII, or is long.
 * @return false: a problem is set, placed within text; it is no JSON.
 */
bool nesting_name(struct nesting *nesting, const char *text, size_t bytes,
                  bool *plain, struct problem *problem);

/**
 * Go at once where the reader of bytes of text is, which are the beginning of
 * a document and end between its tokens; nesting is new.
 * @return false: a problem is set; too deep, or out of memory.
 */
bool nesting_walk(struct nesting *nesting, const char *text, size_t bytes,
                  struct problem *problem);

#endif
