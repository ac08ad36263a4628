/* SPDX-License-Identifier: MIT */
/* The kernels of divergence_kernels.h in double, compiled once an instruction
 * set. Exponentials are within 2^-42, far nearer than a float32 needs: a
 * divergence is the difference of sums of them. */
#include "tiers.h"
#include "simd/log_vec.h"
#include "simd/power_vec.h"

#define INF __builtin_inff()

/** 2^(t/16): 2^(k/16) (1 + r + r^2/2 ...), r = C1 f, |f| <= 1/2, of which the
 *  terms up to r^5 are computed. */
INLINE vd exp_of(vd t)
{
    static const double c = SMX_POWER_C1;
    vd shifted = t + vd_all(SMX_POWER_MAGIC);
    vd f = t - (shifted - vd_all(SMX_POWER_MAGIC));
    vd e =
        vd_all(c * c * c * c * RISE_4) + f * vd_all(c * c * c * c * c * RISE_5);
    e = vd_all(c * c * c * RISE_3) + f * e;
    e = vd_all(c * c * RISE_2) + f * e;
    e = vd_all(c) + f * e;
    e = vd_all(1) + f * e;
    return vd_mul_above(vd_sixteenths(shifted), e, t, SMX_POWER_LOWEST);
}

static double power_of(double t)
{
    return exp_of(vd_all(t))[0];
}

/* ---- a vector of both distributions ------------------------------------- */

struct both {
    vd t[2], e[2];
};

INLINE vd exponent_of(const struct smx_divergence_pair *pair, int side,
                      const float *x)
{
    return (vd_widen(x) - vd_all(pair->max[side])) * vd_all(pair->scale[side]);
}

/* The logits of the block at class i, -INFINITY behind the last. */
INLINE const float *block_at(const struct smx_divergence_pair *pair, int side,
                             size_t i, size_t end, float last[BLOCK])
{
    if (end - i >= BLOCK)
        return pair->x[side] + i;
    pad(last, pair->x[side] + i, end - i, -INF);
    return last;
}

/** for each block of n classes from the first on: x[0], x[1] */
#define BLOCKS(pair, i, x, first, n)                                           \
    const size_t end = (first) + (n);                                          \
    float last[2][BLOCK];                                                      \
    const float *x[2];                                                         \
    for (size_t i = (first);                                                   \
         i < end && (x[0] = block_at(pair, 0, i, end, last[0]),                \
                    x[1] = block_at(pair, 1, i, end, last[1]));                \
         i += BLOCK)

/* Of the vector at class i, x there; kept: e are there. */
INLINE struct both both_of(const struct smx_divergence_pair *pair,
                           const float *const x[2], int v, size_t i, bool kept)
{
    struct both b;
    const size_t at = (size_t)(v * LANES);
    EACH (s, 2)
        b.t[s] = exponent_of(pair, s, x[s] + at);
    EACH (s, 2)
        b.e[s] = kept ? vd_load(pair->kept[s] + i + at) : exp_of(b.t[s]);
    return b;
}

/* Which have mass. */
INLINE vd where_positive(vd e, vd x)
{
    return (vd)((vl)x & (vl)(e > vd_all(0)));
}

/* Where one has no mass, a number that its e makes 0; NaN too. */
INLINE vd bounded(vd t)
{
    return vd_max(t, vd_all(-DBL_MAX));
}

/* ---- sums ---------------------------------------------------------------- */

struct pair_lanes {
    vd e[2][VECS], cross[VECS], entropy[VECS];
};

INLINE void add_both(struct pair_lanes *sums, int v, const struct both *b,
                     int lead, bool entropy)
{
    EACH (s, 2)
        sums->e[s][v] += b->e[s];
    sums->cross[v] += b->e[lead] * bounded(b->t[lead] - b->t[1 - lead]);
    if (entropy)
        sums->entropy[v] += b->e[0] * bounded(b->t[0]);
}

INLINE void sums_as(const struct smx_divergence_pair *of, size_t first,
                    size_t n, int lead, bool entropy,
                    struct smx_divergence_sums *sums)
{
    struct pair_lanes lanes = {.cross = {{0}}};
    const struct smx_divergence_pair own = *of, *pair = &own;
    BLOCKS(pair, i, x, first, n)
    EACH (v, VECS) {
        if (v < 2)
            fetch_ahead(pair->x[v] + i);
        struct both b = both_of(pair, x, v, i, false);
        add_both(&lanes, v, &b, lead, entropy);
        if (pair->kept[0])
            EACH (s, 2)
                vd_store(pair->kept[s] + i + v * LANES, b.e[s]);
    }
    sums->e[0] += block_sum(lanes.e[0]);
    sums->e[1] += block_sum(lanes.e[1]);
    sums->cross += block_sum(lanes.cross);
    sums->entropy += block_sum(lanes.entropy);
}

static void sums_of(const struct smx_divergence_pair *pair, size_t first,
                    size_t n, bool reverse, bool entropy,
                    struct smx_divergence_sums *sums)
{
    if (reverse && entropy)
        sums_as(pair, first, n, 0, true, sums);
    else if (reverse)
        sums_as(pair, first, n, 0, false, sums);
    else if (entropy)
        sums_as(pair, first, n, 1, true, sums);
    else
        sums_as(pair, first, n, 1, false, sums);
}

static double others(const struct smx_divergence_pair *pair, int side,
                     size_t first, size_t n)
{
    vd sum[VECS] = {{0}};
    BLOCKS(pair, i, x, first, n)
    EACH (v, VECS) {
        vd e = exp_of(exponent_of(pair, side, x[side] + v * LANES));
        sum[v] += (vd)((vl)e & (vl)(e < vd_all(1)));
    }
    return block_sum(sum);
}

/* ---- mixtures ------------------------------------------------------------ */

/** The parts of m, and times these log(p / m), log(q / m). */
struct mixed {
    vd part[2], cost[2];
};

/* Of the side with more of m the logarithm is that of 1 + y, y from -1 to 1;
 * that of the other is log(q / p) from it. */
INLINE struct mixed mix_both(const struct smx_divergence_mix *mix,
                             const struct both *b)
{
    struct mixed m;
    vd share[2], log[2];
    EACH (s, 2)
        share[s] = b->e[s] * vd_all(mix->inverse[s]);
    EACH (s, 2)
        m.part[s] = share[s] * vd_all(mix->share[s]);
    vl led = (vl)(m.part[1] > m.part[0]);
    vd most = vd_all(mix->share[0]), least = vd_all(mix->share[1]);
    vd weight = vd_where(led, most, least); /* of the side with less */
    vd less =
        vd_where(led, share[0], share[1]) / vd_where(led, share[1], share[0]);
    less *= weight;
    vd y = -vd_log_of_sum(vd_where(led, least, most) + less, less - weight);
    vd t = (b->t[1] - b->t[0]) * vd_all(SMX_POWER_C1) - vd_all(mix->offset);
    log[0] = vd_where(led, y - t, y);
    log[1] = vd_where(led, y, y + t);
    EACH (s, 2)
        m.cost[s] = where_positive(m.part[s], m.part[s] * log[s]);
    return m;
}

static void mixed(const struct smx_divergence_pair *pair, size_t first,
                  size_t n, const struct smx_divergence_mix *mix, double *log,
                  double *all)
{
    vd logs[VECS] = {{0}}, alls[VECS] = {{0}};
    BLOCKS(pair, i, x, first, n)
    EACH (v, VECS) {
        struct both b = both_of(pair, x, v, i, pair->kept[0]);
        struct mixed m = mix_both(mix, &b);
        logs[v] += m.cost[0];
        alls[v] += m.cost[0] + m.cost[1];
    }
    *log += block_sum(logs);
    *all += block_sum(alls);
}

/* ---- the gradient -------------------------------------------------------- */

/* What p is multiplied with: a number, one that depends on t of the student, on
 * both, on log(p / m) too. Constants where they are passed on. */
enum bend { STRAIGHT, BENT, ACROSS, MIXED };

/* No negative zeros. */
INLINE void put_slope(const struct both *b,
                      const struct smx_divergence_mix *mix,
                      const struct smx_divergence_slope *slope, enum bend bend,
                      float *out)
{
    vd p = b->e[0] * vd_all(slope->a), q = b->e[1] * vd_all(slope->f);
    if (bend != STRAIGHT) {
        vd level = vd_all(slope->a) + vd_all(slope->b) * b->t[0];
        if (bend == ACROSS)
            level += vd_all(slope->c) * (b->t[0] - b->t[1]);
        p = where_positive(b->e[0], b->e[0] * level);
    }
    if (bend == MIXED)
        p += vd_all(slope->c) * mix_both(mix, b).cost[0];
    vh_store(out, vd_narrow((p - q) + vd_all(0)));
}

INLINE void slope_as(const struct smx_divergence_pair *of, size_t first,
                     size_t n, const struct smx_divergence_mix *mix,
                     const struct smx_divergence_slope *slope, enum bend bend,
                     float *out)
{
    const struct smx_divergence_pair own = *of, *pair = &own;
    BLOCKS(pair, i, x, first, n)
    {
        float part[BLOCK] = {0}, *to = end - i < BLOCK ? part : out + i;
        EACH (v, VECS) {
            struct both b = both_of(pair, x, v, i, pair->kept[0]);
            put_slope(&b, mix, slope, bend, to + v * LANES);
        }
        if (to == part)
            memcpy(out + i, part, (end - i) * sizeof *out);
    }
}

static void slope_of(const struct smx_divergence_pair *pair, size_t first,
                     size_t n, const struct smx_divergence_mix *mix,
                     const struct smx_divergence_slope *slope, float *out)
{
    if (mix)
        slope_as(pair, first, n, mix, slope, MIXED, out);
    else if (slope->c != 0)
        slope_as(pair, first, n, NULL, slope, ACROSS, out);
    else if (slope->b != 0)
        slope_as(pair, first, n, NULL, slope, BENT, out);
    else
        slope_as(pair, first, n, NULL, slope, STRAIGHT, out);
}

const struct smx_divergence_kernels TIER(divergence_kernels) = {
    .sums = sums_of,
    .others = others,
    .mixed = mixed,
    .slope = slope_of,
    .power = power_of,
    .dd = &TIER(divergence_dd_kernels),
};
