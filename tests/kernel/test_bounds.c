/* SPDX-License-Identifier: MIT */
/*
 * The bounds that lib/NUMERICS.md adds up, kernel by kernel and instruction set
 * by instruction set, against long double or better. Prints the worst found.
 */
#include "../support/expect.h"

#include <math.h>
#include <stdio.h>

#include "../support/random.h"
#include "engine/kernels.h"
#include "engine/loss_kernels.h"
#include "engine/summary_kernels.h"
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
        sum = kernels->split->sum(x, N, &split, &max, NULL);
        if (isnan(sum) || max >= split.highest)
            continue;
        if (unit == 0) /* a power of two */
            unit = exp2l(roundl(log2l(sum / exact)));
        worst = worse(worst, sum / unit, exact);
    }
    return worst;
}

/* From the same sweep an entropy, where it is at least 1. */
static long double split_entropy(enum smx_isa isa)
{
    const struct smx_kernels *kernels = smx_kernels_of(isa);
    const struct smx_split_exp split = smx_split_exp_of(1);
    long double worst = 0;

    for (int t = 0; t < TRIALS; t++) {
        double width = 4 * random_unit(&seed), at = 40 * random_unit(&seed);
        long double sum = 0, product = 0, entropy;
        float x[N], max;
        double total, moment;

        for (int i = 0; i < N; i++) {
            x[i] = (float)(at - width * fabs(random_normal(&seed)) -
                           (i % 3 ? 20 : 0));
            sum += expl(x[i]);
            product += expl(x[i]) * x[i];
        }
        total = kernels->split->sum(x, N, &split, &max, &moment);
        assert_true(total == kernels->split->sum(x, N, &split, &max, NULL));
        entropy = logl(sum) - product / sum;
        total = log(total * SMX_SPLIT_UNIT) - moment / total / SMX_POWER_NAT;
        if (entropy >= 1)
            worst = worse(worst, total, entropy);
    }
    return worst;
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

/* Its own function, for all instruction sets. */
static long double loss_log_of_one(enum smx_isa isa)
{
    long double worst = 0;

    (void)isa;
    for (int i = 0; i < N * TRIALS; i++) {
        double x =
            ldexp(1 + random_unit(&seed), (int)random_below(&seed, 90) - 60);

        worst = worse(worst, smx_log1p_fast(x), log1pl(x));
    }
    return worst;
}

/* Of a softcap's slope, 1 - tanh^2. */
static long double slopes(enum smx_isa isa)
{
    const struct smx_kernels *kernels = smx_kernels_of(isa);
    long double worst = 0;

    for (int t = 0; t < TRIALS; t++) {
        struct smx_logits z = {.softcap = 550 * random_unit(&seed) + 0.5};
        const struct smx_exponents by = smx_exponents_of(&z);
        float x[16];
        double capped[16], slope[16];

        for (int i = 0; i < 16; i++)
            x[i] = (float)(2 * z.softcap * random_normal(&seed));
        kernels->cap(x, 16, &by.cap, capped, slope);
        for (int i = 0; i < 16; i++) {
            long double c = coshl(x[i] / (long double)z.softcap);

            worst = worse(worst, slope[i], 1 / (c * c));
        }
    }
    return worst;
}

/* What a loss, a product and an entropy add up: all of it positive. */
static long double sums_in_double(enum smx_isa isa)
{
    const struct smx_kernels *kernels = smx_kernels_of(isa);
    const struct smx_exponents by = {.scale = SMX_POWER_NAT};
    long double worst = 0;

    for (int t = 0; t < TRIALS; t++) {
        double width = 600 * random_unit(&seed), dot, total;
        long double sum = 0, product = 0, moment = 0;
        float x[N], g[N], max = 0;

        for (int i = 0; i < N; i++) {
            x[i] = i ? (float)(width * (random_unit(&seed) - 1)) : max;
            g[i] = (float)random_unit(&seed);
            long double e = exp2l((long double)(x[i] * SMX_POWER_NAT) / 16);

            sum += e;
            product += e * g[i];
            moment += e * -x[i];
        }
        worst = worse(worst, kernels->loss->sum(x, N, &by), sum);
        worst =
            worse(worst, kernels->loss->dot(x, g, N, &by, &dot, &total), sum);
        worst = worse(worst, dot, product);
        struct smx_moments m =
            kernels->summary->moments(x, N, max, SMX_POWER_NAT);
        worst = worse(worst, m.below + m.equal, sum);
        worst = worse(worst, m.moment, moment);
    }
    return worst;
}

/* As many rows as the kernels take at once. */
static long double narrow_sums(enum smx_isa isa)
{
    const struct smx_kernels *kernels = smx_kernels_of(isa);
    const struct smx_split_exp split = smx_split_exp_of(1);
    static struct smx_narrow narrow;
    long double worst = 0;

    for (int t = 0; t < TRIALS; t++) {
        size_t classes = 1 + random_below(&seed, SMX_NARROW);
        size_t rows = smx_narrow_rows(classes);
        static float x[SMX_NARROW_PLACES];

        for (size_t i = 0; i < rows * classes; i++)
            x[i] = (float)(8 * random_normal(&seed));
        kernels->loss->narrow_keep(x, rows, classes, &split, &narrow);
        kernels->loss->narrow_sum(&narrow, rows, classes);
        for (size_t r = 0; r < rows; r++) {
            long double exact = 0;

            for (size_t c = 0; c < classes; c++)
                exact += expl(x[r * classes + c]);
            if (kernels->split->below(x + r * classes, classes, split.highest))
                worst = worse(worst, narrow.sums[r] * SMX_SPLIT_UNIT, exact);
        }
    }
    return worst;
}

/* What is stored as float32 is rounded once. */
static long double stored(enum smx_isa isa)
{
    const struct smx_kernels *kernels = smx_kernels_of(isa);
    const struct smx_exponents by = {.scale = SMX_POWER_NAT};
    long double worst = 0;

    for (int t = 0; t < TRIALS; t++) {
        double factor = random_unit(&seed) + 0.5, e[N];
        float x[N], out[N];

        for (int i = 0; i < N; i++) {
            e[i] = random_unit(&seed) + 0x1p-40;
            x[i] = (float)-e[i];
        }
        kernels->scale(e, N, factor, out);
        for (int i = 0; i < N; i++)
            worst = worse(worst, out[i], (long double)e[i] * factor);
        kernels->shift(x, N, &by, factor, 3, out);
        for (int i = 0; i < N; i++)
            worst = worse(worst, -out[i], 3 - (long double)x[i] * factor);
    }
    return worst;
}

/* ---- focal exponents ------------------------------------------------------
 */

/* (1 - p)^focal and 1 + focal p nats / (1 - p) of p = exp(-nats). */
static void focus_exactly(long double nats, double focal, long double *power,
                          long double *more)
{
    long double others = -expm1l(-nats);

    *power = powl(others, focal);
    *more = 1 + focal * expl(-nats) * nats / others;
}

static long double focus(enum smx_isa isa)
{
    const struct smx_kernels *kernels = smx_kernels_of(isa);
    long double worst = 0, power, more;

    for (int t = 0; t < TRIALS; t++) {
        double nats[N], loss[N], gradient[N], focal = 4 * random_unit(&seed);

        for (int i = 0; i < N; i++)
            nats[i] = ldexp(1 + random_unit(&seed),
                            (int)random_below(&seed, 70) - 64);
        kernels->loss->focus(nats, N, focal, loss, gradient);
        for (int i = 0; i < N; i++) {
            focus_exactly(nats[i], focal, &power, &more);
            worst = worse(worst, loss[i], power);
            worst = worse(worst, gradient[i], power * more);
        }
    }
    return worst;
}

/* log p in 64 bits, as long double has it. */
static long double complement(enum smx_isa isa)
{
    const struct smx_row_kernels *kernels = smx_kernels_of(isa)->dd;
    long double worst = 0, power, more;

    for (int t = 0; t < 20 * TRIALS; t++) {
        double focal = 8 * random_unit(&seed), nats;
        struct smx_dd log;

        nats = ldexp(1 + random_unit(&seed), (int)random_below(&seed, 38) - 32);
        log = (struct smx_dd){-nats, ldexp(nats, -63)};
        long double exact = nats - (long double)log.lo;
        struct smx_complement c = kernels->complement_power(log, focal);

        focus_exactly(exact, focal, &power, &more);
        worst = worse(worst, c.power, power);
        worst = worse(worst, c.base, -expm1l(-exact));
        worst = worse(worst, c.p, expl(-exact));
    }
    return worst;
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

/* keep mass + share, and e factor. */
static long double row_products(enum smx_isa isa)
{
    const struct smx_row_kernels *kernels = smx_kernels_of(isa)->dd;
    long double worst = 0;

    for (int t = 0; t < TRIALS; t++) {
        double e = random_unit(&seed) / 2, x[N], mass[N], out[N];
        const struct smx_dd keep = {1 - e, -0x1p-60}, share = {e, 0x1p-60};

        for (int i = 0; i < N; i++)
            x[i] = mass[i] = random_unit(&seed);
        kernels->smooth(mass, N, keep, share);
        kernels->scale(x, N, e, false, out);
        for (int i = 0; i < N; i++) {
            quad exact = ((quad)keep.hi + keep.lo) * x[i];

            exact += (quad)share.hi + share.lo;
            worst = worse(worst, mass[i], (long double)exact);
            worst = worse(worst, ldexp(out[i], 128), (long double)x[i] * e);
        }
    }
    return worst;
}

/* ---- all of them -----------------------------------------------------------
 */

/* A kernel's relative error, as a power of 2, and what measures it. A rounding
 * to float32 is one of 2^-24, a rounding to float64 one of 2^-53. */
static const struct bound {
    const char *what;
    double exponent;
    long double (*worst_of)(enum smx_isa isa);
} BOUNDS[] = {
    {"exponentials", -28.6, exponentials},
    {"exponentials_of_a_softcap", -28.6, capped_exponentials},
    {"slopes_of_a_softcap", -40, slopes},
    {"sums_dots_and_moments", -28.6, sums_in_double},
    {"split_float32_sums", -26.5, split_sum},
    {"split_float32_entropies", -24, split_entropy},
    {"sums_of_narrow_rows", -26.5, narrow_sums},
    {"scale_and_shift", -23.99, stored},
    {"log1p_of_the_loss", -32, loss_log},
    {"log1p_of_one_number", -50, loss_log_of_one},
    {"focal_exponents", -36, focus},
    {"dd_focal_exponents", -52, complement},
    {"dd_log1p", -57, row_log},
    {"dd_inverse", -100, row_inverse},
    {"dd_exponentials", -52.75, row_exponentials},
    {"dd_smooth_and_scale", -52.99, row_products},
};

enum { COUNT = sizeof BOUNDS / sizeof *BOUNDS };

static void kernel_holds_its_bound(void **state)
{
    const struct bound *bound = *state;

    for (int isa = SMX_ISA_BASE; isa <= SMX_ISA_NEON; isa++)
        if (smx_isa_available((enum smx_isa)isa))
            within(bound->what, (enum smx_isa)isa,
                   bound->worst_of((enum smx_isa)isa), bound->exponent);
}

int main(void)
{
    struct CMUnitTest tests[COUNT];

    for (size_t i = 0; i < COUNT; i++)
        tests[i] =
            (struct CMUnitTest){.name = BOUNDS[i].what,
                                .test_func = kernel_holds_its_bound,
                                .initial_state = (void *)(uintptr_t)&BOUNDS[i]};
    random_seed(&seed);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
