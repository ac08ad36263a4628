/* SPDX-License-Identifier: MIT */
/** One value on its way out of the text: nesting, tokens, elements. */
#ifndef LIFT_H
#define LIFT_H

#include <stdbool.h>
#include <stddef.h>

#include "../problem.h"
#include "../number/number_read.h"
#include "stage.h"

struct lift {
    struct stage stage;
    char name[256]; /* of the value: "logits", "inputs/0/data" */
    int max_rank;
    bool required;                  /* null does not leave it absent */
    int depth;                      /* open brackets */
    int rank;                       /* -1: not known yet */
    size_t shape[TENSOR_MAX_RANK];  /* of closed levels */
    bool shaped[TENSOR_MAX_RANK];   /* shape[] is known */
    size_t counts[TENSOR_MAX_RANK]; /* elements so far of the open ones */
    enum { LIFT_FIRST, LIFT_VALUE, LIFT_NEXT, LIFT_DONE } expect;
    char token[NUMBER_READ_MAX_TEXT]; /* begun in an earlier slice */
    size_t token_bytes;
    bool quoted, escaped; /* the token is a string; behind a backslash */
};

/** RFC 8259's insignificant white space. */
static inline bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/** A value begins; its tensor is absent. */
void lift_begin(struct lift *lift, const struct reader_lift *request,
                const char *name);

/**
 * Take bytes from p on until the value is complete or end is reached.
 *
 * @return where it stopped; lift->expect is LIFT_DONE when the value is
 *         complete. NULL: a problem is set, at *bad; NULL there means the
 *         token that was begun in an earlier slice.
 */
const char *lift_feed(struct lift *lift, const char *p, const char *end,
                      const char **bad, struct problem *problem);

#endif
