/* SPDX-License-Identifier: MIT */
/**
 * What C has no operator for, lane by lane: what each function means, and its
 * code where the instruction set's own file (vec_avx512.h, vec_avx2.h,
 * vec_sse2.h, vec_neon.h) has not defined the name before: as a function, or,
 * where one instruction is all of it, as a line of a table, whose types are
 * checked here, as the same sources are compiled for the base tier. Every
 * function gives the same bits in every tier; none of them is fused or
 * approximate.
 */
#ifndef SMX_VEC_PLAIN_H
#define SMX_VEC_PLAIN_H

/* Has it fused multiplication and addition of floats? */
#ifndef VF_FUSED
#define VF_FUSED 0
#endif

#ifndef vd_load_part
/** n < LANES doubles, zeros behind them. */
INLINE vd vd_load_part(const double *p, size_t n)
{
    return (vd){n ? *p : 0, 0};
}
#endif

#ifndef vd_store_part
/** The first n < LANES of v. */
INLINE void vd_store_part(double *p, vd v, size_t n)
{
    if (n)
        *p = v[0];
}
#endif

#ifndef vf_load_part
/** The first n floats, and behind them, if they are less, that number. */
INLINE vf vf_load_part(const float *p, size_t n, float behind)
{
    vf v = vf_all(behind);
    for (size_t i = 0; i < FLOATS && i < n; i++)
        v[i] = p[i];
    return v;
}
#endif

#ifndef vf_store_part
/** The first n < FLOATS floats. */
INLINE void vf_store_part(float *p, vf v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        p[i] = v[i];
}
#endif

#ifndef vf_stream
/** To its own place (a multiple of its size) in memory, past the cache; the
 *  pool sees to it that others can look when the slices are done. */
INLINE void vf_stream(float *p, vf v)
{
    vf_store(p, v);
}
#endif

#ifndef vh_stream
/** The same of half as many; a line's vectors one after the other. */
INLINE void vh_stream(float *p, vh v)
{
    *(vh_there *)p = v;
}
#endif

#ifndef vd_widen
/** LANES floats as doubles. */
INLINE vd vd_widen(const float *p)
{
    vh v;
    memcpy(&v, p, sizeof v);
    return __builtin_convertvector(v, vd);
}
#endif

#ifndef vh_widen
/** LANES floats of a register as doubles. */
INLINE vd vh_widen(vh v)
{
    return __builtin_convertvector(v, vd);
}
#endif

#ifndef vd_narrow
/** LANES doubles rounded to floats. */
INLINE vh vd_narrow(vd v)
{
    return __builtin_convertvector(v, vh);
}
#endif

#ifndef vh_store_part
/** The first n < LANES floats. */
INLINE void vh_store_part(float *p, vh v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        p[i] = v[i];
}
#endif

#ifndef vf_max
/** Per lane; neither may be NaN. */
INLINE vf vf_max(vf a, vf b)
{
    vi greater = a > b;
    return (vf)((greater & (vi)a) | (~greater & (vi)b));
}
#endif

#ifndef vf_at_least
/** Per lane the greater of x, not NaN, and a negative number: that of which the
 *  bits are less. */
INLINE vf vf_at_least(vf x, float negative)
{
    return vf_max(x, vf_all(negative));
}
#endif

#ifndef vf_top
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
#endif

#ifndef vi_max
/** Per lane. */
INLINE vi vi_max(vi a, vi b)
{
    vi greater = a > b;
    return (greater & a) | (~greater & b);
}
#endif

#ifndef vw_max
/** Per lane: of floats' bits those that have a sign before all others, of these
 *  the lowest, and NaN before that. */
INLINE vw vw_max(vw a, vw b)
{
    vw greater = (vw)(a > b);
    return (greater & a) | (~greater & b);
}
#endif

#ifndef vi_any
/** Of lanes that are all ones or zeros. */
INLINE bool vi_any(vi v)
{
    int32_t any = 0;
    for (int i = 0; i < FLOATS; i++)
        any |= v[i];
    return any != 0;
}
#endif

#ifndef vi_bits
/** A bit for each lane that is all ones. */
INLINE uint32_t vi_bits(vi v)
{
    uint32_t bits = 0;
    for (int i = 0; i < FLOATS; i++)
        bits |= (uint32_t)(v[i] & 1) << i;
    return bits;
}
#endif

#ifndef vf_lookup
/** table[k mod 16]. */
INLINE vf vf_lookup(const float table[16], vi k)
{
    vf v;
    vi index = k & 15;
    for (int i = 0; i < FLOATS; i++)
        v[i] = table[index[i]];
    return v;
}
#endif

#ifndef vf_less_product
/** c - a * b, of a product that is exact or, with VF_FUSED, of any. */
INLINE vf vf_less_product(vf c, vf a, vf b)
{
    return c - a * b;
}
#endif

#ifndef vf_plus_product
/** c + a * b, of a product that is exact. */
INLINE vf vf_plus_product(vf c, vf a, vf b)
{
    return c + a * b;
}
#endif

#ifndef vd_less_product
/** c - a * b, of a product that is exact. */
INLINE vd vd_less_product(vd c, vd a, vd b)
{
    return c - a * b;
}
#endif

#ifndef vf_mul_above
/** a * b where limit < t, else 0: lanes that come to nothing are not
 *  multiplied, as what underflows takes many times as long. */
INLINE vf vf_mul_above(vf a, vf b, vf t, vf limit)
{
    return (vf)((vi)a & (t > limit)) * b;
}
#endif

#ifndef vl_any
/** Of lanes that are all ones or zeros. */
INLINE bool vl_any(vl v)
{
    return (v[0] | v[1]) != 0;
}
#endif

#ifndef vd_product_rest
/** a * b - p, rounded once, p = a * b as doubles have it. In halves of 26 bits
 *  (Dekker) but for the lanes where these leave the range. */
INLINE vd vd_product_rest(vd a, vd b, vd p)
{
    const vd zero = vd_all(0), least = vd_all(0x1p-968);
    vd s = vd_all(0x1.0000002p27) * a, t = vd_all(0x1.0000002p27) * b;
    vd a1 = s - (s - a), b1 = t - (t - b), a2 = a - a1, b2 = b - b1;
    vd rest = ((a1 * b1 - p) + a1 * b2 + a2 * b1) + a2 * b2;
    vl small = (vl)(p < least) & (vl)(p > -least);
    vl bad = (vl)(rest != rest) | (small & (vl)(a != zero) & (vl)(b != zero));
    for (int i = 0; vl_any(bad) && i < LANES; i++)
        rest[i] = fma(a[i], b[i], -p[i]);
    return rest;
}
#endif

#ifndef vd_sixteenths
/** 2^(k/16); shifted is k + 1.5 * 2^52, so that k is in its low bits. */
INLINE vd vd_sixteenths(vd shifted)
{
    vl bits;
    vl index = (vl)shifted & 15;
    for (int i = 0; i < LANES; i++)
        bits[i] = (int64_t)SMX_POWER_TABLE[index[i]];
    return (vd)((vu)bits + ((vu)shifted << 48));
}
#endif

#ifndef vd_mul_above
/** a * b where limit < t, else 0, whatever a * b is. */
INLINE vd vd_mul_above(vd a, vd b, vd t, double limit)
{
    return (vd)((vl)(a * b) & (vl)(t > vd_all(limit)));
}
#endif

#ifndef vd_add_above
/** a + b where limit < t, else 0, whatever a + b is. */
INLINE vd vd_add_above(vd a, vd b, vd t, double limit)
{
    return (vd)((vl)(a + b) & (vl)(t > vd_all(limit)));
}
#endif

#ifndef vd_sum
/** Lane i + lane i + half, down to one: always the same tree. */
INLINE double vd_sum(vd v)
{
    return v[0] + v[1];
}
#endif

#ifndef vd_max
/** Per lane; neither may be NaN. */
INLINE vd vd_max(vd a, vd b)
{
    return vd_where((vl)(a > b), a, b);
}
#endif

#ifndef vd_beside
/** Lane i + half, half a power of two, for lane i < half. */
INLINE vd vd_beside(vd v, int half)
{
    (void)half;
    return __builtin_shufflevector(v, v, 1, 0);
}
#endif

#ifndef vl_bits
/** A bit for each lane that is set. */
INLINE unsigned vl_bits(vl v)
{
    return (unsigned)(v[0] & 1) | (unsigned)(v[1] & 2);
}
#endif

#ifndef vd_pick
/** table[k mod 16]; shifted as for vd_sixteenths. */
INLINE vd vd_pick(const double table[16], vd shifted)
{
    vl index = (vl)shifted & 15;
    vd v = {0};
    for (int i = 0; i < LANES; i++)
        v[i] = table[index[i]];
    return v;
}
#endif

#ifndef vf_even
/** Even lanes as doubles times 2^-896 (narrow_vec.h). */
INLINE vd vf_even(vf v)
{
    return (vd)((vu)v << 29);
}
#endif

#ifndef vf_odd
/** Odd lanes likewise. */
INLINE vd vf_odd(vf v)
{
    return (vd)((vu)((vw)v >> 3) & ~UINT64_C(0xffffffff));
}
#endif

#ifndef narrow_even
/** Floats of even lanes, positive, as doubles times 2^-896. */
INLINE vd narrow_even(vf v)
{
    return (vd)((vu)v << 32 >> 3);
}
#endif

#ifndef narrow_odd
/** Floats of odd lanes as doubles times 2^-896, whatever even lanes hold. */
INLINE vd narrow_odd(vf v)
{
    const vu sign = (UINT64_C(1) << 60) - (vu){0};
    vl moved = (vl)((((vu)v >> 3) ^ sign) - sign);
    return (vd)(moved & (int64_t)0x8fffffffe0000000);
}
#endif

#ifndef narrow_neighbours
/** Lanes 2i + (2i + 1) of a and of b, in turn. */
INLINE vd narrow_neighbours(vd a, vd b)
{
    return (vd){a[0], b[0]} + (vd){a[1], b[1]};
}
#endif

#ifndef narrow_sums
/** Lane k: the lanes of row[k], i + i + 4, i + i + 2, then neighbours. */
INLINE vd narrow_sums(const vd row[LANES])
{
    return narrow_neighbours(row[0], row[1]);
}
#endif

#ifndef vi_bytes
/** FLOATS bytes, a lane each. */
INLINE vi vi_bytes(const uint8_t *p)
{
    return (vi){p[0], p[1], p[2], p[3]};
}
#endif

#ifndef vl_bytes
/** LANES bytes, a lane each. */
INLINE vl vl_bytes(const uint8_t *p)
{
    return (vl){p[0], p[1]};
}
#endif

#endif
