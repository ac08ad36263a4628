// SPDX-License-Identifier: MIT
#include "headers.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const struct {
    const char *name;
    size_t bytes;
    size_t offset;
} wanted[] = {
#define WANTED(name, member)                                                   \
    {                                                                          \
        name, sizeof name - 1, offsetof(struct headers, member)                \
    }
    WANTED("Accept", accept),
    WANTED("Accept-Encoding", accept_encoding),
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
};

/** Does it say where the body ends? */
static bool is_framing(const char *const *slot, const struct headers *headers)
{
    return slot == &headers->content_length_text ||
           slot == &headers->transfer_encoding;
}

static enum MHD_Result visit(void *cls, enum MHD_ValueKind kind,
                             const char *name, size_t name_bytes,
                             const char *value, size_t value_bytes)
{
    (void)kind;
    (void)value_bytes;
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
        if (wanted[i].bytes == name_bytes &&
            strcasecmp(wanted[i].name, name) == 0) {
            const char **slot = (const char **)((char *)cls + wanted[i].offset);
            if (!*slot)
                *slot = value;
            else if (is_framing(slot, cls) && strcmp(*slot, value) != 0)
                ((struct headers *)cls)->ambiguous = true;
            break;
        }
    return MHD_YES;
}

void headers_read(struct headers *headers, struct MHD_Connection *connection)
{
    *headers = (struct headers){0};
    MHD_get_connection_values_n(connection, MHD_HEADER_KIND, visit, headers);
    headers->content_length = 0;
    /* libmicrohttpd has refused what is no number. Where both are sent, or
     * another coding than chunked, a proxy in front may see another end of
     * the body than we do (RFC 9112, 6.1 and 6.3). */
    if (headers->transfer_encoding) {
        headers->content_length = UINT64_MAX;
        headers->ambiguous |=
            headers->content_length_text ||
            strcasecmp(headers->transfer_encoding, "chunked") != 0;
    } else if (headers->content_length_text)
        headers->content_length =
            strtoull(headers->content_length_text, NULL, 10);
    headers->has_body = headers->content_length != 0;
    headers->expects_continue =
        headers->expect && strcasecmp(headers->expect, "100-continue") == 0;
}

const char *headers_coding_name(enum coding coding)
{
    static const char *const names[] = {"identity", "gzip", "deflate", ""};
    return names[coding];
}

static enum coding coding_of(const char *name, size_t bytes)
{
    if (bytes == 6 && strncasecmp(name, "x-gzip", 6) == 0)
        return CODING_GZIP;
    for (enum coding c = CODING_IDENTITY; c < CODING_UNKNOWN; c++)
        if (strlen(headers_coding_name(c)) == bytes &&
            strncasecmp(headers_coding_name(c), name, bytes) == 0)
            return c;
    return CODING_UNKNOWN;
}

enum coding headers_content_coding(const char *content_encoding)
{
    if (!content_encoding)
        return CODING_IDENTITY;
    size_t bytes = strlen(content_encoding);
    while (bytes > 0 && content_encoding[bytes - 1] == ' ')
        bytes--;
    return coding_of(content_encoding, bytes);
}

/** The q of one element's parameters in thousandths; 1000 where none. */
static int quality(const char *parameters, size_t bytes)
{
    for (size_t i = 0; i + 2 < bytes; i++) {
        if ((parameters[i] != 'q' && parameters[i] != 'Q') ||
            parameters[i + 1] != '=')
            continue;
        int q = parameters[i + 2] == '1' ? 1000 : 0, unit = 100;
        for (size_t j = i + 4; j < bytes && parameters[j] >= '0' &&
                               parameters[j] <= '9' && unit > 0;
             j++, unit /= 10)
            q += (parameters[j] - '0') * unit;
        return q > 1000 ? 1000 : q;
    }
    return 1000;
}

enum coding headers_accepted_coding(const char *accept_encoding)
{
    int q[CODING_UNKNOWN] = {-1, -1, -1}, any = -1;
    for (const char *at = accept_encoding; at && *at;) {
        at += strspn(at, " \t,");
        size_t bytes = strcspn(at, ","), name = strcspn(at, ";, \t");
        enum coding coding = coding_of(at, name);
        int value = quality(at + name, bytes - name);
        if (name == 1 && *at == '*')
            any = value;
        else if (coding != CODING_UNKNOWN && name > 0)
            q[coding] = value;
        at += bytes;
    }
    enum coding best = CODING_IDENTITY;
    int best_q = 0;
    for (enum coding c = CODING_GZIP; c < CODING_UNKNOWN; c++) {
        int value = q[c] >= 0 ? q[c] : any;
        if (value > best_q) {
            best = c;
            best_q = value;
        }
    }
    return q[CODING_IDENTITY] > best_q ? CODING_IDENTITY : best;
}

/** Bytes of "type/subtype" at the beginning, without parameters. */
static size_t type_bytes(const char *text)
{
    return strcspn(text, "; \t,");
}

bool headers_is_json(const char *content_type)
{
    size_t bytes = type_bytes(content_type);
    if (bytes == 16 && strncasecmp(content_type, "application/json", 16) == 0)
        return true;
    return bytes > 17 && strncasecmp(content_type, "application/", 12) == 0 &&
           strncasecmp(content_type + bytes - 5, "+json", 5) == 0;
}

bool headers_accept_json(const char *accept)
{
    static const char *const good[] = {"*/*", "application/*",
                                       "application/json"};
    if (!*accept)
        return true;
    for (const char *at = accept; *at;) {
        at += strspn(at, " \t,");
        size_t bytes = strcspn(at, ","), type = type_bytes(at);
        for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
            if (strlen(good[i]) == type &&
                strncasecmp(good[i], at, type) == 0 &&
                quality(at + type, bytes - type) > 0)
                return true;
        at += bytes;
    }
    return false;
}
