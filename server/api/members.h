/* SPDX-License-Identifier: MIT */
/**
 * The members of the requests: one table that says who takes each, what it
 * must be and where it goes. Private to api/.
 */
#ifndef MEMBERS_H
#define MEMBERS_H

#include "request.h"
#include "shapes.h"
#include "task.h"

enum member_kind {
    MEMBER_TENSOR,  /* struct tensor */
    MEMBER_BOOL,    /* bool */
    MEMBER_INTEGER, /* int64_t */
    MEMBER_NUMBER,  /* double */
    MEMBER_CHOICE,  /* an enum, by its place in names */
    MEMBER_OUTPUTS  /* unsigned: a bit for each output */
};

struct member {
    const char *name;
    unsigned tasks; /* bits of enum task: who takes it */
    enum member_kind kind;
    size_t offset; /* in struct request; what is there, kind says */

    /* of a tensor */
    enum reader_element element;
    enum shape_kind shape;
    enum smx_field field; /* as the library names it in an error */
    bool infinity;        /* -Infinity is an element like any other */
    bool required;        /* null does not stand for absent */
    bool usual;           /* part of a plain request: for metadata */
    bool criterion;       /* a loss needs exactly one of these */
    bool chooses;         /* says what to answer, as an option would */

    /* of either, in a loss */
    enum member_beside {
        BESIDE_ANY,
        BESIDE_TEACHER,    /* there must be one */
        BESIDE_JSD,        /* there must be that divergence from one */
        BESIDE_NO_TEACHER, /* there must be none */
    } beside;

    /* of an option */
    const char *rule;         /* of an integer, a number, a truth value:
                                 "NAME: got VALUE, must be RULE" */
    double least, most;       /* of an integer or a number */
    const char *const *names; /* of a choice; NULL at the end */
    bool native;              /* of the native endpoints alone */
};

extern const struct member members[];
extern const size_t member_count;

/** NULL: none of these tasks takes a member of that name. */
const struct member *member_find(unsigned tasks, const char *name);

/** The tensor of a member that is one. */
static inline struct tensor *member_tensor(struct request *request,
                                           const struct member *member)
{
    return (struct tensor *)((char *)request + member->offset);
}

/** Its bit in request.given and request.queried. */
static inline unsigned member_bit(const struct member *member)
{
    return 1u << (member - members);
}

/**
 * The next member that the request has, in the order of the table. *left
 * begins as request->given; what was null is not there. NULL: no more.
 */
const struct member *member_next(struct request *request, unsigned *left);

/**
 * Take the value of an option over.
 *
 * @return false where it is not what the rule says; *element is then the first
 *         element that is not, where one is to blame.
 */
bool member_set(struct request *request, const struct member *member,
                const struct value *value, size_t *element);

/** The same from bare text; not for MEMBER_OUTPUTS. */
bool member_set_text(struct request *request, const struct member *member,
                     const char *text);

/** Add the bit of an output that "include" may name; false: it may not. */
bool member_add_output(const struct request *request, const char *name,
                       unsigned *bits);

/** Room for every rule. */
enum { MEMBER_RULE = 192 };

/** What the value of an option must be, for "must be RULE"; element: of an
 *  array, what an element must be. */
const char *member_rule(const struct request *request,
                        const struct member *member, bool element,
                        char text[static MEMBER_RULE]);

#endif
