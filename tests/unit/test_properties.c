/* SPDX-License-Identifier: MIT */
/* What must hold for any logits, on random operands of every kind. */
#include "../support/expect.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../support/draw.h"
#include "../support/exact_row.h"
#include "../support/reference.h"

enum { TRIALS = 400 };

static struct random seed;

typedef void trial(const struct draw *d);

/** The trial on random operands of both types, half of them with options. */
static void always(trial *run)
{
    for (int i = 0; i < TRIALS; i++) {
        struct draw d;

        draw_init(&d, &seed, i % 4 < 2 ? SMX_FLOAT32 : SMX_FLOAT64, i % 2);
        run(&d);
        draw_free(&d);
    }
}

static void *array(const struct draw *d)
{
    return must(calloc(d->elements + 1, sizeof(double)));
}

static size_t bytes(const struct draw *d)
{
    return d->elements * smx_dtype_bytes(d->logits.dtype);
}

static double precision(const struct draw *d)
{
    return d->logits.dtype == SMX_FLOAT32 ? 0x1p-23 : 0x1p-52;
}

/** Of value; it is no smaller below the normal numbers. */
static double ulp(const struct draw *d, double value)
{
    double least = d->logits.dtype == SMX_FLOAT32 ? 0x1p-126 : 0x1p-1022;
    return precision(d) * fmax(fabs(value), least);
}

/** 2 ulp of float32, 4 of float64, relative. */
static double promise(const struct draw *d)
{
    return d->logits.dtype == SMX_FLOAT32 ? 2 * 0x1p-23 : 4 * 0x1p-52;
}

/** The spacing of subnormals. */
static double smallest(const struct draw *d)
{
    return d->logits.dtype == SMX_FLOAT32 ? 0x1p-149 : 0x1p-1074;
}

static void softmax_into(const struct smx_logits *logits, bool log,
                         void *values)
{
    struct smx_softmax_out out = {.size = sizeof out, .values = values};

    assert_status(
        smx_softmax(expect_context, logits, OPTIONS(.log = log), &out, NULL),
        SMX_OK);
}

static size_t place(const struct draw *d, size_t r, size_t c)
{
    size_t inner = d->logits.inner;

    return (r / inner * d->logits.classes + c) * inner + r % inner;
}

static long double row_sum(const struct draw *d, const void *values, size_t r)
{
    long double sum = 0;

    for (size_t c = 0; c < d->logits.classes; c++)
        sum += reference_get(values, d->logits.dtype, place(d, r, c));
    return sum;
}

static void try_row_sums(const struct draw *d)
{
    void *p = array(d);

    if (d->logits.dtype == SMX_FLOAT64)
        goto out;
    softmax_into(&d->logits, false, p);
    for (size_t r = 0; r < d->rows; r++) {
        long double sum = row_sum(d, p, r);

        assert_true(sum == 0 || fabsl(sum - 1) <= promise(d));
    }
out:
    free(p);
}

static void rows_sum_to_one_or_are_masked(void **state)
{
    (void)state;
    always(try_row_sums);
}

/* Each element may be off by its rounding, of the terms that cancelled. */
static void try_gradient_sums(const struct draw *d)
{
    struct smx_logits logits = d->logits;
    long double *want = must(calloc(d->elements, sizeof *want));
    long double *scale = must(calloc(d->elements, sizeof *scale));
    void *gradient = array(d);

    logits.softcap = 0; /* its slope breaks the sum, as does lost mass */
    logits.mask = NULL;
    if (d->logits.dtype == SMX_FLOAT64 || d->kind == DRAW_HOLES ||
        d->criterion.z_loss != 0)
        goto out;
    reference_gradient(&logits, &d->criterion, d->upstream_row, want, scale);
    assert_status(smx_gradient(expect_context, &logits, &d->criterion,
                               d->upstream_row, gradient, NULL, NULL),
                  SMX_OK);
    for (size_t r = 0; r < d->rows; r++) {
        double size = 0;

        for (size_t c = 0; c < logits.classes; c++)
            size += (double)scale[place(d, r, c)];
        assert_true(fabsl(row_sum(d, gradient, r)) <=
                    promise(d) * size + smallest(d) * (double)logits.classes);
    }
out:
    free(want);
    free(scale);
    free(gradient);
}

static void gradient_rows_sum_to_zero(void **state)
{
    (void)state;
    always(try_gradient_sums);
}

static void try_log(const struct draw *d)
{
    void *p = array(d), *l = array(d);

    softmax_into(&d->logits, false, p);
    softmax_into(&d->logits, true, l);
    for (size_t i = 0; i < d->elements; i++) {
        double v = (double)reference_get(p, d->logits.dtype, i);
        double log_v = (double)reference_get(l, d->logits.dtype, i);

        assert_true(log_v <= 0 && v >= 0 && v <= 1);
        if (v > 1e-30) /* exp magnifies the rounding of its argument */
            assert_close(exp(log_v), v, precision(d) * (2 + fabs(log_v)));
    }
    free(p);
    free(l);
}

static void log_softmax_is_the_log_of_softmax(void **state)
{
    (void)state;
    always(try_log);
}

/* Adding a power of two that costs no digit leaves the answer's promise. */
static void try_shift(const struct draw *d)
{
    struct smx_logits logits = d->logits;
    long double *want = must(calloc(d->elements, sizeof *want));
    void *z = array(d), *p = array(d);
    enum smx_dtype dtype = logits.dtype;

    logits.softcap = 0;
    for (size_t i = 0; i < d->elements; i++)
        draw_set(z, dtype, i, (double)random_below(&seed, 64) / 4 - 8);
    logits.data = z;
    reference_softmax(&logits, false, want);
    for (size_t i = 0; i < d->elements; i++)
        draw_set(z, dtype, i, (double)reference_get(z, dtype, i) + 4096);
    softmax_into(&logits, false, p);
    for (size_t i = 0; i < d->elements; i++)
        assert_ulp(dtype, reference_get(p, dtype, i), want[i], 0,
                   dtype == SMX_FLOAT32 ? 2 : 4);
    free(want);
    free(z);
    free(p);
}

static void softmax_does_not_feel_an_exact_shift(void **state)
{
    (void)state;
    always(try_shift);
}

static void try_in_place(const struct draw *d)
{
    struct smx_logits logits = d->logits;
    void *z = array(d), *out = array(d), *g = array(d);
    enum smx_status status;

    memcpy(z, d->data, bytes(d));
    logits.data = z;
    softmax_into(&d->logits, true, out);
    softmax_into(&logits, true, z);
    assert_memory_equal(z, out, bytes(d));

    memcpy(z, d->data, bytes(d));
    status = smx_gradient(expect_context, &d->logits, &d->criterion,
                          d->upstream_row, out, NULL, NULL);
    assert_status(status, SMX_OK);
    status = smx_gradient(expect_context, &logits, &d->criterion,
                          d->upstream_row, z, NULL, NULL);
    assert_status(status, SMX_OK);
    assert_memory_equal(z, out, bytes(d));

    for (int log = 0; log < 2; log++) {
        memcpy(z, d->data, bytes(d));
        memcpy(g, d->upstream, bytes(d));
        smx_vjp(expect_context, &d->logits, log, g, out, NULL);
        smx_vjp(expect_context, &logits, log, g, z, NULL);
        assert_memory_equal(z, out, bytes(d));
        smx_vjp(expect_context, &d->logits, log, g, g, NULL);
        assert_memory_equal(g, out, bytes(d));
    }
    free(z);
    free(out);
    free(g);
}

static void in_place_is_out_of_place(void **state)
{
    (void)state;
    always(try_in_place);
}

/* mean is sum over divisor, where z-loss and entropy have no other divisor. */
static void try_reductions(const struct draw *d)
{
    struct smx_criterion k = d->criterion;
    double divisor, loss[2];
    struct smx_loss_out out = {.size = sizeof out, .divisor = &divisor};

    k.z_loss = k.entropy_weight = 0;
    for (int i = 0; i < 2; i++) {
        float narrow;

        k.reduction = i ? SMX_REDUCTION_SUM : SMX_REDUCTION_MEAN;
        out.loss = d->logits.dtype == SMX_FLOAT32 ? (void *)&narrow : &loss[i];
        assert_status(smx_loss(expect_context, &d->logits, &k, &out, NULL),
                      SMX_OK);
        if (d->logits.dtype == SMX_FLOAT32)
            loss[i] = narrow;
    }
    if (divisor == 0)
        assert_true(loss[0] == 0);
    else if (fmax(fabs(loss[1]), fabs(loss[1] / divisor)) < 1e38)
        assert_true(fabs(loss[0] - loss[1] / divisor) <=
                    ulp(d, loss[0]) + ulp(d, loss[1]) / fabs(divisor));
}

static void mean_is_the_sum_over_the_divisor(void **state)
{
    (void)state;
    always(try_reductions);
}

/* labels and their one-hot rows, without weights or with a sum of rows */
static void try_one_hot(const struct draw *d)
{
    struct smx_criterion labels = d->criterion, targets = d->criterion;
    void *t = array(d), *a = array(d), *b = array(d);

    if (!d->labels)
        goto out;
    labels.reduction = targets.reduction = SMX_REDUCTION_SUM;
    labels.focal = targets.focal = 0;
    labels.entropy_weight = targets.entropy_weight = 0;
    labels.row_weights = targets.row_weights = NULL;
    targets.labels = NULL;
    targets.targets = t;
    for (size_t r = 0; r < d->rows; r++) {
        if (d->labels[r] == labels.ignore_index)
            goto out;
        draw_set(t, d->logits.dtype, place(d, r, (size_t)d->labels[r]), 1);
    }
    assert_status(
        smx_gradient(expect_context, &d->logits, &labels, NULL, a, NULL, NULL),
        SMX_OK);
    assert_status(
        smx_gradient(expect_context, &d->logits, &targets, NULL, b, NULL, NULL),
        SMX_OK);
    for (size_t i = 0; i < d->elements; i++) {
        long double x = reference_get(a, d->logits.dtype, i);

        assert_ulp(d->logits.dtype, reference_get(b, d->logits.dtype, i), x,
                   labels.weights ? 3 : 1, 4);
    }
out:
    free(t);
    free(a);
    free(b);
}

static void labels_are_one_hot_targets(void **state)
{
    (void)state;
    always(try_one_hot);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_sum_to_one_or_are_masked),
        cmocka_unit_test(gradient_rows_sum_to_zero),
        cmocka_unit_test(log_softmax_is_the_log_of_softmax),
        cmocka_unit_test(softmax_does_not_feel_an_exact_shift),
        cmocka_unit_test(in_place_is_out_of_place),
        cmocka_unit_test(mean_is_the_sum_over_the_divisor),
        cmocka_unit_test(labels_are_one_hot_targets),
    };

    random_seed(&seed);
    return cmocka_run_group_tests(tests, expect_start, expect_stop);
}
