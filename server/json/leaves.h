/* SPDX-License-Identifier: MIT */
/**
 * A tensor's elements as text, with the brackets between them: its leaves, one
 * after another. They are numbers, or "[]" where a dimension is 0.
 */
#ifndef LEAVES_H
#define LEAVES_H

#include <stdbool.h>
#include <stddef.h>

#include "../number/number.h"
#include "../tensor.h"

/** With less room no leaf is written. */
enum { LEAF_ROOM = 64 };

/** Where in a tensor the next leaf is. */
struct leaves {
    const struct tensor *tensor; /* NULL: not begun */
    bool empty;                  /* every leaf is "[]" */
    int rank;                    /* dimensions of leaves */
    size_t shape[TENSOR_MAX_RANK], index[TENSOR_MAX_RANK]; /* of planes */
    size_t plane, plane_left; /* leaves of the last two dimensions */
    struct number_rows rows;
    size_t leaf, end; /* flat */
};

/** nested: brackets as the shape says; else one flat array. */
void leaves_begin(struct leaves *leaves, const struct tensor *tensor,
                  bool nested);

/** The text of one, at most NUMBER_MAX_TEXT bytes; of a tensor without elements
 *  "[]". @return its bytes. */
size_t leaf_write(char *text, const struct tensor *tensor, size_t leaf);

/** Skip count leaves, whose text somebody else writes. */
void leaves_skip(struct leaves *leaves, size_t count);

/**
 * Write into the room behind *length while there is enough of it.
 * @return all up to leaves->end are written; behind the last one of the tensor
 *         its brackets are closed.
 */
bool leaves_write(struct leaves *leaves, char *text, size_t room,
                  size_t *length);

#endif
