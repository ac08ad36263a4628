/* SPDX-License-Identifier: MIT */
#include "reference.h"

#include <math.h>
#include <stdlib.h>

#include "exact_row.h"

/** What a row's log-probabilities are weighed with, and the row's loss. */
struct cost {
    const struct smx_criterion *criterion;
    long double *mass;   /* [C] w_c q_c */
    long double total;   /* sum of mass */
    long double size;    /* sum of |mass| */
    long double loss;    /* without the z-loss */
    long double scale;   /* sum of |terms| */
    long double z;       /* lambda lse^2 */
    long double z_scale; /* likewise with lse's scale */
    long double weight;  /* what the row adds to the divisor */
    bool ignored;
    bool hit; /* argmax is the label */
};

static long double weight_of(const struct cost *cost,
                             const struct smx_logits *logits, size_t c)
{
    const void *w = cost->criterion->weights;

    return w ? reference_get(w, logits->dtype, c) : 1;
}

/** (1 - e) hot + e / classes, also where the two nearly cancel. */
static long double smoothed(long double e, long double hot, long double classes)
{
    long double keep = (1 - e) * hot, share = e / classes;
    struct sum q = {0, 0};

    sum_add(&q, keep);
    sum_add(&q, share);
    sum_add(&q, fmal(1 - e, hot, -keep));
    sum_add(&q, -fmal(share, classes, -e) / classes);
    return sum_get(&q);
}

static long double mass_of(const struct cost *cost, const struct row *row,
                           size_t r, size_t c)
{
    const struct smx_criterion *k = cost->criterion;
    long double e = k->label_smoothing, hot;

    if (k->labels)
        hot = k->labels[r] == (int64_t)c;
    else
        hot = reference_get(k->targets, row->logits->dtype,
                            row->first + c * row->stride);
    return weight_of(cost, row->logits, c) *
           smoothed(e, hot, (long double)row->classes);
}

static bool is_ignored(const struct smx_criterion *k, size_t r)
{
    return k->labels && k->ignore && k->labels[r] == k->ignore_index;
}

static bool is_hit(const struct cost *cost, const struct row *row, size_t r)
{
    const struct smx_criterion *k = cost->criterion;
    enum smx_dtype dtype = row->logits->dtype;
    size_t best = 0;

    if (k->labels)
        return k->labels[r] == (int64_t)row->argmax;
    for (size_t c = 1; c < row->classes; c++)
        if (reference_get(k->targets, dtype, row->first + c * row->stride) >
            reference_get(k->targets, dtype, row->first + best * row->stride))
            best = c;
    return best == row->argmax;
}

static void cost_sums(struct cost *cost, const struct row *row)
{
    struct sum total = {0, 0}, size = {0, 0}, loss = {0, 0}, scale = {0, 0};

    for (size_t c = 0; c < row->classes; c++) {
        long double m = cost->mass[c];

        sum_add(&total, m);
        sum_add(&size, fabsl(m));
        if (m == 0) /* 0 log 0 = 0 */
            continue;
        sum_add(&loss, -m * row->log_p[c]);
        sum_add(&scale, fabsl(m * row->log_p[c]));
    }
    cost->total = sum_get(&total);
    cost->size = sum_get(&size);
    cost->loss = sum_get(&loss);
    cost->scale = sum_get(&scale);
}

static void cost_load(struct cost *cost, const struct row *row, size_t r)
{
    const struct smx_criterion *k = cost->criterion;
    long double *mass = cost->mass;

    *cost = (struct cost){.criterion = k, .mass = mass};
    cost->ignored = is_ignored(k, r);
    if (cost->ignored)
        return;
    for (size_t c = 0; c < row->classes; c++)
        mass[c] = mass_of(cost, row, r, c);
    cost_sums(cost, row);
    cost->weight =
        k->labels ? weight_of(cost, row->logits, (size_t)k->labels[r]) : 1;
    if (!row->dead) {
        cost->z = k->z_loss * row->lse * row->lse;
        cost->z_scale = k->z_loss * row_lse_scale(row) * row_lse_scale(row);
    }
    cost->hit = is_hit(cost, row, r);
}

/** Factors of the cross-entropy and of the z-loss in the reduced loss. */
struct share {
    long double main, z;
};

static struct share share_of(const struct smx_criterion *criterion,
                             long double divisor, size_t rows)
{
    if (criterion->reduction != SMX_REDUCTION_MEAN)
        return (struct share){1, 1};
    if (divisor == 0)
        return (struct share){0, 0};
    return (struct share){1 / divisor, 1 / (long double)rows};
}

static long double divisor_of(const struct smx_logits *logits,
                              const struct smx_criterion *criterion,
                              size_t *rows)
{
    struct cost cost = {.criterion = criterion};
    struct sum divisor = {0, 0};

    *rows = 0;
    for (size_t r = 0; r < row_count(logits); r++) {
        const int64_t *y = criterion->labels;

        if (is_ignored(criterion, r))
            continue;
        ++*rows;
        sum_add(&divisor, y ? weight_of(&cost, logits, (size_t)y[r]) : 1);
    }
    return sum_get(&divisor);
}

void reference_loss(const struct smx_logits *logits,
                    const struct smx_criterion *criterion,
                    struct reference_loss *out)
{
    struct row row;
    struct cost cost = {.criterion = criterion};
    struct sum main = {0, 0}, z = {0, 0}, main_size = {0, 0}, z_size = {0, 0};
    long double divisor = divisor_of(logits, criterion, &out->rows);
    struct share share = share_of(criterion, divisor, out->rows);
    size_t hits = 0;

    row_init(&row, logits);
    cost.mass = must(calloc(logits->classes, sizeof *cost.mass));
    for (size_t r = 0; r < row_count(logits); r++) {
        row_load(&row, r);
        cost_load(&cost, &row, r);
        hits += cost.hit;
        sum_add(&main, cost.loss);
        sum_add(&z, cost.z);
        sum_add(&main_size, cost.scale);
        sum_add(&z_size, cost.z_scale);
        if (criterion->reduction == SMX_REDUCTION_NONE) {
            out->loss[r] = cost.loss + cost.z;
            out->scale[r] = cost.scale + cost.z_scale;
        }
    }
    if (criterion->reduction != SMX_REDUCTION_NONE) {
        bool none = share.main == 0;
        *out->loss =
            none ? 0 : sum_get(&main) * share.main + sum_get(&z) * share.z;
        *out->scale = none ? 0
                           : sum_get(&main_size) * share.main +
                                 sum_get(&z_size) * share.z;
    }
    out->divisor = (double)divisor;
    out->accuracy = out->rows ? (double)hits / (double)out->rows : 0;
    free(cost.mass);
    row_free(&row);
}

/** Element c of the gradient of a row, before the upstream. */
static long double slope_of(const struct row *row, const struct cost *cost,
                            struct share share, size_t c, long double *scale)
{
    long double m = cost->mass[c], p = row->p[c];
    long double z = 2 * cost->criterion->z_loss * p * share.z;
    long double lse = row->dead ? 0 : row->lse;

    *scale = (cost->size * p + fabsl(m)) * share.main + z * row_lse_scale(row);
    *scale *= row->factor[c];
    return ((cost->total * p - m) * share.main + z * lse) * row->factor[c];
}

void reference_gradient(const struct smx_logits *logits,
                        const struct smx_criterion *criterion,
                        const void *upstream, long double *gradient,
                        long double *scale)
{
    struct row row;
    struct cost cost = {.criterion = criterion};
    size_t rows;
    long double divisor = divisor_of(logits, criterion, &rows);
    struct share share = share_of(criterion, divisor, rows);

    row_init(&row, logits);
    cost.mass = must(calloc(logits->classes, sizeof *cost.mass));
    for (size_t r = 0; r < row_count(logits); r++) {
        size_t at = criterion->reduction == SMX_REDUCTION_NONE ? r : 0;
        long double g =
            upstream ? reference_get(upstream, logits->dtype, at) : 1;

        row_load(&row, r);
        cost_load(&cost, &row, r);
        for (size_t c = 0; c < row.classes; c++) {
            size_t i = row.first + c * row.stride;

            gradient[i] = scale[i] = 0;
            if (cost.ignored)
                continue;
            gradient[i] = g * slope_of(&row, &cost, share, c, &scale[i]);
            scale[i] *= fabsl(g);
        }
    }
    free(cost.mass);
    row_free(&row);
}
