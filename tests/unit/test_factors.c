/* SPDX-License-Identifier: MIT */
/*
 * Factors from one end of their type to the other, 5e-324 to 1e308 in double:
 * class and row weights, targets, coefficients, temperature, upstream. What is
 * answered is the long double reference's, whose exponents such products do
 * not leave, and overflows only where that does.
 */
#include "../support/expect.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "../support/draw.h"
#include "../support/exact_row.h"
#include "../support/reference.h"
#include "../support/ulp.h"

enum { REQUESTS = 800 };

static struct random seed;

/** Any size that the type has up to 2^most, most often one far from 1. */
static double factor(enum smx_dtype dtype, int most)
{
    int least = dtype == SMX_FLOAT32 ? -149 : -1074;
    int exponent = least + (int)random_below(&seed, (size_t)(most - least));

    return ldexp(1 + random_unit(&seed),
                 random_once_in(&seed, 4) ? 0 : exponent);
}

static void spread(void *data, enum smx_dtype dtype, size_t count)
{
    /* so that no row's weighted loss overflows, which a mean keeps */
    int most = dtype == SMX_FLOAT32 ? 128 : 770;

    for (size_t i = 0; data && i < count; i++) {
        double x = (double)reference_get(data, dtype, i);

        if (x != 0)
            draw_set(data, dtype, i, copysign(factor(dtype, most), x));
    }
}

/** A coefficient, where there is one. */
static void draw_coefficient(double *x, double largest)
{
    if (*x != 0)
        *x = fmin(factor(SMX_FLOAT64, 1024), largest);
}

/** Of a random request all factors, some or one. */
static void draw_factors(struct draw *d)
{
    struct smx_criterion *k = &d->criterion;
    enum smx_dtype dtype = d->logits.dtype;
    unsigned which = (unsigned)random_bits(&seed);

    if (random_once_in(&seed, 3))
        which |= 0x7f;
    else if (random_once_in(&seed, 2))
        which = 1u << random_below(&seed, 9);
    if (d->logits.softcap != 0)
        d->logits.softcap = fmax(d->logits.softcap, 1);
    if (which & 1)
        spread(d->weights, dtype, d->logits.classes);
    if (which & 2)
        spread(d->row_weights, dtype, d->rows);
    if (which & 4)
        spread(d->targets, dtype, d->elements);
    if (which & 8)
        spread(d->upstream_row, dtype, d->rows);
    if (which & 8)
        spread(d->upstream, dtype, d->elements);
    if (which & 16)
        draw_coefficient(&k->z_loss, DBL_MAX);
    if (which & 32)
        draw_coefficient(&k->entropy_weight, DBL_MAX);
    if (which & 64)
        draw_coefficient(&k->label_smoothing, 1);
    if (which & 128)
        draw_coefficient(&d->logits.temperature, DBL_MAX);
    if (d->teacher && which & 128) /* exponents of both sides are doubles */
        d->logits.temperature = fmax(d->logits.temperature, 0x1p-1000);
    if (d->teacher && which & 256)
        k->teacher_temperature = ldexp(1, 100 - (int)random_below(&seed, 900));
}

/** Has it a probability or a slope that counts as 0, below the type, or logits
 * beyond it? */
static bool is_beyond(const struct smx_logits *logits)
{
    long double least = logits->dtype == SMX_FLOAT32 ? 0x1p-126L : 0x1p-1022L;
    long double t = logits->temperature != 0 ? logits->temperature : 1;
    bool beyond = false;
    struct row row;

    row_init(&row, logits);
    for (size_t r = 0; r < row_count(logits); r++) {
        row_load(&row, r);
        for (size_t c = 0; c < row.classes; c++)
            beyond |= (row.p[c] > 0 && row.p[c] < least) ||
                      (row.factor[c] > 0 && row.factor[c] * t < least) ||
                      (isfinite(row.d[c]) && fabsl(row.d[c]) > 0x1p1010L);
    }
    row_free(&row);
    return beyond;
}

static bool is_asked(const struct draw *d)
{
    struct smx_logits teacher = d->logits;
    bool weighted = d->row_weights && d->logits.temperature > 0x1p400;

    teacher.data = d->teacher;
    teacher.softcap = 0;
    if (d->criterion.teacher_temperature != 0)
        teacher.temperature = d->criterion.teacher_temperature;
    /* a power of 1 - p may be below the doubles by itself, and so may be a
       divergence, about 1 / T^2, which a weight multiplies up; logits of 1e38
       and 1 leave a teacher and its student nothing that differs */
    return d->criterion.focal == 0 &&
           !(d->teacher && (weighted || d->kind == DRAW_HUGE)) &&
           !is_beyond(&d->logits) && !(d->teacher && is_beyond(&teacher));
}

/** A number beyond the type's range as the last one within. */
static long double within(enum smx_dtype dtype, long double x, long double want)
{
    long double most = dtype == SMX_FLOAT32 ? FLT_MAX : DBL_MAX;

    return isinf(want) || fabsl(x) <= most ? x : copysignl(most, x);
}

static void judge(const struct draw *d, const char *what, const void *got,
                  size_t count, const long double *want,
                  const long double *scale, double *worst)
{
    enum smx_dtype dtype = d->logits.dtype;

    for (size_t i = 0; i < count; i++) {
        long double x = reference_get(got, dtype, i);
        double error = ulp_error(dtype, within(dtype, x, want[i]),
                                 within(dtype, want[i], want[i]), scale[i]);

        if (x == INFINITY && scale[i] > within(dtype, scale[i], 0))
            continue; /* terms of both signs overflow: that is +INFINITY */
        if (error > *worst)
            *worst = error;
        if (error <= (dtype == SMX_FLOAT32 ? 2 : 4))
            continue;
        draw_print(d);
        printf("%s[%zu] is %.17Lg, want %.17Lg, of terms %.17Lg: %g ulp\n",
               what, i, x, want[i], scale[i], error);
        fail();
    }
}

static void try_factors(const struct draw *d, double *worst)
{
    size_t room = d->elements + d->rows + 1;
    double *loss = must(calloc(room, sizeof *loss));
    double *gradient = must(calloc(room, sizeof *gradient));
    long double *want = must(calloc(room, sizeof *want));
    long double *scale = must(calloc(room, sizeof *scale));
    struct reference_loss reference = {.loss = want, .scale = scale};
    struct smx_loss_out out = {.size = sizeof out, .loss = loss};
    bool each = d->criterion.reduction == SMX_REDUCTION_NONE;

    reference_loss(&d->logits, &d->criterion, &reference);
    assert_status(smx_gradient(expect_context, &d->logits, &d->criterion,
                               d->upstream_row, gradient, &out, NULL),
                  SMX_OK);
    judge(d, "loss", loss, each ? d->rows : 1, want, scale, worst);
    reference_gradient(&d->logits, &d->criterion, d->upstream_row, want, scale);
    judge(d, "gradient", gradient, d->elements, want, scale, worst);
    free(loss);
    free(gradient);
    free(want);
    free(scale);
}

static void try_products(const struct draw *d, double *worst)
{
    double *product = must(calloc(d->elements + 1, sizeof *product));
    long double *want = must(calloc(d->elements + 1, sizeof *want));
    long double *scale = must(calloc(d->elements + 1, sizeof *scale));

    for (int log = 0; log < 2; log++) {
        reference_vjp(&d->logits, log, d->upstream, want, scale);
        assert_status(smx_vjp(expect_context, &d->logits, log, d->upstream,
                              product, NULL),
                      SMX_OK);
        judge(d, log ? "product of logs" : "product", product, d->elements,
              want, scale, worst);
    }
    free(product);
    free(want);
    free(scale);
}

static void try_jacobians(const struct draw *d, double *worst)
{
    size_t count = d->elements * d->logits.classes;
    double *jacobian = must(calloc(count + 1, sizeof *jacobian));
    long double *want = must(calloc(count + 1, sizeof *want));
    long double *scale = must(calloc(count + 1, sizeof *scale));

    for (int log = 0; log < 2; log++) {
        reference_jacobian(&d->logits, log, want, scale);
        assert_status(
            smx_jacobian(expect_context, &d->logits, log, jacobian, NULL),
            SMX_OK);
        judge(d, "Jacobian", jacobian, count, want, scale, worst);
    }
    free(jacobian);
    free(want);
    free(scale);
}

/* ---- losses below the digits of a double -------------------------------- */

/** Of a class, a target or a row: all the same. NULL where it is 1. */
static double *filled(double x, size_t count)
{
    double *all = x == 1 ? NULL : must(calloc(count, sizeof *all));

    for (size_t i = 0; all && i < count; i++)
        all[i] = x;
    return all;
}

/** Rows of a largest logit, 0, and others that are a gap below. */
static struct draw faint_rows(size_t classes, double gap)
{
    size_t rows = classes < 1000 ? 60 : 8;
    struct draw d = {.logits = {.size = sizeof d.logits,
                                .dtype = SMX_FLOAT64,
                                .outer = rows,
                                .classes = classes,
                                .inner = 1},
                     .criterion.size = sizeof d.criterion,
                     .rows = rows,
                     .elements = rows * classes};
    double *z = filled(-gap, d.elements);

    for (size_t r = 0; r < d.rows; r++)
        z[r * classes] = r % 2 ? 0 : 0x1p-60;
    d.logits.data = d.data = z;
    return d;
}

/** Labels, targets or a teacher of equal logits. */
static void face(struct draw *d, int what, double target)
{
    struct smx_criterion *k = &d->criterion;
    size_t n = d->logits.classes;

    if (what == 0)
        k->labels = d->labels = must(calloc(d->rows, sizeof *d->labels));
    if (what == 1)
        k->targets = d->targets = filled(target, d->elements);
    if (what == 2)
        k->teacher = d->teacher = must(calloc(d->elements, sizeof(double)));
    for (size_t i = 1; what == 2 && i < d->elements; i++)
        ((double *)d->teacher)[i] = i % n ? -700.5 : 0;
}

/* Each row's own loss is so small that a double holds but a few of its digits,
 * or none: a sum has them, and a factor brings them back. */
static void a_loss_has_the_digits_that_no_row_has(void **state)
{
    static const struct {
        double gap, target, weight, row_weight, z_loss, entropy, upstream;
    } of[] = {{0.1, 5e-324, 1, 1, 0, 0, 1},
              {0.1, 1e80, 1, 1, 0, 0, 5e-324},
              {0.1, 0.3, 1, 5e-324, 0, 0, 1},
              {0.1, 0.3, 5e-324, 1, 0, 0, 1},
              {0.1, 5e-324, 1, 1, 5e-324, 0, 1e300},
              {0.1, 5e-324, 1, 1, 5e-324, 5e-324, 1},
              {0.1, 0.3, 1, 5e-324, 5e-324, 0.5, 0x1p99},
              {740, 0.3, 0x1p99, 1, 0, 0, 1},
              {740, 0.3, 1, 0x1p99, 0, 0, 1},
              {740, 1e-20, 1e300, 1e-200, 0, 0, 1},
              {0.1, 5e-324, 0x1p-99, 1e300, 0, 0, 1},
              {0.1, 5e-324, 1, 1, 0, 0, 1e300},
              {700, 0.3, 1, 0x1p-99, 0, 0, 1},
              {700, 0.3, 0x1p-99, 0x1p-99, 0, 0, 1},
              {740, 1e-100, 1, 0x1p99, 0, 0x1p99, 0x1p99},
              {700, 1e-100, 1, 0x1p-99, 0x1p-99, 0x1p-99, 0x1p-99},
              {500, 1e-100, 1, 1e-100, 0, 1e-100, 1e-300}};
    static const size_t sizes[] = {1, 2, 10, 40, 1100};
    double worst = 0;

    (void)state;
    for (size_t i = 0; i < sizeof of / sizeof *of; i++)
        for (int run = 0; run < 3 * 3 * 5; run++) {
            struct draw d = faint_rows(sizes[run / 9], of[i].gap);
            struct smx_criterion *k = &d.criterion;

            face(&d, run / 3 % 3, of[i].target);
            if (!k->teacher)
                k->weights = d.weights = filled(of[i].weight, d.logits.classes);
            k->row_weights = d.row_weights = filled(of[i].row_weight, d.rows);
            k->z_loss = of[i].z_loss;
            k->entropy_weight = of[i].entropy;
            k->reduction = (enum smx_reduction)(run % 3);
            d.upstream_row = filled(of[i].upstream, d.rows);
            try_factors(&d, &worst);
            draw_free(&d);
        }
    printf("worst: %.3f ulp\n", worst);
}

/* Subnormal upstreams, which a temperature multiplies up, or whose products
 * with many a probability add up to less than a few of the least doubles. */
static void a_product_has_the_digits_that_no_term_has(void **state)
{
    static const struct {
        double gap, upstream, temperature;
    } of[] = {{8, 1e-319, 1},      {8, 1e-319, 1e-20},  {0.1, 5e-324, 0.3},
              {600, 1e-310, 1e-4}, {8, 1e-100, 1e-230}, {1e-300, 1, 1e-300},
              {8, 1e-319, 1e20}};
    static const size_t sizes[] = {2, 10, 40, 1100};
    double worst = 0;

    (void)state;
    for (size_t i = 0; i < 4 * sizeof of / sizeof *of; i++) {
        struct draw d = faint_rows(sizes[i % 4], of[i / 4].gap);

        d.logits.temperature = of[i / 4].temperature;
        d.upstream = filled(of[i / 4].upstream, d.elements);
        for (size_t j = 0; d.upstream && j < d.elements; j += 3)
            ((double *)d.upstream)[j] *= -0.3;
        if (!d.upstream)
            d.upstream = must(calloc(d.elements, sizeof(double)));
        try_products(&d, &worst);
        draw_free(&d);
    }
    printf("worst: %.3f ulp\n", worst);
}

/* A softcap makes far logits one, but for what is beside them. */
static void
logits_that_a_softcap_makes_nearly_one_keep_their_digits(void **state)
{
    static const double z[3] = {-312.13427920770442, -723.77668110444074,
                                -639.24359864194844};
    double worst = 0;

    (void)state;
    for (int i = 0; i < 4 * 2 * 2; i++) {
        struct draw d = faint_rows(3 + 37 * (size_t)(i & 1), 350);

        for (size_t j = 0; j < d.elements; j++)
            ((double *)d.data)[j] = z[j % 3] * (i & 2 ? -1 : 1);
        face(&d, i % 2, 0.3);
        d.logits.softcap = i & 2 ? 17 : 40.346535090425704;
        d.criterion.label_smoothing = i & 4 ? 0.3 : 0;
        d.criterion.entropy_weight = i & 8 ? 1e200 : 0;
        d.criterion.reduction = SMX_REDUCTION_NONE;
        d.upstream_row = filled(1e-200, d.rows);
        try_factors(&d, &worst);
        draw_free(&d);
    }
    printf("worst: %.3f ulp\n", worst);
}

/* A temperature multiplies up a small probability times a small slope. */
static void a_slope_times_a_probability_may_be_below_the_doubles(void **state)
{
    double worst = 0;

    (void)state;
    for (int i = 0; i < 3; i++) {
        struct draw d = faint_rows(3 + 37 * (size_t)i, 10);

        for (size_t j = 0; j < d.elements; j++)
            ((double *)d.data)[j] = 345 + 0.5 * (double)(j % 3);
        d.logits.softcap = 1;
        d.logits.temperature = exp(-690) / 200;
        d.upstream = filled(0.7, d.elements);
        ((double *)d.upstream)[0] = -0.3;
        try_products(&d, &worst);
        try_jacobians(&d, &worst);
        draw_free(&d);
    }
    printf("worst: %.3f ulp\n", worst);
}

static void only_what_is_answered_overflows(void **state)
{
    (void)state;
    for (int dtype = SMX_FLOAT32; dtype <= SMX_FLOAT64; dtype++) {
        double worst = 0;

        for (int i = 0; i < REQUESTS;) {
            struct draw d;

            draw_init(&d, &seed, (enum smx_dtype)dtype, i % 2);
            draw_factors(&d);
            if (is_asked(&d)) {
                try_factors(&d, &worst);
                try_products(&d, &worst);
                if (d.elements < 200) /* as often squared */
                    try_jacobians(&d, &worst);
                i++;
            }
            draw_free(&d);
        }
        printf("worst %s: %.3f ulp\n",
               dtype == SMX_FLOAT32 ? "float32" : "float64", worst);
    }
}

/** Of a batch of rows of factors near 1, whose last has another. */
static void neighbours(double row_weight, double upstream,
                       enum smx_reduction reduction, double *gradient,
                       double *loss)
{
    enum { ROWS = 3, CLASSES = 40 };
    double z[ROWS * CLASSES], weights[ROWS] = {0.7, 1.3, row_weight};
    double up[ROWS] = {1.1, 0.3, upstream};
    int64_t labels[ROWS] = {3, 39, 0};
    struct random own = {12345};
    struct smx_logits logits = {.size = sizeof logits,
                                .data = z,
                                .dtype = SMX_FLOAT64,
                                .outer = ROWS,
                                .classes = CLASSES};
    struct smx_criterion k = {.size = sizeof k,
                              .labels = labels,
                              .row_weights = weights,
                              .label_smoothing = 0.1,
                              .z_loss = 0.01,
                              .reduction = reduction};
    struct smx_loss_out out = {.size = sizeof out, .loss = loss};

    draw_logits(&own, DRAW_NORMAL, SMX_FLOAT64, ROWS, CLASSES, z);
    assert_status(
        smx_gradient(expect_context, &logits, &k, up, gradient, &out, NULL),
        SMX_OK);
}

static void a_row_does_not_see_its_neighbours_factors(void **state)
{
    const double ends[] = {5e-324, 1e-300, 1e300};
    double plain[120], other[120], plain_loss[3], loss[3];

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        neighbours(1, 1, SMX_REDUCTION_NONE, plain, plain_loss);
        neighbours(ends[i], ends[i], SMX_REDUCTION_NONE, other, loss);
        assert_memory_equal(plain, other, 80 * sizeof *plain);
        assert_memory_equal(plain_loss, loss, 2 * sizeof *loss);
        neighbours(1, 1, SMX_REDUCTION_NONE, plain, plain_loss);
        neighbours(1, ends[i], SMX_REDUCTION_NONE, other, loss);
        assert_memory_equal(plain_loss, loss, 3 * sizeof *loss);
        neighbours(1, 1, SMX_REDUCTION_SUM, plain, plain_loss);
        neighbours(ends[i], 1, SMX_REDUCTION_SUM, other, loss);
        assert_memory_equal(plain, other, 80 * sizeof *plain);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_loss_has_the_digits_that_no_row_has),
        cmocka_unit_test(a_product_has_the_digits_that_no_term_has),
        cmocka_unit_test(
            logits_that_a_softcap_makes_nearly_one_keep_their_digits),
        cmocka_unit_test(a_slope_times_a_probability_may_be_below_the_doubles),
        cmocka_unit_test(only_what_is_answered_overflows),
        cmocka_unit_test(a_row_does_not_see_its_neighbours_factors),
    };

    random_seed(&seed);
    return cmocka_run_group_tests(tests, expect_start, expect_stop);
}
