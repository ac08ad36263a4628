/* SPDX-License-Identifier: MIT */
/** The loss of a group of rows in lanes, its gradient, and products with the
 *  Jacobian. */
#ifndef SMX_LANES_LOSS_VEC_H
#define SMX_LANES_LOSS_VEC_H

#include "lanes_vec.h"

/* ---- the loss ------------------------------------------------------------ */

/* What a loss needs of each row. */
struct costs {
    vd label; /* -1: none, or ignored */
    vl ignored;
    struct vdd mass; /* the sum of it */
};

static struct costs load_labels(const struct group *g)
{
    const struct smx_criterion *k = g->lanes->criterion;
    struct costs costs = {.label = vd_all(-1)};
    for (size_t r = 0; k->labels && r < LANES; r++) {
        size_t row = g->first + (r < g->count ? r : g->count - 1);
        bool ignored = k->ignore && k->labels[row] == k->ignore_index;
        costs.label[r] = ignored ? -1 : (double)k->labels[row];
        costs.ignored[r] = ignored ? -1 : 0;
    }
    return costs;
}

/* The target's probabilities. */
INLINE void load_targets_of_group(struct group *g, const struct costs *costs)
{
    if (g->lanes->criterion->targets)
        gather(g, g->lanes->criterion->targets, g->mass);
    else
        CLASSES(c, g)
        {
            vl here = (vl)(costs->label == vd_all(c));
            vd_store(g->mass[c], (vd)((vl)vd_all(1) & here));
        }
}

static double weight_of_class(const struct group *g, int c)
{
    const void *weights = g->lanes->criterion->weights;
    return g->logits->dtype == SMX_FLOAT32 ? ((const float *)weights)[c]
                                           : ((const double *)weights)[c];
}

/* Numbers that are 0 or between TINY and LARGE. */
INLINE vl moderate_lanes(vd x)
{
    vd size = vd_max(x, -x);
    return (vl)(x == vd_all(0)) |
           ((vl)(size <= vd_all(LARGE)) & (vl)(size >= vd_all(TINY)));
}

/* v = w ((1 - e) t + e / C), but 0 where p is 1, as it cancels there; mass is
 * t. */
INLINE void weigh_lanes(bool wide, struct group *g, struct costs *costs)
{
    const struct smx_lanes *l = g->lanes;
    vl moderate = ~(vl){0};
    CLASSES(c, g)
    {
        vd v = vd_load(g->mass[c]);
        if (l->criterion->label_smoothing != 0 && wide) {
            struct vdd q = vdd_mul((struct vdd){v, {0}}, vdd_all(l->keep));
            q = vdd_settle(q);
            struct vdd sum = vdd_sum(q.hi, vd_all(l->share.hi));
            sum.lo += q.lo + vd_all(l->share.lo);
            v = sum.hi + vdd_settle(sum).lo;
        } else if (l->criterion->label_smoothing != 0) {
            v = v * vd_all(l->keep.hi) + vd_all(l->share.hi);
        }
        if (l->criterion->weights)
            v *= vd_all(weight_of_class(g, c));
        if (wide)
            moderate &= moderate_lanes(v);
        vl cancels = g->one_hot & (vl)(g->argmax == vd_all(c));
        v = (vd)((vl)v & ~cancels);
        vd_store(g->mass[c], v);
        if (wide)
            vdd_accumulate(&costs->mass, (struct vdd){v, vd_all(0)});
        else
            costs->mass.hi += v;
    }
    vd sum = costs->mass.hi; /* of targets that are not numbers, no number */
    g->declined |= ~moderate | ~(vl)(sum - sum == vd_all(0));
}

/* sum v (logsum - d) over v != 0: each term, of one sign for each v, is rounded
 * after the sum. */
INLINE vd cost_of_group(bool wide, const struct group *g)
{
    struct vdd sum = {vd_all(0), vd_all(0)};
    CLASSES(c, g)
    {
        vd v = vd_load(g->mass[c]);
        vl counts = (vl)(v != vd_all(0));
        vd cost = g->logsum.hi - vd_load(g->hi[c]);
        if (wide) {
            struct vdd whole = vdd_sum(g->logsum.hi, -vd_load(g->hi[c]));
            whole.lo += g->logsum.lo - vd_load(g->lo[c]);
            struct vdd term = vdd_product(v, whole.hi);
            term.lo =
                vdd_settle((struct vdd){term.hi, term.lo + v * whole.lo}).lo;
            term.hi = (vd)((vl)term.hi & counts);
            term.lo = (vd)((vl)term.lo & counts);
            vdd_accumulate(&sum, term);
        } else {
            sum.hi += (vd)((vl)(v * cost) & counts);
        }
    }
    return wide ? sum.hi + vdd_settle(sum).lo : sum.hi;
}

INLINE void store_losses(bool wide, struct group *g, const struct costs *costs)
{
    const struct smx_lanes *l = g->lanes;
    vd cost = cost_of_group(wide, g), infinite = vd_all(INF);
    vl some = (vl)(cost != vd_all(0));
    cost = vd_where((vl)(cost == cost) & ~(g->empty & some), cost, infinite);
    cost = (vd)((vl)cost & ~costs->ignored);
    vd square = vd_all(l->criterion->z_loss) * g->lse * g->lse;
    square = (vd)((vl)square & ~(costs->ignored | g->empty));
    for (size_t r = 0; r < g->count; r++) {
        if (g->declined[r])
            continue;
        l->losses[g->first + r] = cost[r];
        if (l->squares)
            l->squares[g->first + r] = square[r];
    }
}

/* ---- its gradient -------------------------------------------------------- */

static vd load_row_upstream(const struct group *g)
{
    const struct smx_lanes *l = g->lanes;
    bool none = l->criterion->reduction == SMX_REDUCTION_NONE;
    vd upstream = vd_all(1);
    for (size_t r = 0; l->upstream && r < LANES; r++) {
        size_t row = g->first + (r < g->count ? r : g->count - 1);
        row = none ? row : 0;
        upstream[r] = g->logits->dtype == SMX_FLOAT32
                          ? ((const float *)l->upstream)[row]
                          : ((const double *)l->upstream)[row];
    }
    return upstream;
}

/* Where the label has all the mass, what its class loses is what the others
 * take: no digit of p - 1 is lost. */
static void store_doubles_grad(struct group *g, const struct costs *costs)
{
    const struct smx_lanes *l = g->lanes;
    bool sloped = g->logits->softcap != 0;
    bool single = l->criterion->labels && l->criterion->label_smoothing == 0;
    vd b = load_row_upstream(g) * vd_all(l->inverse_temperature);
    vd square = vd_all(2 * l->criterion->z_loss) * g->lse;
    square = (vd)((vl)square & ~g->empty) * vd_all(l->z_factor.hi) * b;
    b *= vd_all(l->factor.hi);
    vd a = (costs->mass.hi * b + square) * g->inverse.hi;
    vd others = sum_without(false, g, costs->label).hi * g->inverse.hi;
    square *= g->inverse.hi;
    CLASSES(c, g)
    {
        vd e = vd_load(g->e[c]), v = vd_load(g->mass[c]);
        vd d = a * e - v * b;
        if (single)
            d = vd_where((vl)(costs->label == vd_all(c)) & ~g->empty,
                         square * e - v * b * others, d);
        if (sloped)
            d *= vd_load(g->slope[c]);
        d = (vd)((vl)(d + vd_all(0)) & ~costs->ignored);
        vd_store(g->out[c], d);
    }
}

/* (p down - q) slope, rounded once, and then times 2^-128 where q is 0, whose
 * down is 1. A slope is small enough to have fewer digits without its 2^128,
 * which therefore goes last. */
INLINE vd round_grad(struct vdd p, struct vdd q, const double *slope)
{
    const vd down = vd_all(0x1p-128);
    vl pure = (vl)(q.hi == vd_all(0));
    struct vdd d = vdd_sum(p.hi * down, -q.hi);
    d.hi = vd_where(pure, p.hi, d.hi);
    d.lo = vd_where(pure, p.lo, d.lo + (p.lo * down - q.lo));
    if (slope) {
        vd by = vd_load(slope), lo = d.lo * by;
        d = vdd_product(d.hi, by);
        d.lo += lo;
    }
    d.hi += vdd_settle(d).lo;
    d.hi = vd_where(pure, d.hi * down, d.hi);
    return slope ? d.hi * down : d.hi;
}

INLINE struct vdd times_dd(vd v, struct vdd factor)
{
    struct vdd p = vdd_product(v, factor.hi);
    p.lo += v * factor.lo;
    return p;
}

static void store_dds_grad(struct group *g, const struct costs *costs)
{
    const struct smx_lanes *l = g->lanes;
    bool sloped = g->logits->softcap != 0;
    vd upstream = load_row_upstream(g);
    struct vdd scale = vdd_all(l->shift.inverse);
    struct vdd b = times_dd(upstream, scale), square, a;
    square = vdd_product(vd_all(2 * l->criterion->z_loss),
                         (vd)((vl)g->lse & ~g->empty));
    square = vdd_mul(vdd_mul(square, vdd_all(l->z_factor)), b);
    b = vdd_mul(b, vdd_all(l->factor));
    a = vdd_mul(costs->mass, b);
    struct vdd sum = vdd_sum(a.hi, square.hi);
    sum.lo += a.lo + square.lo;
    sum = vdd_fast(sum.hi, sum.lo);
    g->declined |= ~(moderate_lanes(b.hi) & moderate_lanes(costs->mass.hi) &
                     moderate_lanes(square.hi) & moderate_lanes(sum.hi));
    a = vdd_mul(sum, g->inverse);
    CLASSES(c, g)
    {
        struct vdd p = times_dd(vd_load(g->e[c]), a);
        struct vdd q = times_dd(vd_load(g->mass[c]), b);
        vd d = round_grad(p, q, sloped ? g->slope[c] : NULL);
        vd_store(g->out[c], (vd)((vl)d & ~costs->ignored));
    }
}

INLINE void run_loss(bool wide, struct group *g, struct smx_lanes_marks *marks,
                     size_t shift)
{
    const struct smx_lanes *l = g->lanes;
    struct costs costs = load_labels(g);
    vd aim = costs.label, max;
    load_targets_of_group(g, &costs);
    if (l->criterion->targets)
        find_first_max(g, g->mass, &max, &aim);
    vl hit = (vl)(aim == g->argmax);
    for (size_t r = 0; r < g->count; r++)
        marks->hits |= (uint64_t)(hit[r] & 1) << (shift + r);
    weigh_lanes(wide, g, &costs);
    if (l->gradient)
        wide ? store_dds_grad(g, &costs) : store_doubles_grad(g, &costs);
    if (l->losses)
        store_losses(wide, g, &costs);
    if (!l->gradient)
        return;
    zero_masked(g, g->out);
    scatter(g, l->gradient);
}

/* ---- the product with the Jacobian --------------------------------------- */

static void store_doubles_vjp(struct group *g)
{
    const struct smx_lanes *l = g->lanes;
    bool sloped = g->logits->softcap != 0;
    vd dot = vd_all(0), share = vd_all(l->inverse_temperature);
    CLASSES(c, g)
    {
        vd x = vd_load(g->mass[c]);
        dot += l->log ? x : x * vd_load(g->e[c]);
    }
    vd factor = g->inverse.hi * share, mean = dot * g->inverse.hi;
    CLASSES(c, g)
    {
        vd x = vd_load(g->mass[c]), e = vd_load(g->e[c]);
        vd d = l->log ? x * share - e * (mean * share)
                      : e * factor * (x - mean) + vd_all(0);
        if (sloped)
            d *= vd_load(g->slope[c]);
        vd_store(g->out[c], d);
    }
}

static void store_dds_vjp(struct group *g)
{
    const struct smx_lanes *l = g->lanes;
    bool sloped = g->logits->softcap != 0;
    struct vdd dot = {vd_all(0), vd_all(0)}, share = vdd_all(l->shift.inverse);
    vl moderate = ~(vl){0};
    CLASSES(c, g)
    {
        vd x = vd_load(g->mass[c]);
        moderate &= moderate_lanes(x);
        if (!l->log)
            x *= vd_load(g->e[c]) * vd_all(0x1p-128);
        vdd_accumulate(&dot, (struct vdd){x, vd_all(0)});
    }
    g->declined |= ~moderate;
    dot = vdd_fast(dot.hi, dot.lo);
    struct vdd mean = vdd_mul(dot, g->inverse), none = {vd_all(0), vd_all(0)};
    struct vdd factor = vdd_mul(share, g->inverse);
    struct vdd loss = vdd_mul(mean, share);
    loss = (struct vdd){-loss.hi, -loss.lo};
    CLASSES(c, g)
    {
        vd x = vd_load(g->mass[c]), e = vd_load(g->e[c]), d;
        const double *slope = sloped ? g->slope[c] : NULL;
        if (l->log) {
            struct vdd own = times_dd(-x, share);
            d = round_grad(times_dd(e, loss), own, slope);
        } else {
            struct vdd f = vdd_sum(x, -mean.hi);
            f = vdd_fast(f.hi, f.lo - mean.lo);
            d = round_grad(vdd_mul(times_dd(e, factor), f), none, slope);
        }
        vd_store(g->out[c], d);
    }
}

INLINE void run_vjp(bool wide, struct group *g)
{
    gather(g, g->lanes->vjp_upstream, g->mass);
    zero_masked(g, g->mass);
    wide ? store_dds_vjp(g) : store_doubles_vjp(g);
    zero_masked(g, g->out);
    scatter(g, g->lanes->values);
}

#endif
