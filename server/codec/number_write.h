/* SPDX-License-Identifier: MIT */
/** The inside of number_write: powers of ten and decimals. */
#ifndef NUMBER_WRITE_H
#define NUMBER_WRITE_H

#include <stdint.h>

/* 10^k from above, scaled to 64 and 128 bits (high word first). */
enum {
    NUMBER_POWERS32_FIRST = -31,
    NUMBER_POWERS32 = 77,
    NUMBER_POWERS64_FIRST = -292,
    NUMBER_POWERS64 = 617
};
extern const uint64_t number_powers32[NUMBER_POWERS32];
extern const uint64_t number_powers64[NUMBER_POWERS64][2];

/** digits * 10^exponent. */
struct decimal {
    uint64_t digits;
    int exponent;
};

#endif
