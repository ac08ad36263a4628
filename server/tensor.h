/* SPDX-License-Identifier: MIT */
/** A tensor: typed elements, row-major without gaps, charged to a budget. */
#ifndef TENSOR_H
#define TENSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "budget.h"
#include "problem.h"

enum { TENSOR_MAX_RANK = 9 }; /* logits have at most 8; a Jacobian one more */

/** Bytes of a huge page. Tensors of this size and larger lie in huge pages, so
 *  one that grows should reserve a multiple of it. */
enum { TENSOR_HUGE_PAGE = 2048 * 1024 };

enum tensor_type {
    TENSOR_NONE,    /* absent: no data, no shape */
    TENSOR_FLOAT32, /* float */
    TENSOR_FLOAT64, /* double */
    TENSOR_INT64,   /* int64_t */
    TENSOR_BOOL     /* uint8_t, 0 or 1 */
};

/** What its elements are where it is read as text. */
enum reader_element {
    READER_FLOAT32, /* correctly rounded to float */
    READER_FLOAT64, /* correctly rounded to double */
    READER_FLOAT,   /* decided later, see reader_settle */
    READER_INT64,   /* integers; 3.0 and 1e2 are integers too */
    READER_BOOL,    /* true, false */
    READER_ANY      /* decided later: numbers or booleans */
};

struct tensor {
    enum tensor_type type;
    int rank; /* 0: a scalar */
    size_t shape[TENSOR_MAX_RANK];
    size_t count;          /* elements: the product of shape */
    void *data;            /* aligned to 64 bytes; NULL while bytes is 0 */
    size_t bytes;          /* of data, as charged; 0: data is another's */
    struct budget *budget; /* charged; NULL: nobody */
};

/** Bytes of one element; 0 for TENSOR_NONE. */
size_t tensor_element_bytes(enum tensor_type type);

/**
 * Make room for bytes of data, keeping what is there; grows or shrinks
 * without holding both copies (large ones are mapped and remapped), charged
 * before it is allocated.
 *
 * @return false with a 503 problem; the tensor is as it was.
 */
bool tensor_reserve(struct tensor *tensor, size_t bytes,
                    struct problem *problem);

/**
 * Give an absent tensor its type, shape and room for all its elements
 * (uninitialised). false: overflow (422) or out of memory (503).
 */
bool tensor_shape(struct tensor *tensor, enum tensor_type type, int rank,
                  const size_t *shape, struct problem *problem);

/** Is its data another's, which is neither freed nor resized? */
static inline bool tensor_is_borrowed(const struct tensor *tensor)
{
    return tensor->data && tensor->bytes == 0;
}

/** Make an absent tensor point at data that somebody else owns; its elements
 *  are known to fit into memory. */
void tensor_borrow(struct tensor *tensor, enum tensor_type type, int rank,
                   const size_t *shape, void *data);

/** Make it TENSOR_NONE, whatever it was; the budget stays. Its shape, of no
 *  dimension, is left as it is: most tensors of a request are absent. */
static inline void tensor_clear(struct tensor *tensor)
{
    tensor->type = TENSOR_NONE;
    tensor->rank = 0;
    tensor->count = tensor->bytes = 0;
    tensor->data = NULL;
}

/** Release the data, then tensor_clear. */
void tensor_free(struct tensor *tensor);

/** The RFC 6901 pointer of element index: "/logits/3/17". */
void tensor_pointer(const struct tensor *tensor, const char *member,
                    size_t index, char *pointer, size_t pointer_bytes);

/** Give the elements the byte order of the wire, in place; its own inverse. */
void tensor_to_little_endian(struct tensor *tensor);

#endif
