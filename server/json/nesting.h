/* SPDX-License-Identifier: MIT */
/** Where in a document its reader is: the open brackets and braces, and the
 *  member names and indices that lead there. */
#ifndef NESTING_H
#define NESTING_H

#include <stdbool.h>
#include <stddef.h>

#include "../problem.h"
#include "reader.h"
#include "small_text.h"

enum {
    NESTING_MAX_DEPTH = 2048,
    NESTING_STEPS = 4,       /* levels whose names and indices are kept */
    NESTING_NAME_BYTES = 256 /* longer names are cut */
};

struct nesting {
    int depth;
    const char *name; /* of the member being read, decoded */
    struct small_text long_name;
    struct reader_path path;
    unsigned char objects[NESTING_MAX_DEPTH / 8]; /* a bit a level */
    char names[NESTING_STEPS][NESTING_NAME_BYTES];
};

/** Before the first bracket. Long names are charged to budget. */
void nesting_init(struct nesting *nesting, struct budget *budget);

/** A bracket or, with object, a brace opens. false: too deep, 422. */
bool nesting_open(struct nesting *nesting, bool object,
                  struct problem *problem);

/** Is the innermost open level an object? */
bool nesting_in_object(const struct nesting *nesting);

/** Where a value stands, within an object; NULL: too deep to tell. */
const struct reader_path *nesting_path(struct nesting *nesting);

/** A comma in an array. */
void nesting_count(struct nesting *nesting);

/** Text, with its quotes, is the name of the next value; literal: it stands for
 *  itself. false: out of memory (503). */
bool nesting_name(struct nesting *nesting, const char *text, size_t bytes,
                  bool literal, struct problem *problem);

void nesting_free(struct nesting *nesting);

/** "inputs/0/data", with '~' and '/' in names escaped as RFC 6901 wants. text
 * has `room` bytes, at least 3; what does not fit is left out. */
void nesting_pointer(const struct reader_path *path, char *text, size_t room);

#endif
