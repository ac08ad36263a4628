/* SPDX-License-Identifier: MIT */
/**
 * The incremental reader of JSON: text in slices of any size in, typed tensors
 * and a small tree of the rest out. The text itself is not stored,
 * but for a few blocks of a large tensor's on their way to other threads.
 *
 * Whatever values the client asks for go straight into tensors, what it has no
 * use for is checked and forgotten, and the rest becomes the tree, while it is
 * read. A document is accepted exactly when a strict RFC 8259 parser accepts
 * it, wherever the slices fall; a UTF-8 byte order mark may precede it, and in
 * float tensors the names of the non-finite numbers are understood, as strings
 * and as bare tokens: "-Infinity", -Inf, NaN, in any case.
 */
#ifndef READER_H
#define READER_H

#include <stdbool.h>
#include <stddef.h>

#include "../problem.h"
#include "../tensor.h"
#include "softmax.h"
#include "value.h"

struct jobs;
struct reader;

/** Where in the document a value stands: members and indices, outside in. */
struct reader_path {
    int depth; /* steps, at most 4; deeper values are never offered */
    struct {
        const char *name; /* member name, decoded; NULL: an array element */
        size_t index;     /* of the array element */
    } step[4];
};

/** What the client of the reader says to a value that begins. */
struct reader_destination {
    struct tensor *tensor; /* where it goes (TENSOR_NONE until then);
                              NULL: it is in the tree */
    enum reader_element element;
    int max_rank;  /* deeper nesting is a 422 at once */
    bool bare;     /* a refusal offers an element without an array too */
    bool infinity; /* -Infinity is welcome (logits); any other
                      non-finite number is always a 422 naming
                      the element */
    bool required; /* null is a 422; else it leaves the tensor absent */
    bool encoded;  /* it may come in base64, too: see encoded.h */
    bool ignored;  /* no tensor: it need only be JSON and is in no tree; the
                      values in it are not offered */
};

struct reader_client {
    /**
     * A value begins at path. Fill in *destination, which comes as that of a
     * value in the tree, and return true, or set a problem and return false
     * (an unknown member, for example).
     */
    bool (*begin)(void *cls, const struct reader_path *path,
                  struct reader_destination *destination,
                  struct problem *problem);
    /**
     * A string or number of the tree ended; its text is as written, with
     * quotes. So that "dtype" is known to the tensors after it. May be NULL.
     */
    void (*scalar)(void *cls, const struct reader_path *path, const char *text,
                   size_t bytes);
    void *cls;
    /** The rule of the whole document, which has to be an object: with an
     *  example. NULL: any value will do. */
    const char *document;
    enum smx_isa isa;  /* to widen the elements of encoded tensors with */
    struct jobs *jobs; /* whose threads help with large tensors; NULL: none. The
                          tensors must outlive the reader */
};

/**
 * budget is charged for what is long in the rest; the tensors charge their own.
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
 * The body ended: check that the document did.
 * @return the tree, to be freed with value_free; NULL: a problem is set.
 */
struct value *reader_finish(struct reader *reader, struct problem *problem);

/**
 * Decide the type of a tensor read as READER_FLOAT or READER_ANY, now that
 * it is known: FLOAT32, FLOAT64, and for READER_ANY also INT64 and BOOL. The
 * result is what reading it with that type would have given, problems
 * included; member names it in pointers. A tensor of that type already is
 * left alone, and one that came encoded has a type, of which it is converted.
 */
bool reader_settle(struct reader *reader, struct tensor *tensor,
                   enum tensor_type type, const char *member,
                   struct problem *problem);

/** The same for a tensor that came whole, without a reader. */
bool reader_settle_whole(const struct reader_destination *destination,
                         enum tensor_type type, const char *member,
                         struct problem *problem);

/** Did the tensor come encoded, with a type of its own? */
bool reader_was_encoded(struct reader *reader, const struct tensor *tensor);

/**
 * A document that is here as a whole: any value, all of it in the tree.
 * @return to be freed with value_free; NULL: a problem is set.
 */
struct value *reader_parse(const char *text, size_t bytes,
                           struct problem *problem);

/** The tensors stay with their owner. NULL is ignored. */
void reader_free(struct reader *reader);

#endif
