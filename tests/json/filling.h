/* SPDX-License-Identifier: MIT */
/** What may stand before and behind a document's members: where it is long, the
 *  scanners have room to begin, and where lines end, columns begin again. */
#ifndef FILLING_H
#define FILLING_H

#include <stdio.h>
#include <string.h>

enum { FILLED = 100, FILLINGS = 4 };
static const struct filling {
    const char *before;       /* behind the '{' */
    int member;               /* bytes of one that follows */
    int after;                /* blanks */
    size_t lines, line_bytes; /* before the rest; since the last began */
} fillings[FILLINGS] = {
    {"", 0, 0, 0, 1},
    {"", FILLED, FILLED, 0, 1 + FILLED},
    {"\n", 0, 0, 1, 0},
    {" \r\n\n\t", FILLED, 0, 2, 1 + FILLED},
};

/** The body with that around its members. @return how much farther they are. */
static inline size_t fill(char *text, size_t room, const char *body,
                          const struct filling *filling)
{
    char member[FILLED + 1] = "";
    if (filling->member) {
        memset(member, 'p', FILLED);
        memcpy(member, "\"", 1);
        memcpy(member + FILLED - 4, "\":1,", 4);
    }
    snprintf(text, room, "%c%s%s%s%*s", body[0], filling->before, member,
             body + 1, filling->after, "");
    return strlen(filling->before) + strlen(member);
}

#endif
