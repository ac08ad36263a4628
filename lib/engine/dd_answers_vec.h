/* SPDX-License-Identifier: MIT */
/** The kernels of dd_kernels.h that make answers of exponentials and shifted
 *  logits. */
#ifndef SMX_DD_ANSWERS_VEC_H
#define SMX_DD_ANSWERS_VEC_H

#include "dd_kernels.h"
#include "simd/softcap_vec.h"
#include "simd/tile_vec.h"

/* Doubles of a cache line. */
#define OF_A_LINE (CACHE_LINE / sizeof(double))

/** for i in [0, n), a vector at a time and a vector of each block at a time */
#define OF_BLOCKS(i, v, n)                                                     \
    for (size_t block_ = 0; block_ < (n); block_ += BLOCK)                     \
        EACH (v, VECS)                                                         \
            for (size_t i = block_ + (size_t)v * LANES, once_ = 1;             \
                 once_ && i < (n); once_ = 0)

static struct smx_dd sum_tile(const double *x, size_t n)
{
    struct vdd sums[VECS] = {{{0}, {0}}};
    OF_BLOCKS(i, v, n)
    vdd_accumulate_double(&sums[v], get_part(x, i, n));
    return vdd_total(sums);
}

static struct smx_dd dot_tile(const double *e, const double *g, size_t n)
{
    struct vdd sums[VECS] = {{{0}, {0}}};
    OF_BLOCKS(i, v, n)
    {
        vd p = get_part(e, i, n) * vd_all(0x1p-128) * get_part(g, i, n);
        vdd_accumulate_double(&sums[v], p);
    }
    return vdd_total(sums);
}

INLINE void put_or_stream(double *out, vd v, bool stream)
{
    if (stream)
        vd_stream(out, v);
    else
        vd_store(out, v);
}

/** out[i ...] = value of each vector from first to n, of as many as are below
 *  end; past the caches, of whole lines of them, where that is wanted. */
#define PUT_TILE(out, first, n, stream, i, end, value)                         \
    do {                                                                       \
        size_t i = first, end = i, unit_ = (stream) ? OF_A_LINE : LANES;       \
        if (stream)                                                            \
            end += before_line((out) + i, sizeof *(out), (n)-i);               \
        do {                                                                   \
            for (; i < end; i += LANES)                                        \
                put_vector(out, i, end, value);                                \
            i = end;                                                           \
            for (end = (n) - ((n)-i) % unit_; i + LANES <= end; i += LANES)    \
                put_or_stream((out) + i, value, stream);                       \
            end = n;                                                           \
        } while (i < end);                                                     \
    } while (0)

static void stream_tile(const double *x, size_t n, double *out)
{
    PUT_TILE(out, 0, n, true, i, end, get_part(x, i, end));
}

/* What is subnormal in the end is rounded once. */
static void scale_tile(const double *e, size_t n, double factor, bool stream,
                       double *out)
{
    vd f = vd_all(factor * 0x1p-128);
    PUT_TILE(out, 0, n, stream, i, end, get_part(e, i, end) * f);
}

INLINE struct vdd nats_at(const struct smx_nats *d, size_t i, size_t n)
{
    if (d->hi)
        return (struct vdd){vd_load(d->hi + i), vd_load(d->lo + i)};
    vd x = get_vector(d->z, i, n) * vd_all(d->how.before);
    return vdd_settle(straight(vdd_sum(x, vd_all(-d->how.top)), &d->how));
}

/* log p of a class from d, or from z itself, where that is d but for what all
 * classes share: (x - hi) + rest. The rest is never -0, so that log 1 is 0. */
struct log_base {
    struct smx_nats d;
    bool direct;
    vd hi, rest;
};

INLINE struct log_base log_base_of(const struct smx_nats *d,
                                   struct smx_dd logsum)
{
    bool direct = !d->hi && !d->how.scaled;
    if (direct)
        logsum = dd_add((struct smx_dd){d->how.top, 0}, logsum);
    return (struct log_base){*d, direct, vd_all(logsum.hi),
                             vd_all(0 - logsum.lo)};
}

/* Of large z, and of one class with nearly all of the probability, z - hi is
 * exact, and the rest holds the digits of what is left. */
INLINE vd direct_log_at(const struct log_base *base, size_t i, size_t n)
{
    return (get_vector(base->d.z, i, n) - base->hi) + base->rest;
}

INLINE vd log_at(const struct log_base *base, size_t i, size_t n)
{
    struct vdd x = nats_at(&base->d, i, n);
    return (x.hi - base->hi) + (x.lo + base->rest);
}

static void logs(struct smx_nats d, size_t n, struct smx_dd logsum, bool stream,
                 double *out)
{
    const struct log_base base = log_base_of(&d, logsum);
    if (base.direct)
        PUT_TILE(out, 0, n, stream, i, end, direct_log_at(&base, i, end));
    else
        PUT_TILE(out, 0, n, stream, i, end, log_at(&base, i, end));
}

static struct smx_dd terms(const double *e, struct smx_nats d, size_t n)
{
    struct vdd sums[VECS] = {{{0}, {0}}};
    OF_BLOCKS(i, v, n)
    {
        vd x = get_part(e, i, n);
        struct vdd t = nats_at(&d, i, n);
        vd term = (vd)((vl)(x * (t.hi + t.lo)) & (vl)(x > vd_all(0)));
        vdd_accumulate_double(&sums[v], term);
    }
    return vdd_total(sums);
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

/* How -log p comes of a class: from d, or from z itself, where logsum counts
 * from 0. */
struct cost_base {
    struct smx_nats d;
    bool direct;
    struct vdd logsum;
};

INLINE vd cost_at(const struct cost_base *base, size_t i, size_t n)
{
    if (base->direct)
        return (base->logsum.hi - get_vector(base->d.z, i, n)) +
               base->logsum.lo;
    struct vdd t = nats_at(&base->d, i, n);
    return (base->logsum.hi - t.hi) + (base->logsum.lo - t.lo);
}

static struct smx_dd costs(const double *mass, struct smx_nats d, size_t n,
                           struct smx_dd logsum)
{
    struct vdd sums[VECS] = {{{0}, {0}}};
    struct cost_base base = {.d = d, .direct = !d.hi && !d.how.scaled};
    if (base.direct)
        logsum = dd_add((struct smx_dd){d.how.top, 0}, logsum);
    base.logsum = vdd_all(logsum);
    OF_BLOCKS(i, v, n)
    {
        vd m = get_part(mass, i, n), cost = m * cost_at(&base, i, n);
        fetch_ahead(mass + i);
        cost = (vd)((vl)cost & (vl)(m != vd_all(0)));
        vdd_accumulate_double(&sums[v], cost);
    }
    return vdd_total(sums);
}

/* d of the vector at i, without what rounding leaves; 0 behind n. */
INLINE vd distance_at(const struct smx_nats *d, size_t i, size_t n)
{
    if (i >= n)
        return vd_all(0);
    vd t = d->hi ? vd_load(d->hi + i) + vd_load(d->lo + i)
                 : get_vector(d->z, i, n) * vd_all(d->how.before) -
                       vd_all(d->how.top);
    return i + LANES <= n ? t : (vd)((vl)t & vl_below(n - i));
}

/* Blocks of which each lane is added up, of numbers of one sign, before that
 * is added to a double-double sum. */
#define NARROW 4

INLINE void add_distances(const struct smx_nats *d, size_t i, size_t n,
                          struct vdd sums[VECS])
{
    EACH (v, VECS) {
        vd x[NARROW];
        EACH (b, NARROW)
            x[b] = distance_at(d, i + (size_t)(b * BLOCK + v * LANES), n);
        vdd_accumulate_double(&sums[v], (x[0] + x[1]) + (x[2] + x[3]));
    }
}

static struct smx_dd distances(struct smx_nats d, size_t n)
{
    struct vdd sums[VECS] = {{{0}, {0}}};
    size_t i = 0;
    for (; i + NARROW * BLOCK <= n; i += NARROW * BLOCK)
        add_distances(&d, i, SIZE_MAX, sums);
    if (i < n)
        add_distances(&d, i, n, sums);
    struct smx_dd sum = vdd_total(sums);
    return !d.hi && d.how.scaled ? dd_mul(sum, d.how.inverse) : sum;
}

#endif
