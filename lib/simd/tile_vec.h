/* SPDX-License-Identifier: MIT */
/** Vectors of a tile of any length, shared by the kernels of rows. */
#ifndef SMX_TILE_VEC_H
#define SMX_TILE_VEC_H

#include "dd_vec.h"

/** for i in [0, n), a vector at a time */
#define VECTORS(i, n) for (size_t i = 0; i < (n); i += LANES)

/** A vector of z, -INFINITY behind n. */
INLINE vd get_vector(const double *z, size_t i, size_t n)
{
    if (i + LANES <= n)
        return vd_load(z + i);
    size_t left = i < n ? n - i : 0;
    return vd_where(vl_below(left), vd_load_part(z + n - left, left),
                    vd_all(-__builtin_inf()));
}

/** A vector of out, as far as n. */
INLINE void put_vector(double *out, size_t i, size_t n, vd v)
{
    if (i + LANES <= n)
        vd_store(out + i, v);
    else
        vd_store_part(out + i, v, n - i);
}

/** A vector of x; zeros behind n. */
INLINE vd get_part(const double *x, size_t i, size_t n)
{
    return i + LANES <= n ? vd_load(x + i) : vd_load_part(x + i, n - i);
}

/* Vectors at x of either number, -INFINITY behind n. */
#define PART_FLOAT(x, n) vf_load_part(x, n, -__builtin_inff())
#define PART_DOUBLE(x, n) get_vector(x, 0, n)

/* What is asked of vectors. */
#define IS_EQUAL(z, x) ((z) == (x))
#define IS_ABOVE(z, x) ((z) > (x))
#define IS_NOT_BELOW(z, x) (~((z) < (x)))
#define IS_NOT_WITHIN(z, x) (~(((z) < (x)) & ((z) > -(x))))

/* Vectors that are looked at before it is asked what was seen. */
#define REGISTERS 4

/** Index of the first of n numbers that is so to a bound; n: none is. v, t: a
 *  vector, and what a comparison makes of it. */
#define FIRST_WHERE(name, is, number, v, t, part)                              \
    static size_t name(const number *x, size_t n, number bound)                \
    {                                                                          \
        enum { COUNT = sizeof(v) / sizeof *x };                                \
        size_t i = 0;                                                          \
        for (; n - i >= REGISTERS * COUNT; i += REGISTERS * COUNT) {           \
            t here[REGISTERS], any = {0};                                      \
            uint64_t bits = 0;                                                 \
            EACH (r, REGISTERS)                                                \
                any |= here[r] = (t)is(v##_load(x + i + (size_t)r * COUNT),    \
                                       v##_all(bound));                        \
            if (!t##_any(any))                                                 \
                continue;                                                      \
            EACH (r, REGISTERS)                                                \
                bits |= (uint64_t)t##_bits(here[r]) << r * COUNT;              \
            return i + (size_t)__builtin_ctzll(bits);                          \
        }                                                                      \
        for (; i < n; i += COUNT) {                                            \
            uint32_t here =                                                    \
                t##_bits((t)is(part(x + i, n - i), v##_all(bound)));           \
            if (here)                                                          \
                return i + (size_t)__builtin_ctz(here);                        \
        }                                                                      \
        return n;                                                              \
    }

#endif
