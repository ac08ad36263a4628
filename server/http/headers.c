// SPDX-License-Identifier: MIT
#include "headers.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

#define CONTINUE "100-continue"

enum {
    MAX_URI_BYTES = 8 * 1024,
    /* Where more do not fit, libmicrohttpd 0.9.75 goes on with an answer queued
     * that it never sends. */
    MAX_ARGUMENTS = 100,
    RECORD_BYTES = 64, /* libmicrohttpd's, on 64-bit machines */
    MAX_HEAD_BYTES = HEADERS_CONNECTION_BYTES - 1024
};

/** Those of every request first. */
static const struct {
    const char *name;
    size_t bytes;
    size_t offset;
    enum field field;
    bool list; /* of lines, in a struct field_lines */
} wanted[] = {
#define FIELD(name, member, field, list)                                       \
    {                                                                          \
        name, sizeof name - 1, offsetof(struct headers, member), field, list   \
    }
#define KNOWN(name, member) FIELD(name, member, FIELD_KNOWN, false)
    FIELD("Host", host, FIELD_HOST, false),
    KNOWN("Content-Type", content_type),
    FIELD("Content-Length", content_length_text, FIELD_CONTENT_LENGTH, false),
    FIELD("Accept", accept, FIELD_KNOWN, true),
    FIELD("Accept-Encoding", accept_encoding, FIELD_KNOWN, true),
    KNOWN("Authorization", authorization),
    FIELD("Content-Encoding", content_encoding, FIELD_KNOWN, true),
    KNOWN("Expect", expect),
    KNOWN("Inference-Header-Content-Length", inference_header_length),
    KNOWN("X-Request-Id", request_id),
    KNOWN("traceparent", traceparent),
    FIELD("Transfer-Encoding", transfer_encoding, FIELD_TRANSFER_ENCODING,
          false),
#undef KNOWN
#undef FIELD
};

static void add_line(struct field_lines *lines, const char *value)
{
    if (lines->count < FIELD_MAX_LINES)
        lines->line[lines->count] = value;
    lines->count++;
}

void headers_clear(struct headers *headers)
{
    memset(headers, 0, offsetof(struct headers, query));
}

/** "a=1&&b" has two, as with every reader of queries. */
void headers_argument(struct headers *headers, const char *name,
                      const char *value)
{
    headers->records++;
    if (!value && !*name)
        return;
    if (headers->query_count < QUERY_MAX)
        headers->query[headers->query_count] = (struct argument){name, value};
    headers->query_count++;
}

enum field headers_field(struct headers *headers, const char *name,
                         size_t name_bytes, const char *value)
{
    headers->records++;
    if (name_bytes == 6 && strncasecmp(name, "Cookie", 6) == 0)
        headers->cookie_bytes = strlen(value) + 1;
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
        if (wanted[i].bytes == name_bytes &&
            (memcmp(wanted[i].name, name, name_bytes) == 0 ||
             strcasecmp(wanted[i].name, name) == 0)) {
            void *member = (char *)headers + wanted[i].offset;
            if (wanted[i].list)
                add_line(member, value);
            else if (!*(const char **)member)
                *(const char **)member = value;
            return wanted[i].field;
        }
    return FIELD_OTHER;
}

size_t headers_value_bytes(const char *value)
{
    size_t bytes = strlen(value);
    while (bytes > 0 && (value[bytes - 1] == ' ' || value[bytes - 1] == '\t'))
        bytes--;
    return bytes;
}

void headers_finish(struct headers *headers)
{
    headers->content_length = headers->transfer_encoding ? UINT64_MAX : 0;
    /* libmicrohttpd has refused what is no number, or too large a one. */
    if (headers->content_length_text && !headers->transfer_encoding)
        for (const char *c = headers->content_length_text; *c >= '0'; c++)
            headers->content_length =
                10 * headers->content_length + (uint64_t)(*c - '0');
    headers->has_body = headers->content_length != 0;
    headers->expects_continue =
        headers->expect &&
        headers_value_bytes(headers->expect) == strlen(CONTINUE) &&
        strncasecmp(headers->expect, CONTINUE, strlen(CONTINUE)) == 0;
}

bool headers_check_line(const char *uri, const char *end,
                        struct problem *problem)
{
    size_t bytes = (size_t)(end - uri), arguments = 0;
    for (const char *at = strchr(uri, '?'); at; at = strchr(at + 1, '&'))
        arguments++;
    return (bytes <= MAX_URI_BYTES && arguments <= MAX_ARGUMENTS) ||
           problem_set(problem, 414, NULL,
                       "path: got %zu bytes and %zu arguments, must be at most "
                       "%d and %d",
                       bytes, arguments, MAX_URI_BYTES, MAX_ARGUMENTS);
}

bool headers_check_size(const struct headers *headers, struct problem *problem)
{
    /* Where the head of the answer has no room, libmicrohttpd runs the request
     * and then closes without a word. Cookies count twice, as it copies
     * them to split them. */
    size_t used = headers->bytes + headers->cookie_bytes +
                  RECORD_BYTES * headers->records;
    return used <= MAX_HEAD_BYTES ||
           problem_set(problem, 431, NULL,
                       "headers: got %zu bytes, must be at most %d, where each "
                       "header, cookie and argument takes %d and the text of "
                       "cookies counts twice",
                       used, MAX_HEAD_BYTES, RECORD_BYTES);
}
