/* SPDX-License-Identifier: MIT */
/**
 * The incremental tensor reader: JSON text in slices of any size in, typed
 * tensors and a small envelope out. The text itself is never stored.
 *
 * Whatever values the client asks for ("lifts") go straight into tensors; all
 * the rest is the envelope, the same document with a 0 where a lifted value
 * stood, which value_parse reads at the end; where nothing but members was
 * lifted and nothing else is there, it is {}. A document is accepted exactly
 * when a strict RFC 8259 parser accepts it, wherever the slices fall; a UTF-8
 * byte order mark may precede it, and in float tensors the names of the
 * non-finite numbers are understood, as strings and as bare tokens:
 * "-Infinity", -Inf, NaN, in any case.
 */
#ifndef READER_H
#define READER_H

#include <stdbool.h>
#include <stddef.h>

#include "../problem.h"
#include "../tensor.h"
#include "value.h"

struct reader;

/** Where in the document a value stands: members and indices, outside in. */
struct reader_path {
    int depth; /* steps, at most 4; deeper values are never offered */
    struct {
        const char *name; /* member name, decoded; NULL: an array element */
        size_t index;     /* of the array element */
    } step[4];
};

enum reader_element {
    READER_FLOAT32, /* correctly rounded to float */
    READER_FLOAT64, /* correctly rounded to double */
    READER_FLOAT,   /* decided later, see reader_settle */
    READER_INT64,   /* integers; 3.0 and 1e2 are integers too */
    READER_BOOL,    /* true, false */
    READER_ANY      /* decided later: numbers or booleans */
};

/** What the client of the reader says to a value that begins. */
struct reader_lift {
    struct tensor *tensor; /* where it goes (TENSOR_NONE until then);
                              NULL: leave it in the envelope */
    enum reader_element element;
    int max_rank;  /* deeper nesting is a 422 at once */
    bool bare;     /* a refusal offers an element without an array too */
    bool infinity; /* -Infinity is welcome (logits); any other
                      non-finite number is always a 422 naming
                      the element */
    bool required; /* null is a 422; else it leaves the tensor absent */
};

struct reader_client {
    /**
     * A value begins at path. Fill in *lift and return true, or set a problem
     * and return false (an unknown member, for example).
     */
    bool (*begin)(void *cls, const struct reader_path *path,
                  struct reader_lift *lift, struct problem *problem);
    /**
     * A string or number that is not lifted ended: its text as written, with
     * quotes. May be NULL. So that "dtype" is known to the tensors behind it.
     */
    void (*scalar)(void *cls, const struct reader_path *path, const char *text,
                   size_t bytes);
    void *cls;
};

/**
 * budget is charged for the envelope; the tensors charge their own.
 * @return a new reader; NULL when out of memory. reader_free releases it.
 */
struct reader *reader_create(const struct reader_client *client,
                             struct budget *budget);

/**
 * Take the next slice. false: a problem is set (400 with offset, line and
 * column for bad JSON; 422 with pointer for a value that cannot be an element
 * or a ragged nesting; 503 for memory) and the reader takes no more.
 */
bool reader_feed(struct reader *reader, const char *bytes, size_t count,
                 struct problem *problem);

/**
 * The body ended: check that the document did, and parse the envelope.
 * @return the document, to be freed with value_free; NULL: a problem is set.
 */
struct value *reader_finish(struct reader *reader, struct problem *problem);

/**
 * Decide the type of a tensor lifted as READER_FLOAT or READER_ANY, now that
 * it is known: FLOAT32, FLOAT64, and for READER_ANY also INT64 and BOOL. The
 * result is what reading it with that type would have given, problems
 * included; member names it in pointers. A tensor of that type already is
 * left alone.
 *
 * READER_FLOAT keeps 8 bytes an element up to 1,048,576 elements. Larger ones
 * become float32 while they are read; settling such a one as FLOAT64 is a 422
 * that asks for "dtype" before the tensor.
 */
bool reader_settle(struct reader *reader, struct tensor *tensor,
                   enum tensor_type type, const char *member,
                   struct problem *problem);

/** The tensors stay with their owner. NULL is ignored. */
void reader_free(struct reader *reader);

#endif
