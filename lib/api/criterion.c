/* SPDX-License-Identifier: MIT */
#include "criterion.h"

#include <math.h>
#include <string.h>

#include "arguments.h"
#include "context.h"
#include "engine/kernels.h"
#include "engine/summary_kernels.h"
#include "simd/extended.h"

/* How many labels of so many rows are ignored; misfits: how many of the others
 * are no class. */
static size_t ignored_labels(const struct smx_kernels *kernels,
                             const struct smx_criterion *criterion, size_t rows,
                             size_t classes, size_t *misfits)
{
    return kernels->summary->count_ignored(
        criterion->labels, rows, classes,
        criterion->ignore ? &criterion->ignore_index : NULL, misfits);
}

static enum smx_status check_labels(const struct smx_context *context,
                                    const struct smx_logits *z,
                                    const struct smx_criterion *criterion,
                                    struct smx_where *where)
{
    size_t rows = smx_rows_count(z), misfits;
    ignored_labels(context->kernels, criterion, rows, z->classes, &misfits);
    if (!misfits)
        return SMX_OK;
    for (size_t r = 0; r < rows; r++) {
        int64_t label = criterion->labels[r];
        if (smx_criterion_ignores_label(criterion, label) ||
            (label >= 0 && (uint64_t)label < z->classes))
            continue;
        return smx_blame(SMX_ELABEL, where, SMX_FIELD_LABELS, r);
    }
    return SMX_OK;
}

/* The first option that is out of its domain, or does not go with others:
 * exactly one of labels, targets and a teacher is given, but without rows none
 * is needed. */
static enum smx_field wrong_option(const struct smx_logits *z,
                                   const struct smx_criterion *k)
{
    const bool labels = k->labels, targets = k->targets, teacher = k->teacher;
    const unsigned kind = (unsigned)k->divergence;
    const double e = k->label_smoothing, t = k->teacher_temperature;
    const double beta = k->beta;
    const unsigned last =
        teacher ? SMX_DIVERGENCE_JSD : SMX_DIVERGENCE_FORWARD_KL;
    if (!(e >= 0 && e <= 1) || (teacher && e != 0))
        return SMX_FIELD_LABEL_SMOOTHING;
    if (!smx_is_size(k->z_loss))
        return SMX_FIELD_Z_LOSS;
    if (!smx_is_size(k->entropy_weight))
        return SMX_FIELD_ENTROPY_WEIGHT;
    if (!smx_is_size(k->focal) || (k->focal != 0 && (!labels || e != 0)))
        return SMX_FIELD_FOCAL;
    if ((unsigned)k->reduction > SMX_REDUCTION_NONE)
        return SMX_FIELD_REDUCTION;
    if (kind > last)
        return SMX_FIELD_DIVERGENCE;
    if (!(beta >= 0 && beta <= 1) || (beta != 0 && kind != SMX_DIVERGENCE_JSD))
        return SMX_FIELD_BETA;
    if (!smx_is_size(t) || (t != 0 && !teacher))
        return SMX_FIELD_TEACHER_TEMPERATURE;
    if (teacher && k->weights)
        return SMX_FIELD_WEIGHTS;
    if (teacher && (labels || targets))
        return SMX_FIELD_TEACHER;
    if (labels && targets)
        return SMX_FIELD_TARGETS;
    if (smx_rows_count(z) && !labels && !targets && !teacher)
        return SMX_FIELD_LABELS;
    return SMX_FIELD_NONE;
}

/* What is not of the logits' shape: weights of classes and rows, an upstream of
 * all rows, or one a row where reduction is none. */
static enum smx_status check_factors(const struct smx_context *context,
                                     const struct smx_logits *z,
                                     const struct smx_criterion *k,
                                     const void *upstream,
                                     struct smx_where *where)
{
    size_t rows = smx_rows_count(z);
    size_t upstreams = k->reduction == SMX_REDUCTION_NONE ? rows : 1;
    enum smx_status status = SMX_OK;
    if (k->weights)
        status = smx_rows_finite(context, k->weights, z->dtype, z->classes,
                                 SMX_FIELD_WEIGHTS, where);
    if (!status && k->row_weights)
        status = smx_rows_finite(context, k->row_weights, z->dtype, rows,
                                 SMX_FIELD_ROW_WEIGHTS, where);
    if (!status && upstream)
        status = smx_rows_finite(context, upstream, z->dtype, upstreams,
                                 SMX_FIELD_UPSTREAM, where);
    for (size_t r = 0; k->row_weights && r < rows && !status; r++)
        if (smx_get(k->row_weights, z->dtype, r) < 0)
            status = smx_blame(SMX_EARGUMENT, where, SMX_FIELD_ROW_WEIGHTS, r);
    return status;
}

enum smx_status smx_criterion_check(struct smx_context *context,
                                    const struct smx_logits *z,
                                    const struct smx_criterion *criterion,
                                    const void *upstream, bool unseen,
                                    struct smx_where *where)
{
    enum smx_status status = SMX_OK;
    enum smx_field wrong = wrong_option(z, criterion);
    if (wrong)
        return smx_blame(SMX_EARGUMENT, where, wrong, 0);
    if (criterion->labels)
        status = check_labels(context, z, criterion, where);
    else if (criterion->targets && !unseen)
        status = smx_rows_scan(context, z, criterion->targets,
                               SMX_FIELD_TARGETS, where);
    return status ? status
                  : check_factors(context, z, criterion, upstream, where);
}

bool smx_criterion_ignores(const struct smx_criterion *criterion, size_t r)
{
    return criterion->labels &&
           smx_criterion_ignores_label(criterion, criterion->labels[r]);
}

static double weight(const struct smx_logits *z,
                     const struct smx_criterion *criterion, size_t c)
{
    return criterion->weights ? smx_get(criterion->weights, z->dtype, c) : 1;
}

bool smx_criterion_is_single(const struct smx_criterion *criterion)
{
    return criterion->labels && criterion->label_smoothing == 0;
}

/* Where p is 1 and 0 elsewhere, what lies on that class costs nothing and
 * leaves the gradient, exactly: v p_c - v = 0. */
static bool cancels(const struct smx_row *row, size_t class)
{
    return row->one_hot && class == row->argmax;
}

/* -log p */
static struct smx_dd class_nats(struct smx_row *row, size_t class)
{
    struct smx_dd nats = smx_row_shifted(row, class);
    if (!isfinite(nats.hi))
        return (struct smx_dd){INFINITY, 0};
    return dd_add(row->logsum, dd_negate(nats));
}

/* Of the gradient a pair, as the other factors of an element are. */
static struct smx_focus focus_of(double power, double more)
{
    struct smx_focus focus = {power, {0, 0}};
    if (power != 0)
        focus.gradient = dd_mul((struct smx_dd){power, 0}, dd_sum(1, more));
    return focus;
}

/* (1 - p)^focal, and that times 1 - focal p log(p) / (1 - p). */
void smx_criterion_focus(const struct smx_criterion *criterion,
                         struct smx_row *row, size_t count)
{
    double focal = criterion->focal;
    struct smx_row_dds logs = {{0}, {0}};
    struct smx_complements c;
    bool focused[SMX_ROW_GROUP] = {false};
    for (size_t k = 0; k < count; k++) {
        smx_row_select(row, k);
        size_t class = (size_t)criterion->labels[row->r];
        focused[k] = !row->empty && !smx_criterion_ignores(criterion, row->r) &&
                     !cancels(row, class);
        if (!focused[k])
            continue;
        struct smx_dd log = dd_negate(class_nats(row, class));
        logs.hi[k] = log.hi;
        logs.lo[k] = log.lo;
    }
    row->kernels->complement_powers(&logs, count, focal, &c);
    for (size_t k = 0; k < count; k++) {
        double more = smx_times(focal * c.p[k], -logs.hi[k]);
        more = c.base[k] != 0 ? more / c.base[k] : focal;
        if (focused[k])
            row->focuses[k] = focus_of(c.power[k], more);
    }
}

/* keep t + share of n targets, whole blocks. */
static void smooth_mass(const struct smx_row_kernels *kernels,
                        const struct smx_masses *masses, double *t, size_t n)
{
    if (masses->share.hi != 0)
        kernels->smooth(t, n, masses->keep, masses->share);
}

struct smx_masses smx_masses_of(const struct smx_row_kernels *kernels,
                                const struct smx_logits *z,
                                const struct smx_criterion *criterion)
{
    struct smx_dd e = {criterion->label_smoothing, 0};
    struct smx_masses masses = {.criterion = criterion,
                                .keep = dd_sum(1, -e.hi),
                                .share = smx_divide(e, (double)z->classes)};
    double two[16] = {0, 1};
    smooth_mass(kernels, &masses, two, 16);
    masses.other = two[0];
    masses.label = two[1];
    return masses;
}

bool smx_masses_alike(const struct smx_masses *masses,
                      const struct smx_row *row, double *mass, double *other)
{
    const struct smx_criterion *k = masses->criterion;
    bool single = smx_criterion_is_single(k);
    if (!single && (!smx_criterion_is_smoothed(k) || row->one_hot))
        return false;
    size_t label = (size_t)k->labels[row->r];
    *other = masses->other;
    *mass = masses->label;
    if (single)
        *mass = cancels(row, label) ? 0 : weight(row->logits, k, label);
    return true;
}

/* Of a label, that all other classes have the same. */
static void load_label(const struct smx_masses *masses, struct smx_row *row)
{
    size_t y = (size_t)masses->criterion->labels[row->r] - row->first;
    for (size_t i = 0; i < row->n; i++)
        row->mass[i] = masses->other;
    if (y < row->count)
        row->mass[y] = masses->label;
}

static void weigh_mass(const struct smx_criterion *criterion,
                       struct smx_row *row)
{
    const float *f = criterion->weights;
    const double *d = criterion->weights;
    if (row->logits->dtype == SMX_FLOAT32)
        row->kernels->widen(f + row->first, row->count, row->out);
    else
        memcpy(row->out, d + row->first, row->count * sizeof *d);
    for (size_t c = row->count; c < row->n; c++)
        row->out[c] = 0;
    row->kernels->times(row->mass, row->out, row->n, row->mass);
}

const double *smx_criterion_mass(const struct smx_masses *masses,
                                 struct smx_row *row)
{
    const struct smx_criterion *criterion = masses->criterion;
    size_t top = row->argmax - row->first;
    bool emptied = row->one_hot && top < row->count;
    if (row->mass_row == row->r && row->mass_first == row->first)
        return row->mass;
    row->mass_row = SIZE_MAX;
    if (criterion->labels)
        load_label(masses, row);
    else if (criterion->label_smoothing == 0 && !criterion->weights && !emptied)
        return smx_row_view(row, row->mass);
    else
        smx_row_get(row, row->mass);
    row->mass_row = row->r;
    row->mass_first = row->first;
    if (!criterion->labels)
        smooth_mass(row->kernels, masses, row->mass, row->n);
    if (criterion->weights)
        weigh_mass(criterion, row);
    if (emptied)
        row->mass[top] = 0;
    return row->mass;
}

struct smx_counts smx_criterion_count(const struct smx_kernels *kernels,
                                      const struct smx_logits *z,
                                      const struct smx_criterion *criterion)
{
    const int64_t *labels = criterion->labels;
    struct smx_dd divisor = {0, 0}, weights = {0, 0};
    size_t all = smx_rows_count(z), ignored = 0, misfits;
    if (labels)
        ignored = ignored_labels(kernels, criterion, all, z->classes, &misfits);
    struct smx_counts counts = {.rows = all - ignored};
    counts.divisor = counts.weight = (double)counts.rows;
    if (!criterion->row_weights && !(labels && criterion->weights))
        return counts;
    for (size_t r = 0; r < all; r++) {
        if (smx_criterion_ignores(criterion, r))
            continue;
        double row = smx_criterion_row_weight(criterion, z->dtype, r);
        double w = labels ? weight(z, criterion, (size_t)labels[r]) : 1;
        dd_accumulate(&divisor, dd_product(row, w));
        dd_accumulate(&weights, (struct smx_dd){row, 0});
    }
    counts.divisor = dd_settle(divisor).hi;
    counts.weight = dd_settle(weights).hi;
    return counts;
}

static struct smx_dd cost_of(const void *argument, struct smx_row *row)
{
    const double *mass = smx_criterion_mass(argument, row);
    return row->kernels->costs(mass, smx_row_nats(row), row->count,
                               row->logsum);
}

/* As the kernel has it. */
static double label_cost(const struct smx_criterion *criterion,
                         struct smx_row *row, size_t class)
{
    struct smx_dd d = smx_row_shifted(row, class);
    double cost = (row->logsum.hi - d.hi) + (row->logsum.lo - d.lo);
    double mass = weight(row->logits, criterion, class);
    if (mass == 0 || cancels(row, class))
        return 0;
    mass *= row->focus.loss;
    return mass != 0 ? mass * cost : 0;
}

bool smx_criterion_is_smoothed(const struct smx_criterion *criterion)
{
    return criterion->labels && criterion->label_smoothing != 0 &&
           !criterion->weights;
}

/* Each class has the same share, but for the label. */
static double smoothed_cost(const struct smx_masses *masses,
                            struct smx_row *row, size_t label)
{
    struct smx_dd classes = {(double)row->logits->classes, 0};
    struct smx_dd d =
        row->take == smx_row_distances
            ? smx_row_total(row)
            : smx_row_sweep(row, SMX_ROW_Z, smx_row_distances, NULL, dd_add);
    struct smx_dd nats = dd_add(dd_mul(classes, row->logsum), dd_negate(d));
    struct smx_dd cost = dd_mul(masses->share, nats);
    nats = class_nats(row, label);
    return dd_add(cost, dd_mul(masses->keep, nats)).hi;
}

double smx_criterion_loss(const struct smx_masses *masses, struct smx_row *row)
{
    const struct smx_criterion *criterion = masses->criterion;
    double loss;
    if (smx_criterion_is_single(criterion))
        loss = label_cost(criterion, row, (size_t)criterion->labels[row->r]);
    else if (smx_criterion_is_smoothed(criterion))
        loss = smoothed_cost(masses, row, (size_t)criterion->labels[row->r]);
    else
        loss = smx_row_sweep(row, SMX_ROW_D, cost_of, masses, dd_add).hi;
    if (row->empty) /* 0 log 0 = 0 */
        return loss != 0 ? INFINITY : 0;
    return isnan(loss) ? INFINITY : loss;
}
