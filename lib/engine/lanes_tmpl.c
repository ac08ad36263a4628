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
    const struct sink sink = sink_of(wide, g);
    if (!g->lanes->log)
        CLASSES(c, g)
    put_class(wide, &sink, c, vd_load(g->e[c]) * factor);
    else CLASSES(c, g)
    {
        vd v = vd_load(g->hi[c]) - logsum;
        if (wide)
            v += vd_load(g->lo[c]) + rest;
        put_class(wide, &sink, c, vd_where(empty, vd_all(-INF), v));
    }
}

INLINE void store_summaries(bool wide, const struct group *g)
{
    const struct smx_lanes *l = g->lanes;
    if (l->logsumexp)
        put_numbers(!wide, g, g->lse, l->logsumexp);
    if (l->entropy)
        put_numbers(!wide, g, entropy_of_group(wide, g), l->entropy);
    for (size_t r = 0; l->argmax && r < g->count; r++)
        l->argmax[g->first + r] = (int64_t)g->argmax[r];
}

/* ---- all of it ----------------------------------------------------------- */

/* What is written last takes the exponentials' place. */
INLINE void finish_group(bool wide, struct group *g)
{
    const struct smx_lanes *l = g->lanes;
    store_summaries(wide, g);
    if (l->criterion)
        run_loss(wide, g);
    else if (l->vjp_upstream)
        run_vjp(wide, g);
    else if (l->values)
        store_values(wide, g);
    if (written(l) && !is_direct(g))
        scatter_group(g, written(l));
}

/* A bit for each of the rows. */
INLINE uint64_t bits_of_rows(const struct group *g, vl which)
{
    return vl_bits(which) & ((1u << g->count) - 1);
}

INLINE bool run_batches(bool wide, const struct smx_lanes *lanes, size_t first,
                        size_t count, struct smx_lanes_marks *marks)
{
    struct batch b;
    vl declined = {0};
    furnish(&b, lanes);
    for (size_t r = 0, end; r < count; r = end) {
        end = r + load_batch(wide, &b, first + r, count - r);
        fill_batch(wide, &b);
        for (struct group *g = b.group; r < end; g++, r += LANES) {
            finish_group(wide, g);
            declined |= g->declined;
            if (!marks)
                continue;
            struct smx_lanes_marks *m = &marks[r / SMX_LANES_ROWS];
            m->declined |= bits_of_rows(g, g->declined) << r % SMX_LANES_ROWS;
            m->hits |= bits_of_rows(g, g->hits) << r % SMX_LANES_ROWS;
        }
    }
    return vl_any(declined);
}

bool TIER(lanes)(const struct smx_lanes *lanes, size_t first, size_t count,
                 struct smx_lanes_marks *marks)
{
    return lanes->logits->dtype == SMX_FLOAT64
               ? run_batches(true, lanes, first, count, marks)
               : run_batches(false, lanes, first, count, marks);
}
