/* SPDX-License-Identifier: MIT */
/* The kernel of lanes.h, compiled once an instruction set. */
#include "lanes_product_vec.h"
#include "tiers.h"

/* ---- softmax ------------------------------------------------------------- */

INLINE void store_values(bool wide, struct group *g)
{
    const vd factor = wide ? g->inverse.hi * vd_all(0x1p-128) : g->inverse.hi;
    const vd logsum = g->logsum.hi;
    const vd rest = vd_all(0) - g->logsum.lo; /* not -0: log 1 is 0 */
    const vl empty = g->empty;
    if (!g->lanes->log)
        CLASSES(c, g)
    vd_store(g->e[c], vd_load(g->e[c]) * factor);
    else CLASSES(c, g)
    {
        vd v = vd_load(g->hi[c]) - logsum;
        if (wide)
            v += vd_load(g->lo[c]) + rest;
        vd_store(g->e[c], vd_where(empty, vd_all(-INF), v));
    }
}

INLINE void store_summaries(bool wide, const struct group *g)
{
    const struct smx_lanes *l = g->lanes;
    if (l->logsumexp)
        scatter_numbers(g, g->lse, l->logsumexp);
    if (l->entropy)
        scatter_numbers(g, entropy_of_group(wide, g), l->entropy);
    for (size_t r = 0; l->argmax && r < g->count; r++)
        l->argmax[g->first + r] = (int64_t)g->argmax[r];
}

/* ---- all of it ----------------------------------------------------------- */

/* What is written last takes the exponentials' place. */
INLINE void finish_group(bool wide, struct group *g, size_t shift,
                         struct smx_lanes_marks *marks)
{
    const struct smx_lanes *l = g->lanes;
    store_summaries(wide, g);
    if (l->criterion)
        run_loss(wide, g, marks, shift);
    else if (l->vjp_upstream)
        run_vjp(wide, g);
    else if (l->values)
        store_values(wide, g);
    marks->declined |= bits_of_rows(g, g->declined) << shift;
}

INLINE struct smx_lanes_marks run_batches(bool wide,
                                          const struct smx_lanes *lanes,
                                          size_t first, size_t count)
{
    struct smx_lanes_marks marks = {0, 0};
    struct batch b;
    furnish(&b, lanes);
    for (size_t r = 0, rows; r < count; r += rows) {
        rows = load_batch(wide, &b, first + r, count - r);
        fill_batch(wide, &b);
        for (int k = 0; k < b.groups; k++)
            finish_group(wide, &b.group[k], r + (size_t)k * LANES, &marks);
        if (b.out)
            scatter(&b, b.out);
    }
    return marks;
}

struct smx_lanes_marks TIER(lanes)(const struct smx_lanes *lanes, size_t first,
                                   size_t count)
{
    return lanes->logits->dtype == SMX_FLOAT64
               ? run_batches(true, lanes, first, count)
               : run_batches(false, lanes, first, count);
}
