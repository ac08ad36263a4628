/* SPDX-License-Identifier: MIT */
/** Is it JSON? By Jansson, where Jansson is right. */
#ifndef VERDICT_H
#define VERDICT_H

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <jansson.h>

/**
 * Jansson refuses numbers beyond its types and names with a NUL, which are JSON
 * too: write the document again with exponents of 0, no more than 20 digits in
 * a row, and \u0001 for \u0000, which changes no verdict on its grammar. copy
 * has room for bytes.
 */
static inline size_t suit_jansson(const char *body, size_t bytes, char *copy)
{
    enum { MOST_DIGITS = 20 };
    bool quoted = false, exponent = false;
    size_t used = 0, digits = 0;
    for (size_t i = 0; i < bytes; i++) {
        char c = body[i];
        bool digit = c >= '0' && c <= '9';
        if (quoted && i + 6 <= bytes && memcmp(body + i, "\\u0000", 6) == 0) {
            memcpy(copy + used, "\\u0001", 6);
            used += 6;
            i += 5;
            continue;
        }
        if (quoted && c == '\\' && i + 1 < bytes)
            copy[used++] = body[i++];
        else if (c == '"')
            quoted = !quoted;
        if (!quoted && digit && digits >= MOST_DIGITS)
            continue;
        copy[used++] = !quoted && digit && exponent ? '0' : body[i];
        exponent =
            digits > 0 && (c == 'e' || c == 'E' ||
                           (exponent && (digit || c == '+' || c == '-')));
        digits = digit ? digits + 1 : exponent ? 1 : 0;
    }
    return used;
}

static inline bool jansson_accepts(const char *body, size_t bytes)
{
    static const char mark[] = "\xef\xbb\xbf";
    json_error_t error;
    if (bytes >= 3 && memcmp(body, mark, 3) == 0) {
        body += 3;
        bytes -= 3;
    }
    char *copy = malloc(bytes + 1);
    size_t used = suit_jansson(body, bytes, copy);
    json_t *document = json_loadb(
        copy, used, JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &error);
    bool accepts = json_is_object(document);
    json_decref(document);
    free(copy);
    /* a NUL behind a number escapes Jansson, which takes it back twice */
    return accepts && !memchr(body, '\0', bytes);
}

/** Does it have the words of float tensors that are not JSON, in any case? */
static inline bool has_words(const char *body, size_t bytes)
{
    for (size_t i = 0; i + 3 <= bytes; i++)
        if (strncasecmp(body + i, "inf", 3) == 0 ||
            strncasecmp(body + i, "nan", 3) == 0)
            return true;
    return false;
}

#endif
