/* SPDX-License-Identifier: MIT */
/** The inside of number_write: its tables, and a block writer a tier. */
#ifndef NUMBER_WRITE_H
#define NUMBER_WRITE_H

#include "number.h"
#include "softmax.h"

enum {
    NUMBER_SCALES = 512,
    NUMBER_LAYOUTS32 = 24 * 2 * 9 + 2,
    NUMBER_LAYOUTS64 = 21 * 17,
    NUMBER_SUFFIXES = 308 + 1 + 308 + 1
};

/**
 * [biased exponent of a float32]: 2^q / 10^k with 60 bits behind the point,
 * rounded up, where q is the exponent of its last bit and k that of
 * number_log10; + 256 for powers of two: what makes 2^23 their answer.
 */
extern const uint64_t number_scales[NUMBER_SCALES];

/**
 * Text as indices into a source (write32_tmpl.c), up to 15 of them and
 * then the length less one; [((exponent of the first digit, -10 to 13) * 2 +
 * negative) * 9 + digits - 1], last 0 and -0.
 */
extern const uint8_t number_layouts32[NUMBER_LAYOUTS32][16];

/**
 * How 17 digits, trailing zeros among them, become the text of a double:
 * lead bytes of "0.00", the first digit, then the other 16; a point over
 * number point of those; those from number from on again, at number to; after
 * length bytes behind the first digit the suffix, a power of ten unless
 * positional.
 */
struct number_layout64 {
    uint8_t lead, point, to, from, length, positional;
};

/** [(exponent, -3 to 16; 17: any other) * 17 + digits - 1] */
extern const struct number_layout64 number_layouts64[NUMBER_LAYOUTS64];

struct number_suffix {
    char text[7];
    uint8_t length;
};

/** "e-308," to "e308,", then "," alone. */
extern const struct number_suffix number_suffixes[NUMBER_SUFFIXES];

/** floor(log10(2^q)); for the narrower interval of a power of two
 *  floor(log10(3/4 2^q)). */
static inline int number_log10(int q, int narrow)
{
    return (q * 1262611 - narrow * 524031) >> 22;
}

/** One instruction set's way to write blocks; see number.h. */
struct number_block {
    size_t (*float32)(char *text, const float *values, size_t count,
                      struct number_rows rows);
    size_t (*float64)(char *text, const double *values, size_t count,
                      struct number_rows rows);
};

/** NULL: not in this build or not on this machine. */
const struct number_block *number_block_of(enum smx_isa isa);

/** What writes now: that of number_isa. */
const struct number_block *number_write_get(void);

#endif
