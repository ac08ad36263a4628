/* SPDX-License-Identifier: MIT */
/*
 * Numbers that others published and that have been recomputed: each test is
 * named after the place it comes from.
 */
#include "../support/expect.h"

#include <math.h>

/** Losses of rows under one reduction, against a published text. */
static void check(const struct smx_logits *logits, struct smx_criterion k,
                  enum smx_reduction reduction, const double *want,
                  size_t count, double tolerance)
{
    double got[4];
    struct smx_loss_out out = {.size = sizeof out, .loss = got};

    k.reduction = reduction;
    k.ignore = true;
    k.ignore_index = -100;
    assert_status(smx_loss(expect_context, logits, &k, &out, NULL), SMX_OK);
    for (size_t i = 0; i < count; i++)
        assert_true(fabs(got[i] - want[i]) <=
                    tolerance * fmax(fabs(want[i]), 1));
}

static void pytorch_25571_weighted_mean(void **state)
{
    const double z[] = {.2, .3, .5, .5, .2, .3}, w[] = {2, 4, 6};
    const int64_t y[] = {2, 1};
    const double none[] = {5.63898637, 4.95932424}, sum = 10.5983,
                 mean = 1.05983106;
    struct smx_logits l = logits_double(z, 2, 3);
    struct smx_criterion k = {.size = sizeof k, .labels = y, .weights = w};

    (void)state;
    check(&l, k, SMX_REDUCTION_NONE, none, 2, 1e-8);
    check(&l, k, SMX_REDUCTION_SUM, &sum, 1, 1e-5);
    check(&l, k, SMX_REDUCTION_MEAN, &mean, 1, 1e-8);
}

static void pytorch_8062_mean_divides_by_the_weights(void **state)
{
    const double z[] = {-100, 100, -100, 100}, w[] = {20, 10};
    const int64_t y[] = {0, 1};
    const double none[] = {4000, 0}, mean = 133.333333;
    struct smx_logits l = logits_double(z, 2, 2);
    struct smx_criterion k = {.size = sizeof k, .labels = y, .weights = w};

    (void)state;
    check(&l, k, SMX_REDUCTION_NONE, none, 2, 1e-12);
    check(&l, k, SMX_REDUCTION_MEAN, &mean, 1, 1e-8);
}

static void pytorch_104776_weights_with_smoothed_targets(void **state)
{
    const double z[][2] = {{0, 1}, {.05, .95}, {1, 0}};
    const double want[] = {0.138857, 0.133262, 0.0888566};
    const double w[] = {.1, .9}, t[] = {1, 0};

    (void)state;
    for (int i = 0; i < 3; i++) {
        struct smx_logits l = logits_double(z[i], 1, 2);
        struct smx_criterion k = {.size = sizeof k,
                                  .targets = t,
                                  .weights = w,
                                  .label_smoothing = .1};

        check(&l, k, SMX_REDUCTION_MEAN, &want[i], 1, 1e-6);
    }
}

static void tensorflow_soft_targets(void **state)
{
    const double z[] = {4, 2, 1, 0, 5, 1}, t[] = {1, 0, 0, 0, .8, .2};
    const double none[] = {0.16984604, 0.82474494};
    struct smx_logits l = logits_double(z, 2, 3);
    struct smx_criterion k = {.size = sizeof k, .targets = t};

    (void)state;
    check(&l, k, SMX_REDUCTION_NONE, none, 2, 1e-7);
}

static void three_rows_with_one_certain(void **state)
{
    const double z[] = {2, -5, .5, -.1, 0, 0, 1.9, 1.4, -100, 100, -100, -100};
    const int64_t y[] = {0, 3, 1};
    const double none[] = {0.29750752, 1.1448325, 0};
    struct smx_logits l = logits_double(z, 3, 4);
    struct smx_criterion k = {.size = sizeof k, .labels = y};

    (void)state;
    check(&l, k, SMX_REDUCTION_NONE, none, 3, 1e-7);
}

static void optax_two_rows(void **state)
{
    const double z[] = {1.2, -.8, -.5, .9, -1.2, 1.1};
    const int64_t y[] = {0, 1};
    const double none[] = {0.2761, 2.9518};
    struct smx_logits l = logits_double(z, 2, 3);
    struct smx_criterion k = {.size = sizeof k, .labels = y};

    (void)state;
    check(&l, k, SMX_REDUCTION_NONE, none, 2, 1e-4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pytorch_25571_weighted_mean),
        cmocka_unit_test(pytorch_8062_mean_divides_by_the_weights),
        cmocka_unit_test(pytorch_104776_weights_with_smoothed_targets),
        cmocka_unit_test(tensorflow_soft_targets),
        cmocka_unit_test(three_rows_with_one_certain),
        cmocka_unit_test(optax_two_rows),
    };

    return cmocka_run_group_tests(tests, expect_start, expect_stop);
}
