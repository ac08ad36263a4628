/* SPDX-License-Identifier: MIT */
/* What is stored past the cache, or by a kernel that computes exponentials
 * anew, has the bits of what is not: any length and alignment, in place and
 * not, on every instruction set. */
#include "../support/expect.h"

#include <math.h>
#include <string.h>

#include "../support/random.h"
#include "engine/kernels.h"

enum { N = 200, TRIALS = 300, GUARD = 16 };

static struct random seed;

struct draw {
    size_t n, at;
    struct smx_exponents by;
    float x[N + GUARD];
};

static void draw(struct draw *d)
{
    struct smx_logits z = {.temperature = random_unit(&seed) + 0.5};
    if (random_below(&seed, 2))
        z.softcap = 8 * random_unit(&seed) + 1;
    d->by = smx_exponents_of(&z);
    d->by.reference = random_below(&seed, 2) ? 3 : 0;
    d->n = 1 + random_below(&seed, N);
    d->at = random_below(&seed, GUARD);
    for (size_t i = 0; i < N + GUARD; i++) {
        d->x[i] = (float)(4 * random_normal(&seed));
        if (random_below(&seed, 20) == 0)
            d->x[i] = -INFINITY;
    }
}

/* Nothing before or behind them has been written. */
static void expect(const struct draw *d, const float *got, const float *want)
{
    assert_memory_equal(got + d->at, want, d->n * sizeof *want);
    for (size_t i = 0; i < N + 2 * GUARD; i++)
        if (i < d->at || i >= d->at + d->n)
            assert_true(got[i] == 7);
}

static void clear(float *out)
{
    for (size_t i = 0; i < N + 2 * GUARD; i++)
        out[i] = 7;
}

static void probabilities(const struct smx_kernels *kernels)
{
    static _Alignas(64) float out[N + 2 * GUARD], want[N];
    static double e[N + GUARD];
    struct draw d;
    double factor = random_unit(&seed);

    draw(&d);
    kernels->exponentials(d.x, d.n, &d.by, e);
    kernels->scale(e, d.n, factor, want);
    for (int stream = 0; stream < 2; stream++) {
        clear(out);
        kernels->put(d.x, d.n, &d.by, factor, stream, out + d.at);
        expect(&d, out, want);
        clear(out);
        memcpy(out + d.at, d.x, d.n * sizeof *out);
        kernels->put(out + d.at, d.n, &d.by, factor, stream, out + d.at);
        expect(&d, out, want);
    }
}

/* A log-probability is the same one by one, streamed and in place. */
static void logarithms(const struct smx_kernels *kernels)
{
    static _Alignas(64) float out[N + 2 * GUARD], want[N];
    struct draw d;
    double factor = random_unit(&seed);

    draw(&d);
    for (size_t i = 0; i < d.n; i++)
        kernels->shift(d.x + i, 1, &d.by, factor, 3, false, want + i);
    for (int stream = 0; stream < 2; stream++) {
        clear(out);
        kernels->shift(d.x, d.n, &d.by, factor, 3, stream, out + d.at);
        expect(&d, out, want);
        clear(out);
        memcpy(out + d.at, d.x, d.n * sizeof *out);
        kernels->shift(out + d.at, d.n, &d.by, factor, 3, stream, out + d.at);
        expect(&d, out, want);
    }
}

static void on_every_tier(void (*check)(const struct smx_kernels *kernels))
{
    for (int isa = SMX_ISA_BASE; isa <= SMX_ISA_NEON; isa++)
        for (int t = 0; t < TRIALS && smx_isa_available((enum smx_isa)isa); t++)
            check(smx_kernels_of((enum smx_isa)isa));
}

static void exponentials_anew_have_the_bits_of_kept_ones(void **state)
{
    (void)state;
    on_every_tier(probabilities);
}

static void logarithms_are_the_same_however_they_are_stored(void **state)
{
    (void)state;
    on_every_tier(logarithms);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exponentials_anew_have_the_bits_of_kept_ones),
        cmocka_unit_test(logarithms_are_the_same_however_they_are_stored),
    };

    random_seed(&seed);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
