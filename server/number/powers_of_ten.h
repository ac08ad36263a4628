/* SPDX-License-Identifier: MIT */
/** The powers of ten from 1e-342 to 1e324 to 128 bits. */
#ifndef POWERS_OF_TEN_H
#define POWERS_OF_TEN_H

#include <stdint.h>

/* The largest that a finite double can have in its text is 308; to be written
 * it is multiplied by up to 10^324. */
enum { POWER_FIRST = -342, POWER_LAST = 308 };

/**
 * [e - POWER_FIRST] = {high, low} with the top bit set: 10^e is at least
 * (high * 2^64 + low) * 2^(power_log2(e) - 127) and less than the same with
 * low + 1.
 */
extern const uint64_t powers_of_ten[][2];

/** The high words of 10^0, 10^-1 ... 10^-31, next to each other. */
extern const uint64_t tenths[32];

/** floor(log2(10^e)), right for |e| <= 350. */
static inline int power_log2(int e)
{
    return (217706 * e) >> 16;
}

#endif
