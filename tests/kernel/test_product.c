/* SPDX-License-Identifier: MIT */
/* What a product leaves when it is rounded is the same without fused operations
 * as with them, at both ends of the range and for zeros of both signs, too. */
#include "../support/expect.h"

#include <math.h>

#include "../support/random.h"
#include "simd/dd_vec.h"

static void check_rest(double a, double b)
{
    double p = a * b, want = fma(a, b, -p);
    vd rest = vd_product_rest(vd_all(a), vd_all(b), vd_all(p));

    if (isnan(want) && isnan(rest[0]))
        return;
    if (memcmp(&want, (double[1]){rest[0]}, sizeof want) != 0)
        fail_msg("%a * %a: rest %a, not %a", a, b, rest[0], want);
}

static void of_edges(void **state)
{
    static const double edges[] = {
        0,          -0.0,       1,        0x1.fffffffffffffp1023,
        0x1p-1074,  0x1p-1022,  0x1p-537, 0x1.fffffffffffffp-485,
        0x1p996,    0x1.8p1023, INFINITY, -0x1.0000000000001p-484,
        0x1.7p-600, -0x1p-53};
    enum { EDGES = sizeof edges / sizeof *edges };

    (void)state;
    for (int i = 0; i < EDGES; i++)
        for (int k = 0; k < EDGES; k++)
            check_rest(edges[i], edges[k]);
}

static void of_any_numbers(void **state)
{
    struct random seed;

    (void)state;
    random_seed(&seed);
    for (int i = 0; i < 200000; i++) {
        int up = (int)random_below(&seed, 2200) - 1100;
        int down = (int)random_below(&seed, 2200) - 1100;

        check_rest(ldexp(1 + random_unit(&seed), up),
                   -ldexp(1 + random_unit(&seed), down));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_edges),
        cmocka_unit_test(of_any_numbers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
