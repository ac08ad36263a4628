/* SPDX-License-Identifier: MIT */
/** The kernels of dd_kernels.h that make answers of exponentials and shifted
 *  logits. */
#ifndef SMX_DD_ANSWERS_VEC_H
#define SMX_DD_ANSWERS_VEC_H

#include "dd_kernels.h"
#include "simd/tile_vec.h"

/* Doubles of a cache line. */
#define OF_A_LINE (CACHE_LINE / sizeof(double))

INLINE void scale_cached(const double *e, size_t n, vd factor, double *out)
{
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        vd_store(out + i, vd_load(e + i) * factor);
    if (i < n)
        vd_store_part(out + i, vd_load_part(e + i, n - i) * factor, n - i);
}

/* What is subnormal in the end is rounded once. */
static void scale_tile(const double *e, size_t n, double factor, bool stream,
                       double *out)
{
    vd f = vd_all(factor * 0x1p-128);
    size_t i = stream ? before_line(out, sizeof *out, n) : n;
    scale_cached(e, i, f, out);
    for (; n - i >= OF_A_LINE; i += OF_A_LINE)
        EACH (v, (int)(OF_A_LINE / LANES))
            vd_stream(out + i + v * LANES, vd_load(e + i + v * LANES) * f);
    scale_cached(e + i, n - i, f, out + i);
}

static void logs(const double *hi, const double *lo, size_t n,
                 struct smx_dd logsum, double *out)
{
    VECTORS (i, n)
        put_vector(out, i, n,
                   (vd_load(hi + i) - vd_all(logsum.hi)) +
                       (vd_load(lo + i) - vd_all(logsum.lo)));
}

static void terms(const double *e, const double *hi, const double *lo, size_t n,
                  double *out)
{
    VECTORS (i, n) {
        vd x = vd_load(e + i), d = vd_load(hi + i) + vd_load(lo + i);
        vd_store(out + i, (vd)((vl)(x * d) & (vl)(x > vd_all(0))));
    }
}

static void times(const double *a, const double *b, size_t n, double *out)
{
    VECTORS (i, n)
        vd_store(out + i, vd_load(a + i) * vd_load(b + i));
}

static void smooth(double *mass, size_t n, struct smx_dd keep,
                   struct smx_dd share)
{
    VECTORS (i, n) {
        struct vdd t = {vd_load(mass + i), {0}};
        struct vdd q = vdd_settle(vdd_mul(t, vdd_all(keep)));
        struct vdd sum = vdd_sum(q.hi, vd_all(share.hi));
        sum.lo += q.lo + vd_all(share.lo);
        vd_store(mass + i, sum.hi + vdd_settle(sum).lo);
    }
}

static void costs(const double *mass, const double *hi, const double *lo,
                  size_t n, struct smx_dd logsum, double *out)
{
    VECTORS (i, n) {
        vd v = vd_load(mass + i);
        vd cost = (vd_all(logsum.hi) - vd_load(hi + i)) +
                  (vd_all(logsum.lo) - vd_load(lo + i));
        vd_store(out + i, (vd)((vl)(v * cost) & (vl)(v != vd_all(0))));
    }
}

#endif
