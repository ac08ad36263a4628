/* SPDX-License-Identifier: MIT */
/* An element of a gradient or a Jacobian is rounded once: what a double-double
 * factor holds beyond a double counts. A promise of 4 ulp has no room for more,
 * as the two probabilities of a Jacobian's element bring what they have lost.
 */
#include "../support/expect.h"

#include <math.h>

#include "../support/draw.h"
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_rounding),
    };

    random_seed(&seed);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
