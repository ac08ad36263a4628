// SPDX-License-Identifier: MIT
#include "head_limits.h"

#include <string.h>
#include <strings.h>

enum {
    MAX_URI_BYTES = 8 * 1024,
    /* Where more do not fit, libmicrohttpd 0.9.75 goes on with an answer queued
     * that it never sends. */
    MAX_ARGUMENTS = 100,
    RECORD_BYTES = 64, /* libmicrohttpd's, on 64-bit machines */
    MAX_HEAD_BYTES = HEAD_LIMITS_CONNECTION_BYTES - 1024
};

void head_size_add(struct head_size *size, const char *name, size_t name_bytes,
                   size_t value_bytes)
{
    size->records++;
    if (name_bytes == 6 && strncasecmp(name, "Cookie", 6) == 0)
        size->cookie_bytes = value_bytes + 1;
}

bool head_limits_line(const char *uri, struct problem *problem)
{
    size_t bytes = strlen(uri), arguments = 0;
    for (const char *at = strchr(uri, '?'); at; at = strchr(at + 1, '&'))
        arguments++;
    return (bytes <= MAX_URI_BYTES && arguments <= MAX_ARGUMENTS) ||
           problem_set(problem, 414, NULL,
                       "path: got %zu bytes and %zu arguments, must be at most "
                       "%d and %d",
                       bytes, arguments, MAX_URI_BYTES, MAX_ARGUMENTS);
}

bool head_limits_size(const struct head_size *size, struct problem *problem)
{
    /* Where the head of the answer has no room, libmicrohttpd runs the request
     * and then closes without a word. Cookies count twice, as it copies
     * them to split them. */
    size_t used =
        size->bytes + size->cookie_bytes + RECORD_BYTES * size->records;
    return used <= MAX_HEAD_BYTES ||
           problem_set(problem, 431, NULL,
                       "headers: got %zu bytes, must be at most %d, where each "
                       "header, cookie and argument takes %d and the text of "
                       "cookies counts twice",
                       used, MAX_HEAD_BYTES, RECORD_BYTES);
}
