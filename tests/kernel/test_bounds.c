/* SPDX-License-Identifier: MIT */
/*
 * The bounds that lib/NUMERICS.md adds up, kernel by kernel and instruction set
 * by instruction set, against long double: float32's, and focal exponents.
 */
#include "../support/bounds.h"
#include "../support/expect.h"

#include "engine/divergence_kernels.h"
#include "engine/kernels.h"
#include "engine/loss_kernels.h"
#include "engine/summary_kernels.h"
#include "engine/dd_kernels.h"
#include "engine/sums.h"
#include "simd/power.h"

enum { N = 512, TRIALS = 400 };

/* ---- float32 ------------------------------------------------------------- */

static long double exponentials(enum smx_isa isa)
{
    const struct smx_kernels *kernels = smx_kernels_of(isa);
    const struct smx_exponents by = {.scale = SMX_POWER_NAT};
    static float x[N];
    static double e[N];
    long double worst = 0;

    for (int t = 0; t < TRIALS; t++) {
        double width = 600 * random_unit(&bounds_seed);

        for (int i = 0; i < N; i++)
            x[i] = (float)(width * (random_unit(&bounds_seed) - 1));
        kernels->exponentials(x, N, &by, e);
        for (int i = 0; i < N;
             i++) /* the scale's own rounding is an argument */
            worst = worse(worst, e[i],
                          exp2l((long double)(x[i] * SMX_POWER_NAT) / 16));
        TIME(N, kernels->exponentials(x, N, &by, e));
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
        struct smx_logits z = {.softcap =
                                   550 * random_unit(&bounds_seed) + 0.5};
        const struct smx_exponents by = smx_exponents_of(&z);

        for (int i = 0; i < N; i++)
            x[i] = (float)(2 * z.softcap * random_normal(&bounds_seed));
        kernels->exponentials(x, N, &by, e);
        for (int i = 0; i < N; i++) {
            long double s = z.softcap;

            worst = worse(worst, e[i], expl(s * tanhl(x[i] / s)));
        }
        TIME(N, kernels->exponentials(x, N, &by, e));
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
        struct smx_extent extent;
        double sum;

        for (int i = 0; i < N; i++) {
            x[i] = (float)(8 * random_normal(&bounds_seed));
            exact += expl(x[i]);
        }
        sum = kernels->split->sum(x, N, &split, &extent, NULL);
        if (isnan(sum) || extent.max >= split.highest)
            continue;
        if (unit == 0) /* a power of two */
            unit = exp2l(roundl(log2l(sum / exact)));
        worst = worse(worst, sum / unit, exact);
        TIME(N, kernels->split->sum(x, N, &split, &extent, NULL));
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
        double width = 4 * random_unit(&bounds_seed),
               at = 40 * random_unit(&bounds_seed);
        long double sum = 0, product = 0, entropy;
        struct smx_extent extent;
        float x[N];
        double total, moment;

        for (int i = 0; i < N; i++) {
            x[i] = (float)(at - width * fabs(random_normal(&bounds_seed)) -
                           (i % 3 ? 20 : 0));
            sum += expl(x[i]);
            product += expl(x[i]) * x[i];
        }
        total = kernels->split->sum(x, N, &split, &extent, &moment);
        assert_true(total == kernels->split->sum(x, N, &split, &extent, NULL));
        entropy = logl(sum) - product / sum;
        total = log(total * SMX_SPLIT_UNIT) - moment / total / SMX_POWER_NAT;
        if (entropy >= 1)
            worst = worse(worst, total, entropy);
        TIME(N, kernels->split->sum(x, N, &split, &extent, &moment));
    }
    return worst;
}

/* Of the terms that an entropy's weight makes of them; of the difference from
 * the mean logit none is less than a nat where it is used. */
static long double bent_products(enum smx_isa isa)
{
    const struct smx_split_kernels *split = smx_kernels_of(isa)->split;
    long double worst = 0;

    for (int t = 0; t < TRIALS; t++) {
        double temperature = exp(6 * random_unit(&bounds_seed) - 3);
        double unit = ldexp(random_unit(&bounds_seed) + 1,
                            -(int)random_below(&bounds_seed, 40) - 54);
        double factor = unit * random_normal(&bounds_seed);
        double bend = unit * random_normal(&bounds_seed) / temperature;
        const struct smx_split_exp by = smx_split_exp_of(temperature);
        float x[N], out[N];

        for (int i = 0; i < N; i++)
            x[i] = (float)(temperature * 12 * random_normal(&bounds_seed));
        split->put(x, N, &by, factor, bend, -INFINITY, false, out);
        for (int i = 0; i < N; i++) {
            long double e = ldexpl(expl(x[i] / (long double)temperature), 54);
            long double exact = e * factor + e * bend * x[i];
            long double terms =
                e * (fabs(factor) + fabs(bend) * (fabs(x[i]) + temperature));

            if (terms > 0x1p-120 && x[i] < by.highest && x[i] > by.lowest)
                worst = worse(worst, (double)((out[i] - exact) / terms) + 1, 1);
        }
        TIME(N, split->put(x, N, &by, factor, bend, -INFINITY, false, out));
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
            x[i] = y[i] = ldexp(1 + random_unit(&bounds_seed),
                                (int)random_below(&bounds_seed, 90) - 60);
        kernels->loss->log1p(y, N);
        for (int i = 0; i < N; i++)
            worst = worse(worst, y[i], log1pl(x[i]));
        TIME(N, kernels->loss->log1p(y, N));
    }
    return worst;
}

/* Its own function, for all instruction sets. */
static long double loss_log_of_one(enum smx_isa isa)
{
    long double worst = 0;

    (void)isa;
    for (int i = 0; i < N * TRIALS; i++) {
        double x = ldexp(1 + random_unit(&bounds_seed),
                         (int)random_below(&bounds_seed, 90) - 60);

        worst = worse(worst, smx_log1p_fast(x), log1pl(x));
        if (i % N == 0)
            TIME(1, smx_log1p_fast(x));
    }
    return worst;
}

/* Of a softcap's slope, 1 - tanh^2. */
static long double slopes(enum smx_isa isa)
{
    const struct smx_kernels *kernels = smx_kernels_of(isa);
    long double worst = 0;

    for (int t = 0; t < TRIALS; t++) {
        struct smx_logits z = {.softcap =
                                   550 * random_unit(&bounds_seed) + 0.5};
        const struct smx_exponents by = smx_exponents_of(&z);
        float x[16];
        double capped[16], slope[16];

        for (int i = 0; i < 16; i++)
            x[i] = (float)(2 * z.softcap * random_normal(&bounds_seed));
        kernels->cap(x, 16, &by.cap, capped, slope);
        for (int i = 0; i < 16; i++) {
            long double c = coshl(x[i] / (long double)z.softcap);

            worst = worse(worst, slope[i], 1 / (c * c));
        }
        TIME(16, kernels->cap(x, 16, &by.cap, capped, slope));
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
        double width = 600 * random_unit(&bounds_seed), dot, total;
        long double sum = 0, upstream = 0, product = 0, moment = 0;
        float x[N], g[N], max = 0;

        for (int i = 0; i < N; i++) {
            x[i] = i ? (float)(width * (random_unit(&bounds_seed) - 1)) : max;
            g[i] = (float)random_unit(&bounds_seed);
            long double e = exp2l((long double)(x[i] * SMX_POWER_NAT) / 16);

            sum += e;
            upstream += g[i];
            product += e * g[i];
            moment += e * -x[i];
        }
        worst = worse(worst, kernels->sum(x, N, &by), sum);
        worst = worse(worst, kernels->dot(x, g, N, &by, true, &total), sum);
        worst = worse(worst, total, upstream);
        worst = worse(worst, kernels->dot(x, g, N, &by, false, &dot), sum);
        worst = worse(worst, dot, product);
        struct smx_moments m = kernels->moments(x, N, &by);
        worst = worse(worst, m.below + m.equal, sum);
        worst = worse(worst, m.moment, moment);
        TIME(N, kernels->sum(x, N, &by));
        TIME(N, kernels->dot(x, g, N, &by, false, &dot));
        TIME(N, kernels->moments(x, N, &by));
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
        size_t classes = 1 + random_below(&bounds_seed, SMX_NARROW);
        size_t rows = smx_narrow_rows(classes);
        static float x[SMX_NARROW_PLACES];

        for (size_t i = 0; i < rows * classes; i++)
            x[i] = (float)(8 * random_normal(&bounds_seed));
        kernels->loss->narrow_keep(x, rows, classes, &split, &narrow);
        kernels->loss->narrow_sum(&narrow, rows, classes);
        for (size_t r = 0; r < rows; r++) {
            long double exact = 0;

            for (size_t c = 0; c < classes; c++)
                exact += expl(x[r * classes + c]);
            if (kernels->split->below(x + r * classes, classes, split.highest))
                worst = worse(worst, narrow.sums[r] * SMX_SPLIT_UNIT, exact);
        }
        TIME(rows * classes,
             kernels->loss->narrow_keep(x, rows, classes, &split, &narrow));
        TIME(rows * classes, kernels->loss->narrow_sum(&narrow, rows, classes));
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
        double factor = random_unit(&bounds_seed) + 0.5, e[N];
        float x[N], out[N];

        for (int i = 0; i < N; i++) {
            e[i] = random_unit(&bounds_seed) + 0x1p-40;
            x[i] = (float)-e[i];
        }
        kernels->scale(e, N, factor, out);
        for (int i = 0; i < N; i++)
            worst = worse(worst, out[i], (long double)e[i] * factor);
        kernels->shift(x, N, &by, factor, 3, false, out);
        for (int i = 0; i < N; i++)
            worst = worse(worst, -out[i], 3 - (long double)x[i] * factor);
        TIME(N, kernels->scale(e, N, factor, out));
        TIME(N, kernels->shift(x, N, &by, factor, 3, false, out));
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
        double nats[N], loss[N], gradient[N],
            focal = 4 * random_unit(&bounds_seed);

        for (int i = 0; i < N; i++)
            nats[i] = ldexp(1 + random_unit(&bounds_seed),
                            (int)random_below(&bounds_seed, 70) - 64);
        kernels->loss->focus(nats, N, focal, loss, gradient);
        for (int i = 0; i < N; i++) {
            focus_exactly(nats[i], focal, &power, &more);
            worst = worse(worst, loss[i], power);
            worst = worse(worst, gradient[i], power * more);
        }
        TIME(N, kernels->loss->focus(nats, N, focal, loss, gradient));
    }
    return worst;
}

/* log p in 64 bits, as long double has it. */
static long double complement(enum smx_isa isa)
{
    const struct smx_row_kernels *kernels = smx_kernels_of(isa)->dd;
    long double worst = 0, power, more;

    for (int t = 0; t < 20 * TRIALS; t++) {
        double focal = 8 * random_unit(&bounds_seed), nats;
        struct smx_row_dds log = {{0}, {0}};
        struct smx_complements c;
        size_t k = (size_t)t % SMX_ROW_GROUP;

        nats = ldexp(1 + random_unit(&bounds_seed),
                     (int)random_below(&bounds_seed, 38) - 32);
        log.hi[k] = -nats;
        log.lo[k] = ldexp(nats, -63);
        long double exact = nats - (long double)log.lo[k];
        kernels->complement_powers(&log, k + 1, focal, &c);

        focus_exactly(exact, focal, &power, &more);
        worst = worse(worst, c.power[k], power);
        worst = worse(worst, c.base[k], -expm1l(-exact));
        worst = worse(worst, c.p[k], expl(-exact));
        if (t % 20 == 0)
            TIME(k + 1, kernels->complement_powers(&log, k + 1, focal, &c));
    }
    return worst;
}

/* ---- divergences --------------------------------------------------------- */

static long double divergence_exponentials(enum smx_isa isa)
{
    const struct smx_divergence_kernels *kernels =
        smx_kernels_of(isa)->divergence;
    long double worst = 0;

    for (int i = 0; i < N * TRIALS; i++) {
        double t = -10000 * random_unit(&bounds_seed);

        worst = worse(worst, kernels->power(t), exp2l((long double)t / 16));
        if (i % N == 0)
            TIME(1, kernels->power(t));
    }
    return worst;
}

/* ---- all of them -----------------------------------------------------------
 */

static const struct bound BOUNDS[] = {
    {"exponentials", -28.6, exponentials},
    {"exponentials_of_a_softcap", -28.6, capped_exponentials},
    {"slopes_of_a_softcap", -40, slopes},
    {"sums_dots_and_moments", -28.6, sums_in_double},
    {"split_float32_sums", -26.5, split_sum},
    {"split_float32_entropies", -24, split_entropy},
    {"bent_split_float32_products", -23.8, bent_products},
    {"sums_of_narrow_rows", -26.5, narrow_sums},
    {"scale_and_shift", -23.99, stored},
    {"log1p_of_the_loss", -32, loss_log},
    {"log1p_of_one_number", -50, loss_log_of_one},
    {"focal_exponents", -36, focus},
    {"dd_focal_exponents", -52, complement},
    {"exponentials_of_divergences", -42, divergence_exponentials},
};

int main(void)
{
    return bounds_run(BOUNDS, sizeof BOUNDS / sizeof *BOUNDS);
}
