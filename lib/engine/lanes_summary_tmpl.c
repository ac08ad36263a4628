/* SPDX-License-Identifier: MIT */
/* Logarithms of narrow rows of float32 logits (summary_kernels.h), compiled
 * once an instruction set: a row a lane, as in lanes.h, in the steps and in the
 * order of the kernel of one row. */
#include "lanes_vec.h"
#include "tiers.h"

/* Groups whose moments are found before the logarithms of the first: what a
 * logarithm waits for, another's fills. */
#define GROUPS 8

struct lane_moments { /* struct smx_moments of each lane */
    vd below, equal, moment;
    vd max;
    vl empty;
};

/* Class c, and those that block_sum adds to it before it folds eight. */
INLINE vd sum_eighth(const struct group *g, lanes_array x, int c)
{
    vd sum = vd_load(x[c]), next;
    if (c + 16 < g->classes)
        sum += vd_load(x[c + 16]);
    if (c + 8 >= g->classes)
        return sum;
    next = vd_load(x[c + 8]);
    if (c + 24 < g->classes)
        next += vd_load(x[c + 24]);
    return sum + next;
}

/* In the tree of block_sum. */
INLINE vd sum_classes(const struct group *g, lanes_array x)
{
    vd sums[8];
    EACH (c, 8)
        sums[c] = c < g->classes ? sum_eighth(g, x, c) : vd_all(0);
    return ((sums[0] + sums[4]) + (sums[2] + sums[6])) +
           ((sums[1] + sums[5]) + (sums[3] + sums[7]));
}

/* e and hi are where terms wait to be added up. */
INLINE struct lane_moments find_moments(struct group *g, double scale)
{
    struct lane_moments m = {.max = g->top, .empty = g->empty};
    const vd top = (vd)((vl)g->top & ~g->empty);
    m.equal = vd_all(0);
    CLASSES(c, g)
    {
        vd x = vd_load(g->z[c]), e = (x - top) * vd_all(scale);
        power(&e, 1);
        vd term = e * (top - x);
        m.equal += (vd)((vl)vd_all(1) & (vl)(x == top));
        vd_store(g->e[c], (vd)((vl)e & (vl)(x < top)));
        vd_store(g->hi[c], (vd)((vl)term & (vl)(e > vd_all(0))));
    }
    m.below = sum_classes(g, g->e);
    m.moment = sum_classes(g, g->hi);
    return m;
}

INLINE void store_floats(vd x, size_t count, float *out)
{
    if (count >= LANES)
        vh_store(out, vd_narrow(x));
    else
        vh_store_part(out, vd_narrow(x), count);
}

INLINE void store_logs(const struct lane_moments *m, vd t, size_t count,
                       float *lse, float *entropy)
{
    const vd zero = vd_all(0), one = vd_all(1);
    vd rest =
        vd_where((vl)(m->equal > zero), m->below + (m->equal - one), zero);
    vd log = vd_log1p(rest), h = log + m->moment / (m->below + m->equal) / t;
    if (lse)
        store_floats(m->max / t + log, count, lse);
    if (entropy)
        store_floats((vd)((vl)h & ~m->empty), count, entropy);
}

void TIER(lanes_summarise)(const float *x, size_t rows, size_t classes,
                           double temperature, const struct smx_summaries *out)
{
    const struct smx_logits logits = {.data = x,
                                      .dtype = SMX_FLOAT32,
                                      .outer = rows,
                                      .classes = classes,
                                      .inner = 1,
                                      .stride = classes,
                                      .out_stride = classes};
    const double scale = SMX_POWER_NAT / temperature;
    struct lane_moments moments[GROUPS];
    struct group g;
    g.logits = &logits;
    g.classes = (int)classes;
    for (size_t first = 0; first < rows; first += GROUPS * LANES) {
        size_t left = rows - first;
        for (size_t k = 0; k < GROUPS && k * LANES < left; k++) {
            place_rows(&g, first + k * LANES, left - k * LANES);
            gather(&g, x, g.z);
            g.top = find_max(&g, g.z) + vd_all(0); /* -0 is 0 */
            g.empty = (vl)(g.top == vd_all(-INF));
            moments[k] = find_moments(&g, scale < DBL_MAX ? scale : DBL_MAX);
        }
        for (size_t k = 0; k < GROUPS && k * LANES < left; k++) {
            size_t r = first + k * LANES;
            store_logs(&moments[k], vd_all(temperature), left - k * LANES,
                       out->logsumexp ? out->logsumexp + r : NULL,
                       out->entropy ? out->entropy + r : NULL);
        }
    }
}
