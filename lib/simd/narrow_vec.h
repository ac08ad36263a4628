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

INLINE vd vf_even(vf v)
{
#if defined(SMX_TIER_AVX512) /* where shifts wait for additions */
    return (vd)_mm512_mul_epu32((__m512i)v, _mm512_set1_epi64(1 << 29));
#else
    return (vd)((vu)v << 29);
#endif
}

INLINE vd vf_odd(vf v)
{
#if defined(SMX_TIER_AVX512)
    return (vd)_mm512_maskz_srli_epi32(0xaaaa, (__m512i)v, 3);
#else
    return (vd)((vu)((vw)v >> 3) & ~UINT64_C(0xffffffff));
#endif
}

/** Floats of odd lanes as doubles times 2^-896, whatever even lanes hold. */
INLINE vd narrow_odd(vf v)
{
#if defined(SMX_TIER_AVX512)
    vl moved = (vl)_mm512_srai_epi64((__m512i)v, 3);
#else
    const vu sign = (UINT64_C(1) << 60) - (vu){0};
    vl moved = (vl)((((vu)v >> 3) ^ sign) - sign);
#endif
    return (vd)(moved & (int64_t)0x8fffffffe0000000);
}

/** s + rest of each two neighbours added up, times 2^-896 (VF_HALVES). s is
 *  positive, its low 12 bits are zeros; rests are added in float. */
INLINE vd narrow_pairs(vf s, vf rest)
{
    return vf_even(s) + vf_odd(s) + narrow_odd(rest + (vf)((vu)rest << 32));
}

INLINE vd narrow_neighbours(vd a, vd b)
{
#if defined(SMX_TIER_AVX512)
    return (vd)_mm512_unpacklo_pd((__m512d)a, (__m512d)b) +
           (vd)_mm512_unpackhi_pd((__m512d)a, (__m512d)b);
#elif defined(SMX_TIER_AVX2)
    return (vd)_mm256_unpacklo_pd((__m256d)a, (__m256d)b) +
           (vd)_mm256_unpackhi_pd((__m256d)a, (__m256d)b);
#else
    return (vd){a[0], b[0]} + (vd){a[1], b[1]};
#endif
}

#if LANES == 8
/* Quarters 0 + 2 and 1 + 3 of a, then those of b; quarters 0 + 1 and 2 + 3. */
INLINE vd narrow_halves(vd a, vd b)
{
    return (vd)_mm512_shuffle_f64x2((__m512d)a, (__m512d)b, 0x44) +
           (vd)_mm512_shuffle_f64x2((__m512d)a, (__m512d)b, 0xee);
}

INLINE vd narrow_quarters(vd a, vd b)
{
    return (vd)_mm512_shuffle_f64x2((__m512d)a, (__m512d)b, 0x88) +
           (vd)_mm512_shuffle_f64x2((__m512d)a, (__m512d)b, 0xdd);
}
#elif LANES == 4
INLINE vd narrow_quarters(vd a, vd b)
{
    return (vd)_mm256_permute2f128_pd((__m256d)a, (__m256d)b, 0x20) +
           (vd)_mm256_permute2f128_pd((__m256d)a, (__m256d)b, 0x31);
}
#endif

/** Lane k: the lanes of row[k], i + i + 4, i + i + 2, then neighbours. */
INLINE vd narrow_sums(const vd row[LANES])
{
#if LANES == 8
    return narrow_neighbours(narrow_quarters(narrow_halves(row[0], row[2]),
                                             narrow_halves(row[4], row[6])),
                             narrow_quarters(narrow_halves(row[1], row[3]),
                                             narrow_halves(row[5], row[7])));
#elif LANES == 4
    return narrow_neighbours(narrow_quarters(row[0], row[2]),
                             narrow_quarters(row[1], row[3]));
#else
    return narrow_neighbours(row[0], row[1]);
#endif
}

#if LANES > 2
/** v[k] in each lane, k < FLOATS. */
INLINE vf narrow_pick(vf v, vi k)
{
#if defined(SMX_TIER_AVX512)
    return (vf)_mm512_permutexvar_ps((__m512i)k, (__m512)v);
#else
    return (vf)_mm256_permutevar8x32_ps((__m256)v, (__m256i)k);
#endif
}
#endif

#endif
