/* SPDX-License-Identifier: MIT */
/** One tensor in the text: nesting, tokens, elements. */
#ifndef TENSOR_READER_H
#define TENSOR_READER_H

#include <stdbool.h>
#include <stddef.h>

#include "../problem.h"
#include "../number/read.h"
#include "element_buffer.h"

struct tensor_reader {
    struct element_buffer buffer;
    char name[256]; /* of the value: "logits", "inputs/0/data" */
    int max_rank;
    bool required;                  /* null does not leave it absent */
    int depth;                      /* open brackets */
    int rank;                       /* -1: not known yet */
    size_t shape[TENSOR_MAX_RANK];  /* of closed levels */
    bool shaped[TENSOR_MAX_RANK];   /* shape[] is known */
    size_t counts[TENSOR_MAX_RANK]; /* elements so far of the open ones */
    enum {
        TENSOR_READER_FIRST,
        TENSOR_READER_VALUE,
        TENSOR_READER_NEXT,
        TENSOR_READER_DONE
    } expect;
    char token[NUMBER_READ_MAX_TEXT]; /* begun in an earlier slice */
    size_t token_bytes;
    bool quoted, escaped; /* the token is a string; behind a backslash */
};

/** A value begins; its tensor is absent. */
void tensor_reader_begin(struct tensor_reader *reader,
                         const struct reader_destination *destination,
                         const char *name);

/**
 * Take bytes from p on until the value is complete or end is reached.
 *
 * @return where it stopped; reader->expect is TENSOR_READER_DONE when the value
 * is complete. NULL: a problem is set, at *bad; NULL there means the token that
 * was begun in an earlier slice.
 */
const char *tensor_reader_feed(struct tensor_reader *reader, const char *p,
                               const char *end, const char **bad,
                               struct problem *problem);

#endif
