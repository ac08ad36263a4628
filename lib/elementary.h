/* SPDX-License-Identifier: MIT */
/** Functions of one twofold number; those of many are in twofold_vec.h. */
#ifndef SMX_ELEMENTARY_H
#define SMX_ELEMENTARY_H

#include "twofold.h"

/** log(1 + x), x >= 0, relative error 2^-57; the C library's depends on the
 *  processor. */
struct smx_two smx_log1p(struct smx_two x);

/** 2^shift a / b for any finite a and b > 0; may overflow to an infinity. */
struct smx_two smx_divide(struct smx_two a, double b, int shift);

#endif
