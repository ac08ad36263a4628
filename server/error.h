/* SPDX-License-Identifier: MIT */
/** What an operator is told: why the daemon does not start or reload. */
#ifndef ERROR_H
#define ERROR_H

#include <stdbool.h>

struct error {
    char text[512]; /* one line, without newline */
};

#define NO_MEMORY "out of memory"

void error_write(struct error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/** It is false, which the compiler sees: `return error_set(...)`. */
#define error_set(...)                                                         \
    ({                                                                         \
        error_write(__VA_ARGS__);                                              \
        false;                                                                 \
    })

#endif
