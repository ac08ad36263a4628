/* SPDX-License-Identifier: MIT */
/**
 * The members of the requests: one table that says who takes each, what it
 * must be and where it goes. Private to api/.
 */
#ifndef MEMBERS_H
#define MEMBERS_H

#include "request.h"

/** Who takes a member; /gradient by what it is the gradient of. */
enum taker {
    TAKER_SOFTMAX = 1,
    TAKER_LOSS = 2,
    TAKER_LOSS_GRADIENT = 4,
    TAKER_SOFTMAX_GRADIENT = 8, /* of "softmax" and "log_softmax" */
    TAKER_GRADIENTS = TAKER_LOSS_GRADIENT | TAKER_SOFTMAX_GRADIENT,
    TAKER_LOSSES = TAKER_LOSS | TAKER_LOSS_GRADIENT,
    TAKER_ALL = TAKER_SOFTMAX | TAKER_LOSS | TAKER_GRADIENTS
};

enum member_kind {
    MEMBER_TENSOR,  /* struct tensor */
    MEMBER_BOOL,    /* bool */
    MEMBER_INTEGER, /* int64_t */
    MEMBER_NUMBER,  /* double */
    MEMBER_CHOICE,  /* an enum, by its place in names */
    MEMBER_SET      /* unsigned: a bit for each of names */
};

struct member {
    const char *name;
    unsigned takers;
    enum member_kind kind;
    size_t offset;      /* in struct request; what is there, kind says */
    const char *rule;   /* of an option, or of an element of a set: "NAME: got
                           VALUE, must be RULE" */
    double least, most; /* of an integer or a number */
    const char *const *names;    /* NULL at the end */
    unsigned allowed;            /* bits of a set */
    enum reader_element element; /* of a tensor */
    bool infinity;               /* -Infinity is an element like any other */
    bool bare;                   /* of one row: an element, no array */
};

extern const struct member members[];
extern const size_t member_count;

/** Who takes members for this operation, whatever "of" may still become. */
unsigned member_takers(enum operation operation);

/** NULL: nobody of these takers knows the name. */
const struct member *member_find(unsigned takers, const char *name);

/** The tensor of a member that is one. */
struct tensor *member_tensor(struct request *request,
                             const struct member *member);

/** Was it in the request? */
bool member_given(struct request *request, const struct member *member);

/**
 * Take the value of an option over.
 *
 * @return false where it is not what the rule says; *element is then the first
 *         element that is not, where one is to blame.
 */
bool member_set(struct request *request, const struct member *member,
                const struct value *value, size_t *element);

/**
 * The shape of what is one a row: that of logits without the class axis.
 * @return its rank; 0 where logits have rank 1.
 */
int request_row_shape(const struct request *request, size_t *shape);

#endif
