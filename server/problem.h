/* SPDX-License-Identifier: MIT */
/** What went wrong with a request, in the words that its client will read. */
#ifndef PROBLEM_H
#define PROBLEM_H

#include <stdbool.h>
#include <stddef.h>

/** name, status, label in the metrics: why a request that may be right, or its
 *  connection, was turned away */
#define PROBLEM_REJECTIONS(X)                                                  \
    X(CAUSE_IN_FLIGHT, 503, "in_flight")                                       \
    X(CAUSE_CONNECTIONS, 503, "connections")                                   \
    X(CAUSE_MEMORY, 503, "memory")                                             \
    X(CAUSE_TIMEOUT, 408, "timeout")                                           \
    X(CAUSE_TOO_LARGE, 413, "too_large")                                       \
    X(CAUSE_TOKEN, 401, "token")

enum cause {
    CAUSE_REQUEST, /* the request is wrong; the status says how */
#define PROBLEM_ENUM(name, status, label) name,
    PROBLEM_REJECTIONS(PROBLEM_ENUM)
#undef PROBLEM_ENUM
        CAUSES
};

/** RFC 9457 problem details, minus what follows from the status. */
struct problem {
    int status; /* HTTP status; 0: no problem */
    enum cause cause;
    char detail[512];  /* "member: got VALUE, must be RULE" */
    char pointer[256]; /* RFC 6901, "" where none applies */
    bool located;      /* offset, line and column are set */
    size_t offset;     /* byte in the decoded body, from 0 */
    size_t line;       /* from 1 */
    size_t column;     /* in bytes, from 1 */
};

/**
 * Fill in a problem. The first one stands: a problem that is set already is
 * left alone. Text that does not fit is cut at a whole character.
 *
 * @param status   the cause's own unless that is CAUSE_REQUEST.
 * @param member   at the top of the document: it is what the problem points at,
 *                 and stands before what format says; NULL: pointer, which may
 *                 be NULL too, is what it points at.
 */
void problem_write(struct problem *problem, int status, enum cause cause,
                   const char *member, const char *pointer, const char *format,
                   ...) __attribute__((format(printf, 6, 7)));

/* Each of these is false, which the compiler sees: `return problem_set(...)`,
 * and `a || problem_set(...)` decides nothing after a. */

/** A problem with a status and a pointer, which may be NULL. */
#define problem_set(problem, status, pointer, ...)                             \
    PROBLEM_FALSE(problem, status, CAUSE_REQUEST, NULL, pointer, __VA_ARGS__)

/** 422 of a member at the top of the document. */
#define problem_member(problem, member, ...)                                   \
    PROBLEM_FALSE(problem, 422, CAUSE_REQUEST, member, NULL, __VA_ARGS__)

/** The same where a request is turned away; the status follows. */
#define problem_reject(problem, cause, ...)                                    \
    PROBLEM_FALSE(problem, 0, cause, NULL, NULL, __VA_ARGS__)

/** 503, the one way memory is refused: over the budget or malloc failed. */
#define problem_memory(problem)                                                \
    problem_reject(problem, CAUSE_MEMORY,                                      \
                   "memory: the request does not fit into the memory that is " \
                   "free now, try again later")

#define PROBLEM_FALSE(...)                                                     \
    ({                                                                         \
        problem_write(__VA_ARGS__);                                            \
        false;                                                                 \
    })

/** The reason phrase of a status that softmaxd uses, e.g. "Not Found". */
const char *problem_title(int status);

#endif
