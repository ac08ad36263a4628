/* SPDX-License-Identifier: MIT */
#include "reference.h"

#include <math.h>
#include <stdlib.h>

#include "exact_row.h"
#include "reference_divergence.h"

/** What a row's log-probabilities are weighed with, and the row's loss. */
struct cost {
    const struct smx_criterion *criterion;
    struct reference_divergence *divergence; /* of a teacher */
    long double *mass;                       /* [C] w_c q_c */
    long double total;                       /* sum of mass */
    long double size;                        /* sum of |mass| */
    long double loss;    /* without the z-loss and the entropy */
    long double scale;   /* sum of |terms| */
    long double z;       /* lambda lse^2 - eta H */
    long double z_scale; /* likewise with lse's scale, as a sum */
    long double entropy; /* H */
    long double focus;   /* of the gradient: what focal makes of it */
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

static long double row_weight_of(const struct smx_criterion *k,
                                 const struct smx_logits *logits, size_t r)
{
    return k->row_weights ? reference_get(k->row_weights, logits->dtype, r) : 1;
}

static bool is_hit(const struct cost *cost, const struct row *row, size_t r)
{
    const struct smx_criterion *k = cost->criterion;
    enum smx_dtype dtype = row->logits->dtype;
    size_t best = 0;

    if (k->labels)
        return k->labels[r] == (int64_t)row->argmax;
    if (k->teacher)
        return cost->divergence->teacher.argmax == row->argmax;
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

/* (1 - p)^focal of the label's class, 1 - p as the sum of the others'. */
static void cost_focus(struct cost *cost, const struct row *row, size_t y)
{
    long double focal = cost->criterion->focal, power, more = focal;
    struct sum others = {0, 0};

    if (focal == 0 || row->dead)
        return;
    for (size_t c = 0; c < row->classes; c++)
        if (c != y)
            sum_add(&others, row->p[c]);
    power = powl(sum_get(&others), focal);
    cost->loss = cost->loss == 0 ? 0 : cost->loss * power;
    cost->scale = cost->loss;
    if (row->p[y] == 0)
        more = 0;
    else if (sum_get(&others) != 0)
        more = -focal * row->p[y] * row->log_p[y] / sum_get(&others);
    cost->focus = power * (1 + more);
}

static long double entropy_of(const struct row *row)
{
    struct sum entropy = {0, 0};

    for (size_t c = 0; c < row->classes; c++)
        if (row->p[c] != 0)
            sum_add(&entropy, -row->p[c] * row->log_p[c]);
    return sum_get(&entropy);
}

static void cost_regularizers(struct cost *cost, const struct row *row)
{
    const struct smx_criterion *k = cost->criterion;

    if (row->dead)
        return;
    cost->entropy = entropy_of(row);
    cost->z =
        k->z_loss * row->lse * row->lse - k->entropy_weight * cost->entropy;
    cost->z_scale = k->z_loss * row_lse_scale(row) * row_lse_scale(row) +
                    k->entropy_weight * cost->entropy;
}

static void cost_load(struct cost *cost, const struct row *row, size_t r)
{
    const struct smx_criterion *k = cost->criterion;
    long double *mass = cost->mass;

    *cost = (struct cost){.criterion = k,
                          .mass = mass,
                          .divergence = cost->divergence,
                          .focus = 1};
    cost->ignored = is_ignored(k, r);
    if (cost->ignored)
        return;
    if (k->teacher) {
        reference_divergence_load(cost->divergence, row, r);
        cost->loss = cost->scale = cost->divergence->value;
    } else {
        for (size_t c = 0; c < row->classes; c++)
            mass[c] = mass_of(cost, row, r, c);
        cost_sums(cost, row);
    }
    if (k->labels)
        cost_focus(cost, row, (size_t)k->labels[r]);
    cost_regularizers(cost, row);
    cost->hit = is_hit(cost, row, r);
}

/** Factors of the cross-entropy and of the z-loss in the reduced loss. */
struct share {
    long double main, z;
};

/** The divisors of mean, and the rows not ignored. */
struct counts {
    long double main, z;
    size_t rows;
};

static struct share share_of(const struct smx_criterion *criterion,
                             struct counts n)
{
    if (criterion->reduction != SMX_REDUCTION_MEAN)
        return (struct share){1, 1};
    if (n.main == 0)
        return (struct share){0, 0};
    return (struct share){1 / n.main, 1 / n.z};
}

static struct counts counts_of(const struct smx_logits *logits,
                               const struct smx_criterion *criterion)
{
    struct cost cost = {.criterion = criterion};
    struct sum main = {0, 0}, z = {0, 0};
    struct counts counts = {.rows = 0};

    for (size_t r = 0; r < row_count(logits); r++) {
        const int64_t *y = criterion->labels;
        long double w = row_weight_of(criterion, logits, r);

        if (is_ignored(criterion, r))
            continue;
        ++counts.rows;
        sum_add(&z, w);
        sum_add(&main, y ? w * weight_of(&cost, logits, (size_t)y[r]) : w);
    }
    counts.main = sum_get(&main);
    counts.z = sum_get(&z);
    return counts;
}

/** The row, and what it costs, for all rows in turn. */
struct walk {
    struct row row;
    struct cost cost;
    struct reference_divergence divergence;
};

static void walk_init(struct walk *walk, const struct smx_logits *logits,
                      const struct smx_criterion *criterion)
{
    row_init(&walk->row, logits);
    if (criterion->teacher)
        reference_divergence_init(&walk->divergence, logits, criterion);
    walk->cost = (struct cost){
        .criterion = criterion,
        .divergence = &walk->divergence,
        .mass = must(calloc(logits->classes, sizeof *walk->cost.mass))};
}

static void walk_free(struct walk *walk)
{
    if (walk->cost.criterion->teacher)
        reference_divergence_free(&walk->divergence);
    free(walk->cost.mass);
    row_free(&walk->row);
}

void reference_loss(const struct smx_logits *logits,
                    const struct smx_criterion *criterion,
                    struct reference_loss *out)
{
    struct walk walk;
    struct sum main = {0, 0}, z = {0, 0}, main_size = {0, 0}, z_size = {0, 0};
    struct counts n = counts_of(logits, criterion);
    struct share share = share_of(criterion, n);
    const struct cost *cost = &walk.cost;
    size_t hits = 0;

    walk_init(&walk, logits, criterion);
    for (size_t r = 0; r < row_count(logits); r++) {
        long double w = row_weight_of(criterion, logits, r);

        row_load(&walk.row, r);
        cost_load(&walk.cost, &walk.row, r);
        hits += cost->hit;
        sum_add(&main, w == 0 ? 0 : w * cost->loss);
        sum_add(&z, w * cost->z);
        sum_add(&main_size, w == 0 ? 0 : w * cost->scale);
        sum_add(&z_size, w * cost->z_scale);
        if (criterion->reduction == SMX_REDUCTION_NONE) {
            out->loss[r] = w == 0 ? 0 : w * (cost->loss + cost->z);
            out->scale[r] = w == 0 ? 0 : w * (cost->scale + cost->z_scale);
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
    out->divisor = (double)n.main;
    out->rows = n.rows;
    out->accuracy = n.rows ? (double)hits / (double)n.rows : 0;
    walk_free(&walk);
}

/** The part that comes of the labels, targets or teacher, and its size. */
static long double main_slope(const struct row *row, const struct cost *cost,
                              size_t c, long double *size)
{
    long double m = cost->mass[c], p = row->p[c];

    if (cost->criterion->teacher) {
        *size = cost->divergence->size[c];
        return cost->divergence->slope[c];
    }
    *size = (cost->size * p + fabsl(m)) * cost->focus;
    return (cost->total * p - m) * cost->focus;
}

/** Element c of the gradient of a row, before the upstream. */
static long double slope_of(const struct row *row, const struct cost *cost,
                            struct share share, size_t c, long double *scale)
{
    const struct smx_criterion *k = cost->criterion;
    long double p = row->p[c], size, main = main_slope(row, cost, c, &size);
    long double z = 2.0L * k->z_loss * p * share.z;
    long double h = k->entropy_weight * p * share.z;
    long double lse = row->dead ? 0 : row->lse;
    long double log = p == 0 ? 0 : row->log_p[c];

    *scale = size * share.main + z * row_lse_scale(row) +
             h * (fabsl(log) + cost->entropy);
    *scale *= row->factor[c];
    return (main * share.main + z * lse + h * (log + cost->entropy)) *
           row->factor[c];
}

void reference_gradient(const struct smx_logits *logits,
                        const struct smx_criterion *criterion,
                        const void *upstream, long double *gradient,
                        long double *scale)
{
    struct walk walk;
    struct share share = share_of(criterion, counts_of(logits, criterion));
    const struct row *row = &walk.row;

    walk_init(&walk, logits, criterion);
    for (size_t r = 0; r < row_count(logits); r++) {
        size_t at = criterion->reduction == SMX_REDUCTION_NONE ? r : 0;
        long double g =
            upstream ? reference_get(upstream, logits->dtype, at) : 1;

        g *= row_weight_of(criterion, logits, r);
        row_load(&walk.row, r);
        cost_load(&walk.cost, row, r);
        for (size_t c = 0; c < row->classes; c++) {
            size_t i = row->first + c * row->stride;

            gradient[i] = scale[i] = 0;
            if (walk.cost.ignored || g == 0 || share.main == 0)
                continue;
            gradient[i] = g * slope_of(row, &walk.cost, share, c, &scale[i]);
            scale[i] *= fabsl(g);
        }
    }
    walk_free(&walk);
}
