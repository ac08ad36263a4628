/* SPDX-License-Identifier: MIT */
/** The names of numbers that JSON cannot write, as encoders write them. */
#ifndef NONFINITE_H
#define NONFINITE_H

#include <stdbool.h>
#include <stddef.h>

/**
 * Read a whole token, a string with its quotes or a bare word: Infinity, Inf or
 * NaN in any case, with a minus or, in a string, a plus; a string may have
 * escapes.
 * @return false: it is none of them; *value is untouched.
 */
bool nonfinite_read(const char *text, size_t bytes, double *value);

#endif
