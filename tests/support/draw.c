/* SPDX-License-Identifier: MIT */
#include "draw.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "exact_row.h"
#include "reference.h"

void draw_set(void *data, enum smx_dtype dtype, size_t i, double value)
{
    if (dtype == SMX_FLOAT32)
        ((float *)data)[i] = (float)value;
    else
        ((double *)data)[i] = value;
}

static double draw_logit(struct random *random, enum draw_kind kind,
                         enum smx_dtype dtype, size_t class, size_t hot)
{
    switch (kind) {
    case DRAW_UNIFORM:
        return 60 * random_unit(random) - 30;
    case DRAW_SMALL:
        return 2 * random_unit(random) - 1;
    case DRAW_EQUAL:
        return 0.6180339887;
    case DRAW_OFFSET:
        return 1e4 + 2 * random_normal(random);
    case DRAW_HUGE:
        return ldexp(random_unit(random) - 0.5, (int)random_below(random, 127));
    case DRAW_ONE_HOT:
        return class == hot ? 50 * random_unit(random)
                            : -50 * random_unit(random);
    case DRAW_SUBNORMAL:
        return -(dtype == SMX_FLOAT32 ? 110 : 750) * random_unit(random);
    case DRAW_FAR:
        return (hot % 2 ? 512 : -512) + random_normal(random) -
               (random_once_in(random, 4) ? 900 * random_unit(random) : 0);
    case DRAW_HOLES:
        if (random_once_in(random, 3))
            return -INFINITY;
        return 1.5 * random_normal(random);
    default:
        return 1.5 * random_normal(random);
    }
}

void draw_logits(struct random *random, enum draw_kind kind,
                 enum smx_dtype dtype, size_t rows, size_t classes, void *data)
{
    size_t hot = random_below(random, classes);

    for (size_t i = 0; i < rows * classes; i++)
        draw_set(data, dtype, i,
                 draw_logit(random, kind, dtype, i % classes, hot));
}

static void *room(size_t count)
{
    return must(calloc(count + 1, sizeof(double)));
}

static void draw_shape(struct draw *d, struct random *random)
{
    static const size_t classes[] = {1,  2,  3,  5,  8,  10,
                                     16, 17, 31, 33, 64, 130};
    static const size_t tiled[] = {1023, 1024, 1025, 2100};
    struct smx_logits *l = &d->logits;

    l->outer = 1 + random_below(random, 6);
    l->classes = classes[random_below(random, 12)];
    l->inner = random_once_in(random, 3) ? 1 + random_below(random, 5) : 1;
    if (random_once_in(random, 50)) { /* more than one tile of the library */
        l->outer = 1;
        l->classes = tiled[random_below(random, 4)];
    }
    d->rows = l->outer * l->inner;
    d->elements = d->rows * l->classes;
    d->top_k = 1 + random_below(random, l->classes);
}

/* Now and then so small beside the logits that its slope, about
 * 4 e^(-2 |z| / softcap), is below the smallest normal double. */
static double draw_softcap(const struct draw *d, struct random *random)
{
    double top = 0;

    for (size_t i = 0; i < d->elements; i++) {
        double z = fabs((double)reference_get(d->data, d->logits.dtype, i));

        top = isfinite(z) ? fmax(z, top) : top;
    }
    if (top > 1e-30 && random_once_in(random, 8))
        return top / (340 + 50 * random_unit(random));
    return exp(2 * random_normal(random) + 2);
}

static void draw_options(struct draw *d, struct random *random)
{
    struct smx_logits *l = &d->logits;

    if (random_once_in(random, 3))
        l->temperature = exp(random_normal(random));
    if (random_once_in(random, 4))
        l->softcap = draw_softcap(d, random);
    if (!random_once_in(random, 4))
        return;
    l->mask = d->mask = must(calloc(d->elements, 1));
    l->mask_per_class = random_once_in(random, 2);
    for (size_t i = 0; i < d->elements; i++)
        d->mask[i] = !random_once_in(random, 4);
}

static double draw_target(struct random *random, bool negative)
{
    double t = random_unit(random);

    if (random_once_in(random, 3))
        return 0;
    return negative && random_once_in(random, 4) ? -t : t;
}

static void draw_labels(struct draw *d, struct random *random)
{
    struct smx_criterion *k = &d->criterion;

    k->labels = d->labels = must(calloc(d->rows, sizeof *d->labels));
    k->ignore = !random_once_in(random, 4);
    k->ignore_index = random_once_in(random, 3) ? 0 : -100;
    for (size_t r = 0; r < d->rows; r++)
        d->labels[r] = k->ignore && random_once_in(random, 6)
                           ? k->ignore_index
                           : (int64_t)random_below(random, d->logits.classes);
}

/* The student's logits, near them, or others of their kind. */
static void draw_teacher(struct draw *d, struct random *random)
{
    struct smx_criterion *k = &d->criterion;
    enum smx_dtype dtype = d->logits.dtype;
    size_t nearness = d->logits.softcap != 0 ? 2 : random_below(random, 4);
    const float *f = d->data;
    const double *z = d->data;

    k->teacher = d->teacher = room(d->elements);
    if (nearness > 1)
        /* a divergence of 1e38 would show slopes of a softcap below 2^-1148 */
        draw_logits(random, d->logits.softcap ? DRAW_NORMAL : d->kind, dtype,
                    d->rows, d->logits.classes, d->teacher);
    for (size_t i = 0; nearness < 2 && i < d->elements; i++) {
        double x = dtype == SMX_FLOAT32 ? (double)f[i] : z[i];

        if (nearness)
            x += random_normal(random) / 32;
        draw_set(d->teacher, dtype, i, x);
    }
    k->divergence = (enum smx_divergence)random_below(random, 3);
    if (k->divergence == SMX_DIVERGENCE_JSD)
        k->beta = (double)random_below(random, 9) / 8;
    if (nearness > 1 && random_once_in(random, 3))
        k->teacher_temperature = exp(random_normal(random));
}

/* What a label, targets or a teacher may come with. */
static void draw_options_of_rows(struct draw *d, struct random *random)
{
    struct smx_criterion *k = &d->criterion;

    if (k->labels && k->label_smoothing == 0 && random_once_in(random, 3))
        k->focal = random_unit(random) * (double)random_below(random, 4);
    if (random_once_in(random, 4))
        k->entropy_weight = random_unit(random);
    if (!random_once_in(random, 3))
        return;
    k->row_weights = d->row_weights = room(d->rows);
    for (size_t r = 0; r < d->rows; r++)
        draw_set(d->row_weights, d->logits.dtype, r,
                 2 * draw_target(random, false));
}

static void draw_criterion(struct draw *d, struct random *random)
{
    struct smx_criterion *k = &d->criterion;
    enum smx_dtype dtype = d->logits.dtype;
    /* infinite terms of both signs have no sum */
    bool negative = d->kind != DRAW_HOLES && d->kind != DRAW_HUGE && !d->mask;

    if (random_once_in(random, 3)) {
        draw_labels(d, random);
    } else if (random_once_in(random, 2)) {
        draw_teacher(d, random);
    } else {
        k->targets = d->targets = room(d->elements);
        for (size_t i = 0; i < d->elements; i++)
            draw_set(d->targets, dtype, i, draw_target(random, negative));
    }
    if (!k->teacher && random_once_in(random, 2)) {
        k->weights = d->weights = room(d->logits.classes);
        for (size_t c = 0; c < d->logits.classes; c++)
            draw_set(d->weights, dtype, c, 3 * draw_target(random, false));
    }
    if (!k->teacher && random_once_in(random, 3))
        k->label_smoothing = random_unit(random);
    if (random_once_in(random, 4))
        k->z_loss = random_unit(random);
    draw_options_of_rows(d, random);
    k->reduction = (enum smx_reduction)random_below(random, 3);
}

void draw_init(struct draw *d, struct random *random, enum smx_dtype dtype,
               bool options)
{
    *d = (struct draw){.logits = {.size = sizeof d->logits, .dtype = dtype},
                       .criterion.size = sizeof d->criterion};
    d->kind = (enum draw_kind)random_below(random, DRAW_KINDS);
    draw_shape(d, random);
    d->logits.data = d->data = room(d->elements);
    draw_logits(random, d->kind, dtype, d->rows, d->logits.classes, d->data);
    if (options)
        draw_options(d, random);
    draw_criterion(d, random);
    d->upstream = room(d->elements);
    d->upstream_row = room(d->rows);
    for (size_t i = 0; i < d->elements; i++)
        draw_set(d->upstream, dtype, i, random_normal(random));
    for (size_t r = 0; r < d->rows; r++)
        draw_set(d->upstream_row, dtype, r, random_normal(random));
}

void draw_free(struct draw *d)
{
    free(d->data);
    free(d->targets);
    free(d->weights);
    free(d->teacher);
    free(d->row_weights);
    free(d->upstream);
    free(d->upstream_row);
    free(d->labels);
    free(d->mask);
}

void draw_print(const struct draw *d)
{
    const struct smx_logits *l = &d->logits;
    const struct smx_criterion *k = &d->criterion;

    printf("kind %d, %zu x %zu x %zu, %s, T %g, softcap %g, mask %d/%d, "
           "top %zu\n",
           d->kind, l->outer, l->classes, l->inner,
           l->dtype == SMX_FLOAT32 ? "float32" : "float64", l->temperature,
           l->softcap, l->mask != NULL, l->mask_per_class, d->top_k);
    printf("labels %d, targets %d, weights %d, ignore %d, smoothing %g, "
           "z-loss %g, reduction %d\n"
           "divergence %d of teacher %d, beta %g, its T %g, row weights %d, "
           "entropy %g, focal %g\n",
           k->labels != NULL, k->targets != NULL, k->weights != NULL,
           (int)k->ignore_index, k->label_smoothing, k->z_loss, k->reduction,
           k->divergence, k->teacher != NULL, k->beta, k->teacher_temperature,
           k->row_weights != NULL, k->entropy_weight, k->focal);
}
