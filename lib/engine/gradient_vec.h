/* SPDX-License-Identifier: MIT */
/** The kernels of gradients: descend and vjp of dd_kernels.h. */
#ifndef SMX_GRADIENT_VEC_H
#define SMX_GRADIENT_VEC_H

#include <math.h>

#include "dd_kernels.h"
#include "simd/tile_vec.h"

/* x times two powers of two; 0 for NaN. */
INLINE vd finish_grad(vd x, vd first, vd second)
{
    vd y = x * first * second;
    return (vd)((vl)y & (vl)(y == y));
}

/* The same of x times slope, which is up to 2^128, rounded once. */
INLINE vd finish_sloped(struct vdd x, vd slope, vd first, vd second)
{
    vl large = (vl)(x.hi > vd_all(0x1p800)) | (vl)(x.hi < vd_all(-0x1p800));
    vd down = vd_where(large, vd_all(0x1p-128), vd_all(1));
    vd lo = x.lo * down * slope;
    x = vdd_product(x.hi * down, slope);
    x.lo += lo;
    second *= vd_where(large, vd_all(0x1p128), vd_all(1));
    return finish_grad(x.hi + vdd_settle(x).lo, first, second);
}

/* Of the vector at i, sloped where that is wanted. */
INLINE vd finish_at(struct vdd x, const double *slope, size_t i, size_t n,
                    vd first, vd second)
{
    if (slope)
        return finish_sloped(x, get_part(slope, i, n), first, second);
    return finish_grad(x.hi + vdd_settle(x).lo, first, second);
}

INLINE struct vdd scaled_grad(vd v, struct smx_dd factor)
{
    struct vdd p = vdd_product(v, vd_all(factor.hi));
    p.lo += v * vd_all(factor.lo);
    return p;
}

/* e a, or e (a + bend d) where that is wanted. */
INLINE struct vdd bent_grad(bool bent, const double *e, size_t i, size_t n,
                            const struct smx_row_grad *how)
{
    vd v = get_part(e, i, n);
    if (!bent)
        return scaled_grad(v, how->a);
    struct vdd d = {get_part(how->hi, i, n), get_part(how->lo, i, n)};
    struct vdd bend = vdd_mul(d, vdd_all(how->bend));
    struct vdd a = vdd_sum(vd_all(how->a.hi), bend.hi);
    a = vdd_fast(a.hi, a.lo + (vd_all(how->a.lo) + bend.lo));
    struct vdd p = vdd_product(v, a.hi);
    p.lo += v * a.lo;
    vl some = (vl)(v > vd_all(0));
    return (struct vdd){(vd)((vl)p.hi & some), (vd)((vl)p.lo & some)};
}

/* The largest mass of which no product with what is at most 2^228 overflows. */
#define MODERATE 0x1p700

/* Whose mass a vector has: each class its own, all the same but the label, all
 * the same, or none. */
enum masses { OWN, LABEL, ALIKE, NONE };

INLINE vd vector_mass(enum masses whose, const double *mass, size_t i, size_t n,
                      const struct smx_row_grad *how)
{
    vd other = vd_all(how->other);
    if (whose == OWN)
        return get_part(mass, i, n);
    return whose == ALIKE
               ? other
               : vd_where(vl_at(how->label - i), vd_all(how->mass), other);
}

/* Of the vector at i. Of simple rows, what is moderate has the bits that
 * put_grads makes of it. */
INLINE void put_grad(enum masses whose, const double *e, const double *mass,
                     const double *slope, size_t i, size_t n, bool simple,
                     const struct smx_row_grad *how, double *out)
{
    struct vdd p = bent_grad(how->hi, e, i, n, how);
    vd first = vd_all(how->pure[0]), second = vd_all(how->pure[1]);
    if (whose == NONE) {
        put_vector(out, i, n, finish_at(p, slope, i, n, first, second));
        return;
    }
    vd m = vector_mass(whose, mass, i, n, how), size = vd_max(m, -m);
    vl up = (vl)(size <= vd_all(simple ? MODERATE : 0)); /* all times 2^128 */
    vd raise = vd_where(up, vd_all(simple ? 0x1p128 : 1), vd_all(1));
    vd down = vd_where(up, vd_all(1), vd_all(how->down));
    struct vdd b = {vd_all(how->b.hi) * raise, vd_all(how->b.lo) * raise};
    struct vdd v = vdd_product(m, b.hi);
    v.lo += m * b.lo;
    struct vdd d = vdd_sum(p.hi * down, -v.hi);
    d.lo += p.lo * down - v.lo;
    first = vd_where(up, first, vd_all(how->mixed[0]));
    second = vd_where(up, second, vd_all(how->mixed[1]));
    put_vector(out, i, n, finish_at(d, slope, i, n, first, second));
}

static bool within(const double *x, size_t n, double least, double most)
{
    vl beyond = {0};
    VECTORS (i, n) {
        vd v = get_part(x, i, n), size = vd_max(v, -v);
        beyond |= (vl)(size > vd_all(most)) |
                  ((vl)(size < vd_all(least)) & (vl)(size > vd_all(0)));
    }
    return !vl_any(beyond);
}

/* Elements that are looked at before they are computed, at most. */
#define LOOKED ((size_t)8 * LANES)

/* Are all of them moderate? */
INLINE bool stay_moderate(const double *x, size_t n)
{
    return within(x, n, 0, MODERATE);
}

/* The product of both, where a factor times that is the same as times one after
 * the other; else 0. */
static double single_power(const double power[2])
{
    double p = power[0] * power[1];
    return p >= 0x1p-900 && p <= 0x1p50 ? p : 0;
}

INLINE void put_or_stream(double *out, vd v, bool stream)
{
    if (stream)
        vd_stream(out, v);
    else
        vd_store(out, v);
}

/* Whole vectors from i to n of moderate mass: all times 2^128, until they are
 * rounded. */
INLINE void put_grads(enum masses whose, bool bent, bool stream,
                      const double *e, const double *mass, size_t i, size_t n,
                      const struct smx_row_grad *given, vd power, double *out)
{
    const struct smx_row_grad own = *given, *how = &own;
    const struct smx_dd b = dd_scale(how->b, 0x1p128);
    for (; i < n; i += LANES) {
        struct vdd d = bent_grad(bent, e, i, n, how);
        if (whose != NONE) {
            struct vdd p = d;
            struct vdd v = scaled_grad(vector_mass(whose, mass, i, n, how), b);
            d = vdd_sum(p.hi, -v.hi);
            d.lo += p.lo - v.lo;
        }
        put_or_stream(out + i, (d.hi + d.lo) * power, stream);
    }
}

/* The same with a loop for each kind of mass. */
INLINE void put_moderate(enum masses whose, bool bent, const double *e,
                         const double *mass, size_t i, size_t n,
                         const struct smx_row_grad *how, double *out)
{
    vd power = vd_all(single_power(how->pure));
#define PUT_GRADS(kind)                                                        \
    case kind:                                                                 \
        if (how->stream)                                                       \
            put_grads(kind, bent, true, e, mass, i, n, how, power, out);       \
        else                                                                   \
            put_grads(kind, bent, false, e, mass, i, n, how, power, out);      \
        break;
    switch (whose) {
        PUT_GRADS(OWN)
        PUT_GRADS(LABEL)
        PUT_GRADS(ALIKE)
        PUT_GRADS(NONE)
    }
}

static void put_fast(enum masses whose, const double *e, const double *mass,
                     size_t i, size_t n, const struct smx_row_grad *how,
                     double *out)
{
    if (how->hi)
        put_moderate(whose, true, e, mass, i, n, how, out);
    else
        put_moderate(whose, false, e, mass, i, n, how, out);
}

static bool is_simple(const double *mass, const double *slope,
                      const struct smx_row_grad *how)
{
    return !slope && single_power(how->pure) != 0 && how->down < 1 &&
           fabs(how->a.hi) <= 0x1p800 && fabs(how->b.hi) <= 0x1p100 &&
           (mass || fmax(fabs(how->mass), fabs(how->other)) <= MODERATE);
}

static void store_tile_grad(const double *e, const double *mass,
                            const double *slope, size_t n,
                            const struct smx_row_grad *how, double *out)
{
    bool simple = is_simple(mass, slope, how);
    size_t head = how->stream ? before_line(out, sizeof *out, n) : 0;
    for (size_t i = 0, end; i < n; i = end) {
        enum masses whose = OWN;
        end = i < head ? head : n - i < LOOKED ? n : i + LOOKED;
        if (!mass)
            whose = how->label - i < end - i ? LABEL
                    : how->other != 0        ? ALIKE
                                             : NONE;
        size_t whole = i < head ? 0 : (end - i) / LANES * LANES;
        if (simple && (!mass || stay_moderate(mass + i, whole)))
            put_fast(whose, e, mass, i, i + whole, how, out);
        else
            whole = 0;
        for (i += whole; i < end; i += LANES)
            put_grad(whose, e, mass, slope, i, end, simple, how, out);
    }
}

/* Of the vector at i. */
INLINE void put_product(const double *e, const double *g, const double *slope,
                        size_t i, size_t n, const struct smx_vjp_scale *how,
                        double *out)
{
    vd first = vd_all(how->power[0]), second = vd_all(how->power[1]);
    struct vdd f = vdd_sum(get_part(g, i, n), vd_all(-how->dot.hi));
    vl large = (vl)(f.hi > vd_all(0x1p800)) | (vl)(f.hi < vd_all(-0x1p800));
    vd down = vd_where(large, vd_all(0x1p-256), vd_all(1));
    f.hi *= down;
    f.lo = (f.lo - vd_all(how->dot.lo)) * down;
    f = vdd_settle(f);
    f = vdd_mul(scaled_grad(get_part(e, i, n), how->inverse), f);
    vd up = vd_where(large, second * vd_all(0x1p256), second);
    put_vector(out, i, n, finish_at(f, slope, i, n, first, up));
}

/* LOOKED of moderate upstream. */
INLINE void put_products(const double *e, const double *g,
                         const struct smx_vjp_scale *how, vd power, bool stream,
                         double *out)
{
    const struct smx_dd inverse = how->inverse;
    vd dot = vd_all(-how->dot.hi), rest = vd_all(how->dot.lo);
    for (size_t i = 0; i < LOOKED; i += LANES) {
        struct vdd f = vdd_sum(vd_load(g + i), dot);
        f.lo -= rest;
        f = vdd_mul(scaled_grad(vd_load(e + i), inverse), f);
        put_or_stream(out + i, (f.hi + f.lo) * power, stream);
    }
}

static void store_tile_vjp(const double *e, const double *g,
                           const double *slope, size_t n,
                           const struct smx_vjp_scale *how, double *out)
{
    double power = single_power(how->power);
    bool simple = !slope && power != 0 && fabs(how->dot.hi) <= MODERATE;
    size_t head = how->stream ? before_line(out, sizeof *out, n) : 0, i = 0;
    for (; i < head; i += LANES)
        put_product(e, g, slope, i, head, how, out);
    for (i = head; i + LOOKED <= n; i += LOOKED) {
        if (!simple || !stay_moderate(g + i, LOOKED))
            for (size_t j = i; j < i + LOOKED; j += LANES)
                put_product(e, g, slope, j, n, how, out);
        else if (how->stream)
            put_products(e + i, g + i, how, vd_all(power), true, out + i);
        else
            put_products(e + i, g + i, how, vd_all(power), false, out + i);
    }
    for (; i < n; i += LANES)
        put_product(e, g, slope, i, n, how, out);
}

#endif
