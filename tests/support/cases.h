/* SPDX-License-Identifier: MIT */
/**
 * The cases of tests/http/cases: three lines each, "# what it is", "PATH BODY"
 * and "STATUS ANSWER". The answer of an error is what it must say among the
 * rest.
 */
#ifndef CASES_H
#define CASES_H

#include <stdbool.h>
#include <stddef.h>

struct test_case {
    const char *name, *path, *body;
    int status;
    const char *answer;
};

/** Does this answer (text of bytes) fit? false with a sentence in why. */
bool case_fits(const struct test_case *c, int status, const char *text,
               size_t bytes, char *why, size_t why_bytes);

/**
 * Try each case of a file; says on stdout what does not fit.
 * try returns the status and a text to be freed.
 * @return how many do not fit; *count is how many there were.
 */
size_t cases_run(const char *file,
                 int (*try)(const struct test_case *c, char **text,
                            size_t *bytes),
                 size_t *count);

#endif
