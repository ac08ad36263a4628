/* SPDX-License-Identifier: MIT */
/** Is an answer the one that was expected? Numbers within a tolerance. */
#ifndef ANSWER_H
#define ANSWER_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

#include "softmax.h"

/**
 * got must be an object with the members of want and no other; nesting and
 * strings equal, numbers with
 * |got - want| <= tolerance * max(|want|, scale of the member),
 * tolerance 2e-6 in float32 and 1e-13 in float64. Beyond the range of dtype an
 * infinity is right.
 *
 * scale  an object with numbers by member; NULL or absent: 0.
 * @return false with a sentence in why.
 */
bool answer_agrees(const json_t *got, const json_t *want, const json_t *scale,
                   enum smx_dtype dtype, char *why, size_t why_bytes);

/** Are the members of both, which agree, in the same order? */
bool answer_in_order(const json_t *got, const json_t *want);

/** got is a problem with these members among its own, and all that must be. */
bool answer_is_problem(const json_t *got, const json_t *want, int status,
                       char *why, size_t why_bytes);

#endif
