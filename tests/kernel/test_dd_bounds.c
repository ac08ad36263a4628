/* SPDX-License-Identifier: MIT */
/* The bounds of double-double that lib/NUMERICS.md adds up, kernel by kernel
 * and instruction set by instruction set, against long double or better. */
#include "../support/bounds.h"

#include "engine/dd_kernels.h"
#include "engine/dd_shift.h"
#include "engine/kernels.h"

#if defined(__x86_64__)
typedef __float128 quad;
#else
typedef long double quad;
#endif

enum { N = 512, TRIALS = 400 };

static void draw_sums(struct smx_row_dds *x)
{
    for (size_t i = 0; i < SMX_ROW_GROUP; i++) {
        x->hi[i] = ldexp(1 + random_unit(&bounds_seed),
                         (int)random_below(&bounds_seed, 90) - 60);
        x->lo[i] = x->hi[i] * 0x1p-54 * (random_unit(&bounds_seed) - 0.5);
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
        TIME(SMX_ROW_GROUP, kernels->log1p(&x, SMX_ROW_GROUP, &y));
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
        TIME(SMX_ROW_GROUP, kernels->inverse(&x, SMX_ROW_GROUP, &y));
    }
    return worst;
}

/* Of shifted logits over a temperature, which is 1 in the half of all trials.
 */
static long double row_exponentials(enum smx_isa isa)
{
    const struct smx_row_kernels *kernels = smx_kernels_of(isa)->dd;
    long double worst = 0;

    for (int t = 0; t < TRIALS; t++) {
        static double z[N], e[N];
        size_t skip = 0;
        struct smx_row_dds sums;
        int power = (int)random_below(&bounds_seed, 200) - 100;
        double kelvin = t % 2 ? ldexp(1 + random_unit(&bounds_seed), power) : 1;
        double top = 1500 * kelvin * (random_unit(&bounds_seed) - 0.5);
        const struct smx_row_group rows = {
            .count = 1, .z = z, .maxima = &top, .skip = &skip};
        const struct smx_logits logits = {.temperature = kelvin};
        const struct smx_tile tile = {.e = e};
        struct smx_shift how = {.before = 0};

        z[0] = top;
        for (int i = 1; i < N; i++)
            z[i] = top - 600 * kelvin * random_unit(&bounds_seed) *
                             random_unit(&bounds_seed);
        smx_shift_measure(&how, &logits, top);
        kernels->exponentials(&rows, N, &how, &tile, &sums);
        for (int i = 0; i < N; i++) {
            quad d = ((quad)z[i] - top) / kelvin;
            long double hi = (long double)d, lo = (long double)(d - hi);

            worst = worse(worst, e[i], ldexpl(expl(hi) * (1 + lo), 128));
        }
        TIME(N, kernels->exponentials(&rows, N, &how, &tile, &sums));
    }
    return worst;
}

/* keep mass + share, and e factor. */
static long double row_products(enum smx_isa isa)
{
    const struct smx_row_kernels *kernels = smx_kernels_of(isa)->dd;
    long double worst = 0;

    for (int t = 0; t < TRIALS; t++) {
        double e = random_unit(&bounds_seed) / 2, x[N], mass[N], out[N];
        const struct smx_dd keep = {1 - e, -0x1p-60}, share = {e, 0x1p-60};

        for (int i = 0; i < N; i++)
            x[i] = mass[i] = random_unit(&bounds_seed);
        kernels->smooth(mass, N, keep, share);
        kernels->scale(x, N, e, false, out);
        for (int i = 0; i < N; i++) {
            quad exact = ((quad)keep.hi + keep.lo) * x[i];

            exact += (quad)share.hi + share.lo;
            worst = worse(worst, mass[i], (long double)exact);
            worst = worse(worst, ldexp(out[i], 128), (long double)x[i] * e);
        }
        TIME(N, kernels->smooth(mass, N, keep, share));
        TIME(N, kernels->scale(x, N, e, false, out));
    }
    return worst;
}

static long double row_distances(enum smx_isa isa)
{
    const struct smx_row_kernels *kernels = smx_kernels_of(isa)->dd;
    long double worst = 0;

    for (int t = 0; t < TRIALS; t++) {
        double z[N], top = 8 * random_unit(&bounds_seed);
        size_t n = 1 + random_below(&bounds_seed, N);
        const struct smx_shift how = {.top = top,
                                      .before = 1,
                                      .inverse = {1.25, 0x1p-56},
                                      .scaled = t % 2};
        const struct smx_nats d = {.z = z, .how = how};
        struct smx_dd got;
        quad want = 0;

        for (int i = 0; i < N; i++) {
            z[i] = top - 40 * random_unit(&bounds_seed);
            want += (size_t)i < n ? (quad)z[i] - top : 0;
        }
        want *= how.scaled ? (quad)1.25 + 0x1p-56 : 1;
        got = kernels->distances(d, n);
        worst = worse(worst, -(long double)got.hi - got.lo, -(long double)want);
        TIME(N, kernels->distances(d, N));
    }
    return worst;
}

/* ---- all of them --------------------------------------------------------- */

static const struct bound BOUNDS[] = {
    {"dd_log1p", -57, row_log},
    {"dd_inverse", -100, row_inverse},
    {"dd_exponentials", -52.75, row_exponentials},
    {"dd_smooth_and_scale", -52.99, row_products},
    {"dd_distances", -51, row_distances},
};

int main(void)
{
    return bounds_run(BOUNDS, sizeof BOUNDS / sizeof *BOUNDS);
}
