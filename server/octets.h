/* SPDX-License-Identifier: MIT */
/** Eight bytes of text at once. */
#ifndef OCTETS_H
#define OCTETS_H

#include <stdint.h>
#include <string.h>

#define OCTETS_EACH UINT64_C(0x0101010101010101) /* 1 in every byte */

static inline uint64_t octets_load(const char *text)
{
    uint64_t octets;
    memcpy(&octets, text, sizeof octets);
    return octets;
}

/** Is one below bound, which is at most 128? Not 0: yes. */
static inline uint64_t octets_below(uint64_t octets, unsigned char bound)
{
    return (octets - bound * OCTETS_EACH) & ~octets & 0x80 * OCTETS_EACH;
}

/** Is one that byte? Not 0: yes. */
static inline uint64_t octets_have(uint64_t octets, unsigned char byte)
{
    return octets_below(octets ^ byte * OCTETS_EACH, 1);
}

#endif
