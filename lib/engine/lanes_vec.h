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

/* And the slopes of a softcap? */
INLINE bool wants_slope(const struct smx_lanes *l)
{
    return l->logits->softcap != 0 && (l->gradient || l->vjp_upstream);
}

/* Below it what a sum's additions lose has to be added up exactly. */
#define LEAST_REST 0x1p-36

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

/** Steps of several classes, so that one's chain of operations fills what
 *  another's waits for: step(..., c, count) with count a constant. */
#define IN_STEPS(c, g, step, ...)                                              \
    do {                                                                       \
        int c = 0, steps_end = (g)->classes;                                   \
        for (; c + 4 <= steps_end; c += 4)                                     \
            step(__VA_ARGS__, c, 4);                                           \
        for (; c + 2 <= steps_end; c += 2)                                     \
            step(__VA_ARGS__, c, 2);                                           \
        for (; c < steps_end; c++)                                             \
            step(__VA_ARGS__, c, 1);                                           \
    } while (0)

/* Relative to top, which is g->top or, in sixteenths, what a softcap makes of
 * it. */
INLINE void fill_classes(struct group *g, vd top, bool capped, bool sloped,
                         bool logs, struct rest_so_far *rest, int c, int count)
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
    g->capped_top.hi = top;
    IN_STEPS(c, g, fill_classes, g, top, capped, sloped, logs, &rest);
    g->rest = rest.sum;
}

/* Of lanes which; the others' exponentials are there. capped: a constant. */
INLINE void fill_dds(struct group *g, bool capped, vl which)
{
    const struct smx_shift how = g->lanes->shift;
    const bool logs = wants_shifted(g->lanes), powers = vl_any(which);
    const vd highest = g->top;
    struct summit s = climb(&how, g->top);
    if (capped && wants_logsum(g->lanes) && vl_any(~s.flat)) {
        struct vdd top = vdd_cap(g->top, g->logits->softcap, &how);
        g->capped_top.hi = vd_where(s.flat, g->top, top.hi);
        g->capped_top.lo = (vd)((vl)top.lo & ~s.flat);
    }
    CLASSES(c, g)
    {
        vd z = vd_load(g->z[c]), slope;
        struct vdd d = vdd_sum(z, -highest);
        if (capped && how.close)
            bend_close(&z, &s, &how, &d, &slope, 1);
        else
            d = capped ? bend(z, d, &s, &how, &slope) : straight(d, &how);
        if (capped && wants_slope(g->lanes))
            vd_store(g->slope[c], slope);
        if (logs) {
            vd_store(g->hi[c], d.hi);
            vd_store(g->lo[c], vdd_settle(d).lo);
        }
        if (powers)
            vd_store(g->e[c], vd_where(which, vdd_exp(d), vd_load(g->e[c])));
    }
}

/* scaled: a constant, like count. */
INLINE void step_near(bool scaled, const struct group *g,
                      const struct near *near, int c, int count)
{
    struct near_reduced s[WIDE];
    EACH (v, count)
        s[v] = near_reduce(vd_load(g->z[c + v]), near, scaled);
    EACH (v, count)
        vd_store(g->e[c + v], near_power(s[v], vd_load(g->z[c + v]), near));
}

INLINE void fill_lines(bool scaled, struct group *g, struct near near)
{
    double most = NEAR_MOST * g->lanes->shift.temperature;
    vl far = (vl)(vd_max(g->top, -g->top) > vd_all(most));
    near_move(&near, g->top);
    IN_STEPS(c, g, step_near, scaled, g, &near);
    if (wants_shifted(g->lanes) || vl_any(far))
        fill_dds(g, false, far);
}

/* The sum but for the first largest as exactly as it can be. */
static struct vdd sum_small(const struct group *g)
{
    struct rest_so_far rest = {{vd_all(0), vd_all(0)}, ~(vl){0}};
    CLASSES(c, g)
    add_to_rest(true, &rest, vd_load(g->e[c]),
                (vl)(vd_load(g->z[c]) != g->top));
    return rest.sum;
}

/* From 1 on, which is more than any of them, and is there for the largest
 * once more. What each addition loses is rounded: that is nothing beside a rest
 * of some size. */
INLINE void sum_dds(struct group *g)
{
    const vd down = vd_all(0x1p-128);
    struct vdd sum = {vd_all(0x1p128), vd_all(0)};
    CLASSES(c, g)
    {
        struct vdd s = vdd_fast(sum.hi, vd_load(g->e[c]));
        sum.hi = s.hi;
        sum.lo += s.lo;
    }
    sum = vdd_sum(sum.hi - vd_all(0x2p128), sum.lo);
    vl small = (vl)(sum.hi < vd_all(LEAST_REST * 0x1p128));
    if (vl_any(small)) {
        struct vdd exact = sum_small(g);
        sum.hi = vd_where(small, exact.hi, sum.hi);
        sum.lo = vd_where(small, exact.lo, sum.lo);
    }
    g->rest.hi = sum.hi * down;
    g->rest.lo = sum.lo * down;
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
    g->lse = vd_all(0);
    if (!l->logsumexp && !(l->criterion && l->criterion->z_loss != 0))
        return;
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

/* Logarithms that take each step together. */
#define LOGS (LANES == 8 ? 4 : 2)

INLINE void add_logsums(bool wide, struct batch *b)
{
    struct vdd logs[LOGS];
    for (int k = 0; k < b->groups; k += LOGS) {
        EACH (i, LOGS)
            logs[i] = b->group[k + i < b->groups ? k + i : k].rest;
        if (wide)
            vdd_log1p_each(logs, LOGS);
        else
            EACH (i, LOGS)
                logs[i].hi = vd_log1p(logs[i].hi);
        for (int i = 0; i < LOGS && k + i < b->groups; i++)
            add_logsum(wide, &b->group[k + i], logs[i]);
    }
}

/* ---- a batch of groups --------------------------------------------------- */

/* For an array, if it is wanted. */
INLINE lanes_array take_room(double **at, bool wanted, int classes)
{
    lanes_array array = (void *)*at;
    *at += wanted ? classes * LANES : 0;
    return array;
}

/* The arrays of as many groups as there is room for. */
INLINE void furnish(struct batch *b, const struct smx_lanes *l)
{
    const struct smx_criterion *k = l->criterion;
    int n = (int)l->logits->classes;
    bool logs = wants_shifted(l),
         weighs = l->vjp_upstream || (k && !is_single(k));
    double *at = b->room;
    for (b->most = 0; b->most < GROUPS; b->most++) {
        struct group *g = &b->group[b->most];
        if (b->room + ROOM - at < MOST_ARRAYS * n * LANES)
            break;
        g->lanes = l;
        g->logits = l->logits;
        g->classes = n;
        g->z = take_room(&at, true, n);
        g->e = take_room(&at, true, n);
        g->hi = take_room(&at, logs, n);
        g->lo = take_room(&at, logs && l->logits->dtype == SMX_FLOAT64, n);
        g->masked = take_room(&at, l->logits->mask, n);
        g->slope = take_room(&at, wants_slope(l), n);
        g->mass = take_room(&at, weighs, n);
    }
}

/* Those with NaN or +INFINITY. */
static vl nonfinite_rows(const struct group *g)
{
    vl fine = ~(vl){0};
    CLASSES(c, g)
    fine &= (vl)(vd_load(g->z[c]) < vd_all(INF));
    return ~fine;
}

INLINE void look_at_group(bool wide, struct group *g)
{
    struct seen seen = gather_group(wide, g, g->logits->data, g->z);
    g->top = seen.top;
    g->declined = g->hits = (vl){0};
    if (g->lanes->unseen || (g->lanes->criterion && !wide))
        g->declined = ~(vl)(seen.sum < vd_all(INF)); /* else it is known */
    if (wide && vl_any(g->declined)) /* numbers alone may overflow the sum */
        g->declined = nonfinite_rows(g);
    if (g->logits->mask) {
        load_mask(g);
        g->top = find_max(g, g->z);
    }
    if (g->lanes->hits || g->lanes->argmax)
        g->argmax = find_argmax(g, g->z, g->top);
    g->empty = (vl)(g->top == vd_all(-INF));
    g->top = (vd)((vl)g->top & ~g->empty);
    g->capped_top = (struct vdd){g->top, vd_all(0)};
    if (wide)
        g->declined |= (vl)(vd_max(g->top, -g->top) > vd_all(0x1p900));
}

/* One tensor after the other: where the classes of both are a power of two
 * apart they take each other's place in the cache, and what lies in a line with
 * a group is the next one's. */
INLINE size_t load_batch(bool wide, struct batch *b, size_t first, size_t count)
{
    const struct smx_lanes *l = b->group->lanes;
    size_t rows = place_batch(b, first, count);
    for (int k = 0; k < b->groups; k++)
        look_at_group(wide, &b->group[k]);
    for (int k = 0; other_input(l) && k < b->groups; k++)
        gather_group(wide, &b->group[k], other_input(l), b->group[k].mass);
    return rows;
}

INLINE void fill_group(bool wide, struct group *g, const struct near *near)
{
    bool capped = g->logits->softcap != 0;
    if (!wide)
        !capped                 ? fill_doubles(g, false, false)
        : wants_slope(g->lanes) ? fill_doubles(g, true, true)
                                : fill_doubles(g, true, false);
    else if (capped)
        fill_dds(g, true, ~(vl){0});
    else
        g->lanes->shift.scaled ? fill_lines(true, g, *near)
                               : fill_lines(false, g, *near);
}

INLINE void fill_batch(bool wide, struct batch *b)
{
    const struct smx_shift *how = &b->group->lanes->shift;
    struct near near;
    if (wide)
        near = near_of(how->temperature, how->inverse.hi);
    for (int k = 0; k < b->groups; k++) {
        fetch_group(b, &b->group[k]);
        fill_group(wide, &b->group[k], &near);
    }
    for (int k = 0; wide && k < b->groups; k++)
        sum_dds(&b->group[k]);
    for (int k = 0; k < b->groups; k++)
        invert_sum(wide, &b->group[k]);
    if (wants_logsum(b->group->lanes))
        add_logsums(wide, b);
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
