/* SPDX-License-Identifier: MIT */
/** The text of a document without its tensors, and where it stood. */
#ifndef ENVELOPE_H
#define ENVELOPE_H

#include <stdbool.h>
#include <stddef.h>

#include "../budget.h"
#include "../problem.h"

enum { ENVELOPE_MAX_BYTES = 65536 };

/** A place in the body. */
struct place {
    size_t offset;     /* bytes before it */
    size_t line;       /* from 1 */
    size_t line_start; /* offset of the first byte of that line */
};

/** Where the envelope goes on behind something that was taken out. */
struct seam {
    size_t at; /* in the envelope */
    struct place place;
};

struct envelope {
    char *text;
    size_t bytes, room;
    struct seam *seams;
    size_t seam_count, seam_room; /* room in bytes */
    struct budget *budget;        /* charged; NULL: nobody */
    char first_text[256];         /* where both begin, uncharged */
    struct seam first_seams[4];
};

/** An empty one. */
void envelope_init(struct envelope *envelope, struct budget *budget);

/** false: too long (413) or out of memory (503). */
bool envelope_append(struct envelope *envelope, const char *text, size_t bytes,
                     struct problem *problem);

/** What is appended from now on stands at place in the body. */
bool envelope_seam(struct envelope *envelope, struct place place,
                   struct problem *problem);

/** Turn the location of a problem in the envelope into that in the body. */
void envelope_relocate(const struct envelope *envelope,
                       struct problem *problem);

void envelope_free(struct envelope *envelope);

/** Set where a problem is; place is on the same line as offset. */
void place_problem(struct problem *problem, struct place place, size_t offset);

#endif
