/* SPDX-License-Identifier: MIT */
/**
 * exp, log and tanh of twofold numbers. The C library's depend on the
 * processor; these give the same bits everywhere.
 */
#ifndef SMX_ELEMENTARY_H
#define SMX_ELEMENTARY_H

#include "twofold.h"

/** 2^shift exp(x), relative error 2^-56; 0 where it would be subnormal. */
struct smx_two smx_exp(struct smx_two x, int shift);

/** log(1 + x), x >= 0, relative error 2^-57. */
struct smx_two smx_log1p(struct smx_two x);

/** tanh(x), relative error 2^-100. */
struct smx_two smx_tanh(struct smx_two x);

/** 2^shift (1 - tanh(x)^2), relative error 2^-55. */
struct smx_two smx_sech2(struct smx_two x, int shift);

/** 2^shift a / b for any finite a and b > 0; may overflow to an infinity. */
struct smx_two smx_divide(struct smx_two a, double b, int shift);

#endif
