/* SPDX-License-Identifier: MIT */
/**
 * Decimal text to binary, rounded half to even from the decimal itself: the
 * same bits as strtof and strtod, for text of the grammar of RFC 8259.
 */
#ifndef NUMBER_READ_H
#define NUMBER_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { NUMBER_READ_MAX_TEXT = 4096 }; /* longest text that is read */

/**
 * Read the whole of text as one JSON number.
 *
 * Domain       bytes <= NUMBER_READ_MAX_TEXT.
 * Range        beyond the largest finite value: an infinity of that sign;
 *              below half the least subnormal: a zero of that sign.
 * @return false: not a JSON number; *value is untouched.
 */
bool number_read_float32(const char *text, size_t bytes, float *value);
bool number_read_float64(const char *text, size_t bytes, double *value);

/** Is a double, of these bits, half way between two float32? Rounded again, it
 *  may not be the one next to what was written. */
static inline bool number_is_midpoint(uint64_t bits)
{
    return (bits & 0x1fffffff) == 0x10000000;
}

enum number_integer {
    NUMBER_INTEGER,      /* *value is set */
    NUMBER_NOT_INTEGER,  /* a number with a fraction */
    NUMBER_OUT_OF_RANGE, /* an integer beyond int64_t */
    NUMBER_NOT_NUMBER    /* not a JSON number */
};

/** Read an integer however it is written: 3, 3.0, 30e-1 and 1e2. */
enum number_integer number_read_int64(const char *text, size_t bytes,
                                      int64_t *value);

#endif
