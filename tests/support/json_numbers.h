/* SPDX-License-Identifier: MIT */
/** Numbers out of nested arrays of JSON. */
#ifndef JSON_NUMBERS_H
#define JSON_NUMBERS_H

#include <jansson.h>
#include <stddef.h>

/** New array of the numbers of a nested array, or of one number; a string is an
 *  infinity, true is 1. NULL where there is none; the caller frees it. */
double *json_numbers(const json_t *value, size_t *count);

#endif
