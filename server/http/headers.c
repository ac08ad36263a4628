// SPDX-License-Identifier: MIT
#include "headers.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define CONTINUE "100-continue"

static const struct {
    const char *name;
    size_t bytes;
    size_t offset;
    bool list; /* of lines, in a struct field_lines */
} wanted[] = {
#define WANTED(name, member)                                                   \
    {                                                                          \
        name, sizeof name - 1, offsetof(struct headers, member), false         \
    }
#define LIST(name, member)                                                     \
    {                                                                          \
        name, sizeof name - 1, offsetof(struct headers, member), true          \
    }
    LIST("Accept", accept),
    LIST("Accept-Encoding", accept_encoding),
    WANTED("Authorization", authorization),
    WANTED("Content-Encoding", content_encoding),
    WANTED("Content-Length", content_length_text),
    WANTED("Content-Type", content_type),
    WANTED("Expect", expect),
    WANTED("Host", host),
    WANTED("Inference-Header-Content-Length", inference_header_length),
    WANTED("X-Request-Id", request_id),
    WANTED("traceparent", traceparent),
    WANTED("Transfer-Encoding", transfer_encoding),
#undef WANTED
#undef LIST
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
    if (!value && !*name)
        return;
    if (headers->query_count < QUERY_MAX)
        headers->query[headers->query_count] = (struct argument){name, value};
    headers->query_count++;
}

void headers_field(struct headers *headers, const char *name, size_t name_bytes,
                   const char *value)
{
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
        if (wanted[i].bytes == name_bytes &&
            strcasecmp(wanted[i].name, name) == 0) {
            void *member = (char *)headers + wanted[i].offset;
            if (wanted[i].list)
                add_line(member, value);
            else if (!*(const char **)member)
                *(const char **)member = value;
            break;
        }
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
    headers->content_length = 0;
    /* libmicrohttpd has refused what is no number. */
    if (headers->transfer_encoding)
        headers->content_length = UINT64_MAX;
    else if (headers->content_length_text)
        headers->content_length =
            strtoull(headers->content_length_text, NULL, 10);
    headers->has_body = headers->content_length != 0;
    headers->expects_continue =
        headers->expect &&
        headers_value_bytes(headers->expect) == strlen(CONTINUE) &&
        strncasecmp(headers->expect, CONTINUE, strlen(CONTINUE)) == 0;
}
