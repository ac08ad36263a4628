/* SPDX-License-Identifier: MIT */
/**
 * The elements of one tensor while they are read: text in, typed elements out.
 *
 * READER_FLOAT and READER_ANY do not know their type yet. They keep doubles,
 * and beside them the few elements whose double is not enough: a float that
 * rounding twice would miss, an integer beyond 2^53. Past STAGE_MAX_ELEMENTS,
 * or with too many such exceptions, the tensor becomes float32.
 */
#ifndef STAGE_H
#define STAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../problem.h"
#include "../tensor.h"
#include "reader.h"
#include "../number/scan.h"

enum { STAGE_MAX_ELEMENTS = 1048576, STAGE_MAX_EXCEPTIONS = 16384 };

struct exception {
    size_t index;
    bool integer; /* value is the element as INT64; else float bits */
    int64_t value;
};

struct stage {
    struct tensor *tensor;
    struct budget *budget; /* the tensor's */
    enum reader_element element;
    bool infinity; /* -Infinity is an element */
    bool bare;     /* an element may stand without an array */
    bool nested;   /* an array has begun */
    size_t count;  /* elements so far */
    struct exception *exceptions;
    size_t exception_count, exception_room;
};

/** Give the tensor its type; it must be absent. */
void stage_init(struct stage *stage, const struct reader_lift *lift);

/** What an element must be: "a number", "an integer", "true or false"; before
 *  an array has begun, what the whole must be: "an array of numbers". */
const char *stage_rule(const struct stage *stage);

/**
 * Append the element that text is, a whole token.
 * @return false: a problem is set. 422: JSON but no element of this tensor;
 *         400: not JSON; name is that of the tensor, the pointer is left
 *         to the caller.
 */
bool stage_element(struct stage *stage, const char *text, size_t bytes,
                   const char *name, struct problem *problem);

/**
 * Append tokens [first, count) of a plain stretch, up to one that needs
 * stage_element or until stage_is_full.
 * @return how many were appended; 0 with a problem: out of memory.
 */
size_t stage_plain(struct stage *stage, const struct stretch *stretch,
                   size_t first, struct problem *problem);

/** Undecided, and no more elements fit until stage_narrow. */
bool stage_is_full(const struct stage *stage);

/**
 * Doubles to floats. The tensor's shape is set as far as it is known, so that
 * an element beyond the range of float32 can be pointed at.
 */
bool stage_narrow(struct stage *stage, const char *member,
                  struct problem *problem);

/** All elements are there: give back the room that is left. */
bool stage_finish(struct stage *stage, struct problem *problem);

/** Decide the type; see reader_settle. */
bool stage_settle(struct stage *stage, enum tensor_type type,
                  const char *member, struct problem *problem);

/** The tensor stays with its owner. */
void stage_free(struct stage *stage);

#endif
