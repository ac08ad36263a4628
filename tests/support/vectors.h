/* SPDX-License-Identifier: MIT */
/** tests/vectors/vectors.jsonl through the native endpoints. */
#ifndef VECTORS_H
#define VECTORS_H

#include <stddef.h>

#include "cases.h"

/**
 * Try each line in float32 and in float64; says on stdout what does not agree
 * (answer_agrees).
 * @return how many do not agree; *count is how many requests there were.
 */
size_t vectors_run(int (*try)(const struct test_case *c, char **text,
                              size_t *bytes),
                   size_t *count);

#endif
