/* SPDX-License-Identifier: MIT */
/** How far a float32 or float64 is from an exact value. */
#ifndef ULP_H
#define ULP_H

#include "softmax.h"

/**
 * |got - want| in units in the last place of max(|want|, |scale|): the
 * spacing of that type's numbers there (that of the subnormals at least).
 * 0 for equal infinities and for an infinity beyond the type's range;
 * HUGE_VAL for NaN and a wrong infinity.
 */
double ulp_error(enum smx_dtype dtype, long double got, long double want,
                 long double scale);

#endif
