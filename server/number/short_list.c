// SPDX-License-Identifier: MIT
#include "short_list.h"

#include <stdint.h>
#include <string.h>

#include "read.h"

enum { MAX_DIGITS = 15 }; /* 10^15 is below 2^53 */

static inline const char *read_digits(const char *p, uint64_t *digits)
{
    uint64_t all = *digits;
    for (unsigned digit; (digit = (unsigned)*p - '0') < 10; p++)
        all = all * 10 + digit;
    *digits = all;
    return p;
}

/* NULL: there is no such number. */
static inline const char *read_number(const char *text, double *value,
                                      bool *integer)
{
    static const double power[MAX_DIGITS] = {1e0,  1e1,  1e2,  1e3,  1e4,
                                             1e5,  1e6,  1e7,  1e8,  1e9,
                                             1e10, 1e11, 1e12, 1e13, 1e14};
    uint64_t digits = 0;
    bool negative = *text == '-';
    const char *first = text + negative;
    const char *point = read_digits(first, &digits), *p = point;
    size_t whole = (size_t)(point - first), decimals = 0;
    *integer = *p != '.';
    if (!*integer) {
        p = read_digits(point + 1, &digits);
        decimals = (size_t)(p - point) - 1;
        whole = decimals ? whole : 0;
    }
    if ((whole != 1 && (whole == 0 || *first == '0')) ||
        whole + decimals > MAX_DIGITS)
        return NULL;
    double size = (double)(int64_t)digits / power[decimals]; /* exact both */
    *value = negative ? -size : size;
    return p;
}

static inline bool is_midpoint(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return number_is_midpoint(bits);
}

static inline const char *skip_space(const char *p)
{
    while (*p <= ' ' && (*p == ' ' || *p == '\n' || *p == '\t' || *p == '\r'))
        p++;
    return p;
}

/* Behind the last comma or bracket, at which whatever stands before it ends;
 * text where there is none. */
static inline const char *find_limit(const char *text, const char *end)
{
    if (end - text > SHORT_LIST_BYTES)
        end = text + SHORT_LIST_BYTES;
    while (end > text && end[-1] != ',' && end[-1] != ']')
        end--;
    return end;
}

const char *short_list_read(const char *text, const char *end,
                            struct short_list *list)
{
    const char *limit = find_limit(text, end);
    bool comma = true, integers = true, integer;
    double *value = list->value;
    while (comma && text < limit) {
        text = skip_space(text);
        const char *next = read_number(text, value, &integer);
        if (!next || is_midpoint(*value))
            break;
        next = skip_space(next);
        if (*next != ',' && *next != ']')
            break;
        comma = *next == ',';
        text = next + comma;
        integers &= integer;
        value++;
    }
    list->count = (size_t)(value - list->value);
    list->comma = comma;
    list->integers = integers;
    return text;
}
