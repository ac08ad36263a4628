/* SPDX-License-Identifier: MIT */
/** Where in a body its reader is: bytes, lines and columns. */
#ifndef SOURCE_H
#define SOURCE_H

#include <stdbool.h>
#include <stddef.h>

#include "../problem.h"

struct place {
    size_t offset;     /* bytes before it */
    size_t line;       /* from 1 */
    size_t line_start; /* offset of the first byte of that line */
};

/** The slices of a body that were read, and the one that is being read. */
struct source {
    struct place place;  /* line is that of counted */
    const char *counted; /* lines are counted up to here in the slice */
    const char *slice;
    size_t before; /* bytes of the slices before it */
    int mark;      /* bytes of a byte order mark; 3: it is over */
};

void source_init(struct source *source);

/** A slice begins there; it goes on to source_end. */
void source_begin(struct source *source, const char *slice);
void source_end(struct source *source, const char *end);

/**
 * RFC 8259, 8.1: a byte order mark in front may be ignored.
 * @return the first byte after it; NULL: it is half a mark, a problem is set.
 */
const char *source_skip_mark(struct source *source, const char *p,
                             const char *end, struct problem *problem);

/** The place of p in the slice; p never goes back. */
struct place source_place(struct source *source, const char *p);

/** Say where a problem is that has no place yet: that many bytes after place,
 *  on its line. Returns false. */
bool place_problem(struct place place, size_t bytes, struct problem *problem);

#endif
