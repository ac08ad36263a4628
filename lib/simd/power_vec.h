/* SPDX-License-Identifier: MIT */
/** Exponentials of vectors, shared by the templates (power.h: the method). */
#ifndef SMX_POWER_VEC_H
#define SMX_POWER_VEC_H

#include "vec.h"

/* So many registers at a time hide the latency of the chain of operations; of
 * 32 registers more are worth it (Zen 5: a softcap takes 17 to 22 % less). */
#define WIDE (LANES == 8 ? 4 * VECS : 2 * VECS)
#define STEP ((size_t)WIDE * LANES)

/** 2^(t/16) for the vectors of a few blocks at once. */
INLINE void power(vd *t, int vectors)
{
    vd shifted[WIDE];
    EACH (v, vectors)
        shifted[v] = t[v] + vd_all(SMX_POWER_MAGIC);
    EACH (v, vectors) {
        vd f = t[v] - (shifted[v] - vd_all(SMX_POWER_MAGIC));
        vd p = vd_all(SMX_POWER_C2) + f * vd_all(SMX_POWER_C3);
        p = vd_all(SMX_POWER_C1) + f * p;
        p = vd_all(1) + f * p;
        t[v] =
            vd_mul_above(vd_sixteenths(shifted[v]), p, t[v], SMX_POWER_LOWEST);
    }
}

/** The last, partial block with a value behind it that counts nothing. */
INLINE void pad(float block[BLOCK], const float *x, size_t n, float behind)
{
    if (FLOATS == BLOCK) {
        vf v = vf_load_part(x, n, behind);
        memcpy(block, &v, sizeof v);
        return;
    }
    for (size_t i = 0; i < BLOCK; i++)
        block[i] = i < n ? x[i] : behind;
}

#endif
