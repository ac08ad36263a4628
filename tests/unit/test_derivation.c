/* SPDX-License-Identifier: MIT */
/*
 * The derivation everything reduces to, case by case: a_i = e^z_i / sum e^z,
 * L = -sum y ln a, d a_j / d z_i = a_j (delta_ij - a_i), dL/dz = a - y; each
 * by its formula and by central differences.
 */
#include "../support/expect.h"

#include <math.h>
#include <string.h>

enum { C = 5 };

static const double z[C] = {1.0, -0.5, 2.25, 0.0, 1.5};

static void exact_softmax(double a[C])
{
    double sum = 0;

    for (int i = 0; i < C; i++)
        sum += exp(z[i]);
    for (int i = 0; i < C; i++)
        a[i] = exp(z[i]) / sum;
}

static void softmax_of(const double *logits, bool log, double out[C])
{
    struct smx_logits l = logits_double(logits, 1, C);
    struct smx_softmax_out o = {.size = sizeof o, .values = out};

    assert_status(
        smx_softmax(expect_context, &l, OPTIONS(.log = log), &o, NULL), SMX_OK);
}

static double loss_of(const double *logits, const struct smx_criterion *k)
{
    struct smx_logits l = logits_double(logits, 1, C);
    double loss;
    struct smx_loss_out o = {.size = sizeof o, .loss = &loss};

    assert_status(smx_loss(expect_context, &l, k, &o, NULL), SMX_OK);
    return loss;
}

static void gradient_of(const struct smx_criterion *k, double out[C])
{
    struct smx_logits l = logits_double(z, 1, C);

    assert_status(smx_gradient(expect_context, &l, k, NULL, out, NULL, NULL),
                  SMX_OK);
}

static void probability_is_the_share_of_the_exponential(void **state)
{
    double a[C], got[C];

    (void)state;
    exact_softmax(a);
    softmax_of(z, false, got);
    for (int i = 0; i < C; i++)
        assert_close(got[i], a[i], 1e-15);
}

static void log_probability_is_its_logarithm(void **state)
{
    double a[C], got[C];

    (void)state;
    exact_softmax(a);
    softmax_of(z, true, got);
    for (int i = 0; i < C; i++)
        assert_close(got[i], log(a[i]), 1e-14);
}

static void loss_is_minus_the_log_of_the_label(void **state)
{
    double a[C];

    (void)state;
    exact_softmax(a);
    for (int64_t y = 0; y < C; y++) {
        struct smx_criterion k = {.size = sizeof k,
                                  .labels = &y,
                                  .ignore = true,
                                  .ignore_index = -100};

        assert_close(loss_of(z, &k), -log(a[y]), 1e-14);
    }
}

static void loss_of_soft_targets_is_the_cross_entropy(void **state)
{
    const double t[C] = {0.125, 0.25, 0.5, 0, 0.125};
    struct smx_criterion k = {.size = sizeof k, .targets = t};
    double a[C], want = 0;

    (void)state;
    exact_softmax(a);
    for (int i = 0; i < C; i++)
        want -= t[i] * log(a[i]);
    assert_close(loss_of(z, &k), want, 1e-14);
}

/* Each label: on the label a - 1, off it a. */
static void gradient_of_a_label_is_a_minus_y(void **state)
{
    double a[C], got[C];

    (void)state;
    exact_softmax(a);
    for (int64_t y = 0; y < C; y++) {
        struct smx_criterion k = {.size = sizeof k,
                                  .labels = &y,
                                  .ignore = true,
                                  .ignore_index = -100};

        gradient_of(&k, got);
        for (int i = 0; i < C; i++)
            assert_close(got[i], a[i] - (i == y), 1e-14);
    }
}

/* One-hot targets are a label in another notation. */
static void gradient_of_one_hot_targets_is_a_minus_y(void **state)
{
    double a[C], got[C];

    (void)state;
    exact_softmax(a);
    for (int y = 0; y < C; y++) {
        double t[C] = {0};
        struct smx_criterion k = {.size = sizeof k, .targets = t};

        t[y] = 1;
        gradient_of(&k, got);
        for (int i = 0; i < C; i++)
            assert_close(got[i], a[i] - t[i], 1e-14);
    }
}

/* Targets that do not sum to 1: (sum t) a - t, not a - t. */
static void gradient_of_targets_scales_a_by_their_sum(void **state)
{
    const double t[C] = {0.5, 0.25, 1, 0, 0.75};
    struct smx_criterion k = {.size = sizeof k, .targets = t};
    double a[C], got[C];

    (void)state;
    exact_softmax(a);
    gradient_of(&k, got);
    for (int i = 0; i < C; i++)
        assert_close(got[i], 2.5 * a[i] - t[i], 1e-14);
}

static void jacobian_of(bool log, double out[C][C])
{
    struct smx_logits l = logits_double(z, 1, C);

    assert_status(smx_jacobian(expect_context, &l, log, out, NULL), SMX_OK);
}

/* i = j: a_i (1 - a_i); i != j: -a_i a_j. */
static void jacobian_is_a_delta_minus_a(void **state)
{
    double a[C], got[C][C];

    (void)state;
    exact_softmax(a);
    jacobian_of(false, got);
    for (int j = 0; j < C; j++)
        for (int i = 0; i < C; i++)
            assert_close(got[j][i], i == j ? a[i] * (1 - a[i]) : -a[i] * a[j],
                         1e-14);
}

static void jacobian_of_the_log_is_delta_minus_a(void **state)
{
    double a[C], got[C][C];

    (void)state;
    exact_softmax(a);
    jacobian_of(true, got);
    for (int j = 0; j < C; j++)
        for (int i = 0; i < C; i++)
            assert_close(got[j][i], (i == j) - a[i], 1e-14);
}

/* The chain rule that the derivation spells out: sum_j dL/da_j da_j/dz_i. */
static void gradient_is_the_jacobian_times_the_slope_of_the_log(void **state)
{
    const int64_t y = 2;
    struct smx_criterion k = {
        .size = sizeof k, .labels = &y, .ignore = true, .ignore_index = -100};
    double a[C], jacobian[C][C], got[C];

    (void)state;
    softmax_of(z, false, a);
    jacobian_of(false, jacobian);
    gradient_of(&k, got);
    for (int i = 0; i < C; i++)
        assert_close(-1 / a[y] * jacobian[y][i], got[i], 1e-14);
}

/** Central difference of f along logit i: f(z + h e_i) and f(z - h e_i). */
static void shifted(int i, double h, double plus[C], double minus[C])
{
    memcpy(plus, z, sizeof z);
    memcpy(minus, z, sizeof z);
    plus[i] += h;
    minus[i] -= h;
}

static const double h = 0x1p-17; /* error of order h^2 = 6e-11 */

static void jacobian_agrees_with_central_differences(void **state)
{
    double got[C][C], plus[C], minus[C], above[C], below[C];

    for (int log = 0; log < 2; log++) {
        (void)state;
        jacobian_of(log, got);
        for (int i = 0; i < C; i++) {
            shifted(i, h, plus, minus);
            softmax_of(plus, log, above);
            softmax_of(minus, log, below);
            for (int j = 0; j < C; j++)
                assert_close(1 + (above[j] - below[j]) / (2 * h), 1 + got[j][i],
                             1e-9);
        }
    }
}

static void gradient_agrees_with(const struct smx_criterion *k)
{
    double got[C], plus[C], minus[C];

    gradient_of(k, got);
    for (int i = 0; i < C; i++) {
        shifted(i, h, plus, minus);
        assert_close(10 + (loss_of(plus, k) - loss_of(minus, k)) / (2 * h),
                     10 + got[i], 1e-9);
    }
}

static void gradient_agrees_with_central_differences(void **state)
{
    const double t[C] = {0.125, 0.25, 0.5, -0.25, 0.125};
    const double w[C] = {1, 0.5, 2, 0, 3};
    const int64_t y = 4;

    (void)state;
    for (int soft = 0; soft < 2; soft++)
        for (int weighted = 0; weighted < 2; weighted++)
            for (int smooth = 0; smooth < 3; smooth++) {
                struct smx_criterion k = {
                    .size = sizeof k,
                    .labels = soft ? NULL : &y,
                    .targets = soft ? t : NULL,
                    .weights = weighted ? w : NULL,
                    .ignore = true,
                    .ignore_index = -100,
                    .label_smoothing = smooth * 0.25,
                    .z_loss = smooth * 0.125,
                };

                gradient_agrees_with(&k);
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(probability_is_the_share_of_the_exponential),
        cmocka_unit_test(log_probability_is_its_logarithm),
        cmocka_unit_test(loss_is_minus_the_log_of_the_label),
        cmocka_unit_test(loss_of_soft_targets_is_the_cross_entropy),
        cmocka_unit_test(gradient_of_a_label_is_a_minus_y),
        cmocka_unit_test(gradient_of_one_hot_targets_is_a_minus_y),
        cmocka_unit_test(gradient_of_targets_scales_a_by_their_sum),
        cmocka_unit_test(jacobian_is_a_delta_minus_a),
        cmocka_unit_test(jacobian_of_the_log_is_delta_minus_a),
        cmocka_unit_test(gradient_is_the_jacobian_times_the_slope_of_the_log),
        cmocka_unit_test(jacobian_agrees_with_central_differences),
        cmocka_unit_test(gradient_agrees_with_central_differences),
    };

    return cmocka_run_group_tests(tests, expect_start, expect_stop);
}
