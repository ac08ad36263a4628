/* SPDX-License-Identifier: MIT */
/** Products of a group of rows in lanes with the Jacobian. */
#ifndef SMX_LANES_PRODUCT_VEC_H
#define SMX_LANES_PRODUCT_VEC_H

#include "lanes_loss_vec.h"

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
        vd slope = sloped ? vd_load(g->slope[c]) : vd_all(1);
        if (l->log) {
            struct vdd own = times_dd(-x, share);
            d = round_grad(times_dd(e, loss), own, sloped, slope);
        } else {
            struct vdd f = vdd_sum(x, -mean.hi);
            f = vdd_fast(f.hi, f.lo - mean.lo);
            d = round_grad(vdd_mul(times_dd(e, factor), f), none, sloped,
                           slope);
        }
        vd_store(g->out[c], d);
    }
}

INLINE void run_vjp(bool wide, struct group *g)
{
    wide ? store_dds_vjp(g) : store_doubles_vjp(g);
    zero_masked(g, g->out);
    scatter(g, g->lanes->values);
}

#endif
