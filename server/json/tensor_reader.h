/* SPDX-License-Identifier: MIT */
/** One tensor in the text: nesting, tokens, elements. */
#ifndef TENSOR_READER_H
#define TENSOR_READER_H

#include <stdbool.h>
#include <stddef.h>

#include "../problem.h"
#include "../number/read.h"
#include "text_blocks.h"

struct tensor_reader {
    struct element_buffer buffer;
    int max_rank;
    bool required; /* null does not leave it absent */
    int rank;      /* -1: not known yet */
    struct tensor_state state;
    struct source *source;
    struct jobs *jobs;                /* that help; NULL: nobody does */
    struct text_blocks *blocks;       /* NULL: nobody has to help yet */
    char token[NUMBER_READ_MAX_TEXT]; /* begun in an earlier slice */
    size_t token_bytes;
    bool quoted, escaped; /* the token is a string; behind a backslash */
};

/** A value begins; its tensor is absent. path: to it, borrowed. source: where
 * in the body it is. The threads of jobs (which may be NULL) help with what is
 * large. */
void tensor_reader_begin(struct tensor_reader *reader,
                         const struct reader_destination *destination,
                         const struct reader_path *path, struct source *source,
                         struct jobs *jobs);

/**
 * Take bytes from p on until the value is complete or end is reached.
 *
 * @return where it stopped; reader->state.expect is TENSOR_READER_DONE when the
 * value is complete. NULL: a problem is set, at *bad; NULL there means the
 * token that was begun in an earlier slice.
 */
const char *tensor_reader_feed(struct tensor_reader *reader, const char *p,
                               const char *end, const char **bad,
                               struct problem *problem);

/** The body ends within the value: is all before its end right? false: a
 *  problem is set, with its place. */
bool tensor_reader_flush(struct tensor_reader *reader, struct problem *problem);

/** The value will not be read to its end. */
void tensor_reader_free(struct tensor_reader *reader);

#endif
