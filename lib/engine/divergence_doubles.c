/* SPDX-License-Identifier: MIT */
/* Rows of float32 in double. A divergence is then the sum of e u, over that of
 * e, less the difference of the logarithms of both sums; u is the difference of
 * the shifted logits, e are the exponentials of the first distribution. What
 * cancels is found out, and a row of which too little would be left is handed
 * on to double-double. */
#include <math.h>

#include "divergence_rows.h"
#include "simd/power.h"
#include "sums.h"
#include "tuning.h"

/* Of terms that hold 2^-42 a divergence must be so much to hold 2^-26. */
#define LEAST 0x1p-16

/* A JSD's terms are less than itself and so many times beta (1 - beta): log(q /
 * m) >= 1 - m / q, and what is below 0 of that is bounded. */
#define MOST_MIXED 8

/* A sum of the other exponentials that is less is taken without the largest. */
#define LEAST_OTHERS 0x1p-8

struct doubles {
    struct smx_divergence_pair pair;
    struct smx_divergence_sums sums;
    struct smx_divergence_mix mix;
    double log[2]; /* of the sums */
    double others[2];
    double loss, divergence, entropy, lse;
    double log_mixed; /* JSD: (1 - beta) KL(p || m) */
};

#define CHUNKS(c, count, classes)                                              \
    for (size_t c = 0, count;                                                  \
         c < (classes) &&                                                      \
         (count = (classes)-c < SMX_CHUNK ? (classes)-c : SMX_CHUNK, true);    \
         c += SMX_CHUNK)

static double search_max(const struct smx_divergence_rule *rule,
                         const struct smx_divergence_row *row, int side)
{
    const float *x = row->x[side];
    double top = -INFINITY;
    CHUNKS(c, n, rule->side[side].classes)
    {
        float max;
        rule->kernels->row_max(x + c, n, &max);
        top = max > top ? max : top;
    }
    return top;
}

static bool measure(const struct smx_divergence_rule *rule,
                    const struct smx_divergence_row *row, struct doubles *d)
{
    for (int s = 0; s < 2; s++) {
        d->pair.x[s] = row->x[s];
        d->pair.max[s] =
            row->top[s] ? row->top[s]->hi : search_max(rule, row, s);
        d->pair.scale[s] = SMX_POWER_NAT / rule->side[s].temperature;
    }
    return d->pair.max[0] > -INFINITY && d->pair.max[1] > -INFINITY;
}

static void sum_up(const struct smx_divergence_rule *rule, struct doubles *d)
{
    size_t classes = rule->side[0].classes;
    bool reverse = rule->kind == SMX_DIVERGENCE_REVERSE_KL;
    CHUNKS(c, n, classes)
    rule->divergence->sums(&d->pair, c, n, reverse, rule->entropy, &d->sums);
    for (int s = 0; s < 2; s++) {
        d->others[s] = d->sums.e[s] - 1;
        if (d->others[s] < LEAST_OTHERS) {
            d->others[s] = 0;
            CHUNKS(c, n, classes)
            d->others[s] += rule->divergence->others(&d->pair, s, c, n);
        }
        d->log[s] = smx_log1p_fast(d->others[s]);
    }
}

/* ---- the divergence; false: too little is left --------------------------- */

/* The terms of KL(p || q): sum p |log(p / q)| is at most KL + sqrt(2 KL), as
 * what is below 0 of it is by Pinsker's inequality; the logarithms come upon
 * that. */
static bool find_kl(const struct smx_divergence_rule *rule, struct doubles *d)
{
    int lead = rule->kind == SMX_DIVERGENCE_REVERSE_KL ? 0 : 1;
    double unit = SMX_POWER_C1 / (1 + d->others[lead]);
    double kl = d->sums.cross * unit - (d->log[lead] - d->log[1 - lead]);
    double terms = kl + sqrt(2 * kl) + 2 * fmax(d->log[0], d->log[1]);
    d->divergence = kl;
    return kl > 0 && kl >= terms * LEAST && isfinite(kl);
}

static bool find_jsd(const struct smx_divergence_rule *rule, struct doubles *d)
{
    double share[2] = {1 - rule->beta, rule->beta};
    for (int s = 0; s < 2; s++) {
        d->mix.share[s] = share[s];
        d->mix.inverse[s] = 1 / (1 + d->others[s]);
    }
    d->mix.offset = d->log[1] - d->log[0];
    CHUNKS(c, n, rule->side[0].classes)
    rule->divergence->mixed(&d->pair, c, n, &d->mix, &d->log_mixed,
                            &d->divergence);
    return d->divergence >= share[0] * share[1] * MOST_MIXED * LEAST;
}

/* The part of a row's loss beside its divergence, whose terms have the digits
 * of the sums. */
static void add_options(const struct smx_divergence_rule *rule,
                        struct doubles *d)
{
    double mean = d->sums.entropy * SMX_POWER_C1 / (1 + d->others[0]);
    d->lse = d->pair.max[0] / rule->side[0].temperature + d->log[0];
    d->entropy = d->log[0] - mean;
    d->loss = d->divergence + rule->z_loss * d->lse * d->lse;
    if (rule->entropy)
        d->loss -= rule->entropy_weight * d->entropy;
}

/* ---- the gradient -------------------------------------------------------- */

/* A straight gradient of a row whose exponentials are not kept is computed from
 * those of split_exp.h, which take a third of the time, where both sides are in
 * range and no factor makes a number of the lowest of them; false: it is not.
 */
static bool store_split_gradient(const struct smx_divergence_rule *rule,
                                 const struct smx_divergence_row *row,
                                 const struct doubles *d)
{
    size_t classes = rule->side[0].classes;
    double g = row->factor.hi, factor[2];
    for (int s = 0; s < 2; s++) {
        double max = d->pair.max[s] / rule->side[s].temperature, sum = 0;
        if (fabs(max) < SMX_SPLIT_HIGHEST - 1)
            sum = (1 + d->others[s]) / SMX_SPLIT_UNIT *
                  rule->divergence->power(d->pair.max[s] * d->pair.scale[s]);
        factor[s] = g / sum;
        if (!rule->split[s].possible || !smx_sum_in_range(sum, classes) ||
            !(factor[s] > 0x1p-100 && factor[s] * SMX_SPLIT_LEAST <= 1))
            return false;
    }
    CHUNKS(c, n, classes)
    {
        const float *x[2] = {d->pair.x[0] + c, d->pair.x[1] + c};
        rule->kernels->split->difference(x, n, rule->split, factor,
                                         rule->stream,
                                         (float *)row->gradient + c);
    }
    return true;
}

static void put_double_gradient(const struct smx_divergence_rule *rule,
                                const struct smx_divergence_row *row,
                                const struct doubles *d)
{
    double g = row->factor.hi;
    double p = g / (1 + d->others[0]), q = g / (1 + d->others[1]);
    double level = 2 * rule->z_loss * d->lse, bend = 0;
    if (rule->entropy) {
        bend = rule->entropy_weight * SMX_POWER_C1;
        level += rule->entropy_weight * (d->entropy - d->log[0]);
    }
    struct smx_divergence_slope slope = {.b = p * bend};
    if (rule->kind == SMX_DIVERGENCE_FORWARD_KL) {
        slope.a = p * (1 + level);
        slope.f = q;
        if (level == 0 && bend == 0 && !d->pair.kept[0] &&
            store_split_gradient(rule, row, d))
            return;
    } else if (rule->kind == SMX_DIVERGENCE_REVERSE_KL) {
        /* log p - log q - KL = u - (log P - log Q) - KL */
        level -= d->log[0] - d->log[1] + d->divergence;
        slope.a = p * level;
        slope.c = p * SMX_POWER_C1;
    } else {
        slope.a = p * (level - d->log_mixed);
        slope.c = g;
    }
    const struct smx_divergence_mix *mix =
        rule->kind == SMX_DIVERGENCE_JSD ? &d->mix : NULL;
    CHUNKS(c, n, rule->side[0].classes)
    rule->divergence->slope(&d->pair, c, n, mix, &slope, row->gradient);
}

bool smx_divergence_row_doubles(const struct smx_divergence_rule *rule,
                                const struct smx_divergence_row *row,
                                double *loss)
{
    SMX_ALIGNED double kept[2][SMX_DIVERGENCE_KEPT + 16];
    struct doubles d = {.loss = 0};
    bool jsd = rule->kind == SMX_DIVERGENCE_JSD;
    if ((row->gradient || jsd) &&
        smx_blocks(rule->side[0].classes) <= SMX_DIVERGENCE_KEPT) {
        d.pair.kept[0] = kept[0];
        d.pair.kept[1] = kept[1];
    }
    if (!measure(rule, row, &d))
        return false;
    sum_up(rule, &d);
    if (!(jsd ? find_jsd(rule, &d) : find_kl(rule, &d)))
        return false;
    add_options(rule, &d);
    if (row->gradient)
        put_double_gradient(rule, row, &d);
    *loss = d.loss;
    return true;
}
