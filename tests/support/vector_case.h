/* SPDX-License-Identifier: MIT */
/** A line of a file of vectors as operands of the library, and its judgement.
 */
#ifndef VECTOR_CASE_H
#define VECTOR_CASE_H

#include "softmax.h"

/**
 * Run the case in that type through the library and through the reference;
 * every member of its answer must be within so many units in the last place
 * of max(|want|, scale), counts and indices equal; the reference's within
 * 450 of float64.
 *
 * @return false after a sentence on stdout that names the line, the member
 *         and the element.
 */
bool vector_case_run(struct smx_context *context, const char *line,
                     size_t number, enum smx_dtype dtype, double ulps);

#endif
