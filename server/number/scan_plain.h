/* SPDX-License-Identifier: MIT */
/** The vocabulary of scan_tmpl.c without vectors of its own. */
#ifndef SCAN_PLAIN_H
#define SCAN_PLAIN_H

#include "scan.h"
#include "scan_block.h"

static inline void classify(const char *text, struct classes *classes)
{
    *classes = (struct classes){0};
    for (int i = 0; i < SCAN_BLOCK; i++) {
        char c = text[i];
        uint64_t bit = (uint64_t)1 << i;
        bool space = c == ' ' || c == '\t' || c == '\n' || c == '\r';
        classes->comma |= c == ',' ? bit : 0;
        classes->separator |= c == ',' || space ? bit : 0;
        classes->bracket |= c == '[' || c == ']' ? bit : 0;
        classes->digit |= c >= '0' && c <= '9' ? bit : 0;
        classes->zero |= c == '0' ? bit : 0;
        classes->point |= c == '.' ? bit : 0;
        classes->minus |= c == '-' ? bit : 0;
    }
}

static inline bool gather(const char *text, struct stretch *stretch)
{
    for (size_t i = 0; i < stretch->count; i++) {
        const char *p = text + stretch->edges[2 * i];
        const char *end = text + stretch->edges[2 * i + 1];
        const char *point = end;
        uint64_t digits = 0;
        stretch->first[i] = *p;
        p += *p == '-';
        const char *begin = p;
        for (; p < end; p++)
            if (*p == '.')
                point = p + 1;
            else
                digits = digits * 10 + (uint64_t)(*p - '0');
        if (end - begin > 19 + (point < end))
            return false;
        stretch->digits[i] = digits;
        stretch->decimals[i] = (uint8_t)(end - point);
    }
    return true;
}

#endif
