/* SPDX-License-Identifier: MIT */
/* Rows of float32 in double. A divergence is then
 *   forward  sum q u - (log Q - log P), reverse (log Q - log P) - sum p u,
 * u the teacher's shifted logit less the student's, P and Q the sums of
 * exponentials: what cancels is found out, and a row of which too little would
 * be left is handed on to double-double. */
#include <math.h>

#include "divergence_rows.h"
#include "sums.h"

/* Rows whose exponentials are kept from their sum to the gradient: they fit
 * the first cache and the stack. */
#define KEPT ((size_t)2048)

/* Of terms that hold 2^-42 a divergence must be so much to hold 2^-26. */
#define LEAST 0x1p-16

/* A sum of the other exponentials that is less is taken without the largest. */
#define LEAST_OTHERS 0x1p-8

struct doubles {
    struct smx_divergence_pair pair;
    struct smx_divergence_sums sums;
    double log[2]; /* of the sums */
    double others[2];
    double loss, divergence, entropy, lse;
    double *kept[2];
};

#define CHUNKS(c, count, classes)                                              \
    for (size_t c = 0, count;                                                  \
         c < (classes) &&                                                      \
         (count = (classes)-c < SMX_CHUNK ? (classes)-c : SMX_CHUNK, true);    \
         c += SMX_CHUNK)

static bool measure(const struct smx_divergence_rule *rule,
                    const struct smx_divergence_row *row, struct doubles *d)
{
    for (int s = 0; s < 2; s++) {
        const float *x = d->pair.x[s] = row->x[s];
        double top = -INFINITY;
        CHUNKS(c, n, rule->side[s].classes)
        {
            float max;
            rule->kernels->row_max(x + c, n, &max);
            top = max > top ? max : top;
        }
        d->pair.max[s] = top;
        d->pair.inverse[s] = 1 / rule->side[s].temperature;
    }
    return d->pair.max[0] > -INFINITY && d->pair.max[1] > -INFINITY;
}

static void sum_up(const struct smx_divergence_rule *rule, struct doubles *d)
{
    size_t classes = rule->side[0].classes;
    bool reverse = rule->kind == SMX_DIVERGENCE_REVERSE_KL;
    CHUNKS(c, n, classes)
    rule->divergence->sums(&d->pair, c, n, reverse, d->kept[0] ? d->kept : NULL,
                           &d->sums);
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

/* false: too little is left. */
static bool divergence_of(const struct smx_divergence_rule *rule,
                          struct doubles *d)
{
    bool reverse = rule->kind == SMX_DIVERGENCE_REVERSE_KL;
    double first = 1 + d->others[reverse ? 0 : 1];
    double cross = d->sums.cross / first - (d->log[1] - d->log[0]);
    double terms = d->sums.size / first + d->log[0] + d->log[1];
    d->divergence = reverse ? -cross : cross;
    return !d->sums.lost && d->divergence >= terms * LEAST && terms > 0 &&
           isfinite(d->divergence);
}

/* The part of a row's loss beside its divergence, whose terms have the digits
 * of the sums. */
static void add_options(const struct smx_divergence_rule *rule,
                        struct doubles *d)
{
    double lse = d->pair.max[0] * d->pair.inverse[0] + d->log[0];
    d->lse = lse;
    d->entropy = d->log[0] - d->sums.entropy / (1 + d->others[0]);
    d->loss = d->divergence + rule->z_loss * lse * lse;
    if (rule->entropy)
        d->loss -= rule->entropy_weight * d->entropy;
}

static void put_double_gradient(const struct smx_divergence_rule *rule,
                                const struct smx_divergence_row *row,
                                const struct doubles *d)
{
    double g = row->factor.hi;
    double p = g / (1 + d->others[0]), q = g / (1 + d->others[1]);
    double level = 2 * rule->z_loss * d->lse, bend = 0;
    const double *kept[2] = {d->kept[0], d->kept[1]};
    if (rule->entropy) {
        bend = rule->entropy_weight;
        level += bend * (d->entropy - d->log[0]);
    }
    struct smx_divergence_slope slope = {p * (1 + level), p * bend, 0, q};
    if (rule->kind == SMX_DIVERGENCE_REVERSE_KL) {
        /* log p - log q - KL = log Q - log P - KL - u */
        level += d->log[1] - d->log[0] - d->divergence;
        slope = (struct smx_divergence_slope){p * level, p * bend, -p, 0};
    }
    CHUNKS(c, n, rule->side[0].classes)
    rule->divergence->slope(&d->pair, c, n, d->kept[0] ? kept : NULL, &slope,
                            (float *)row->gradient + c);
}

bool smx_divergence_row_doubles(const struct smx_divergence_rule *rule,
                                const struct smx_divergence_row *row,
                                double *loss)
{
    __attribute__((aligned(64))) double kept[2][KEPT];
    struct doubles d = {.loss = 0};
    if (row->gradient && smx_blocks(rule->side[0].classes) <= KEPT) {
        d.kept[0] = kept[0];
        d.kept[1] = kept[1];
    }
    if (!measure(rule, row, &d))
        return false;
    sum_up(rule, &d);
    if (!divergence_of(rule, &d))
        return false;
    add_options(rule, &d);
    if (row->gradient)
        put_double_gradient(rule, row, &d);
    *loss = d.loss;
    return true;
}
