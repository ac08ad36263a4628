/* SPDX-License-Identifier: MIT */
/** Is an answer the one that was expected? Numbers within a tolerance. */
#ifndef ANSWER_H
#define ANSWER_H

#include <stdbool.h>
#include <stddef.h>

#include <jansson.h>

/**
 * got must be an object with the members of want, in that order and no other;
 * nesting and strings equal, numbers with
 * |got - want| <= tolerance * max(|want|, scale of the member).
 *
 * scale  an object with numbers by member; NULL or absent: 0.
 * @return false with a sentence in why.
 */
bool answer_agrees(const json_t *got, const json_t *want, const json_t *scale,
                   double tolerance, char *why, size_t why_bytes);

/** got is a problem with these members among its own, and all that must be. */
bool answer_is_problem(const json_t *got, const json_t *want, int status,
                       char *why, size_t why_bytes);

#endif
