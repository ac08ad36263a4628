/* SPDX-License-Identifier: MIT */
/** The kernels of gradients: descend and vjp of dd_kernels.h. */
#ifndef SMX_GRADIENT_VEC_H
#define SMX_GRADIENT_VEC_H

#include <math.h>

#include "dd_answers_vec.h"
#include "simd/tile_vec.h"

/* x times two powers of two; 0 for NaN. */
INLINE vd finish_grad(vd x, vd first, vd second)
{
    vd y = x * first * second;
    return (vd)((vl)y & (vl)(y == y));
}

INLINE struct vdd times_slope(struct vdd x, vd slope)
{
    struct vdd p = vdd_product(x.hi, slope);
    p.lo += x.lo * slope;
    return p;
}

/* The same of x times slope, which is up to 2^128, rounded once. Where what
 * follows is a large power, small factors are multiplied by some of it. */
INLINE vd finish_sloped(struct vdd x, vd slope, vd first, vd second)
{
    vd size = vd_max(x.hi, -x.hi);
    vl large = (vl)(size > vd_all(0x1p800));
    vl small = (vl)(size < vd_all(1)) & (vl)(first > vd_all(0x1p-32));
    vd up = vd_where(small, vd_all(0x1p400), vd_all(1));
    vd down = vd_where(small, vd_all(0x1p-400), vd_all(1));
    vd by = vd_where(large, vd_all(0x1p-128), up);
    x = times_slope((struct vdd){x.hi * by, x.lo * by}, slope * up);
    second *= vd_where(large, vd_all(0x1p128), down);
    return finish_grad(x.hi + vdd_settle(x).lo, first * down, second);
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

/* The largest mass of which no product with what is at most 2^228, and with a
 * slope, overflows. */
#define MODERATE 0x1p500

/* The mass of the vector at i: each class's own, or all the same but the
 * label's. */
INLINE vd vector_mass(const double *mass, size_t i, size_t n,
                      const struct smx_row_grad *how)
{
    if (mass)
        return get_part(mass, i, n);
    return vd_where(vl_at(how->label - i), vd_all(how->mass),
                    vd_all(how->other));
}

/* d where there is mass to take; else p, whose 0 has its sign, as of vectors
 * without the label. */
INLINE struct vdd where_taken(vd mass, struct vdd d, struct vdd p)
{
    vl none = (vl)(mass == vd_all(0));
    return (struct vdd){vd_where(none, p.hi, d.hi), vd_where(none, p.lo, d.lo)};
}

/* Of the vector at i. Of simple rows, what is moderate has the bits of
 * moderate_grad. */
INLINE void put_grad(const double *e, const double *mass, const double *slope,
                     size_t i, size_t n, bool simple,
                     const struct smx_row_grad *how, double *out)
{
    struct vdd p = bent_grad(how->hi, e, i, n, how);
    vd first = vd_all(how->pure[0]), second = vd_all(how->pure[1]);
    vd m = vector_mass(mass, i, n, how), size = vd_max(m, -m);
    vl up = (vl)(size <= vd_all(simple ? MODERATE : 0)); /* all times 2^128 */
    vd raise = vd_where(up, vd_all(simple ? 0x1p128 : 1), vd_all(1));
    vd down = vd_where(up, vd_all(1), vd_all(how->down));
    struct vdd b = {vd_all(how->b.hi) * raise, vd_all(how->b.lo) * raise};
    struct vdd v = vdd_product(m, b.hi);
    v.lo += m * b.lo;
    struct vdd d = vdd_sum(p.hi * down, -v.hi);
    d.lo += p.lo * down - v.lo;
    if (!mass)
        d = where_taken(m, d, p);
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

/* Are all of them moderate, or NaN? */
static bool stay_moderate(const double *x, size_t n)
{
    vd most[VECS] = {{0}};
    vl beyond = {0};
    OF_BLOCKS(i, v, n)
    {
        vd y = get_part(x, i, n);
        most[v] = vd_max(vd_max(y, -y), most[v]);
    }
    EACH (v, VECS)
        beyond |= (vl)(most[v] > vd_all(MODERATE));
    return !vl_any(beyond);
}

/* The product of both, where a factor times that is the same as times one after
 * the other; else 0. A product with a slope may be too small for a large one.
 */
static double single_power(const double power[2], const double *slope)
{
    double p = power[0] * power[1];
    return p >= 0x1p-900 && p <= (slope ? 0x1p-60 : 0x1p50) ? p : 0;
}

/* Whose mass a vector has: each class its own, all the same but the label, all
 * the same, or none. */
enum masses { OWN, LABEL, ALIKE, NONE };

/* Of the vector at i, of moderate mass: all times 2^128 until it is rounded. */
INLINE vd moderate_grad(enum masses whose, bool bent, const double *e,
                        const double *mass, const double *slope, size_t i,
                        size_t n, const struct smx_row_grad *how,
                        struct smx_dd b)
{
    struct vdd d = bent_grad(bent, e, i, n, how);
    if (whose != NONE) {
        vd m = whose == ALIKE
                   ? vd_all(how->other)
                   : vector_mass(whose == OWN ? mass : NULL, i, n, how);
        struct vdd p = d, v = scaled_grad(m, b);
        d = vdd_sum(p.hi, -v.hi);
        d.lo += p.lo - v.lo;
        if (whose == LABEL)
            d = where_taken(m, d, p);
    }
    if (slope)
        d = times_slope(d, get_part(slope, i, n));
    return d.hi + d.lo;
}

/* From first to n. */
static void put_moderate(enum masses whose, const double *e, const double *mass,
                         const double *slope, size_t first, size_t n,
                         const struct smx_row_grad *given, double *out)
{
    const struct smx_row_grad how = *given;
    const struct smx_dd b = dd_scale(how.b, 0x1p128);
    const vd power = vd_all(single_power(how.pure, slope));
#define PUT_GRADS(kind, bent)                                                  \
    PUT_TILE(out, first, n, how.stream, i, end,                                \
             moderate_grad(kind, bent, e, mass, slope, i, end, &how, b) *      \
                 power)
#define PUT_KIND(kind)                                                         \
    case kind:                                                                 \
        if (how.hi)                                                            \
            PUT_GRADS(kind, true);                                             \
        else                                                                   \
            PUT_GRADS(kind, false);                                            \
        break;
    switch (whose) {
        PUT_KIND(OWN)
        PUT_KIND(LABEL)
        PUT_KIND(ALIKE)
        PUT_KIND(NONE)
    }
}

static bool is_simple(const double *mass, const double *slope,
                      const struct smx_row_grad *how)
{
    return single_power(how->pure, slope) != 0 && how->down < 1 &&
           fabs(how->a.hi) <= 0x1p600 && fabs(how->b.hi) <= 0x1p100 &&
           (mass || fmax(fabs(how->mass), fabs(how->other)) <= MODERATE);
}

/* The cache line of a label, and what is on both sides of it. */
static void put_beside_label(const double *e, const double *slope, size_t n,
                             const struct smx_row_grad *how, double *out)
{
    enum masses whose = how->other != 0 ? ALIKE : NONE;
    size_t label = how->label < n ? how->label : n;
    size_t place = (uintptr_t)(out + label) / sizeof *out % OF_A_LINE;
    size_t first = label > place ? label - place : 0;
    size_t end = label - place + OF_A_LINE;
    end = end < n ? end : n;
    put_moderate(whose, e, NULL, slope, 0, first, how, out);
    put_moderate(LABEL, e, NULL, slope, first, end, how, out);
    put_moderate(whose, e, NULL, slope, end, n, how, out);
}

static void store_tile_grad(const double *e, const double *mass,
                            const double *slope, size_t n,
                            const struct smx_row_grad *how, double *out)
{
    bool simple = is_simple(mass, slope, how);
    if (!simple || (mass && !stay_moderate(mass, n)))
        VECTORS (i, n)
            put_grad(e, mass, slope, i, n, simple, how, out);
    else if (mass)
        put_moderate(OWN, e, mass, slope, 0, n, how, out);
    else
        put_beside_label(e, slope, n, how, out);
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

/* The same of a moderate upstream. */
INLINE vd moderate_product(const double *e, const double *g,
                           const double *slope, size_t i, size_t n,
                           const struct smx_vjp_scale *how, vd power)
{
    struct vdd f = vdd_sum(get_part(g, i, n), vd_all(-how->dot.hi));
    f.lo -= vd_all(how->dot.lo);
    f = vdd_mul(scaled_grad(get_part(e, i, n), how->inverse), f);
    if (slope)
        f = times_slope(f, get_part(slope, i, n));
    return (f.hi + f.lo) * power;
}

static void store_tile_vjp(const double *e, const double *g,
                           const double *slope, size_t n,
                           const struct smx_vjp_scale *given, double *out)
{
    const struct smx_vjp_scale how = *given;
    double power = single_power(how.power, slope);
    if (power == 0 || fabs(how.dot.hi) > MODERATE || !stay_moderate(g, n))
        VECTORS (i, n)
            put_product(e, g, slope, i, n, &how, out);
    else
        PUT_TILE(out, 0, n, how.stream, i, end,
                 moderate_product(e, g, slope, i, end, &how, vd_all(power)));
}

#endif
