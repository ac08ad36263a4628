/* SPDX-License-Identifier: MIT */
/* Operands at the ends of their types: products and sums overflow, and no
 * answer is NaN. */
#include "../support/expect.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "../support/exact_row.h"
#include "../support/random.h"
#include "../support/reference.h"
#include "../support/ulp.h"
#include "engine/rows.h"

enum { ROWS = 2, CLASSES = 3, N = ROWS * CLASSES, REQUESTS = 20000 };

static struct random seed;

/** Finite, mostly at an end of the type. */
static double extreme(enum smx_dtype dtype)
{
    bool wide = dtype == SMX_FLOAT64;
    const double ends[] = {0,
                           1,
                           -1,
                           wide ? DBL_MAX : FLT_MAX,
                           wide ? -DBL_MAX : -FLT_MAX,
                           1e30,
                           -1e30,
                           1e-30,
                           wide ? DBL_TRUE_MIN : FLT_TRUE_MIN};

    return ends[random_below(&seed, sizeof ends / sizeof ends[0])];
}

static void fill(void *data, enum smx_dtype dtype, size_t count, bool low,
                 bool positive)
{
    for (size_t i = 0; i < count; i++) {
        double v = extreme(dtype);

        v = positive ? fabs(v) : v;
        v = low && random_below(&seed, 5) == 0 ? -INFINITY : v;
        if (dtype == SMX_FLOAT64)
            ((double *)data)[i] = v;
        else
            ((float *)data)[i] = (float)v;
    }
}

static double option(void)
{
    const double ends[] = {0, 1, DBL_MAX, DBL_TRUE_MIN, 1e300, 1e-300};

    return ends[random_below(&seed, sizeof ends / sizeof ends[0])];
}

static void assert_numbers(const void *data, enum smx_dtype dtype, size_t count)
{
    for (size_t i = 0; i < count; i++)
        assert_false(dtype == SMX_FLOAT64 ? isnan(((const double *)data)[i])
                                          : isnan(((const float *)data)[i]));
}

static void softmax_has_no_nan(const struct smx_logits *logits, bool log)
{
    double p[N], lse[ROWS], entropy[ROWS];
    struct smx_softmax_out out = {
        .size = sizeof out, .values = p, .logsumexp = lse, .entropy = entropy};

    assert_status(
        smx_softmax(expect_context, logits, OPTIONS(.log = log), &out, NULL),
        SMX_OK);
    assert_numbers(p, logits->dtype, N);
    assert_numbers(lse, logits->dtype, ROWS);
    assert_numbers(entropy, logits->dtype, ROWS);
}

static void loss_has_no_nan(const struct smx_logits *logits)
{
    double t[N], w[CLASSES], up[ROWS], g[N], loss[ROWS], divisor;
    int64_t y[ROWS] = {(int64_t)random_below(&seed, CLASSES), -100};
    bool soft = random_below(&seed, 2);
    struct smx_criterion k = {
        .size = sizeof k,
        .labels = soft ? NULL : y,
        .targets = soft ? t : NULL,
        .weights = random_below(&seed, 2) ? w : NULL,
        .ignore = true,
        .ignore_index = random_below(&seed, 2) ? -100 : 1,
        .label_smoothing = (double)random_below(&seed, 3) / 2,
        .z_loss = option(),
        .reduction = (enum smx_reduction)random_below(&seed, 3)};
    struct smx_loss_out out = {
        .size = sizeof out, .loss = loss, .divisor = &divisor};

    y[1] = k.ignore_index;
    fill(t, logits->dtype, N, false, false);
    fill(w, logits->dtype, CLASSES, false, true);
    fill(up, logits->dtype, ROWS, false, false);
    assert_status(smx_gradient(expect_context, logits, &k,
                               random_below(&seed, 2) ? up : NULL, g, &out,
                               NULL),
                  SMX_OK);
    assert_numbers(g, logits->dtype, N);
    assert_numbers(loss, logits->dtype,
                   k.reduction == SMX_REDUCTION_NONE ? ROWS : 1);
    assert_false(isnan(divisor));
}

static void derivative_has_no_nan(const struct smx_logits *logits, bool log)
{
    double up[N], g[N], jacobian[N * CLASSES];

    fill(up, logits->dtype, N, false, false);
    assert_status(smx_vjp(expect_context, logits, log, up, g, NULL), SMX_OK);
    assert_numbers(g, logits->dtype, N);
    assert_status(smx_jacobian(expect_context, logits, log, jacobian, NULL),
                  SMX_OK);
    assert_numbers(jacobian, logits->dtype, N * CLASSES);
}

static void nothing_is_nan(void **state)
{
    (void)state;
    for (int i = 0; i < REQUESTS; i++) {
        double z[N];
        struct smx_logits logits = {
            .size = sizeof logits,
            .data = z,
            .dtype = random_below(&seed, 2) ? SMX_FLOAT64 : SMX_FLOAT32,
            .outer = ROWS,
            .classes = CLASSES,
            .inner = 1,
            .temperature = random_below(&seed, 2) ? option() : 1,
            .softcap = random_below(&seed, 2) ? option() : 0};

        fill(z, logits.dtype, N, true, false);
        softmax_has_no_nan(&logits, i & 1);
        loss_has_no_nan(&logits);
        derivative_has_no_nan(&logits, i & 1);
    }
}

static struct smx_logits two(const double *z, double temperature)
{
    return (struct smx_logits){.size = sizeof(struct smx_logits),
                               .data = z,
                               .dtype = SMX_FLOAT64,
                               .outer = 1,
                               .classes = 2,
                               .inner = 1,
                               .temperature = temperature};
}

static void smallest_temperature_is_a_one_hot(void **state)
{
    const double z[] = {-1, -2};
    const int64_t y = 0;
    struct smx_logits logits = two(z, DBL_TRUE_MIN);
    struct smx_criterion k = {
        .size = sizeof k, .labels = &y, .ignore = true, .ignore_index = -100};
    double l[2], lse, g[2], loss;
    struct smx_softmax_out out = {
        .size = sizeof out, .values = l, .logsumexp = &lse};
    struct smx_loss_out costs = {.size = sizeof costs, .loss = &loss};

    (void)state;
    assert_status(
        smx_softmax(expect_context, &logits, OPTIONS(.log = true), &out, NULL),
        SMX_OK);
    assert_true(l[0] == 0 && l[1] == -INFINITY && lse == -INFINITY);
    assert_status(
        smx_gradient(expect_context, &logits, &k, NULL, g, &costs, NULL),
        SMX_OK);
    assert_true(loss == 0 && g[0] == 0 && g[1] == 0);
}

static void difference_may_overflow(void **state)
{
    const double z[] = {DBL_MAX, -DBL_MAX};
    struct smx_logits logits = two(z, DBL_MAX);
    double p[2];
    struct smx_softmax_out out = {.size = sizeof out, .values = p};

    (void)state;
    assert_status(smx_softmax(expect_context, &logits, NULL, &out, NULL),
                  SMX_OK);
    assert_true(fabs(p[0] - 1 / (1 + exp(-2))) < 1e-15);
}

/* 4 e^(-2 |z| / softcap) is a number of few digits, which a small temperature
 * would bring into sight. A row of 64 classes is computed another way. */
static void slopes_below_normal_numbers_keep_their_digits(void **state)
{
    double z[64], upstream[64], got[64];
    long double want[64], scale[64];

    (void)state;
    for (size_t i = 0; i < 64; i++) {
        z[i] = 130 + random_unit(&seed) * 9;
        upstream[i] = random_normal(&seed);
    }
    for (size_t classes = 8; classes <= 64; classes += 56) {
        struct smx_logits logits = two(z, 0.0001);

        logits.softcap = 0.375;
        logits.classes = classes;
        logits.outer = 64 / classes;
        reference_vjp(&logits, false, upstream, want, scale);
        assert_status(
            smx_vjp(expect_context, &logits, false, upstream, got, NULL),
            SMX_OK);
        for (size_t i = 0; i < 64; i++)
            assert_true(ulp_error(SMX_FLOAT64, got[i], want[i], scale[i]) <= 4);
    }
}

/* Sizes of logits and of an upstream gradient near the ends of what float32 in
 * two halves can take, and beyond; some masked, of which no bit may show. */
static void try_product(size_t classes)
{
    static const double sizes[] = {1e-43, 1e-30, 1e-6, 1, 30, 1e6, 1e20, 1e37};
    static const double heights[] = {-100, -12, 0, 30, 44};
    static const double temperatures[] = {1, 0.7, 3, 0x1p-23, 100};
    float *z = must(malloc(classes * sizeof *z)),
          *g = must(malloc(classes * 4));
    float *got = must(malloc(classes * sizeof *got));
    long double *want = must(malloc(classes * sizeof *want));
    long double *scale = must(malloc(classes * sizeof *scale));
    uint8_t *mask = must(malloc(classes));
    double size = sizes[random_below(&seed, 8)];
    double height = heights[random_below(&seed, 5)];
    double t = temperatures[random_below(&seed, 5)];
    bool log = random_once_in(&seed, 2), sparse = random_once_in(&seed, 3);

    for (size_t i = 0; i < classes; i++) {
        z[i] = (float)((height + 3 * random_normal(&seed)) * t);
        g[i] = (float)(size * random_normal(&seed));
        if (sparse && random_below(&seed, 20))
            g[i] = 0;
        if (random_once_in(&seed, 9))
            z[i] = -INFINITY;
        mask[i] = random_below(&seed, 9) != 0;
    }
    struct smx_logits logits = {.size = sizeof logits,
                                .data = z,
                                .dtype = SMX_FLOAT32,
                                .outer = 1,
                                .classes = classes,
                                .inner = 1,
                                .stride = classes,
                                .temperature = t,
                                .mask = random_once_in(&seed, 2) ? mask : NULL};
    reference_vjp(&logits, log, g, want, scale);
    assert_status(smx_vjp(expect_context, &logits, log, g, got, NULL), SMX_OK);
    for (size_t i = 0; i < classes; i++)
        if (logits.mask && !mask[i])
            assert_true(got[i] == 0 && !signbit(got[i]));
        else
            assert_true(ulp_error(SMX_FLOAT32, got[i], want[i], scale[i]) <= 2);
    free(z);
    free(g);
    free(got);
    free(want);
    free(scale);
    free(mask);
}

static void products_of_any_size_keep_their_digits(void **state)
{
    static const size_t classes[] = {33, 64, 129, 1000, 4097, 8200};

    (void)state;
    for (int i = 0; i < 600; i++)
        try_product(classes[random_below(&seed, i % 8 ? 4 : 6)]);
}

/* Not -0, which would be written "-0.0". */
static void a_certain_class_has_log_probability_0(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < 16; kind++) {
        bool wide = kind & 1, large = kind & 4 || !wide;
        size_t classes = kind & 2 ? 40 : 5;
        double z[40], values[40];

        for (size_t c = 0; c < classes; c++)
            smx_set(z, wide ? SMX_FLOAT64 : SMX_FLOAT32, c,
                    c != 1  ? -1000
                    : large ? 1.0
                            : -0.0);
        struct smx_logits logits = logits_double(z, 1, classes);
        const struct smx_softmax_out out = {.size = sizeof out,
                                            .values = values};
        logits.dtype = wide ? SMX_FLOAT64 : SMX_FLOAT32;
        if (kind & 8) {
            logits.softcap = 13;
            logits.temperature = 1e-200;
        }
        assert_status(smx_softmax(expect_context, &logits, OPTIONS(.log = true),
                                  &out, NULL),
                      SMX_OK);
        double log = smx_get(values, logits.dtype, 1);
        assert_true(log == 0 && !signbit(log));
    }
}

/* Two large classes of nearly the same logit, whose upstream is small beside
 * that of a class which nearly has no probability, or cancels. */
static void small_upstreams_of_high_logits_keep_their_digits(void **state)
{
    enum { N = 40 };
    static const struct {
        float height, low, first, second, largest;
    } cases[] = {
        {45, 20, 0x1p-120f, -0x1p-120f, 0},
        {45, 20, 0x1.345678p-110f, -0x1.345678p-110f, 0},
        {44, -80, 0x1p-90f, -0x1p-91f, 0x1p77f},
        {44, -80, 0x1p-70f, -0x1p-71f, 0x1p60f},
    };

    (void)state;
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        float z[N],
            g[N] = {[3] = cases[k].first,
                    [8] = cases[k].second,
                    [9] = cases[k].largest},
            got[N];
        long double want[N], scale[N];
        const struct smx_logits logits = {.size = sizeof logits,
                                          .data = z,
                                          .outer = 1,
                                          .classes = N,
                                          .inner = 1,
                                          .stride = N,
                                          .temperature = 1};
        for (int i = 0; i < N; i++)
            z[i] = i == 3 || i == 8 ? cases[k].height : cases[k].low;
        reference_vjp(&logits, false, g, want, scale);
        assert_status(smx_vjp(expect_context, &logits, false, g, got, NULL),
                      SMX_OK);
        for (int i = 0; i < N; i++)
            assert_true(ulp_error(SMX_FLOAT32, got[i], want[i], scale[i]) <= 2);
    }
}

/* Rows of equal logits cost 1.2e308 or -1.2e308, as the label is 0 or 1. */
static void a_sum_may_leave_the_range_on_its_way(void **state)
{
    enum { COUNT = 3, MOST = 40 };
    static const double z[COUNT * MOST];
    static const int64_t labels[][COUNT] = {
        {0, 0, 1}, {0, 1, 0}, {1, 0, 0}, {1, 1, 0}};
    static const double want[] = {1.2e308, 1.2e308, 1.2e308, -1.2e308};
    static const size_t sizes[] = {10, MOST};

    (void)state;
    for (size_t i = 0; i < sizeof want / sizeof *want; i++)
        for (size_t j = 0; j < 2; j++) {
            double weight = (double)(1.2e308L / logl(sizes[j])), loss;
            double weights[MOST] = {weight, -weight};
            struct smx_logits logits = {.size = sizeof logits,
                                        .data = z,
                                        .dtype = SMX_FLOAT64,
                                        .outer = COUNT,
                                        .classes = sizes[j]};
            struct smx_criterion k = {.size = sizeof k,
                                      .labels = labels[i],
                                      .weights = weights,
                                      .reduction = SMX_REDUCTION_SUM};
            struct smx_loss_out out = {.size = sizeof out, .loss = &loss};

            assert_status(smx_loss(expect_context, &logits, &k, &out, NULL),
                          SMX_OK);
            assert_true(fabs(loss / want[i] - 1) < 1e-15);
        }
}

/* -p (g - sum g p) of p 2^-20, twice beyond the doubles before p. */
static void upstreams_may_be_further_apart_than_doubles_reach(void **state)
{
    enum { MOST = 40 };

    (void)state;
    for (size_t n = 2; n <= MOST; n += MOST - 2)
        for (int logs = 0; logs < 2; logs++) {
            double z[MOST] = {0}, up[MOST] = {0}, g[MOST];
            struct smx_logits logits = logits_double(z, 1, n);
            double p = 0x1p-20, top = 0.9 * DBL_MAX;

            for (size_t c = 2; c < n; c++)
                z[c] = -INFINITY;
            z[1] = log(p / (1 - p));
            up[0] = top;
            up[1] = -top;
            assert_status(smx_vjp(expect_context, &logits, logs, up, g, NULL),
                          SMX_OK);
            double wanted = logs ? -top : -2 * p * top * (1 - p);
            assert_true(fabs(g[1] / wanted - 1) < 1e-12);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_nan),
        cmocka_unit_test(slopes_below_normal_numbers_keep_their_digits),
        cmocka_unit_test(smallest_temperature_is_a_one_hot),
        cmocka_unit_test(difference_may_overflow),
        cmocka_unit_test(upstreams_may_be_further_apart_than_doubles_reach),
        cmocka_unit_test(a_certain_class_has_log_probability_0),
        cmocka_unit_test(products_of_any_size_keep_their_digits),
        cmocka_unit_test(small_upstreams_of_high_logits_keep_their_digits),
        cmocka_unit_test(a_sum_may_leave_the_range_on_its_way),
    };

    random_seed(&seed);
    return cmocka_run_group_tests(tests, expect_start, expect_stop);
}
