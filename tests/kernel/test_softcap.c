/* SPDX-License-Identifier: MIT */
/*
 * The bounds of a softcap in double-double (lib/simd/softcap_vec.h), on each
 * instruction set, of logits near 0, near the softcap and far beyond it.
 */
#include "../support/expect.h"

#include <math.h>
#include <stdio.h>

#include "../support/random.h"
#include "engine/dd_kernels.h"
#include "engine/dd_shift.h"
#include "engine/kernels.h"

#if defined(__x86_64__)
typedef __float128 quad;
#else
typedef long double quad;
#endif

enum { N = 512, TRIALS = 60 };

static struct random seed;

/* exp(x), x <= 0, within 2^-90: a series, squared twenty times. */
static quad exp_of(quad x)
{
    quad y = x * 0x1p-20L, sum = 1, term = 1;

    for (int k = 1; k < 10; k++)
        sum += term = term * y / k;
    for (int k = 0; k < 20; k++)
        sum *= sum;
    return sum;
}

/* And what a softcap leaves of the gradient there. */
static quad tanh_of(quad y, quad *slope)
{
    quad u = exp_of(y < 0 ? 2 * y : -2 * y), t = (1 - u) / (1 + u);

    *slope = 4 * u / ((1 + u) * (1 + u));
    return y < 0 ? -t : t;
}

static double larger(double worst, quad error)
{
    double e = fabs((double)error);

    return e > worst ? e : worst;
}

/* The worst of shifted logits, absolute, of exponentials and of slopes. */
static void measure(enum smx_isa isa, double worst[3])
{
    static double z[N], hi[N], lo[N], e[N], rise[N];
    const struct smx_tile tile = {.hi = hi, .lo = lo, .e = e, .slope = rise};
    double s = ldexp(1 + random_unit(&seed), (int)random_below(&seed, 7));
    double t = s / (SMX_CAP_MOST * (1 - 0.99 * random_unit(&seed)));
    const struct smx_logits logits = {.softcap = s, .temperature = t};
    struct smx_shift how = {.capped = true};
    double width = s * ldexp(1, (int)random_below(&seed, 10) - 6);
    double top = -INFINITY;
    struct smx_row_dds sums;
    quad slope;

    for (int i = 0; i < N; i++) {
        /* some at the ends of the series */
        z[i] = i < 8 ? s * (i % 2 ? -SMX_CAP_CLOSE : SMX_CAP_CLOSE)
                     : width * random_normal(&seed);
        top = fmax(top, z[i]);
    }
    smx_shift_measure(&how, &logits, top);
    assert_true(how.close);
    const struct smx_row_group rows = {
        .count = 1, .z = z, .maxima = &top, .skip = &(size_t){SIZE_MAX}};
    smx_kernels_of(isa)->dd->exponentials(&rows, N, &how, &tile, &sums);
    quad level = tanh_of((quad)top / s, &slope);
    for (int i = 0; i < N; i++) {
        quad d = (tanh_of((quad)z[i] / s, &slope) - level) * s / t;

        worst[0] = larger(worst[0], (quad)hi[i] + lo[i] - d);
        if (d > -690)
            worst[1] = larger(worst[1], e[i] * 0x1p-128 / exp_of(d) - 1);
        worst[2] = larger(worst[2], rise[i] * 0x1p-128 / slope - 1);
    }
}

static void softcaps_are_within_their_bounds(void **state)
{
    const char *const WHAT[] = {"shifted logits", "exponentials", "slopes"};
    const double BOUNDS[] = {-55, -52.75, -52.9};

    (void)state;
    for (int isa = SMX_ISA_BASE; isa <= SMX_ISA_NEON; isa++) {
        double worst[3] = {0};

        if (!smx_isa_available((enum smx_isa)isa))
            continue;
        for (int i = 0; i < TRIALS; i++)
            measure((enum smx_isa)isa, worst);
        for (int k = 0; k < 3; k++) {
            printf("%-14s %-7s 2^%.2f, bound 2^%g\n", WHAT[k],
                   smx_isa_name((enum smx_isa)isa), log2(worst[k]), BOUNDS[k]);
            assert_true(worst[k] <= exp2(BOUNDS[k]));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(softcaps_are_within_their_bounds),
    };

    random_seed(&seed);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
