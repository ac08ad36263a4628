/* SPDX-License-Identifier: MIT */
/* An element of a gradient or a Jacobian is rounded once: what a double-double
 * factor holds beyond a double counts. A promise of 4 ulp has no room for more,
 * as the two probabilities of a Jacobian's element bring what they have lost.
 */
#include "../support/expect.h"

#include <math.h>
#include <stdio.h>

#include "../support/draw.h"
#include "../support/reference.h"
#include "../support/tiers.h"
#include "../support/ulp.h"
#include "engine/dd_kernels.h"
#include "engine/kernels.h"

enum { N = 37, TRIALS = 400 };

static struct random seed;

static double one_to_two(void)
{
    return 1 + random_unit(&seed);
}

static void try_products(const struct smx_row_kernels *kernels)
{
    static const double nothing[48] = {0};
    double e[48] = {0}, got[N], mixed[N];
    double a = one_to_two(), rest = (random_unit(&seed) - 0.5) * 0x1p-52;
    const struct smx_row_grad how = {.a = {a, rest},
                                     .b = {1, 0},
                                     .down = 1,
                                     .pure = {0x1p-64, 0x1p-64},
                                     .mixed = {1, 1}};

    for (int i = 0; i < N; i++)
        e[i] = ldexp(one_to_two(), 128 - i * 10);
    kernels->grad_store(e, NULL, NULL, N, &how, got);
    kernels->grad_store(e, nothing, NULL, N, &how, mixed);
    assert_memory_equal(mixed, got, sizeof got);
    for (int i = 0; i < N; i++) {
        long double want = (long double)e[i] * a + (long double)e[i] * rest;

        want = ldexpl(want, -128);
        assert_true(ulp_error(SMX_FLOAT64, got[i], want, 0) < 0.51);
    }
}

static void one_rounding(void **state)
{
    (void)state;
    for (int isa = SMX_ISA_BASE; isa <= SMX_ISA_NEON; isa++)
        for (int i = 0; i < TRIALS && smx_isa_available((enum smx_isa)isa); i++)
            try_products(smx_kernels_of((enum smx_isa)isa)->dd);
}

/* With mass so small that products of it lose digits, or so large that they
 * would overflow. */
static void try_one_by_one(const struct smx_row_kernels *kernels)
{
    enum { ROW = 200 };
    double e[ROW], mass[ROW], got[ROW];
    double sign = random_once_in(&seed, 2) ? 1 : -1; /* of zeros, too */
    size_t n = 1 + random_below(&seed, ROW);
    const struct smx_row_grad how = {.a = {sign * 0x1p-1000 * one_to_two(), 0},
                                     .b = {one_to_two(), 0x1p-54},
                                     .down = 0x1p-128,
                                     .pure = {0x1p20, 0x1p20},
                                     .mixed = {0x1p84, 0x1p84}};

    for (size_t i = 0; i < n; i++) {
        bool large = i % 64 == 63 && random_once_in(&seed, 4);
        int power = large ? 800 : -900 - (int)random_below(&seed, 170);

        e[i] = ldexp(one_to_two(), 128 - (int)random_below(&seed, 400));
        mass[i] = ldexp(one_to_two(), power) * (double)random_below(&seed, 4);
    }
    kernels->grad_store(e, mass, NULL, n, &how, got);
    for (size_t i = 0; i < n; i++) {
        double alone;

        kernels->grad_store(e + i, mass + i, NULL, 1, &how, &alone);
        assert_memory_equal(&alone, got + i, sizeof alone);
    }
}

static void elements_have_the_same_bits_alone(void **state)
{
    (void)state;
    for (int isa = SMX_ISA_BASE; isa <= SMX_ISA_NEON; isa++)
        for (int i = 0; i < TRIALS && smx_isa_available((enum smx_isa)isa); i++)
            try_one_by_one(smx_kernels_of((enum smx_isa)isa)->dd);
}

enum { ROWS = 400, MOST = 200 };

/* A row whose label leads by up to 12 or trails. */
static void draw_row(float *z, size_t n, size_t label)
{
    for (size_t c = 0; c < n; c++)
        z[c] = (float)random_normal(&seed);
    z[label] += (float)(12 * random_unit(&seed) - 2);
}

static double worst_element(struct smx_context *context)
{
    double worst = 0;

    for (int r = 0; r < ROWS; r++) {
        float z[MOST], got[MOST];
        long double exact[MOST], scale[MOST];
        size_t n = 2 + random_below(&seed, MOST - 1);
        int64_t label = (int64_t)random_below(&seed, n);
        struct smx_logits logits = logits_float(z, 1, n);
        struct smx_criterion k = {.size = sizeof k, .labels = &label};

        draw_row(z, n, (size_t)label);
        reference_gradient(&logits, &k, NULL, exact, scale);
        assert_status(smx_gradient(context, &logits, &k, NULL, got, NULL, NULL),
                      SMX_OK);
        for (size_t c = 0; c < n; c++) {
            double error = ulp_error(SMX_FLOAT32, got[c], exact[c], 0);
            worst = error > worst ? error : worst;
        }
    }
    return worst;
}

/* By labels even p - 1 keeps its digits: it comes from the loss. */
static void gradients_by_labels_hold_their_own_ulp(void **state)
{
    (void)state;
    for (int isa = SMX_ISA_BASE; isa <= SMX_ISA_NEON; isa++)
        if (tiers[isa]) {
            double worst = worst_element(tiers[isa]);

            printf("gradient by labels, %s: %.3f ulp of the element\n",
                   smx_isa_name((enum smx_isa)isa), worst);
            assert_true(worst <= 0.8);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_rounding),
        cmocka_unit_test(elements_have_the_same_bits_alone),
        cmocka_unit_test(gradients_by_labels_hold_their_own_ulp),
    };

    random_seed(&seed);
    return cmocka_run_group_tests(tests, tiers_open, tiers_close);
}
