/* SPDX-License-Identifier: MIT */
/** Exponentials of a group of rows in lanes, and their sum. wide is a constant
 *  where a function is inlined: double-double numbers, whose exponentials come
 *  times 2^128, or doubles, whose lo is not there. */
#ifndef SMX_LANES_VEC_H
#define SMX_LANES_VEC_H

#include "lanes_group_vec.h"

#include "simd/cap_vec.h"
#include "simd/log_vec.h"
#include "simd/power_vec.h"
#include "simd/softcap_vec.h"

INLINE vd find_max(const struct group *g, lanes_array x)
{
    vd top = vd_all(-INF);
    CLASSES(c, g)
    top = vd_max(vd_load(x[c]), top);
    return top;
}

/* The first class of x that is the largest. */
INLINE vd find_argmax(const struct group *g, lanes_array x, vd max)
{
    vd class = vd_all(0), number = vd_all(g->classes);
    for (int c = g->classes; c--;) {
        number -= vd_all(1);
        class = vd_where((vl)(vd_load(x[c]) == max), number, class);
    }
    return class;
}

/* Those with NaN or +INFINITY. */
static inline vl nonfinite_rows(const struct group *g)
{
    vl fine = ~(vl){0};
    CLASSES(c, g)
    fine &= (vl)(vd_load(g->z[c]) < vd_all(INF));
    return ~fine;
}

/* Is the logarithm of the sum wanted? */
INLINE bool wants_logsum(const struct smx_lanes *l)
{
    return l->criterion || l->logsumexp || l->entropy ||
           (l->log && !l->vjp_upstream);
}

/* Is all the mass the label's, if there is one? */
INLINE bool is_single(const struct smx_criterion *k)
{
    return k->labels && k->label_smoothing == 0;
}

/* Are the shifted logits wanted of all classes? Of a label's class alone they
 * are computed again, but not what a softcap makes of them. */
INLINE bool wants_shifted(const struct smx_lanes *l)
{
    const struct smx_criterion *k = l->criterion;
    return l->entropy || (l->log && !l->vjp_upstream) ||
           (k && (!is_single(k) || k->entropy_weight != 0 ||
                  l->logits->softcap != 0));
}

/* The sum of all but the first largest, as far as it is known. */
struct rest_so_far {
    struct vdd sum;
    vl before; /* no class so far was the largest */
};

/* Of the next class; less: is it not the largest? */
INLINE void add_to_rest(bool wide, struct rest_so_far *rest, vd e, vl less)
{
    e = (vd)((vl)e & (less | ~rest->before));
    rest->before &= less;
    if (wide)
        vdd_accumulate_double(&rest->sum, e);
    else
        rest->sum.hi += e;
}

/* Of count classes from c on, relative to top, which is g->top or, in
 * sixteenths, what a softcap makes of it. */
INLINE void fill_classes(struct group *g, int c, int count, vd top, bool capped,
                         bool sloped, bool logs, struct rest_so_far *rest)
{
    const struct smx_lanes *l = g->lanes;
    const vd highest = g->top;
    vd t[WIDE], slope[WIDE];
    EACH (v, count)
        t[v] = vd_load(g->z[c + v]);
    if (capped)
        cap_vectors(&l->cap, t, sloped ? slope : NULL, count);
    EACH (v, count) {
        t[v] -= top; /* of what is left out -INFINITY */
        if (capped && sloped)
            vd_store(g->slope[c + v], slope[v]);
        if (logs)
            vd_store(g->hi[c + v],
                     t[v] * vd_all(capped ? 1 / SMX_POWER_NAT
                                          : l->inverse_temperature));
        if (!capped)
            t[v] *= vd_all(l->scale);
    }
    power(t, count);
    EACH (v, count) {
        vd_store(g->e[c + v], t[v]);
        add_to_rest(false, rest, t[v], (vl)(vd_load(g->z[c + v]) != highest));
    }
}

INLINE void fill_doubles(struct group *g, bool capped, bool sloped)
{
    vd top = capped ? vd_capped(g->top, &g->lanes->cap, NULL) : g->top;
    struct rest_so_far rest = {{vd_all(0), vd_all(0)}, ~(vl){0}};
    const bool logs = wants_shifted(g->lanes);
    int c = 0, n = g->classes;
    g->capped_top.hi = top;
    for (; c + 4 <= n; c += 4)
        fill_classes(g, c, 4, top, capped, sloped, logs, &rest);
    if (c + 2 <= n) {
        fill_classes(g, c, 2, top, capped, sloped, logs, &rest);
        c += 2;
    }
    if (c < n)
        fill_classes(g, c, 1, top, capped, sloped, logs, &rest);
    g->rest = rest.sum;
}

/* capped, and of most calls logs and scaled, are constants. */
INLINE void fill_dds(struct group *g, bool capped, bool logs, bool scaled)
{
    const struct smx_shift how = g->lanes->shift;
    const vd highest = g->top;
    struct summit s = climb(&how, g->top);
    struct rest_so_far rest = {{vd_all(0), vd_all(0)}, ~(vl){0}};
    g->capped_top = (struct vdd){g->top, vd_all(0)};
    if (capped && wants_logsum(g->lanes) && vl_any(~s.flat)) {
        struct vdd top = vdd_cap(g->top, g->logits->softcap, &how);
        g->capped_top.hi = vd_where(s.flat, g->top, top.hi);
        g->capped_top.lo = (vd)((vl)top.lo & ~s.flat);
    }
    CLASSES(c, g)
    {
        vd z = vd_load(g->z[c]), e, slope;
        struct vdd d = vdd_sum(z, -highest);
        if (scaled)
            d = vdd_mul(d, vdd_all(how.inverse));
        else if (capped && how.close)
            bend_close(&z, &s, &how, &d, &slope, 1);
        else if (capped)
            d = bend(z, d, &s, &how, &slope);
        if (capped)
            vd_store(g->slope[c], slope);
        if (logs) {
            vd_store(g->hi[c], d.hi);
            vd_store(g->lo[c], vdd_settle(d).lo);
        }
        e = vdd_exp(d);
        vd_store(g->e[c], e);
        add_to_rest(true, &rest, e, (vl)(z != highest));
    }
    g->rest.hi = rest.sum.hi * vd_all(0x1p-128);
    g->rest.lo = rest.sum.lo * vd_all(0x1p-128);
}

/* The sum of e, of doubles, without that of one class. */
INLINE vd sum_without(const struct group *g, vd class)
{
    vd sum = vd_all(0), number = vd_all(0);
    CLASSES(c, g)
    {
        sum += (vd)((vl)vd_load(g->e[c]) & (vl)(class != number));
        number += vd_all(1);
    }
    return sum;
}

/* Is anything wanted that is divided by the sum? */
INLINE bool divides(const struct smx_lanes *l)
{
    return l->values || l->gradient || l->entropy ||
           (l->criterion && l->criterion->entropy_weight != 0);
}

INLINE void invert_sum(bool wide, struct group *g)
{
    const struct vdd one = {vd_all(1), vd_all(0)};
    g->one_hot = (vl)(g->rest.hi == vd_all(0)) & ~g->empty;
    if (!divides(g->lanes))
        return;
    if (wide) {
        struct vdd sum = vdd_sum(one.hi, g->rest.hi);
        sum = vdd_fast(sum.hi, sum.lo + g->rest.lo);
        g->inverse = vdd_div(one, sum);
    } else {
        g->inverse.hi = one.hi / (one.hi + g->rest.hi);
    }
}

INLINE void add_logsum(bool wide, struct group *g, struct vdd logsum)
{
    const struct smx_lanes *l = g->lanes;
    g->logsum = logsum;
    if (wide) {
        struct vdd top = straight(g->capped_top, &l->shift), lse;
        lse = vdd_sum(top.hi, logsum.hi);
        lse.lo += top.lo + logsum.lo;
        g->lse = lse.hi + vdd_settle(lse).lo;
    } else {
        bool capped = g->logits->softcap != 0;
        double unit = capped ? 1 / SMX_POWER_NAT : l->inverse_temperature;
        g->lse = g->capped_top.hi * vd_all(unit) + logsum.hi;
    }
    g->lse = vd_where(g->empty, vd_all(-INF), g->lse);
}

/* Groups that take each step one after the other: what one's waits for, the
 * other's fills. */
#define GROUPS 2

INLINE void finish_sums(bool wide, struct group g[GROUPS], int groups)
{
    struct vdd logs[GROUPS];
    for (int i = 0; i < groups; i++)
        invert_sum(wide, &g[i]);
    if (!wants_logsum(g->lanes))
        return;
    EACH (i, GROUPS)
        logs[i] = g[i < groups ? i : 0].rest;
    if (wide)
        vdd_log1p_each(logs, GROUPS);
    else
        EACH (i, GROUPS)
            logs[i].hi = vd_log1p(logs[i].hi);
    for (int i = 0; i < groups; i++)
        add_logsum(wide, &g[i], logs[i]);
}

INLINE void load_lanes(bool wide, struct group *g, size_t first, size_t count)
{
    const struct smx_logits *z = g->logits;
    place_rows(g, first, count);
    gather(g, z->data, g->z);
    if (z->mask)
        load_mask(g);
    if (g->lanes->vjp_upstream) {
        gather(g, g->lanes->vjp_upstream, g->mass);
        zero_masked(g, g->mass);
    }
    g->top = find_max(g, g->z);
    if (g->lanes->hits || g->lanes->argmax)
        g->argmax = find_argmax(g, g->z, g->top);
    g->empty = (vl)(g->top == vd_all(-INF));
    g->top = (vd)((vl)g->top & ~g->empty);
    g->declined = (vl){0};
    if (g->lanes->criterion && !wide) /* of others it is known */
        g->declined = nonfinite_rows(g);
    if (wide)
        g->declined |= (vl)(vd_max(g->top, -g->top) > vd_all(0x1p900));
}

INLINE void fill_group(bool wide, struct group *g)
{
    bool capped = g->logits->softcap != 0, logs = wants_shifted(g->lanes);
    if (wide)
        capped                   ? fill_dds(g, true, logs, false)
        : g->lanes->shift.scaled ? fill_dds(g, false, logs, true)
        : logs                   ? fill_dds(g, false, true, false)
                                 : fill_dds(g, false, false, false);
    else
        !capped ? fill_doubles(g, false, false)
        : g->lanes->gradient || g->lanes->vjp_upstream
            ? fill_doubles(g, true, true)
            : fill_doubles(g, true, false);
}

/* ---- the entropy --------------------------------------------------------- */

/* -sum p d, with 0 * log 0 = 0: what of an entropy is not log S. */
INLINE struct vdd spread_of_group(bool wide, const struct group *g)
{
    struct vdd sum = {vd_all(0), vd_all(0)};
    CLASSES(c, g)
    {
        vd e = vd_load(g->e[c]), d = vd_load(g->hi[c]);
        if (wide)
            d += vd_load(g->lo[c]);
        vd term = (vd)((vl)(e * -d) & (vl)(e > vd_all(0)));
        if (wide)
            vdd_accumulate(&sum, (struct vdd){term, vd_all(0)});
        else
            sum.hi += term;
    }
    if (!wide)
        return (struct vdd){sum.hi * g->inverse.hi, vd_all(0)};
    sum.hi *= vd_all(0x1p-128);
    sum.lo *= vd_all(0x1p-128);
    return vdd_mul(sum, g->inverse);
}

INLINE vd entropy_of_group(bool wide, const struct group *g)
{
    struct vdd spread = spread_of_group(wide, g);
    if (!wide)
        return (vd)((vl)(g->logsum.hi + spread.hi) & ~g->empty);
    struct vdd h = vdd_sum(g->logsum.hi, spread.hi);
    return (vd)((vl)(h.hi + (h.lo + (g->logsum.lo + spread.lo))) & ~g->empty);
}

#endif
