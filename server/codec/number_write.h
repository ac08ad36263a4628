/* SPDX-License-Identifier: MIT */
/** The inside of number_write: its tables, and a block writer a tier. */
#ifndef NUMBER_WRITE_H
#define NUMBER_WRITE_H

#include "number.h"
#include "softmax.h"

enum { NUMBER_SCALES = 512, NUMBER_LAYOUTS = 24 * 2 * 9 + 2 };

/**
 * [biased exponent of a float32]: 2^q / 10^k with 60 bits behind the point,
 * rounded up, where q is the exponent of its last bit and k that of
 * number_log10; + 256 for powers of two: what makes 2^23 their answer.
 */
extern const uint64_t number_scales[NUMBER_SCALES];

/**
 * Text as indices into a struct number_source, up to 15 of them and then the
 * length less one; [((exponent of the first digit, -10 to 13) * 2 + negative)
 * * 9 + digits - 1], last 0 and -0.
 */
extern const uint8_t number_layouts[NUMBER_LAYOUTS][16];

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

#endif
