/* SPDX-License-Identifier: MIT */
/** The tree of a document while it is read, which owns what hangs in it. */
#ifndef TREE_H
#define TREE_H

#include <stdbool.h>
#include <stddef.h>

#include "../budget.h"
#include "../problem.h"
#include "nesting.h"
#include "value.h"

/** Where a value hangs: in the container that is open at that level. */
struct tree_place {
    int level;        /* -1: it is the document */
    const char *name; /* of a member; NULL: an element, or the document */
};

struct tree {
    struct value *root;    /* NULL while nothing hangs in it */
    struct budget *budget; /* charged for large trees; NULL: nobody */
    size_t bytes, charged; /* about what it takes, and what is charged */
    struct value *open[NESTING_MAX_DEPTH]; /* containers */
};

void tree_init(struct tree *tree, struct budget *budget);

/** Is there a member of that name already, null or not? */
bool tree_has(const struct tree *tree, struct tree_place place);

/**
 * Add the value that the text is, a whole token.
 *
 * @param out_of_range set: it is a number beyond double, or too long; no
 *                     problem is.
 * @return false: a problem is set, 503.
 */
bool tree_add(struct tree *tree, struct tree_place place, enum token token,
              const char *text, size_t bytes, bool *out_of_range,
              struct problem *problem);

/** Add an object or array, which is open at the next level. */
bool tree_open(struct tree *tree, struct tree_place place, bool object,
               struct problem *problem);

/** The document, which is the caller's; an empty object while nothing hangs in
 *  the tree. NULL: a problem is set. */
struct value *tree_take(struct tree *tree, struct problem *problem);

void tree_free(struct tree *tree);

#endif
