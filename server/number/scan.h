/* SPDX-License-Identifier: MIT */
/**
 * Many numbers at once: the plain stretches of an array, with the vectors of
 * the machine. What is not plain is left to the caller: it is never decided
 * here that text is wrong, only that it is not understood.
 */
#ifndef SCAN_H
#define SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "isa.h"

enum {
    SCAN_BLOCK = 64,   /* bytes that are looked at together */
    SCAN_BEFORE = 33,  /* readable bytes that must lie before a stretch */
    SCAN_TOKENS = 512, /* in one stretch, and up to a block's more */
    /* room for what is written ahead of the count */
    SCAN_ROOM = SCAN_TOKENS + 2 * SCAN_BLOCK
};

/** Is there enough around p, of the text from begin to end, to scan? */
static inline bool scan_has_room(const char *p, const char *begin,
                                 const char *end)
{
    return p - begin >= SCAN_BEFORE && end - p >= SCAN_BLOCK;
}

/** Elements parted by commas and white space, up to the first bracket. */
struct stretch {
    size_t count;     /* whole tokens */
    size_t bytes;     /* looked at; an unfinished token is not */
    bool after_value; /* it ends behind a token, else behind a comma */
    /**
     * Each token is -?(0|[1-9][0-9]*)(.[0-9]+)? of at most 31 bytes, and read:
     * sign digits / 10^decimals. The plain code takes at most 19 digits, the
     * vectors what is less than 1024 * 10^16; the rest is left to the caller,
     * who reads the same values.
     */
    bool plain;
    uint32_t edges[2 * SCAN_ROOM]; /* token i is [edges[2i], edges[2i + 1]) */
    uint64_t digits[SCAN_ROOM];
    uint8_t decimals[SCAN_ROOM];
    char first[SCAN_ROOM]; /* byte of the token: '-' or a digit */
};

struct scanner {
    /**
     * Find and read the tokens in text, which begins where a value is
     * expected. Whole blocks only: fewer than SCAN_BLOCK bytes give none.
     */
    void (*read)(const char *text, size_t bytes, struct stretch *stretch);

    /** The same with brackets for white space. */
    void (*read_flat)(const char *text, size_t bytes, struct stretch *stretch);

    /** Bytes before the first bracket, or all of them. *commas: those that lie
     *  there. */
    size_t (*skim)(const char *text, size_t bytes, size_t *commas);

    /**
     * Round tokens [first, count) of a plain stretch to out[0], out[1] ...
     * @return the index of the first one that is too near to a rounding
     *         boundary, that of the type or, for doubles, of float32 too;
     *         count if there is none.
     */
    size_t (*float64s)(const struct stretch *stretch, size_t first,
                       double *out);
    size_t (*float32s)(const struct stretch *stretch, size_t first, float *out);
};

/** Those that scan_tmpl.c gives on this architecture. */
#define SCAN_DECLARE(isa, name) extern const struct scanner scan_##name;
NUMBER_TIERS(SCAN_DECLARE)
#undef SCAN_DECLARE

/** That of number_isa. */
const struct scanner *scan_get(void);

#endif
