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

#endif
