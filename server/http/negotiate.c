// SPDX-License-Identifier: MIT
#include "negotiate.h"

#include <string.h>
#include <strings.h>

#define BLANKS " \t"
#define NPY "application/x-npy"

enum { QUALITY_ONE = 1000 };

/* ---- what is sent ------------------------------------------------------- */

const char *coding_name(enum coding coding)
{
    static const char *const names[] = {"identity", "gzip", "deflate", ""};
    return names[coding];
}

static bool same(const char *name, size_t bytes, const char *expected)
{
    return strlen(expected) == bytes &&
           (memcmp(name, expected, bytes) == 0 ||
            strncasecmp(name, expected, bytes) == 0);
}

static enum coding coding_named(const char *name, size_t bytes)
{
    if (same(name, bytes, "x-gzip"))
        return CODING_GZIP;
    enum coding coding = CODING_IDENTITY;
    while (coding < CODING_UNKNOWN && !same(name, bytes, coding_name(coding)))
        coding++;
    return coding;
}

enum coding coding_of_content(const struct field_lines *lines)
{
    if (lines->count == 0)
        return CODING_IDENTITY;
    if (lines->count > 1) /* one upon the other */
        return CODING_UNKNOWN;
    const char *name = lines->line[0];
    size_t bytes = strlen(name);
    while (bytes > 0 && strchr(BLANKS, name[bytes - 1]))
        bytes--;
    return coding_named(name, bytes);
}

enum media media_of_content(const char *content_type)
{
    if (!content_type || strcmp(content_type, "application/json") == 0)
        return MEDIA_JSON;
    size_t bytes = strcspn(content_type, ";," BLANKS);
    if (same(content_type, bytes, "application/json"))
        return MEDIA_JSON;
    if (same(content_type, bytes, NPY))
        return MEDIA_NPY;
    return bytes > 17 && strncasecmp(content_type, "application/", 12) == 0 &&
                   strncasecmp(content_type + bytes - 5, "+json", 5) == 0
               ? MEDIA_JSON
               : MEDIA_UNKNOWN;
}

/* ---- lists of what is accepted ------------------------------------------ */

/** One element of such a list: NAME *( ";" PARAMETER ). */
struct element {
    const char *name;
    size_t bytes;
    int quality;     /* q in thousandths; 1000 where none is given */
    bool parameters; /* there are others than q */
    bool odd;        /* it does not follow the grammar */
};

/** Bytes of the token (RFC 9110, 5.6.2) at text, the slash of a media range
 *  taken as one of its characters. */
static size_t token_bytes(const char *text)
{
    return strspn(text, "!#$%&'*+-.^_`|~/0123456789"
                        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");
}

/** Bytes of the quoted string at text; 0: it does not end. */
static size_t quoted_bytes(const char *text)
{
    for (const char *at = text + 1; *at; at++) {
        if (*at == '"')
            return (size_t)(at + 1 - text);
        if (*at == '\\' && !*++at)
            break;
    }
    return 0;
}

/** A q-value in thousandths, at least 1 where it is not 0; -1: it is no
 *  q-value. ".2" counts as one: clients send it, although the grammar wants a
 *  digit before the point. */
static int parse_quality(const char *text, size_t bytes)
{
    size_t whole = strspn(text, "0123456789"), places = 0;
    const char *fraction = text + whole;
    int quality = 0;
    if (*fraction == '.')
        places = strspn(++fraction, "0123456789");
    if (whole + places == 0 || fraction + places != text + bytes)
        return -1;
    if (strspn(text, "0") < whole)
        return QUALITY_ONE;
    for (size_t i = 0; i < 3; i++)
        quality = 10 * quality + (i < places ? fraction[i] - '0' : 0);
    return quality || strspn(fraction, "0") >= places ? quality : 1;
}

/** The parameter at text, after its semicolon; where it ends, NULL: it is not
 *  as the grammar has it. */
static const char *parse_parameter(const char *text, struct element *element)
{
    size_t name = token_bytes(text), value;
    const char *end = text + name;
    if (*end != '=') { /* an extension of old, or nothing between semicolons */
        element->parameters |= name > 0;
        return end;
    }
    if (name == 0)
        return NULL;
    end++;
    value = *end == '"' ? quoted_bytes(end) : token_bytes(end);
    if (same(text, name, "q")) {
        element->quality = parse_quality(end, value);
        return element->quality < 0 ? NULL : end + value;
    }
    element->parameters = true;
    return value > 0 ? end + value : NULL;
}

/** The next element of the list at *at, which moves behind it; false: none. */
static bool next_element(const char **at, struct element *element)
{
    const char *text = *at + strspn(*at, "," BLANKS);
    if (!*text)
        return false;
    *element = (struct element){
        .name = text, .bytes = token_bytes(text), .quality = QUALITY_ONE};
    const char *end = text + element->bytes;
    for (;;) {
        end += strspn(end, BLANKS);
        if (*end != ';')
            break;
        text = end + 1;
        end = parse_parameter(text + strspn(text, BLANKS), element);
        if (!end)
            break;
    }
    element->odd = element->bytes == 0 || !end || (*end && *end != ',');
    if (element->odd)
        end = text + strcspn(text, ",");
    *at = end;
    return true;
}

/** How specific the range is that matches application/json: 1 to 3; 0: it does
 *  not match; -1: it is no media range. */
static int json_rank(const struct element *element)
{
    const char *name = element->name;
    size_t bytes = element->bytes;
    const char *slash = memchr(name, '/', bytes);
    if (same(name, bytes, "*/*") || same(name, bytes, "*")) /* as Java had it */
        return 1;
    if (!slash || slash == name || slash == name + bytes - 1 ||
        memchr(slash + 1, '/', (size_t)(name + bytes - slash) - 1))
        return -1;
    if (same(name, bytes, "application/*"))
        return 2;
    return same(name, bytes, "application/json") ? 3 : 0;
}

struct accepted_media accepted_media(const struct field_lines *accept)
{
    const struct accepted_media any = {.json = QUALITY_ONE};
    struct accepted_media accepted = {0};
    int best = 0;
    bool asked = false;
    if (accept->count > FIELD_MAX_LINES)
        return any;
    for (size_t i = 0; i < accept->count; i++) {
        struct element element;
        for (const char *at = accept->line[i]; next_element(&at, &element);) {
            int rank = json_rank(&element);
            if (element.odd || rank < 0)
                return any;
            asked = true;
            if (rank == 0 && same(element.name, element.bytes, NPY) &&
                element.quality > accepted.npy)
                accepted.npy = element.quality;
            /* A type with a parameter is not quite what we send: whoever
             * wants it may take ours, and whoever excludes it may still want
             * ours. */
            if (rank < best || rank == 0 ||
                (element.parameters && element.quality == 0))
                continue;
            if (rank > best || element.quality > accepted.json)
                accepted.json = element.quality;
            best = rank;
        }
    }
    return asked ? accepted : any;
}

enum coding accepted_coding(const struct field_lines *accept_encoding)
{
    int q[] = {-1, -1, -1, -1}, any = -1;
    for (size_t i = 0; i < accept_encoding->count && i < FIELD_MAX_LINES; i++) {
        struct element element;
        const char *at = accept_encoding->line[i];
        while (next_element(&at, &element)) {
            int *slot = same(element.name, element.bytes, "*")
                            ? &any
                            : &q[coding_named(element.name, element.bytes)];
            if (!element.odd && element.quality > *slot)
                *slot = element.quality;
        }
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
