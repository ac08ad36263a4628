/* SPDX-License-Identifier: MIT */
/** Functions of one double-double number; those of many are in dd_vec.h. */
#ifndef SMX_ELEMENTARY_H
#define SMX_ELEMENTARY_H

#include "dd.h"

/** 2^shift a / b for any finite a and b > 0; may overflow to an infinity. */
struct smx_dd smx_divide(struct smx_dd a, double b, int shift);

#endif
