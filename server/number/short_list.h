/* SPDX-License-Identifier: MIT */
/** Some numbers of few digits, parted by commas: what there is where a scanner
 *  (scan.h) has no room to begin. */
#ifndef SHORT_LIST_H
#define SHORT_LIST_H

#include <stdbool.h>
#include <stddef.h>

enum { SHORT_LIST_BYTES = 64 }; /* no more are looked at */

struct short_list {
    size_t count;
    bool comma;    /* one follows the last */
    bool integers; /* none has decimals */
    double value[SHORT_LIST_BYTES / 2];
};

/**
 * Read numbers -?(0|[1-9][0-9]*)(.[0-9]+)? of at most 15 digits, rounded
 * correctly. The list ends before another text, before a number that may go on
 * behind end and before one whose double does not tell its float32.
 * @return where it ends: at a value behind a comma, else behind a value; text
 *         where there is none.
 */
const char *short_list_read(const char *text, const char *end,
                            struct short_list *list);

#endif
