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
 * Fill in a problem; pointer may be NULL. The first one stands: a problem
 * that is set already is left alone. Text that does not fit is cut at a whole
 * character.
 *
 * @return false, always: `return problem_set(...)`.
 */
bool problem_set(struct problem *problem, int status, const char *pointer,
                 const char *format, ...) __attribute__((format(printf, 4, 5)));

/** 422 of a member at the top of the document, which is what it points at;
 *  format is what comes after "member: ". */
bool problem_member(struct problem *problem, const char *member,
                    const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/** The same where a request is turned away; the status follows. */
bool problem_reject(struct problem *problem, enum cause cause,
                    const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/** 503, the one way memory is refused: over the budget or malloc failed. */
bool problem_memory(struct problem *problem);

/** The reason phrase of a status that softmaxd uses, e.g. "Not Found". */
const char *problem_title(int status);

#endif
