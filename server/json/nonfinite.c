// SPDX-License-Identifier: MIT
#include "nonfinite.h"

#include <math.h>
#include <string.h>
#include <strings.h>

#include "value.h"

static bool is_word(const char *text, size_t bytes, const char *word)
{
    return bytes == strlen(word) && strncasecmp(text, word, bytes) == 0;
}

static bool read_word(const char *text, size_t bytes, double *value)
{
    bool negative = bytes > 0 && text[0] == '-';
    text += negative;
    bytes -= negative;
    if (is_word(text, bytes, "Infinity") || is_word(text, bytes, "Inf"))
        *value = negative ? -INFINITY : INFINITY;
    else if (is_word(text, bytes, "NaN"))
        *value = NAN;
    else
        return false;
    return true;
}

/* The longest of them is "-Infinity" with each letter escaped. */
enum { WORD_MAX_BYTES = 2 + 6 * 9 };

bool nonfinite_read(const char *text, size_t bytes, double *value)
{
    if (text[0] != '"')
        return read_word(text, bytes, value);
    if (bytes < 2 || bytes > WORD_MAX_BYTES)
        return false;
    if (!memchr(text, '\\', bytes))
        return read_word(text + 1, bytes - 2, value) ||
               (text[1] == '+' && read_word(text + 2, bytes - 3, value));
    struct value *string = value_new_string(text, bytes);
    const char *word = string ? value_string(string) : "";
    bool known = read_word(word, strlen(word), value);
    value_free(string);
    return known;
}
