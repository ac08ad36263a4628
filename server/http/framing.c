// SPDX-License-Identifier: MIT
#include "framing.h"

#include <string.h>
#include <strings.h>

#include "../octets.h"

#define CONTROL "a value with a control character"

enum { CRLF_BYTES = 2 };

static void blame(struct framing *framing, const char *fault)
{
    if (!framing->fault)
        framing->fault = fault;
}

void framing_begin(struct framing *framing, const char *version, bool gapless)
{
    *framing = (struct framing){.gapless = gapless,
                                .http_1_1 = strcmp(version, "HTTP/1.1") == 0,
                                .end = (uintptr_t)version + strlen(version)};
}

void framing_line(struct framing *framing, const char *method,
                  const char *target, const char *target_end,
                  const char *version)
{
    const char *blank = method + strlen(method) + 1;
    while (*blank == ' ')
        blank++;
    if (framing->gapless && (blank != target || target_end + 1 != version))
        blame(framing, "a request line with a NUL");
}

enum { VALUE = 1, TOKEN = 2, HOST = 4, NOT_HOST = VALUE | TOKEN, ALL = 7 };

/** Which bytes may stand in a value (RFC 9110, 5.5: no control character but
 *  the tab), in a token (5.6.2), and in a host with a port. */
static const unsigned char kinds[256] = {
    ['\t'] = VALUE,
    [' '] = VALUE,
    ['!'] = ALL,
    ['"'] = VALUE | HOST,
    ['#'] = NOT_HOST,
    ['$' ... '\''] = ALL,
    ['(' ... ')'] = VALUE | HOST,
    ['*' ... '+'] = ALL,
    [','] = VALUE,
    ['-' ... '.'] = ALL,
    ['/'] = VALUE,
    ['0' ... '9'] = ALL,
    [':' ... '>'] = VALUE | HOST,
    ['?' ... '@'] = VALUE,
    ['A' ... 'Z'] = ALL,
    ['['] = VALUE | HOST,
    ['\\'] = VALUE,
    [']'] = VALUE | HOST,
    ['^' ... 'z'] = ALL,
    ['{'] = VALUE | HOST,
    ['|'] = ALL,
    ['}'] = VALUE | HOST,
    ['~'] = ALL,
    [0x80 ... 0xff] = VALUE | HOST,
};

/** What all bytes are. */
static unsigned char kinds_of(const char *text, size_t bytes)
{
    unsigned char all = ALL;
    for (size_t i = 0; i < bytes; i++)
        all &= kinds[(unsigned char)text[i]];
    return all;
}

/** Is none of eight bytes a control character? Many headers are long. */
static bool eight_are_plain(const char *text)
{
    uint64_t eight = octets_load(text);
    return !(octets_below(eight, ' ') | octets_have(eight, 0x7f));
}

static bool is_value(const char *text, size_t bytes)
{
    for (; bytes >= 8 && eight_are_plain(text); text += 8)
        bytes -= 8;
    return kinds_of(text, bytes) & VALUE;
}

/** Bytes of a value without the blanks after it. */
static size_t without_blanks(const char *value, size_t bytes)
{
    while (bytes > 0 && (value[bytes - 1] == ' ' || value[bytes - 1] == '\t'))
        bytes--;
    return bytes;
}

/** Of a Host, which is a value too, that alone is checked here. */
static void check_special(struct framing *framing, enum field field,
                          const char *value, size_t bytes)
{
    if (field == FIELD_HOST) {
        framing->hosts++;
        unsigned char kind = kinds_of(value, bytes);
        if (!(kind & HOST))
            blame(framing, kind & VALUE ? "a Host that is none" : CONTROL);
    } else if (field == FIELD_CONTENT_LENGTH) {
        if (framing->length && strcmp(framing->length, value) != 0)
            blame(framing, "more than one Content-Length");
        framing->length = value;
    } else if (field == FIELD_TRANSFER_ENCODING) {
        framing->encodings++;
        if (bytes != strlen("chunked") ||
            strncasecmp(value, "chunked", bytes) != 0)
            blame(framing, "a Transfer-Encoding that is not chunked");
    }
}

void framing_field(struct framing *framing, enum field field, const char *name,
                   size_t name_bytes, const char *value, size_t value_bytes)
{
    uintptr_t at = (uintptr_t)name, colon = at + name_bytes;
    size_t bytes = without_blanks(value, value_bytes);
    if (framing->gapless &&
        (at != framing->end + CRLF_BYTES || (uintptr_t)value <= colon))
        blame(framing, "a line that is folded, or has a NUL or no CR");
    framing->end = (uintptr_t)value + value_bytes;
    if (field == FIELD_OTHER &&
        (name_bytes == 0 || !(kinds_of(name, name_bytes) & TOKEN)))
        blame(framing, "a name that is no token");
    if (field != FIELD_HOST && !is_value(value, bytes))
        blame(framing, CONTROL);
    check_special(framing, field, value, bytes);
}

void framing_finish(struct framing *framing, const char *head_end)
{
    if (framing->gapless &&
        (uintptr_t)head_end != framing->end + 2 * CRLF_BYTES)
        blame(framing, "an end that is no empty line");
    if (framing->hosts > 1)
        blame(framing, "more than one Host");
    if (framing->hosts == 0 && framing->http_1_1)
        blame(framing, "no Host");
    if (framing->encodings > 1)
        blame(framing, "more than one Transfer-Encoding");
    if (framing->encodings > 0 && framing->length)
        blame(framing, "both Content-Length and Transfer-Encoding");
    if (framing->encodings > 0 && !framing->http_1_1)
        blame(framing, "a Transfer-Encoding before HTTP/1.1");
}
