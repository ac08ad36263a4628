/* SPDX-License-Identifier: MIT */
/** The 16-bit floating-point formats, widened exactly. */
#ifndef HALF_H
#define HALF_H

#include <stddef.h>

#include "softmax.h"

/**
 * Widen count little-endian elements of 2 bytes each.
 *
 * Accuracy     exact; a NaN stays one (float16: made quiet), so that every
 *              instruction set gives the same bits.
 * isa          of the context; one that is not available must not be given.
 * Aliasing     in has any alignment; the two do not overlap.
 * Source       IEEE 754-2008, 3.6 (binary16); bfloat16 is the upper half of a
 *              binary32.
 */
void half_widen_float16(float *out, const unsigned char *in, size_t count,
                        enum smx_isa isa);
void half_widen_bfloat16(float *out, const unsigned char *in, size_t count,
                         enum smx_isa isa);

#endif
