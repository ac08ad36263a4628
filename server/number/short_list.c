// SPDX-License-Identifier: MIT
#include "short_list.h"

#include <stdint.h>
#include <string.h>

#include "read.h"

enum { MAX_DIGITS = 15 }; /* 10^15 is below 2^53 */

static inline const char *read_digits(const char *p, const char *end,
                                      uint64_t *digits)
{
    uint64_t all = *digits;
    for (unsigned digit; p < end && (digit = (unsigned)*p - '0') < 10; p++)
        all = all * 10 + digit;
    *digits = all;
    return p;
}

/* NULL: there is no such number. */
static inline const char *read_number(const char *text, const char *end,
                                      double *value, bool *integer)
{
    static const double power[MAX_DIGITS] = {1e0,  1e1,  1e2,  1e3,  1e4,
                                             1e5,  1e6,  1e7,  1e8,  1e9,
                                             1e10, 1e11, 1e12, 1e13, 1e14};
    uint64_t digits = 0;
    const char *first = text + (*text == '-');
    const char *point = read_digits(first, end, &digits), *p = point;
    size_t whole = (size_t)(point - first), decimals = 0;
    if (p < end && *p == '.') {
        p = read_digits(point + 1, end, &digits);
        decimals = (size_t)(p - point) - 1;
        whole = decimals ? whole : 0;
    }
    if (p == end || whole == 0 || (whole > 1 && *first == '0') ||
        whole + decimals > MAX_DIGITS)
        return NULL;
    double size = (double)(int64_t)digits / power[decimals]; /* exact both */
    *value = first > text ? -size : size;
    *integer = decimals == 0;
    return p;
}

static inline bool is_midpoint(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return number_is_midpoint(bits);
}

static inline const char *skip_space(const char *p, const char *end)
{
    while (p < end && *p <= ' ' &&
           (*p == ' ' || *p == '\n' || *p == '\t' || *p == '\r'))
        p++;
    return p;
}

const char *short_list_read(const char *text, const char *end,
                            struct short_list *list)
{
    bool comma = true, integers = true, integer;
    double *value = list->value;
    end = end - text > SHORT_LIST_BYTES ? text + SHORT_LIST_BYTES : end;
    while (comma && text < end) {
        const char *next = read_number(text, end, value, &integer);
        if (!next || is_midpoint(*value))
            break;
        next = skip_space(next, end);
        if (next == end || (*next != ',' && *next != ']'))
            break;
        comma = *next == ',';
        text = comma ? skip_space(next + 1, end) : next;
        integers &= integer;
        value++;
    }
    list->count = (size_t)(value - list->value);
    list->comma = comma;
    list->integers = integers;
    return text;
}
