/* SPDX-License-Identifier: MIT */
/* Exponentials of capped float32 logits, compiled once an instruction set.
 *
 * t = span tanh(|x| / s), span = 16 log2(e) s / T, with the sign of x, is what
 * 2^(t/16) is taken of; tanh(y) = (1 - u) / (1 + u), u = exp(-2 y). Only the
 * absolute error of t counts, so that nothing is lost where 1 - u cancels: u
 * is within 2^-42, t within 2^-42 span, which is 2^-28.4 at most, and 2^(t/16)
 * then within 2^-28. The span keeps all of these within the doubles, so that
 * they are relative to nothing. */
#include "softcap.h"

#include "simd/power_vec.h"

extern double TIER(capped_exponentials)(const float *x, size_t n,
                                        const struct smx_cap *cap, double *e);

/* log(2) / 16 in 38 bits, so that up to 2^15 times it is exact, and rest. */
#define STEP_HI 0x1.62e42fefa0000p-5
#define STEP_LO 0x1.cf79abc9e3b3ap-44

/* exp of what is below is nothing beside 1. */
#define LEAST (-60.0)

/* exp(y), y <= 0, within 2^-42 of 1: k steps and f, |f| < 0.022, of which
 * Taylor's series leaves out f^6 / 720. */
INLINE vd fall(vd y)
{
    vd shifted = y * vd_all(SMX_POWER_NAT) + vd_all(SMX_POWER_MAGIC);
    vd k = shifted - vd_all(SMX_POWER_MAGIC);
    vd f = vd_less_product(y, k, vd_all(STEP_HI)) - k * vd_all(STEP_LO);
    vd square = f * f;
    vd low = vd_all(1) + f, high = vd_all(1.0 / 6) + f * vd_all(1.0 / 24);
    high += square * vd_all(1.0 / 120);
    low += square * (vd_all(0.5) + f * high);
    return vd_mul_above(vd_sixteenths(shifted), low, y, LEAST);
}

INLINE vd capped(vd x, const struct smx_cap *cap)
{
    vl sign = (vl)x & INT64_MIN;
    vd u = fall((vd)((vl)x & INT64_MAX) * vd_all(cap->steep));
    vd t = vd_all(cap->span) * ((vd_all(1) - u) / (vd_all(1) + u));
    return (vd)((vl)t | sign);
}

/* Blocks, at most two; what is left out stays so. */
INLINE void cap_blocks(const float *x, int vectors, const struct smx_cap *cap,
                       vd sum[VECS], double *out)
{
    vd e[WIDE];
    EACH (v, vectors)
        e[v] = capped(vd_widen(x + v * LANES), cap);
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
