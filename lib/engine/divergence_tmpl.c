/* SPDX-License-Identifier: MIT */
/* The kernels of divergence_kernels.h in double, compiled once an instruction
 * set. Exponentials are within 2^-42, far nearer than a float32 needs: a
 * divergence is the difference of sums of them. */
#include "divergence_kernels.h"

#include "simd/power_vec.h"
#include "simd/dd_vec.h"

extern const struct smx_divergence_kernels TIER(divergence_kernels);
extern const struct smx_divergence_dd_kernels TIER(divergence_dd_kernels);

#define INF __builtin_inff()

/** exp(d), d <= 0: 2^(k/16) (1 + r + r^2/2 ...) with |r| < 0.0217, of which the
 *  terms up to r^5 are computed. */
INLINE vd exp_of(vd d)
{
    vd t = d * vd_all(SMX_POWER_NAT);
    vd shifted = t + vd_all(SMX_POWER_MAGIC);
    vd r = (t - (shifted - vd_all(SMX_POWER_MAGIC))) * vd_all(SMX_POWER_C1);
    vd a = vd_all(RISE_2) + vd_all(RISE_3) * r;
    vd b = vd_all(RISE_4) + vd_all(RISE_5) * r;
    vd square = r * r;
    vd e = vd_all(1) + (r + square * (a + square * b));
    return vd_mul_above(vd_sixteenths(shifted), e, t, SMX_POWER_LOWEST);
}

INLINE vd shifted_logit(const struct smx_divergence_pair *pair, int side,
                        const float *x)
{
    return (vd_widen(x) - vd_all(pair->max[side])) *
           vd_all(pair->inverse[side]);
}

/** Both distributions' d of a vector at x[0], x[1], and their e. */
struct both {
    vd d[2], e[2];
};

INLINE struct both both_of(const struct smx_divergence_pair *pair,
                           const float *const x[2])
{
    struct both b;
    EACH (s, 2)
        b.d[s] = shifted_logit(pair, s, x[s]);
    EACH (s, 2)
        b.e[s] = exp_of(b.d[s]);
    return b;
}

/* ---- sums ---------------------------------------------------------------- */

struct pair_lanes {
    vd e[2][VECS], cross[VECS], size[VECS], entropy[VECS];
    vl lost;
};

INLINE vd where_positive(vd e, vd x)
{
    return (vd)((vl)x & (vl)(e > vd_all(0)));
}

INLINE void add_both(struct pair_lanes *sums, int v, const struct both *b,
                     bool reverse)
{
    const int first = reverse ? 0 : 1;
    vd u = where_positive(b->e[first], b->d[1] - b->d[0]);
    vd size = vd_where((vl)(u < vd_all(0)), -u, u);
    EACH (s, 2)
        sums->e[s][v] += b->e[s];
    sums->cross[v] += b->e[first] * u;
    sums->size[v] += b->e[first] * size;
    sums->entropy[v] += where_positive(b->e[0], b->e[0] * b->d[0]);
    sums->lost |= (vl)(b->d[first] > vd_all(-INF)) &
                  (vl)(b->d[1 - first] == vd_all(-INF));
}

INLINE void add_blocks(const struct smx_divergence_pair *pair, size_t first,
                       size_t n, bool reverse, double *const kept[2],
                       struct pair_lanes *sums)
{
    const float *const x[2] = {pair->x[0] + first, pair->x[1] + first};
    for (size_t i = 0; i + BLOCK <= n; i += BLOCK)
        EACH (v, VECS) {
            size_t at = i + v * LANES;
            const float *const here[2] = {x[0] + at, x[1] + at};
            struct both b = both_of(pair, here);
            add_both(sums, v, &b, reverse);
            if (kept)
                EACH (s, 2)
                    vd_store(kept[s] + first + at, b.e[s]);
        }
}

INLINE void add_rest(const struct smx_divergence_pair *pair, size_t first,
                     size_t n, bool reverse, double *const kept[2],
                     struct pair_lanes *sums)
{
    size_t i = n / BLOCK * BLOCK;
    float last[2][BLOCK];
    if (i == n)
        return;
    EACH (s, 2)
        pad(last[s], pair->x[s] + first + i, n - i, -INF);
    EACH (v, VECS) {
        const float *const here[2] = {last[0] + v * LANES, last[1] + v * LANES};
        struct both b = both_of(pair, here);
        add_both(sums, v, &b, reverse);
        if (kept)
            EACH (s, 2)
                vd_store(kept[s] + first + i + (size_t)(v * LANES), b.e[s]);
    }
}

INLINE void sums_as(const struct smx_divergence_pair *pair, size_t first,
                    size_t n, bool reverse, double *const kept[2],
                    struct smx_divergence_sums *sums)
{
    struct pair_lanes lanes = {.lost = {0}};
    const struct smx_divergence_pair own = *pair;
    add_blocks(&own, first, n, reverse, kept, &lanes);
    add_rest(&own, first, n, reverse, kept, &lanes);
    sums->e[0] += block_sum(lanes.e[0]);
    sums->e[1] += block_sum(lanes.e[1]);
    sums->cross += block_sum(lanes.cross);
    sums->size += block_sum(lanes.size);
    sums->entropy += block_sum(lanes.entropy);
    sums->lost |= vl_any(lanes.lost);
}

static void sums_of(const struct smx_divergence_pair *pair, size_t first,
                    size_t n, bool reverse, double *const kept[2],
                    struct smx_divergence_sums *sums)
{
    if (reverse && kept)
        sums_as(pair, first, n, true, kept, sums);
    else if (reverse)
        sums_as(pair, first, n, true, NULL, sums);
    else if (kept)
        sums_as(pair, first, n, false, kept, sums);
    else
        sums_as(pair, first, n, false, NULL, sums);
}

static double others(const struct smx_divergence_pair *pair, int side,
                     size_t first, size_t n)
{
    const float *x = pair->x[side] + first;
    vd sum[VECS] = {{0}};
    for (size_t i = 0; i < n; i += BLOCK) {
        float last[BLOCK];
        const float *here = x + i;
        if (n - i < BLOCK) {
            pad(last, here, n - i, -INF);
            here = last;
        }
        EACH (v, VECS) {
            vd e = exp_of(shifted_logit(pair, side, here + v * LANES));
            sum[v] += (vd)((vl)e & (vl)(e < vd_all(1)));
        }
    }
    return block_sum(sum);
}

/* ---- the gradient -------------------------------------------------------- */

/* What p is multiplied with: a number, one that depends on d of the student, or
 * on both. Constants where they are passed on. */
enum bend { STRAIGHT, BENT, ACROSS };

/* No negative zeros. */
INLINE void put_slope(const struct both *b,
                      const struct smx_divergence_slope *slope, enum bend bend,
                      float *out)
{
    vd p = b->e[0] * vd_all(slope->a), q = b->e[1] * vd_all(slope->f);
    if (bend != STRAIGHT) {
        vd level = vd_all(slope->a) + vd_all(slope->b) * b->d[0];
        if (bend == ACROSS)
            level += vd_all(slope->c) * (b->d[1] - b->d[0]);
        p = where_positive(b->e[0], b->e[0] * level);
    }
    vh_store(out, vd_narrow((p - q) + vd_all(0)));
}

INLINE void slope_block(const struct smx_divergence_pair *pair,
                        const float *const x[2], const double *const kept[2],
                        const struct smx_divergence_slope *slope,
                        enum bend bend, float *out)
{
    EACH (v, VECS) {
        const float *const here[2] = {x[0] + v * LANES, x[1] + v * LANES};
        struct both b;
        if (!kept)
            b = both_of(pair, here);
        else
            EACH (s, 2) {
                b.e[s] = vd_load(kept[s] + v * LANES);
                b.d[s] = bend != STRAIGHT ? shifted_logit(pair, s, here[s])
                                          : vd_all(0);
            }
        put_slope(&b, slope, bend, out + v * LANES);
    }
}

INLINE void slope_as(const struct smx_divergence_pair *pair, size_t first,
                     size_t n, const double *const kept[2],
                     const struct smx_divergence_slope *slope, enum bend bend,
                     float *out)
{
    const float *const x[2] = {pair->x[0] + first, pair->x[1] + first};
    const double *e[2] = {NULL, NULL};
    for (size_t i = 0; i < n; i += BLOCK) {
        float last[3][BLOCK];
        const float *here[2] = {x[0] + i, x[1] + i};
        if (kept)
            EACH (s, 2)
                e[s] = kept[s] + first + i;
        if (n - i >= BLOCK) {
            slope_block(pair, here, kept ? e : NULL, slope, bend, out + i);
            continue;
        }
        EACH (s, 2) {
            pad(last[s], here[s], n - i, -INF);
            here[s] = last[s];
        }
        slope_block(pair, here, kept ? e : NULL, slope, bend, last[2]);
        memcpy(out + i, last[2], (n - i) * sizeof *out);
    }
}

static void slope_of(const struct smx_divergence_pair *pair, size_t first,
                     size_t n, const double *const kept[2],
                     const struct smx_divergence_slope *slope, float *out)
{
    const struct smx_divergence_pair own = *pair;
#define AS(bend)                                                               \
    if (kept)                                                                  \
        slope_as(&own, first, n, kept, slope, bend, out);                      \
    else                                                                       \
        slope_as(&own, first, n, NULL, slope, bend, out)
    if (slope->c != 0)
        AS(ACROSS);
    else if (slope->b != 0)
        AS(BENT);
    else
        AS(STRAIGHT);
#undef AS
}

const struct smx_divergence_kernels TIER(divergence_kernels) = {
    .sums = sums_of,
    .others = others,
    .slope = slope_of,
    .dd = &TIER(divergence_dd_kernels),
};
