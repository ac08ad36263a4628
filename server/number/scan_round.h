/* SPDX-License-Identifier: MIT */
/** Rounding for scan_tmpl.c, one number after another. */
#ifndef SCAN_ROUND_H
#define SCAN_ROUND_H

#include <string.h>

#include "powers_of_ten.h"
#include "read.h"
#include "scan.h"

/**
 * The bits of digits * 10^-decimals without a sign, rounded to a significand
 * of bits bits, the implicit one included. The smallest plain number, 1e-31,
 * is normal in every format.
 * @return false: a rounding boundary is within the error.
 */
static inline bool round_one(uint64_t digits, int decimals, int bits, int bias,
                             uint64_t *word)
{
    int zeros = leading_zeros(digits);
    /* the truth is at least high and less than two more */
    uint64_t high = (uint64_t)((unsigned __int128)(digits << (zeros & 63)) *
                                   tenths[decimals] >>
                               64);
    int top = (int)(high >> 63), drop = 63 - bits + top;
    uint64_t half = (uint64_t)1 << (drop - 1);
    uint64_t rest = high & (2 * half - 1);
    uint64_t kept = ((high >> (drop - 1)) + 1) >> 1;
    /* kept has the implicit bit, which counts one in the exponent */
    int exponent = power_log2(-decimals) + 62 + bias + top - zeros;
    *word = digits ? ((uint64_t)exponent << (bits - 1)) + kept : 0;
    return rest - (half - 1) > 1;
}

static size_t float64s(const struct stretch *stretch, size_t first, double *out)
{
    size_t i = first;
    for (; i < stretch->count; i++) {
        uint64_t word, sign = (uint64_t)(stretch->first[i] == '-') << 63;
        bool sure = round_one(stretch->digits[i], stretch->decimals[i], 53,
                              1023, &word);
        if (!sure | number_is_midpoint(word))
            break;
        word |= sign;
        memcpy(out++, &word, sizeof word);
    }
    return i;
}

static size_t float32s(const struct stretch *stretch, size_t first, float *out)
{
    size_t i = first;
    for (; i < stretch->count; i++) {
        uint64_t word;
        uint32_t bits = (uint32_t)(stretch->first[i] == '-') << 31;
        if (!round_one(stretch->digits[i], stretch->decimals[i], 24, 127,
                       &word))
            break;
        bits |= (uint32_t)word;
        memcpy(out++, &bits, sizeof bits);
    }
    return i;
}

#endif
