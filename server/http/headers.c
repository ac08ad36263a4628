// SPDX-License-Identifier: MIT
#include "headers.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

#define CONTINUE "100-continue"

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
    if (!value && !*name)
        return;
    if (headers->query_count < QUERY_MAX)
        headers->query[headers->query_count] = (struct argument){name, value};
    headers->query_count++;
}

enum field headers_field(struct headers *headers, const char *name,
                         size_t name_bytes, const char *value)
{
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
