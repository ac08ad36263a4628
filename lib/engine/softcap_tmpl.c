/* SPDX-License-Identifier: MIT */
/* Exponentials of capped float32 logits (simd/cap_vec.h), compiled once an
 * instruction set. The span keeps all of them within the doubles, so that they
 * are relative to nothing. */
#include "softcap.h"

#include "simd/cap_vec.h"
#include "simd/power_vec.h"

extern double TIER(capped_exponentials)(const float *x, size_t n,
                                        const struct smx_cap *cap, double *e);

/* Blocks, at most two; what is left out stays so. */
INLINE void cap_blocks(const float *x, int vectors, const struct smx_cap *cap,
                       vd sum[VECS], double *out)
{
    vd e[WIDE];
    EACH (v, vectors)
        e[v] = vd_capped(vd_widen(x + v * LANES), cap, NULL);
    power(e, vectors);
    EACH (v, vectors) {
        vd z = vd_widen(x + v * LANES);
        e[v] = (vd)((vl)e[v] & (vl)(z > vd_all(-__builtin_inf())));
        sum[v % VECS] += e[v];
        vd_store(out + v * LANES, e[v]);
    }
}

double TIER(capped_exponentials)(const float *x, size_t n,
                                 const struct smx_cap *cap, double *e)
{
    const struct smx_cap by = *cap;
    vd sum[VECS] = {{0}};
    size_t i = 0;
    for (; n - i >= 2 * BLOCK; i += 2 * BLOCK)
        cap_blocks(x + i, WIDE, &by, sum, e + i);
    for (; i < n; i += BLOCK) {
        float last[BLOCK];
        pad(last, x + i, n - i, -__builtin_inff());
        cap_blocks(last, VECS, &by, sum, e + i);
    }
    return block_sum(sum);
}
