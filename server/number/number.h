/* SPDX-License-Identifier: MIT */
/** Decimal text to binary floating point and back, each as right as can be. */
#ifndef NUMBER_H
#define NUMBER_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { NUMBER_MAX_TEXT = 40 }; /* bytes that number_write_* may touch */

/**
 * The shortest JSON text that reads back to the same value of that type; of
 * the shortest digits those nearest to the value. Positional unless the form
 * with an exponent is shorter: 0.09003057, 0.05, 1, 250, 1e-3, 1.2345e-7, 1e20,
 * -0.0 (which keeps its sign with readers that take -0 for an integer).
 * Non-finite values are the strings "Infinity", "-Infinity" and "NaN", quotes
 * included.
 *
 * text         at least NUMBER_MAX_TEXT bytes, of which the result's end and
 *              more may be overwritten.
 * @return      bytes of the text.
 */
size_t number_write_float32(char *text, float value);
size_t number_write_float64(char *text, double value);
size_t number_write_int64(char *text, int64_t value);

/** Where rows end in a block: after its first `left` numbers, and then after
 *  every `length`. */
struct number_rows {
    size_t left, length; /* at least 1 */
};

/** Write "],[" over the comma before text. @return the end of it. */
static inline char *number_end_row(char *text)
{
    memcpy(text - 1, "],[", 3);
    return text + 2;
}

/**
 * Text of a block of numbers, each followed by a comma, the last one too; at
 * the end of a row by "],[" instead. The same text with every instruction set.
 *
 * text         at least count * NUMBER_MAX_TEXT bytes.
 * @return      bytes of the text.
 */
size_t number_write_block_float32(char *text, const float *values, size_t count,
                                  struct number_rows rows);
size_t number_write_block_float64(char *text, const double *values,
                                  size_t count, struct number_rows rows);

#endif
