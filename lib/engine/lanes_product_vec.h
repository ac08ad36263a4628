/* SPDX-License-Identifier: MIT */
/** Products of a group of rows in lanes with the Jacobian. */
#ifndef SMX_LANES_PRODUCT_VEC_H
#define SMX_LANES_PRODUCT_VEC_H

#include "lanes_loss_vec.h"

/* log is a constant where this is inlined; in the next, log and sloped are
 * where neither is. */
INLINE void store_doubles_vjp(struct group *g, bool log)
{
    vd dot = vd_all(0), share = vd_all(g->lanes->inverse_temperature);
    CLASSES(c, g)
    {
        vd x = vd_load(g->mass[c]);
        dot += log ? x : x * vd_load(g->e[c]);
    }
    if (g->lanes->unseen) /* of finite numbers the sum is one, in double */
        g->declined |= ~(vl)(dot - dot == vd_all(0));
    vd factor = g->inverse.hi * share, mean = dot * g->inverse.hi;
    bool sloped = g->logits->softcap != 0;
    const struct sink sink = sink_of(false, g);
    CLASSES(c, g)
    {
        vd x = vd_load(g->mass[c]), e = vd_load(g->e[c]);
        vd d = log ? x * share - e * (mean * share)
                   : e * factor * (x - mean) + vd_all(0);
        if (sloped)
            d *= vd_load(g->slope[c]);
        put_class(false, &sink, c, d);
    }
}

INLINE void store_dds_vjp(struct group *g, bool log, bool sloped)
{
    struct vdd dot = {vd_all(0), vd_all(0)};
    struct vdd share = vdd_all(g->lanes->shift.inverse);
    vl moderate = ~(vl){0};
    CLASSES(c, g)
    {
        vd x = vd_load(g->mass[c]);
        moderate &= moderate_lanes(x);
        if (!log)
            x *= vd_load(g->e[c]) * vd_all(0x1p-128);
        vdd_accumulate(&dot, (struct vdd){x, vd_all(0)});
    }
    g->declined |= ~moderate;
    dot = vdd_fast(dot.hi, dot.lo);
    struct vdd mean = vdd_mul(dot, g->inverse);
    struct vdd factor = vdd_mul(share, g->inverse);
    struct vdd loss = vdd_mul(mean, share);
    loss = (struct vdd){-loss.hi, -loss.lo};
    const struct sink sink = sink_of(true, g);
    CLASSES(c, g)
    {
        vd x = vd_load(g->mass[c]), e = vd_load(g->e[c]), d;
        vd slope = sloped ? vd_load(g->slope[c]) : vd_all(1);
        if (log) {
            struct vdd own = times_dd(-x, share);
            d = round_grad(times_dd(e, loss), own, sloped, slope);
        } else {
            struct vdd f = vdd_sum(x, -mean.hi);
            f = vdd_fast(f.hi, f.lo - mean.lo);
            d = round_pure(vdd_mul(times_dd(e, factor), f), sloped, slope);
        }
        put_class(true, &sink, c, d);
    }
}

INLINE void run_vjp(bool wide, struct group *g)
{
    bool log = g->lanes->log, sloped = g->logits->softcap != 0;
    zero_masked(g, g->mass);
    if (!wide)
        log ? store_doubles_vjp(g, true) : store_doubles_vjp(g, false);
    else if (log || sloped)
        store_dds_vjp(g, log, sloped);
    else
        store_dds_vjp(g, false, false);
    zero_masked(g, g->e);
}

#endif
