/* SPDX-License-Identifier: MIT */
/*
 * The bounds that lib/NUMERICS.md adds up, kernel by kernel and instruction set
 * by instruction set, against long double or better. Prints the worst found.
 */
#include "../support/expect.h"

#include <math.h>
#include <stdio.h>

#include "../support/random.h"
#include "../support/reference.h"
#include "../support/tiers.h"
#include "../support/ulp.h"
#include "engine/kernels.h"
#include "engine/loss_kernels.h"
#include "engine/dd_kernels.h"
#include "engine/sums.h"
#include "simd/power.h"

#if defined(__x86_64__)
typedef __float128 quad;
#else
typedef long double quad;
#endif

enum { N = 512, TRIALS = 400 };

static struct random seed;

static void within(const char *what, enum smx_isa isa, long double worst,
                   double exponent)
{
    printf("%-24s %-7s 2^%.2Lf, bound 2^%g\n", what, smx_isa_name(isa),
           log2l(worst), exponent);
    assert_true(worst <= exp2l(exponent));
}

/** The larger of worst and the relative error. */
static long double worse(long double worst, long double got, long double want)
{
    long double error = fabsl(got - want) / want;

    return error > worst ? error : worst;
}

/** A kernel's number for each instruction set of the machine. */
static void each_tier(const char *what, double exponent,
                      long double (*worst_of)(enum smx_isa isa))
{
    for (int isa = SMX_ISA_BASE; isa <= SMX_ISA_NEON; isa++)
        if (smx_isa_available((enum smx_isa)isa))
            within(what, (enum smx_isa)isa, worst_of((enum smx_isa)isa),
                   exponent);
}

/* ---- float32 ------------------------------------------------------------- */

static long double exponentials(enum smx_isa isa)
{
    const struct smx_kernels *kernels = smx_kernels_of(isa);
    const struct smx_exponents by = {.scale = SMX_POWER_NAT};
    static float x[N];
    static double e[N];
    long double worst = 0;

    for (int t = 0; t < TRIALS; t++) {
        double width = 600 * random_unit(&seed);

        for (int i = 0; i < N; i++)
            x[i] = (float)(width * (random_unit(&seed) - 1));
        kernels->exponentials(x, N, &by, e);
        for (int i = 0; i < N;
             i++) /* the scale's own rounding is an argument */
            worst = worse(worst, e[i],
                          exp2l((long double)(x[i] * SMX_POWER_NAT) / 16));
    }
    return worst;
}

/* Of a softcap as wide as it may be, or less. */
static long double capped_exponentials(enum smx_isa isa)
{
    const struct smx_kernels *kernels = smx_kernels_of(isa);
    static float x[N];
    static double e[N];
    long double worst = 0;

    for (int t = 0; t < TRIALS; t++) {
        struct smx_logits z = {.softcap = 550 * random_unit(&seed) + 0.5};
        const struct smx_exponents by = smx_exponents_of(&z);

        for (int i = 0; i < N; i++)
            x[i] = (float)(2 * z.softcap * random_normal(&seed));
        kernels->exponentials(x, N, &by, e);
        for (int i = 0; i < N; i++) {
            long double s = z.softcap;

            worst = worse(worst, e[i], expl(s * tanhl(x[i] / s)));
        }
    }
    return worst;
}

static void exponentials_of_a_softcap(void **state)
{
    (void)state;
    each_tier("exponentials of a softcap", -28, capped_exponentials);
}

static void exponentials_in_double(void **state)
{
    (void)state;
    each_tier("exponentials", -28.6, exponentials);
}

static long double split_sum(enum smx_isa isa)
{
    const struct smx_kernels *kernels = smx_kernels_of(isa);
    const struct smx_split_exp split = smx_split_exp_of(1);
    static float x[N];
    long double worst = 0, unit = 0;

    for (int t = 0; t < TRIALS; t++) {
        long double exact = 0;
        float max = INFINITY;
        double sum;

        for (int i = 0; i < N; i++) {
            x[i] = (float)(8 * random_normal(&seed));
            exact += expl(x[i]);
        }
        sum = kernels->split->sum(x, N, &split, &max);
        if (isnan(sum) || max >= split.highest)
            continue;
        if (unit == 0) /* a power of two */
            unit = exp2l(roundl(log2l(sum / exact)));
        worst = worse(worst, sum / unit, exact);
    }
    return worst;
}

static void sums_of_split_float32(void **state)
{
    (void)state;
    each_tier("split-float32 sums", -26.5, split_sum);
}

static long double loss_log(enum smx_isa isa)
{
    const struct smx_kernels *kernels = smx_kernels_of(isa);
    long double worst = 0;

    for (int t = 0; t < TRIALS; t++) {
        double x[N], y[N];

        for (int i = 0; i < N; i++)
            x[i] = y[i] = ldexp(1 + random_unit(&seed),
                                (int)random_below(&seed, 90) - 60);
        kernels->loss->log1p(y, N);
        for (int i = 0; i < N; i++)
            worst = worse(worst, y[i], log1pl(x[i]));
    }
    return worst;
}

static void logarithms_of_a_loss(void **state)
{
    long double worst = 0;

    (void)state;
    each_tier("log1p of the loss", -32, loss_log);
    for (int i = 0; i < N * TRIALS; i++) {
        double x =
            ldexp(1 + random_unit(&seed), (int)random_below(&seed, 90) - 60);

        worst = worse(worst, smx_log1p_fast(x), log1pl(x));
    }
    within("log1p, one number", SMX_ISA_BASE, worst, -50);
}

/* ---- double-double ------------------------------------------------------- */

static void draw_sums(struct smx_row_dds *x)
{
    for (size_t i = 0; i < SMX_ROW_GROUP; i++) {
        x->hi[i] =
            ldexp(1 + random_unit(&seed), (int)random_below(&seed, 90) - 60);
        x->lo[i] = x->hi[i] * 0x1p-54 * (random_unit(&seed) - 0.5);
    }
}

static long double row_log(enum smx_isa isa)
{
    const struct smx_row_kernels *kernels = smx_kernels_of(isa)->dd;
    long double worst = 0;

    for (int t = 0; t < TRIALS; t++) {
        struct smx_row_dds x, y;

        draw_sums(&x);
        kernels->log1p(&x, SMX_ROW_GROUP, &y);
        for (size_t i = 0; i < SMX_ROW_GROUP; i++)
            worst = worse(worst, (long double)y.hi[i] + y.lo[i],
                          log1pl((long double)x.hi[i] + x.lo[i]));
    }
    return worst;
}

static long double row_inverse(enum smx_isa isa)
{
    const struct smx_row_kernels *kernels = smx_kernels_of(isa)->dd;
    long double worst = 0;

    for (int t = 0; t < TRIALS; t++) {
        struct smx_row_dds x, y;

        draw_sums(&x);
        kernels->inverse(&x, SMX_ROW_GROUP, &y);
        for (size_t i = 0; i < SMX_ROW_GROUP; i++) {
            quad sum = (quad)1 + x.hi[i] + x.lo[i];
            long double error =
                (long double)(((quad)y.hi[i] + y.lo[i]) * sum - 1);

            worst = fabsl(error) > worst ? fabsl(error) : worst;
        }
    }
    return worst;
}

static void sums_of_double_double(void **state)
{
    (void)state;
    each_tier("log1p, double-double", -57, row_log);
    each_tier("1 / (1 + x)", -100, row_inverse);
}

static long double row_exponentials(enum smx_isa isa)
{
    const struct smx_row_kernels *kernels = smx_kernels_of(isa)->dd;
    long double worst = 0;

    for (int t = 0; t < TRIALS; t++) {
        static double z[N], e[N];
        double top = 0;
        size_t skip = 0;
        struct smx_row_dds sums;
        const struct smx_row_group rows = {
            .count = 1, .z = z, .maxima = &top, .skip = &skip};
        const struct smx_shift how = {
            .before = 1, .inverse = {1, 0}, .scaled = t % 2};
        const struct smx_tile tile = {.e = e};

        for (int i = 1; i < N; i++)
            z[i] = -600 * random_unit(&seed) * random_unit(&seed);
        z[0] = 0;
        kernels->exponentials(&rows, N, &how, &tile, &sums);
        for (int i = 0; i < N; i++)
            worst = worse(worst, e[i], ldexpl(expl(z[i]), 128));
    }
    return worst;
}

/* One rounding to double, 2^-53, is all that shows. */
static void exponentials_of_double_double(void **state)
{
    (void)state;
    each_tier("exp, double-double", -52.75, row_exponentials);
}

/* ---- element by element ---------------------------------------------------
 */

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
        cmocka_unit_test(exponentials_in_double),
        cmocka_unit_test(exponentials_of_a_softcap),
        cmocka_unit_test(sums_of_split_float32),
        cmocka_unit_test(logarithms_of_a_loss),
        cmocka_unit_test(sums_of_double_double),
        cmocka_unit_test(exponentials_of_double_double),
        cmocka_unit_test(gradients_by_labels_hold_their_own_ulp),
    };

    random_seed(&seed);
    return cmocka_run_group_tests(tests, tiers_open, tiers_close);
}
