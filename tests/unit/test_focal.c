/* SPDX-License-Identifier: MIT */
/*
 * A focal exponent's factor of a gradient is one more number that is rounded
 * on the way to an element: with weights, float64 elements come near the 4 ulp
 * of their terms that are promised. Draws that were beyond it before the
 * factor was a pair.
 */
#include "../support/expect.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "../support/draw.h"
#include "../support/reference.h"
#include "../support/ulp.h"

enum { ROWS = 16, MOST_CLASSES = 64, DRAWS = 200 };

static struct random seed;

static size_t largest(const double *z, size_t classes)
{
    size_t most = 0;

    for (size_t c = 0; c < classes; c++)
        if (z[c] > z[most])
            most = c;
    return most;
}

/** Logits of five kinds; every other label is its row's largest. */
static void draw_rows(size_t classes, double *z, double *weights,
                      int64_t *labels)
{
    static const enum draw_kind kinds[] = {
        DRAW_NORMAL, DRAW_UNIFORM, DRAW_SMALL, DRAW_OFFSET, DRAW_ONE_HOT};

    draw_logits(&seed, kinds[random_below(&seed, 5)], SMX_FLOAT64, ROWS,
                classes, z);
    for (size_t c = 0; c < classes; c++)
        weights[c] = 3 * random_unit(&seed) + 1e-3;
    for (size_t r = 0; r < ROWS; r++) {
        labels[r] = (int64_t)random_below(&seed, classes);
        if (random_below(&seed, 2))
            labels[r] = (int64_t)largest(z + r * classes, classes);
    }
}

/** The worst element of one gradient, in ulp of its terms. */
static double worst_of(const struct smx_logits *logits,
                       const struct smx_criterion *criterion, double upstream)
{
    static double got[ROWS * MOST_CLASSES];
    static long double want[ROWS * MOST_CLASSES], scale[ROWS * MOST_CLASSES];
    double worst = 0;

    reference_gradient(logits, criterion, &upstream, want, scale);
    assert_status(smx_gradient(expect_context, logits, criterion, &upstream,
                               got, NULL, NULL),
                  SMX_OK);
    for (size_t i = 0; i < ROWS * logits->classes; i++)
        worst = fmax(worst, ulp_error(SMX_FLOAT64, got[i], want[i], scale[i]));
    return worst;
}

static void a_weighted_gradient_is_within_the_promise(void **state)
{
    static const size_t draws[][2] = {{10, 6}, {31, 3}, {64, 53}};
    static double z[ROWS * MOST_CLASSES], weights[MOST_CLASSES];
    static int64_t labels[ROWS];

    (void)state;
    for (size_t i = 0; i < sizeof draws / sizeof *draws; i++) {
        struct smx_logits logits = {.size = sizeof logits,
                                    .data = z,
                                    .dtype = SMX_FLOAT64,
                                    .outer = ROWS,
                                    .classes = draws[i][0],
                                    .inner = 1};
        struct smx_criterion criterion = {.size = sizeof criterion,
                                          .labels = labels,
                                          .weights = weights,
                                          .reduction = SMX_REDUCTION_SUM};
        double worst = 0;

        seed.state = draws[i][1];
        for (int n = 0; n < DRAWS; n++) {
            criterion.focal =
                random_unit(&seed) * (double)(1 + random_below(&seed, 2));
            draw_rows(logits.classes, z, weights, labels);
            double promise = fmax(1, criterion.focal);
            worst = fmax(
                worst, worst_of(&logits, &criterion, 0.3 + random_unit(&seed)) /
                           promise);
        }
        printf("worst of %zu classes: %.3f ulp\n", logits.classes, worst);
        assert_true(worst <= 4);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_weighted_gradient_is_within_the_promise)};

    return cmocka_run_group_tests(tests, expect_start, expect_stop);
}
