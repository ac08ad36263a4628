/* SPDX-License-Identifier: MIT */
/** Functions of one twofold number; those of many are in twofold_vec.h. */
#ifndef SMX_ELEMENTARY_H
#define SMX_ELEMENTARY_H

#include "twofold.h"

/** 2^shift a / b for any finite a and b > 0; may overflow to an infinity. */
struct smx_two smx_divide(struct smx_two a, double b, int shift);

#endif
