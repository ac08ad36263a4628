/* SPDX-License-Identifier: MIT */
/** What rows of few classes need of vectors beyond vec.h: exponentials summed
 *  pair by pair, rows summed side by side. The same bits in every tier. */
#ifndef SMX_NARROW_VEC_H
#define SMX_NARROW_VEC_H

#include "vec.h"

/* Positive, normal floats, whose last 3 bits are zeros, as doubles times
 * 2^-896, those in even and those in odd lanes: the bits are moved, which takes
 * less than a conversion. */
#define VF_HALVES 0x1p896

/** s + rest of each two neighbours added up, times 2^-896 (VF_HALVES). s is
 *  positive, its low 12 bits are zeros; rests are added in float. */
INLINE vd narrow_pairs(vf s, vf rest)
{
    return vf_even(s) + vf_odd(s) + narrow_odd(rest + (vf)((vu)rest << 32));
}

#endif
