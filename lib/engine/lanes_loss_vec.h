/* SPDX-License-Identifier: MIT */
/** The loss of a group of rows in lanes, and its gradient. */
#ifndef SMX_LANES_LOSS_VEC_H
#define SMX_LANES_LOSS_VEC_H

#include "focal_vec.h"
#include "lanes_vec.h"

/* ---- the loss ------------------------------------------------------------ */

/* What a loss needs of each row. */
struct costs {
    bool single;                /* is_single */
    vd label;                   /* -1: none, or ignored */
    LINES int64_t class[LANES]; /* the label; 0: none */
    vl ignored;
    struct vdd mass; /* the sum of it */
    vd loss_mass;    /* of a single label; what focal makes of mass differs */
    vd weight;       /* of the row */
};

/* One number a row; x NULL: all 1. */
INLINE vd load_row_numbers(const struct group *g, const void *x)
{
    bool floats = g->logits->dtype == SMX_FLOAT32;
    const float *f = x;
    const double *d = x;
    vd numbers = vd_all(1);
    if (x && g->count == LANES)
        return floats ? vd_widen(f + g->first) : vd_load(d + g->first);
    for (size_t r = 0; x && r < LANES; r++) {
        size_t row = g->first + (r < g->count ? r : g->count - 1);
        numbers[r] = floats ? (double)f[row] : d[row];
    }
    return numbers;
}

INLINE struct costs load_labels(const struct group *g)
{
    const struct smx_criterion *k = g->lanes->criterion;
    struct costs costs = {.single = is_single(k),
                          .label = vd_all(-1),
                          .weight = load_row_numbers(g, k->row_weights)};
    vl y = {0}, none = {0};
    if (!k->labels)
        return costs;
    if (g->count == LANES)
        y = (vl)vd_load((const void *)(k->labels + g->first));
    for (size_t r = 0; g->count < LANES && r < LANES; r++)
        y[r] = k->labels[g->first + (r < g->count ? r : g->count - 1)];
    if (k->ignore)
        costs.ignored = (vl)(y == none + k->ignore_index);
    y &= ~costs.ignored;
    vd_store((void *)costs.class, (vd)y);
    costs.label = vd_where(costs.ignored, costs.label, vu_number((vu)y));
    return costs;
}

/* x of each row's label. */
INLINE vd at_labels(const lanes_array x, const struct costs *costs)
{
    vd y = vd_all(0);
    EACH (r, LANES)
        y[r] = x[costs->class[r]][r];
    return y;
}

/* z' - max z' of the labels. */
INLINE struct vdd shifted_labels(bool wide, const struct group *g,
                                 const struct costs *costs)
{
    const struct smx_lanes *l = g->lanes;
    struct vdd d = {vd_all(0), vd_all(0)};
    if (wants_shifted(l)) {
        d.hi = at_labels(g->hi, costs);
        if (wide)
            d.lo = at_labels(g->lo, costs);
        return d;
    }
    vd z = at_labels(g->z, costs);
    if (wide)
        return vdd_settle(straight(vdd_sum(z, -g->top), &l->shift));
    d.hi = (z - g->top) * vd_all(l->inverse_temperature);
    return d;
}

/* Where nothing but the largest has a probability, is that the class of z? */
INLINE vl cancels_where(const struct group *g, vd z)
{
    return g->one_hot & (vl)(z == g->top);
}

/* The target's probabilities; those that are given are there. */
INLINE void load_targets_of_group(struct group *g, const struct costs *costs)
{
    if (!g->lanes->criterion->targets)
        CLASSES(c, g)
        {
            vl here = (vl)(costs->label == vd_all(c));
            vd_store(g->mass[c], (vd)((vl)vd_all(1) & here));
        }
}

static double weight_of_class(const struct group *g, int64_t c)
{
    const void *weights = g->lanes->criterion->weights;
    return g->logits->dtype == SMX_FLOAT32 ? ((const float *)weights)[c]
                                           : ((const double *)weights)[c];
}

/* -log p of the labels. */
INLINE struct vdd nats_of_labels(bool wide, struct group *g,
                                 const struct costs *costs)
{
    struct vdd d = shifted_labels(wide, g, costs);
    struct vdd nats = {g->logsum.hi - d.hi, vd_all(0)};
    if (!wide)
        return nats;
    nats = vdd_sum(g->logsum.hi, -d.hi);
    nats = vdd_fast(nats.hi, nats.lo + (g->logsum.lo - d.lo));
    return vdd_settle(nats);
}

INLINE struct vdd times_dd(vd v, struct vdd factor)
{
    struct vdd p = vdd_product(v, factor.hi);
    p.lo += v * factor.lo;
    return p;
}

/* What a focal exponent makes of the labels' mass. */
INLINE void focus_labels(bool wide, struct group *g, struct costs *costs)
{
    double focal = g->lanes->criterion->focal;
    struct vdd nats = nats_of_labels(wide, g, costs);
    struct vdd by = {vd_all(1), vd_all(0)};
    vd loss;
    if (wide) {
        const struct vdd log = {-nats.hi, -nats.lo};
        struct complement c = vdd_complement(log, focal);
        vd more = vd_all(focal) * c.p * nats.hi / c.base;
        more = (vd)((vl)more & (vl)(c.p != vd_all(0)));
        more = vd_where((vl)(c.base == vd_all(0)), vd_all(focal), more);
        loss = c.power;
        by = times_dd(c.power, vdd_sum(by.hi, more));
        g->declined |= ~moderate_lanes(loss) & ~g->empty;
    } else {
        struct label_focus focus = vd_focus(nats.hi, focal);
        loss = focus.loss;
        by.hi = focus.gradient;
    }
    vd v = costs->mass.hi;
    by.hi = vd_where(g->empty, vd_all(1), by.hi);
    by.lo = (vd)((vl)by.lo & ~g->empty);
    costs->loss_mass = v * vd_where(g->empty, vd_all(1), loss);
    if (wide)
        costs->mass = times_dd(v, by);
    else
        costs->mass.hi = v * by.hi;
}

/* v = w of the label, but 0 where p is 1, as it cancels there. */
INLINE void weigh_labels(bool wide, struct group *g, struct costs *costs)
{
    vd v = vd_all(1);
    if (g->lanes->criterion->weights) {
        EACH (r, LANES)
            v[r] = weight_of_class(g, costs->class[r]);
        if (wide)
            g->declined |= ~(moderate_lanes(v) | costs->ignored);
    }
    v = (vd)((vl)v & ~costs->ignored);
    if (vl_any(g->one_hot)) {
        vl cancels = cancels_where(g, at_labels(g->z, costs));
        v = (vd)((vl)v & ~cancels);
    }
    costs->mass.hi = v + vd_all(0);
    costs->loss_mass = costs->mass.hi;
    if (g->lanes->criterion->focal != 0)
        focus_labels(wide, g, costs);
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
        if (wide)
            moderate &= moderate_lanes(v);
        if (l->criterion->weights)
            v *= vd_all(weight_of_class(g, c));
        if (wide && l->criterion->weights)
            moderate &= moderate_lanes(v);
        v = (vd)((vl)v & ~cancels_where(g, vd_load(g->z[c])));
        vd_store(g->mass[c], v);
        if (wide)
            vdd_accumulate(&costs->mass, (struct vdd){v, vd_all(0)});
        else
            costs->mass.hi += v;
    }
    vd sum = costs->mass.hi; /* of targets that are not numbers, no number */
    g->declined |= ~moderate | ~(vl)(sum - sum == vd_all(0));
}

/* v (logsum - d), 0 where v is: of one sign for each v. */
INLINE struct vdd cost_of_class(bool wide, const struct group *g, vd v,
                                struct vdd d)
{
    vl counts = (vl)(v != vd_all(0));
    struct vdd whole, term = {v * (g->logsum.hi - d.hi), vd_all(0)};
    if (wide) {
        whole = vdd_sum(g->logsum.hi, -d.hi);
        whole.lo += g->logsum.lo - d.lo;
        term = vdd_product(v, whole.hi);
        term.lo = vdd_settle((struct vdd){term.hi, term.lo + v * whole.lo}).lo;
    }
    return (struct vdd){(vd)((vl)term.hi & counts), (vd)((vl)term.lo & counts)};
}

/* sum v (logsum - d) over v != 0: each term is rounded after the sum. */
INLINE vd cost_of_group(bool wide, struct group *g, const struct costs *costs)
{
    struct vdd sum = {vd_all(0), vd_all(0)}, d = sum;
    if (costs->single) {
        d = shifted_labels(wide, g, costs);
        d = cost_of_class(wide, g, costs->loss_mass, d);
        return sum.hi + d.hi + d.lo;
    }
    CLASSES(c, g)
    {
        d.hi = vd_load(g->hi[c]);
        if (wide)
            d.lo = vd_load(g->lo[c]);
        vdd_accumulate(&sum, cost_of_class(wide, g, vd_load(g->mass[c]), d));
    }
    return wide ? sum.hi + vdd_settle(sum).lo : sum.hi;
}

/* Times the rows' weights; 0 times an infinity is 0. */
INLINE vd weighted(const struct group *g, const struct costs *costs, vd cost)
{
    if (!g->lanes->criterion->row_weights)
        return cost;
    vl counts = (vl)(costs->weight != vd_all(0));
    return (vd)((vl)(costs->weight * cost) & counts);
}

/* Losses whose products would lose digits as subnormals, gradient or not. */
INLINE void decline_faint(struct group *g, const struct costs *costs)
{
    const struct smx_criterion *k = g->lanes->criterion;
    g->declined |= ~moderate_lanes(g->rest.hi);
    if (k->row_weights)
        g->declined |= ~near_one(costs->weight);
    if (k->z_loss != 0)
        g->declined |= ~(moderate_lanes(g->lse) | g->empty);
}

INLINE void store_losses(bool wide, struct group *g, const struct costs *costs)
{
    const struct smx_lanes *l = g->lanes;
    vd cost = cost_of_group(wide, g, costs), infinite = vd_all(INF);
    vl some = (vl)(cost != vd_all(0));
    cost = vd_where((vl)(cost == cost) & ~(g->empty & some), cost, infinite);
    cost = (vd)((vl)cost & ~costs->ignored);
    put_numbers(false, g, weighted(g, costs, cost), l->losses);
    if (!l->squares)
        return;
    vd square = vd_all(l->criterion->z_loss) * g->lse * g->lse;
    if (l->criterion->entropy_weight != 0)
        square -=
            vd_all(l->criterion->entropy_weight) * entropy_of_group(wide, g);
    square = (vd)((vl)square & ~(costs->ignored | g->empty));
    put_numbers(false, g, weighted(g, costs, square), l->squares);
}

/* ---- its gradient -------------------------------------------------------- */

static vd load_row_upstream(const struct group *g)
{
    const void *upstream = g->lanes->upstream;
    if (g->lanes->criterion->reduction == SMX_REDUCTION_NONE)
        return load_row_numbers(g, upstream);
    return vd_all(upstream ? smx_get(upstream, g->logits->dtype, 0) : 1);
}

/* Of an entropy's weight, bend p (log p + H): both relative to the largest. */
INLINE vd bent(vd e, vd d, vd bend, vd spread)
{
    return (vd)((vl)(e * (bend * (d + spread))) & (vl)(e > vd_all(0)));
}

/* Where the label has all the mass, what its class loses is what the others
 * take: no digit of p - 1 is lost. */
static void store_doubles_grad(struct group *g, const struct costs *costs)
{
    const struct smx_lanes *l = g->lanes;
    bool sloped = g->logits->softcap != 0;
    vd b = load_row_upstream(g) * costs->weight;
    b *= vd_all(l->inverse_temperature);
    vd square = vd_all(2 * l->criterion->z_loss) * g->lse;
    square = (vd)((vl)square & ~g->empty) * vd_all(l->z_factor.hi) * b;
    bool bends = l->criterion->entropy_weight != 0;
    vd spread = bends ? spread_of_group(false, g).hi : vd_all(0);
    vd bend = vd_all(l->criterion->entropy_weight * l->z_factor.hi) * b;
    bend *= g->inverse.hi;
    b *= vd_all(l->factor.hi);
    vd a = (costs->mass.hi * b + square) * g->inverse.hi;
    vd others = sum_without(g, costs->label) * g->inverse.hi;
    square *= g->inverse.hi;
    vd e = at_labels(g->e, costs), own = e, v = costs->mass.hi;
    own = vd_where(g->empty, a * own - v * b, square * own - v * b * others);
    if (bends)
        own += bent(e, at_labels(g->hi, costs), bend, spread);
    const struct sink sink = sink_of(false, g);
    CLASSES(c, g)
    {
        vd d = a * vd_load(g->e[c]);
        if (bends)
            d += bent(vd_load(g->e[c]), vd_load(g->hi[c]), bend, spread);
        if (costs->single)
            d = vd_where((vl)(costs->label == vd_all(c)), own, d);
        else
            d -= vd_load(g->mass[c]) * b;
        if (sloped)
            d *= vd_load(g->slope[c]);
        d = (vd)((vl)(d + vd_all(0)) & ~costs->ignored);
        put_class(false, &sink, c, d);
    }
}

/* d slope, rounded once: numbers that are moderate leave no range. */
INLINE vd round_sloped(struct vdd d, bool sloped, vd slope)
{
    if (sloped) {
        vd lo = d.lo * slope;
        d = vdd_product(d.hi, slope);
        d.lo += lo;
    }
    return d.hi + d.lo;
}

/* p slope, rounded once, and then times 2^-128, or twice that. */
INLINE vd round_pure(struct vdd p, bool sloped, vd slope)
{
    vd x = round_sloped(p, sloped, slope) * vd_all(0x1p-128);
    return sloped ? x * vd_all(0x1p-128) : x;
}

/* (p down - q) slope, rounded once, and then times 2^-128 where q is 0, whose
 * down is 1. A slope is small enough to have fewer digits without its 2^128,
 * which therefore goes last. */
INLINE vd round_grad(struct vdd p, struct vdd q, bool sloped, vd slope)
{
    const vd down = vd_all(0x1p-128);
    vl pure = (vl)(q.hi == vd_all(0));
    struct vdd d = vdd_sum(p.hi * down, -q.hi);
    d.hi = vd_where(pure, p.hi, d.hi);
    d.lo = vd_where(pure, p.lo, d.lo + (p.lo * down - q.lo));
    vd x = round_sloped(d, sloped, slope);
    x = vd_where(pure, x * down, x);
    return sloped ? x * down : x;
}

/* What a class's exponential is multiplied with: a, and of an entropy's weight
 * bend (d + spread). */
INLINE struct vdd bent_dd(struct vdd a, vd e, struct vdd d, struct vdd bend,
                          struct vdd spread)
{
    vl some = (vl)(e > vd_all(0));
    vd lo = (vd)((vl)d.lo & some) + spread.lo;
    d = vdd_sum((vd)((vl)d.hi & some), spread.hi);
    d = vdd_mul(vdd_fast(d.hi, d.lo + lo), bend);
    struct vdd sum = vdd_sum(a.hi, d.hi);
    return vdd_fast(sum.hi, sum.lo + (a.lo + d.lo));
}

/* single and sloped are constants where this is inlined for most calls. */
INLINE void store_dds_grad(struct group *g, const struct costs *costs,
                           bool single, bool sloped)
{
    const struct smx_lanes *l = g->lanes;
    vd upstream = load_row_upstream(g);
    struct vdd scale = vdd_all(l->shift.inverse);
    struct vdd b = times_dd(upstream, scale), square, a;
    if (l->criterion->row_weights) {
        b = vdd_mul(vdd_product(upstream, costs->weight), scale);
        g->declined |= ~near_one(vd_max(upstream, -upstream));
    }
    square = vdd_product(vd_all(2 * l->criterion->z_loss),
                         (vd)((vl)g->lse & ~g->empty));
    square = vdd_mul(vdd_mul(square, vdd_all(l->z_factor)), b);
    bool bends = l->criterion->entropy_weight != 0;
    struct vdd bend = b, spread = b;
    if (bends) {
        bend = times_dd(vd_all(l->criterion->entropy_weight), b);
        bend = vdd_mul(vdd_mul(bend, vdd_all(l->z_factor)), g->inverse);
        spread = spread_of_group(true, g);
        g->declined |= ~moderate_lanes(bend.hi);
    }
    b = vdd_mul(b, vdd_all(l->factor));
    a = vdd_mul(costs->mass, b);
    struct vdd sum = vdd_sum(a.hi, square.hi);
    sum.lo += a.lo + square.lo;
    sum = vdd_fast(sum.hi, sum.lo);
    g->declined |= ~(moderate_lanes(upstream) & moderate_lanes(b.hi) &
                     moderate_lanes(costs->mass.hi) &
                     moderate_lanes(square.hi) & moderate_lanes(sum.hi));
    a = vdd_mul(sum, g->inverse);
    vd slope = sloped ? at_labels(g->slope, costs) : vd_all(1), own, d;
    vd e = at_labels(g->e, costs);
    struct vdd by = a, low;
    if (bends) {
        low = shifted_labels(true, g, costs);
        by = bent_dd(a, e, low, bend, spread);
    }
    own = round_grad(times_dd(e, by), vdd_mul(costs->mass, b), sloped, slope);
    const struct sink sink = sink_of(true, g);
    CLASSES(c, g)
    {
        e = vd_load(g->e[c]);
        if (bends) {
            low = (struct vdd){vd_load(g->hi[c]), vd_load(g->lo[c])};
            by = bent_dd(a, e, low, bend, spread);
        }
        struct vdd p = times_dd(e, by);
        if (sloped)
            slope = vd_load(g->slope[c]);
        if (single)
            d = vd_where((vl)(costs->label == vd_all(c)), own,
                         round_pure(p, sloped, slope));
        else
            d = round_grad(p, times_dd(vd_load(g->mass[c]), b), sloped, slope);
        put_class(true, &sink, c, (vd)((vl)d & ~costs->ignored));
    }
}

INLINE void store_gradients(bool wide, struct group *g,
                            const struct costs *costs)
{
    bool sloped = g->logits->softcap != 0;
    if (!wide)
        store_doubles_grad(g, costs);
    else if (costs->single && !sloped)
        store_dds_grad(g, costs, true, false);
    else
        store_dds_grad(g, costs, costs->single, sloped);
}

INLINE void run_loss(bool wide, struct group *g)
{
    const struct smx_lanes *l = g->lanes;
    struct costs costs = load_labels(g);
    vd aim = costs.label;
    if (!costs.single)
        load_targets_of_group(g, &costs);
    if (l->hits && l->criterion->targets)
        aim = find_argmax(g, g->mass, find_max(g, g->mass));
    if (l->hits)
        g->hits = (vl)(aim == g->argmax);
    if (costs.single)
        weigh_labels(wide, g, &costs);
    else
        weigh_lanes(wide, g, &costs);
    if (wide)
        decline_faint(g, &costs);
    if (l->losses)
        store_losses(wide, g, &costs);
    if (!l->gradient)
        return;
    store_gradients(wide, g, &costs);
    zero_masked(g, g->e);
}

#endif
