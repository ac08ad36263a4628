/* SPDX-License-Identifier: MIT */
/**
 * What C has no operator for, lane by lane: each word's meaning, and code for
 * it that every processor can run. An instruction set's own file (vec_avx512.h,
 * vec_avx2.h, vec_sse2.h, vec_neon.h) then gives many of these names to an
 * instruction. Every word has the same bits in every tier; none of them is
 * fused or approximate.
 */
#ifndef SMX_VEC_PLAIN_H
#define SMX_VEC_PLAIN_H

/** The first n floats, and behind them, if they are less, that number. */
INLINE vf vf_load_part(const float *p, size_t n, float behind)
{
    vf v = vf_all(behind);
    for (size_t i = 0; i < FLOATS && i < n; i++)
        v[i] = p[i];
    return v;
}

/** The first n < FLOATS floats. */
INLINE void vf_store_part(float *p, vf v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        p[i] = v[i];
}

/** To its own place (a multiple of its size) in memory, past the cache; the
 *  pool sees to it that others can look when the slices are done. */
INLINE void vf_stream(float *p, vf v)
{
    vf_store(p, v);
}

/** The same of half as many; a line's vectors one after the other. */
INLINE void vh_stream(float *p, vh v)
{
    *(vh_there *)p = v;
}

/** LANES floats of a register as doubles. */
INLINE vd vh_widen(vh v)
{
    return __builtin_convertvector(v, vd);
}

/** LANES doubles rounded to floats. */
INLINE vh vd_narrow(vd v)
{
    return __builtin_convertvector(v, vh);
}

/** Per lane; neither may be NaN. */
INLINE vf vf_max(vf a, vf b)
{
    vi greater = a > b;
    return (vf)((greater & (vi)a) | (~greater & (vi)b));
}

/** The largest lane, no negative zero; none may be NaN. */
INLINE float vf_top(vf v)
{
    float m[FLOATS];
    memcpy(m, &v, sizeof m);
    for (int half = FLOATS / 2; half; half /= 2)
        for (int i = 0; i < half; i++)
            m[i] = m[i] > m[i + half] ? m[i] : m[i + half];
    return m[0] + 0.0f;
}

/** Per lane. */
INLINE vi vi_max(vi a, vi b)
{
    vi greater = a > b;
    return (greater & a) | (~greater & b);
}

/** Per lane: of floats' bits those that have a sign before all others, of these
 *  the lowest, and NaN before that. */
INLINE vw vw_max(vw a, vw b)
{
    vw greater = (vw)(a > b);
    return (greater & a) | (~greater & b);
}

/** A bit for each lane that is all ones. */
INLINE uint32_t vi_bits(vi v)
{
    uint32_t bits = 0;
    for (int i = 0; i < FLOATS; i++)
        bits |= (uint32_t)(v[i] & 1) << i;
    return bits;
}

/** table[k mod 16]. */
INLINE vf vf_lookup(const float table[16], vi k)
{
    vf v;
    vi index = k & 15;
    for (int i = 0; i < FLOATS; i++)
        v[i] = table[index[i]];
    return v;
}

/** c - a * b, of a product that is exact or, with VF_FUSED, of any. */
INLINE vf vf_less_product(vf c, vf a, vf b)
{
    return c - a * b;
}

/** c + a * b, of a product that is exact. */
INLINE vf vf_plus_product(vf c, vf a, vf b)
{
    return c + a * b;
}

/** c - a * b, of a product that is exact. */
INLINE vd vd_less_product(vd c, vd a, vd b)
{
    return c - a * b;
}

/** a * b where limit < t, else 0: lanes that come to nothing are not
 *  multiplied, as what underflows takes many times as long. */
INLINE vf vf_mul_above(vf a, vf b, vf t, vf limit)
{
    return (vf)((vi)a & (t > limit)) * b;
}

/** a * b where limit < t, else 0, whatever a * b is. */
INLINE vd vd_mul_above(vd a, vd b, vd t, double limit)
{
    return (vd)((vl)(a * b) & (vl)(t > vd_all(limit)));
}

/** a + b where limit < t, else 0, whatever a + b is. */
INLINE vd vd_add_above(vd a, vd b, vd t, vd limit)
{
    return (vd)((vl)(a + b) & (vl)(t > limit));
}

/** Per lane; neither may be NaN. */
INLINE vd vd_max(vd a, vd b)
{
    return vd_where((vl)(a > b), a, b);
}

/** The k mod 16th of 16 doubles, or of their bits; shifted is k + 1.5 * 2^52,
 *  so that k is in its low bits. */
INLINE vd vd_pick(const void *table, vd shifted)
{
    const double_there *numbers = table;
    vl index = (vl)shifted & 15;
    vd v = {0};
    for (int i = 0; i < LANES; i++)
        v[i] = numbers[index[i]];
    return v;
}

/* Positive, normal floats, whose last 3 bits are zeros, as doubles times
 * 2^-896, those in even and those in odd lanes: the bits are moved, which takes
 * less than a conversion. */
#define VF_HALVES 0x1p896

/** Even lanes as doubles times 2^-896. */
INLINE vd vf_even(vf v)
{
    return (vd)((vu)v << 29);
}

/** Odd lanes likewise. */
INLINE vd vf_odd(vf v)
{
    return (vd)((vu)((vw)v >> 3) & ~UINT64_C(0xffffffff));
}

/** Floats of even lanes, positive, as doubles times 2^-896. */
INLINE vd narrow_even(vf v)
{
    return (vd)((vu)v << 32 >> 3);
}

/** Floats of odd lanes as doubles times 2^-896, whatever even lanes hold. */
INLINE vd narrow_odd(vf v)
{
    const vu sign = (UINT64_C(1) << 60) - (vu){0};
    vl moved = (vl)((((vu)v >> 3) ^ sign) - sign);
    return (vd)(moved & (int64_t)0x8fffffffe0000000);
}

/* ---- words that a tier with more lanes defines for itself -----------------
 */

#if LANES == 2
/** n < LANES doubles, zeros behind them. */
INLINE vd vd_load_part(const double *p, size_t n)
{
    return (vd){n ? *p : 0, 0};
}

/** The first n < LANES of v. */
INLINE void vd_store_part(double *p, vd v, size_t n)
{
    if (n)
        *p = v[0];
}

/** Lane i + half, half a power of two, for lane i < half. */
INLINE vd vd_beside(vd v, int half)
{
    (void)half;
    return __builtin_shufflevector(v, v, 1, 0);
}

/** A bit for each lane that is set. */
INLINE unsigned vl_bits(vl v)
{
    return (unsigned)(v[0] & 1) | (unsigned)(v[1] & 2);
}

/** Lanes 2i + (2i + 1) of a and of b, in turn. */
INLINE vd narrow_neighbours(vd a, vd b)
{
    return (vd){a[0], b[0]} + (vd){a[1], b[1]};
}

/** Lane k: the lanes of row[k], i + i + 4, i + i + 2, then neighbours. */
INLINE vd narrow_sums(const vd row[LANES])
{
    return narrow_neighbours(row[0], row[1]);
}

/** FLOATS bytes, a lane each. */
INLINE vi vi_bytes(const uint8_t *p)
{
    return (vi){p[0], p[1], p[2], p[3]};
}

/** LANES bytes, a lane each. */
INLINE vl vl_bytes(const uint8_t *p)
{
    return (vl){p[0], p[1]};
}
#endif

#endif
