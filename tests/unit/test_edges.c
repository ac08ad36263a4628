/* SPDX-License-Identifier: MIT */
/* The edge cases of the contract, each by name, in both dtypes where the type
 * matters. */
#include "../support/expect.h"

#include <math.h>
#include <string.h>

#define INF INFINITY

struct losses {
    float loss[4], gradient[16];
    double divisor, accuracy;
    size_t rows;
    struct smx_where where;
};

/** Loss and gradient of float rows; the two must tell the same. */
static enum smx_status run(const struct smx_logits *logits,
                           const struct smx_criterion *k, struct losses *x)
{
    float again[4] = {0};
    struct smx_loss_out out = {.size = sizeof out,
                               .loss = x->loss,
                               .divisor = &x->divisor,
                               .rows = &x->rows,
                               .accuracy = &x->accuracy};
    struct smx_loss_out twin = {.size = sizeof twin, .loss = again};
    enum smx_status status, second;

    *x = (struct losses){.divisor = -1, .where.size = sizeof x->where};
    status = smx_loss(expect_context, logits, k, &out, &x->where);
    second =
        smx_gradient(expect_context, logits, k, NULL, x->gradient, &twin, NULL);
    assert_status(second, status);
    assert_memory_equal(x->loss, again, sizeof again);
    return status;
}

/** Within the promise for float32. */
static void near(float got, double want)
{
    assert_ulp(SMX_FLOAT32, got, want, 0, 2);
}

static void row_all_masked_costs_infinity(void **state)
{
    const float z[] = {-INF, -INF, 0, 0};
    const int64_t y[] = {1, 0};
    struct smx_logits logits = logits_float(z, 2, 2);
    struct smx_criterion k = {
        .size = sizeof k, .labels = y, .reduction = SMX_REDUCTION_NONE};
    struct losses x;

    (void)state;
    assert_status(run(&logits, &k, &x), SMX_OK);
    assert_true(x.loss[0] == INF);
    near(x.loss[1], M_LN2);
    /* the formula with p = 0 */
    assert_true(x.gradient[0] == 0 && x.gradient[1] == -1);
    assert_true(x.gradient[2] == -0.5f && x.gradient[3] == 0.5f);
    k.reduction = SMX_REDUCTION_MEAN;
    assert_status(run(&logits, &k, &x), SMX_OK);
    assert_true(x.loss[0] == INF);
    assert_true(x.gradient[1] == -0.5f);
}

static void row_all_masked_but_ignored_costs_nothing(void **state)
{
    const float z[] = {-INF, -INF, 0, 0};
    const int64_t y[] = {7, 0};
    struct smx_logits logits = logits_float(z, 2, 2);
    struct smx_criterion k = {
        .size = sizeof k, .labels = y, .ignore = true, .ignore_index = 7};
    struct losses x;

    (void)state;
    assert_status(run(&logits, &k, &x), SMX_OK);
    near(x.loss[0], M_LN2);
    assert_true(x.divisor == 1 && x.rows == 1);
    assert_true(x.gradient[0] == 0 && x.gradient[1] == 0);
}

static void row_all_masked_without_target_mass_costs_nothing(void **state)
{
    const float z[] = {-INF, -INF}, t[] = {0, 0};
    const float one[] = {1, 1}, w[] = {0, 0};
    struct smx_logits logits = logits_float(z, 1, 2);
    struct smx_criterion zero = {.size = sizeof zero, .targets = t},
                         weightless = {.size = sizeof weightless,
                                       .targets = one,
                                       .weights = w};
    struct losses x;

    (void)state;
    assert_status(run(&logits, &zero, &x), SMX_OK);
    assert_true(x.loss[0] == 0 && x.gradient[0] == 0 && x.gradient[1] == 0);
    assert_status(run(&logits, &weightless, &x), SMX_OK);
    assert_true(x.loss[0] == 0 && x.gradient[0] == 0 && x.gradient[1] == 0);
}

/* 0 log 0 = 0, in the gradient too. */
static void minus_infinity_under_zero_mass_costs_nothing(void **state)
{
    const float z[] = {-INF, 0, 0}, t[] = {0, 0.5f, 0.5f};
    struct smx_logits logits = logits_float(z, 1, 3);
    struct smx_criterion k = {.size = sizeof k, .targets = t};
    struct losses x;

    (void)state;
    assert_status(run(&logits, &k, &x), SMX_OK);
    near(x.loss[0], M_LN2);
    for (int c = 0; c < 3; c++)
        assert_true(x.gradient[c] == 0);
}

static void mass_on_a_masked_class_costs_infinity(void **state)
{
    const float z[] = {-INF, 0, 0};
    const int64_t y = 0;
    struct smx_logits logits = logits_float(z, 1, 3);
    struct smx_criterion k = {.size = sizeof k, .labels = &y};
    struct losses x;

    (void)state;
    assert_status(run(&logits, &k, &x), SMX_OK);
    assert_true(x.loss[0] == INF);
    assert_true(x.gradient[0] == -1 && x.gradient[1] == 0.5f);
}

static void nan_and_plus_infinity_are_named(void **state)
{
    const float bad[] = {NAN, INF};

    (void)state;
    for (int i = 0; i < 2; i++) {
        float z[40] = {0}, p[40];
        struct smx_logits logits = logits_float(z, 4, 10);
        struct smx_softmax_out out = {.size = sizeof out, .values = p};
        struct smx_where where = {.size = sizeof where};

        z[37] = z[23] = bad[i];
        z[3] = -INF;
        assert_status(smx_softmax(expect_context, &logits, NULL, &out, &where),
                      SMX_ENONFINITE);
        assert_int_equal(where.field, SMX_FIELD_LOGITS);
        assert_int_equal(where.index, 23);
    }
}

/* For nothing no memory is asked for; a sanitizer would refuse so much. */
static void no_rows_of_endless_classes(void **state)
{
    struct smx_config config = {.size = sizeof config, .threads = 2};
    struct smx_context *context;

    (void)state;
    assert_status(smx_context_create(&context, &config), SMX_OK);
    for (int dtype = 0; dtype < 2; dtype++) {
        double p = 5;
        struct smx_logits logits = {.size = sizeof logits,
                                    .dtype = dtype ? SMX_FLOAT64 : SMX_FLOAT32,
                                    .classes = SIZE_MAX / 2,
                                    .inner = 1};
        struct smx_softmax_out out = {
            .size = sizeof out, .values = &p, .logsumexp = &p};

        assert_status(smx_softmax(context, &logits, NULL, &out, NULL), SMX_OK);
        assert_true(p == 5);
    }
    smx_context_free(context);
}

static void label_out_of_range_is_named(void **state)
{
    const float z[12] = {0};
    const int64_t wrong[] = {3, -1, -101, INT64_MAX, INT64_MIN};
    struct smx_logits logits = logits_float(z, 4, 3);
    struct losses x;

    (void)state;
    for (size_t i = 0; i < 5; i++) {
        int64_t y[] = {0, -100, 2, 1};
        struct smx_criterion k = {.size = sizeof k,
                                  .labels = y,
                                  .ignore = true,
                                  .ignore_index = -100};

        assert_status(run(&logits, &k, &x), SMX_OK);
        y[2] = y[3] = wrong[i];
        assert_status(run(&logits, &k, &x), SMX_ELABEL);
        assert_int_equal(x.where.field, SMX_FIELD_LABELS);
        assert_int_equal(x.where.index, 2);
    }
}

/* A class may be the one to leave out: it is ignored, not counted. */
static void ignore_index_may_be_a_class(void **state)
{
    const float z[] = {0, 0, 5, 1};
    const int64_t y[] = {1, 0};
    struct smx_logits logits = logits_float(z, 2, 2);
    struct smx_criterion k = {
        .size = sizeof k, .labels = y, .ignore = true, .ignore_index = 0};
    struct losses x;

    (void)state;
    assert_status(run(&logits, &k, &x), SMX_OK);
    near(x.loss[0], M_LN2);
    assert_true(x.rows == 1 && x.divisor == 1);
    assert_true(x.gradient[2] == 0 && x.gradient[3] == 0);
}

static void nothing_to_divide_by_gives_zero(void **state)
{
    const float z[] = {1, 2, 3, 4}, w[] = {0, 1};
    const int64_t ignored[] = {-100, -100}, weightless[] = {0, 0};
    struct smx_logits logits = logits_float(z, 2, 2);
    struct smx_criterion k[] = {
        {.size = sizeof *k,
         .labels = ignored,
         .ignore = true,
         .ignore_index = -100,
         .z_loss = 1},
        {.size = sizeof *k,
         .labels = weightless,
         .weights = w,
         .ignore = true,
         .ignore_index = -100,
         .z_loss = 1},
    };
    struct losses x;

    (void)state;
    for (int i = 0; i < 2; i++) {
        assert_status(run(&logits, &k[i], &x), SMX_OK);
        assert_true(x.loss[0] == 0 && x.divisor == 0);
        assert_int_equal(x.rows, i == 0 ? 0 : 2);
        for (int c = 0; c < 4; c++)
            assert_true(x.gradient[c] == 0);
    }
}

static void zero_rows_cost_nothing(void **state)
{
    const float z[1] = {0};
    const int64_t y[1] = {0};
    struct smx_criterion k = {.size = sizeof k, .labels = y};
    struct losses x;

    (void)state;
    for (int r = SMX_REDUCTION_MEAN; r <= SMX_REDUCTION_NONE; r++)
        for (int inner = 0; inner < 2; inner++) {
            struct smx_logits logits = logits_float(z, 0, 3);
            struct smx_softmax_out out = {.size = sizeof out,
                                          .values = x.gradient};

            logits.inner = inner ? 5 : 0;
            k.reduction = (enum smx_reduction)r;
            assert_status(run(&logits, &k, &x), SMX_OK);
            assert_true(x.loss[0] == 0 && x.divisor == 0 && x.rows == 0);
            assert_true(x.accuracy == 0);
            assert_status(
                smx_softmax(expect_context, &logits, NULL, &out, NULL), SMX_OK);
        }
}

static void zero_classes_are_refused(void **state)
{
    const float z[1] = {0};
    float p[1] = {7};
    struct smx_logits logits = logits_float(z, 1, 0);
    struct smx_softmax_out out = {.size = sizeof out, .values = p};

    (void)state;
    assert_status(smx_softmax(expect_context, &logits, NULL, &out, NULL),
                  SMX_EARGUMENT);
    assert_true(p[0] == 7);
}

static void huge_logits_follow_the_formula(void **state)
{
    const float z[] = {3e38f, -3e38f, 3e38f, 1e30f, 0, 0};
    const int64_t y[] = {1, 0};
    float p[6], l[6];
    struct smx_logits logits = logits_float(z, 2, 3);
    struct smx_softmax_out out = {.size = sizeof out, .values = p};
    struct smx_criterion k = {
        .size = sizeof k, .labels = y, .reduction = SMX_REDUCTION_NONE};
    struct losses x;

    (void)state;
    assert_status(smx_softmax(expect_context, &logits, NULL, &out, NULL),
                  SMX_OK);
    assert_true(p[0] == 0.5f && p[1] == 0 && p[2] == 0.5f);
    assert_true(p[3] == 1 && p[4] == 0 && p[5] == 0);
    out = (struct smx_softmax_out){.size = sizeof(struct smx_softmax_out),
                                   .values = l};
    assert_status(
        smx_softmax(expect_context, &logits, OPTIONS(.log = true), &out, NULL),
        SMX_OK);
    near(l[0], -M_LN2);
    assert_true(l[1] == -INF);
    assert_true(l[3] == 0 && l[4] == -1e30f);
    assert_status(run(&logits, &k, &x), SMX_OK);
    assert_true(x.loss[0] == INF && x.loss[1] == 0);
    assert_true(x.gradient[0] == 0.5f && x.gradient[1] == -1);
}

static void any_targets_are_taken(void **state)
{
    const float z[] = {0, 0}, t[] = {-0.5f, 2};
    struct smx_logits logits = logits_float(z, 1, 2);
    struct smx_criterion k = {.size = sizeof k, .targets = t};
    struct losses x;

    (void)state;
    assert_status(run(&logits, &k, &x), SMX_OK);
    near(x.loss[0], 1.5 * M_LN2);
    assert_true(x.gradient[0] == 1.25f && x.gradient[1] == -1.25f);
}

static void one_confident_row_keeps_its_digits(void **state)
{
    const float z[] = {20, 0, 0, 0};
    const int64_t y = 0;
    struct smx_logits logits = logits_float(z, 1, 4);
    struct smx_criterion k = {.size = sizeof k, .labels = &y};
    struct losses x;

    (void)state;
    assert_status(run(&logits, &k, &x), SMX_OK);
    assert_ulp(SMX_FLOAT32, x.loss[0], 6.183460848198079e-09L, 0, 2);
}

/* softmax(z / T) and s tanh(z / s) by their definitions. */
static void temperature_and_softcap_come_first(void **state)
{
    const double z[] = {1, -3, 8}, cap = 5, t = 0.5;
    double plain[3] = {0}, p[3], want[3];
    struct smx_logits logits = logits_double(plain, 1, 3);
    struct smx_softmax_out out = {.size = sizeof out, .values = want};

    (void)state;
    for (int c = 0; c < 3; c++)
        plain[c] = cap * tanh(z[c] / cap) / t;
    assert_status(smx_softmax(expect_context, &logits, NULL, &out, NULL),
                  SMX_OK);
    logits.data = z;
    logits.softcap = cap;
    logits.temperature = t;
    out.values = p;
    assert_status(smx_softmax(expect_context, &logits, NULL, &out, NULL),
                  SMX_OK);
    for (int c = 0; c < 3; c++)
        assert_close(p[c], want[c], 1e-14);
}

/* Even where weights change the divisor of the first part. */
static void z_loss_is_divided_by_rows(void **state)
{
    const double z[] = {0, 0, 0, 0, 0, 0}, w[] = {4, 4, 4};
    const int64_t y[] = {0, -100};
    double loss, lse = log(3);
    struct smx_logits logits = logits_double(z, 2, 3);
    struct smx_criterion k = {.size = sizeof k,
                              .labels = y,
                              .weights = w,
                              .ignore = true,
                              .ignore_index = -100,
                              .z_loss = 0.5};
    struct smx_loss_out out = {.size = sizeof out, .loss = &loss};

    (void)state;
    assert_status(smx_loss(expect_context, &logits, &k, &out, NULL), SMX_OK);
    assert_close(loss, lse + 0.5 * lse * lse, 1e-14);
}

/* Both mean: the divisor of targets is the number of rows, weights or not. */
static void divisor_is_told_whatever_the_reduction(void **state)
{
    const float z[6] = {0}, t[6] = {1, 0, 0, 0, 1, 0}, w[] = {2, 3, 5};
    const int64_t y[] = {1, 2};
    struct smx_logits logits = logits_float(z, 2, 3);
    struct losses x;

    (void)state;
    for (int r = SMX_REDUCTION_MEAN; r <= SMX_REDUCTION_NONE; r++) {
        struct smx_criterion labels = {.size = sizeof labels,
                                       .labels = y,
                                       .weights = w,
                                       .reduction = (enum smx_reduction)r};
        struct smx_criterion targets = {.size = sizeof targets,
                                        .targets = t,
                                        .weights = w,
                                        .reduction = (enum smx_reduction)r};

        assert_status(run(&logits, &labels, &x), SMX_OK);
        assert_true(x.divisor == 8 && x.rows == 2);
        assert_status(run(&logits, &targets, &x), SMX_OK);
        assert_true(x.divisor == 2 && x.rows == 2);
    }
}

static void accuracy_counts_rows_not_ignored(void **state)
{
    const float z[] = {1, 0, 0, 1, 1, 0, 3, 3},
                t[] = {1, 0, 1, 0, .5, .5, 0, 1};
    const int64_t y[] = {0, 0, -100, 0};
    struct smx_logits logits = logits_float(z, 4, 2);
    struct smx_criterion labels = {.size = sizeof labels,
                                   .labels = y,
                                   .ignore = true,
                                   .ignore_index = -100},
                         targets = {.size = sizeof targets, .targets = t};
    struct losses x;

    (void)state;
    assert_status(run(&logits, &labels, &x), SMX_OK);
    assert_true(x.accuracy == 2.0 / 3);
    assert_status(run(&logits, &targets, &x), SMX_OK);
    assert_true(x.accuracy == 0.5);
}

static void ties_go_to_the_lower_class(void **state)
{
    const float z[] = {1, 3, 3, 2, 3, 2};
    const int64_t want[] = {1, 2, 4, 3, 5, 0};
    float p[6];
    int64_t indices[6], argmax;
    struct smx_logits logits = logits_float(z, 1, 6);
    struct smx_softmax_out out = {
        .size = sizeof out, .values = p, .indices = indices, .argmax = &argmax};

    (void)state;
    assert_status(
        smx_softmax(expect_context, &logits, OPTIONS(.top_k = 6), &out, NULL),
        SMX_OK);
    assert_memory_equal(indices, want, sizeof want);
    assert_int_equal(argmax, 1);
    assert_true(p[0] == p[1] && p[1] == p[2] && p[2] > p[3]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(row_all_masked_costs_infinity),
        cmocka_unit_test(row_all_masked_but_ignored_costs_nothing),
        cmocka_unit_test(row_all_masked_without_target_mass_costs_nothing),
        cmocka_unit_test(minus_infinity_under_zero_mass_costs_nothing),
        cmocka_unit_test(mass_on_a_masked_class_costs_infinity),
        cmocka_unit_test(nan_and_plus_infinity_are_named),
        cmocka_unit_test(no_rows_of_endless_classes),
        cmocka_unit_test(label_out_of_range_is_named),
        cmocka_unit_test(ignore_index_may_be_a_class),
        cmocka_unit_test(nothing_to_divide_by_gives_zero),
        cmocka_unit_test(zero_rows_cost_nothing),
        cmocka_unit_test(zero_classes_are_refused),
        cmocka_unit_test(huge_logits_follow_the_formula),
        cmocka_unit_test(any_targets_are_taken),
        cmocka_unit_test(one_confident_row_keeps_its_digits),
        cmocka_unit_test(temperature_and_softcap_come_first),
        cmocka_unit_test(z_loss_is_divided_by_rows),
        cmocka_unit_test(divisor_is_told_whatever_the_reduction),
        cmocka_unit_test(accuracy_counts_rows_not_ignored),
        cmocka_unit_test(ties_go_to_the_lower_class),
    };

    return cmocka_run_group_tests(tests, expect_start, expect_stop);
}
