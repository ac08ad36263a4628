/* SPDX-License-Identifier: MIT */
/**
 * The elements of one tensor while they are read: text in, typed elements out.
 *
 * READER_FLOAT and READER_ANY do not know their type yet. They keep doubles,
 * and beside them the few elements whose double is not enough to round the text
 * once: a float that rounding twice would miss, an integer beyond 2^53.
 */
#ifndef ELEMENT_BUFFER_H
#define ELEMENT_BUFFER_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../problem.h"
#include "../tensor.h"
#include "reader.h"
#include "../number/scan.h"
#include "../number/short_list.h"

enum { ELEMENT_BUFFERS_MAX = 16 };

struct exception {
    size_t index;
    bool integer; /* value is the element as INT64; else float bits */
    int64_t value;
};

struct element_buffer {
    struct tensor *tensor;
    struct budget *budget;          /* the tensor's */
    const struct reader_path *path; /* to the value, while it is read */
    enum reader_element element;
    bool infinity;    /* -Infinity is an element */
    bool bare;        /* an element may stand without an array */
    bool nested;      /* an array has begun */
    bool encoded;     /* it came as a whole, with a type of its own */
    size_t count;     /* elements so far */
    size_t bad_bytes; /* of a refused token, before what is wrong in it */
    struct exception *exceptions;
    size_t exception_count, exception_room;
};

/** Give the tensor its type; it must be absent. The path is borrowed. */
void element_buffer_init(struct element_buffer *buffer,
                         const struct reader_destination *destination,
                         const struct reader_path *path);

/** The tensor is complete already, and has the type that its bytes had. */
void element_buffer_init_whole(struct element_buffer *buffer,
                               const struct reader_destination *destination);

/** Bytes to reserve where so many are needed, and more may follow: a quarter
 *  more, in whole huge pages. */
size_t element_buffer_room(size_t needed);

/** Room for so many elements behind those that are there. */
bool element_buffer_make_room(struct element_buffer *buffer, size_t elements,
                              struct problem *problem);

/** Is there no room for those that are there, counted before they were read? */
static inline bool
element_buffer_lacks_room(const struct element_buffer *buffer)
{
    const struct tensor *tensor = buffer->tensor;
    return buffer->count * tensor_element_bytes(tensor->type) > tensor->bytes;
}

/** Elements to make room for beyond those, where all threads wait for it: as
 *  many again, until huge pages come. */
static inline size_t element_buffer_ahead(const struct element_buffer *buffer)
{
    return buffer->tensor->bytes < TENSOR_HUGE_PAGE ? buffer->count : 0;
}

/** What an element must be: "a number", "an integer", "true or false"; before
 *  an array has begun, what the whole must be: "an array of numbers". */
const char *element_buffer_rule(const struct element_buffer *buffer);

/**
 * Append the element that text is, a whole token.
 * @return false: a problem is set. 422: JSON but no element of this tensor;
 *         400: not JSON; the pointer is left to the caller.
 */
bool element_buffer_append(struct element_buffer *buffer, const char *text,
                           size_t bytes, struct problem *problem);

/**
 * Append a list. false: its tokens have to be looked at one by one, or it has
 * none, or with a problem, there is no memory.
 */
bool element_buffer_append_list(struct element_buffer *buffer,
                                const struct short_list *list,
                                struct problem *problem);

/**
 * Append the tokens of a stretch of text, up to one that is not whole: there
 * must be more or less of it. *taken: how many.
 * @return false: as element_buffer_append, of the next one.
 */
bool element_buffer_take(struct element_buffer *buffer, const char *text,
                         const struct stretch *stretch, size_t *taken,
                         struct problem *problem);

/** Append an exception; its index is not before those that are there. */
bool element_buffer_except(struct element_buffer *buffer,
                           struct exception exception, struct problem *problem);

/** All elements are there: give back the room that is left. */
bool element_buffer_finish(struct element_buffer *buffer,
                           struct problem *problem);

/** Decide the type; see reader_settle. */
bool element_buffer_settle(struct element_buffer *buffer, enum tensor_type type,
                           const char *member, struct problem *problem);

/** Finite, or the one infinity that may be welcome. */
static inline bool element_buffer_allows(const struct element_buffer *buffer,
                                         double value)
{
    return isfinite(value) || (buffer->infinity && value == -INFINITY);
}

/** What the elements' doubles do not tell is needed no more. It is all that a
 *  buffer owns. */
void element_buffer_drop_exceptions(struct element_buffer *buffer);

/** Buffers whose tensors are complete but may not have their type yet; no
 *  request has more. */
struct element_buffers {
    size_t count;
    struct element_buffer buffer[ELEMENT_BUFFERS_MAX];
};

/** Take a copy over. false: there are too many. */
bool element_buffers_add(struct element_buffers *buffers,
                         const struct element_buffer *buffer);

/** NULL: none of them has that tensor. */
struct element_buffer *element_buffers_find(struct element_buffers *buffers,
                                            const struct tensor *tensor);

void element_buffers_free(struct element_buffers *buffers);

#endif
