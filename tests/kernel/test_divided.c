/* SPDX-License-Identifier: MIT */
/* A row that is divided while another is summed has the bits that it has alone:
 * any length and alignment, quotients that are denormal or not, on every
 * instruction set. What a sum tells of a row's extent. */
#include "../support/expect.h"

#include <math.h>
#include <string.h>

#include "../support/random.h"
#include "engine/kernels.h"

enum { N = 700, TRIALS = 400, GUARD = 16 };

static struct random seed;

struct row {
    float x[N];
    struct smx_extent extent;
    double sum;
    _Alignas(64) float high[N + GUARD], rest[N + GUARD];
};

/* Logits down to some depth below their top, and some of no number. */
static void draw(struct row *row, size_t n)
{
    static const float tops[] = {0, 5, -7, 40}, depths[] = {4, 60, 100, 130};
    static const float others[] = {-INFINITY, NAN, -NAN};
    float top = tops[random_below(&seed, 4)];
    float depth = depths[random_below(&seed, 4)];

    for (size_t i = 0; i < n; i++)
        row->x[i] = top - depth * (float)random_unit(&seed);
    if (random_below(&seed, 4) == 0)
        row->x[random_below(&seed, n)] = others[random_below(&seed, 3)];
}

static void keep(const struct smx_split_kernels *kernels, struct row *row,
                 size_t n, const struct smx_split_exp *split,
                 const struct smx_cached_exp *before)
{
    row->sum = kernels->keep(row->x, n, split, &row->extent, NULL, row->high,
                             row->rest, before);
}

static void expect_extent(const struct row *row, size_t n, bool knows_min)
{
    float max = -INFINITY, min = 0;
    bool nan = false;

    for (size_t i = 0; i < n; i++) {
        max = fmaxf(max, row->x[i]);
        min = fminf(min, row->x[i]);
        nan |= isnan(row->x[i]);
    }
    assert_true(nan == isnan(row->sum));
    assert_true(row->extent.max == max);
    if (!nan)
        assert_true(row->extent.min == (knows_min ? min : -INFINITY));
}

static void expect_same(const struct row *a, const struct row *b, size_t n)
{
    assert_true(isnan(a->sum) ? isnan(b->sum) : a->sum == b->sum);
    for (size_t i = 0; i < n && !isnan(a->sum); i++) {
        assert_true(a->high[i] == b->high[i]);
        assert_true(a->rest[i] == b->rest[i]);
    }
}

/* The second row's exponentials take the place of the first's. */
static void try_rows(enum smx_isa isa)
{
    static struct row first, second, both;
    static _Alignas(64) float out[N + 3 * GUARD], want[N + 3 * GUARD];
    const struct smx_split_kernels *base = smx_kernels_of(SMX_ISA_BASE)->split;
    const struct smx_split_kernels *kernels = smx_kernels_of(isa)->split;
    const struct smx_split_exp split = smx_split_exp_of(1);
    size_t n = 1 + random_below(&seed, N), at = random_below(&seed, GUARD);

    draw(&first, n);
    draw(&second, n);
    keep(kernels, &first, n, &split, NULL);
    keep(kernels, &second, n, &split, NULL);
    expect_extent(&first, n, isa != SMX_ISA_BASE);
    if (isnan(first.sum))
        return;
    for (size_t i = 0; i < N + 3 * GUARD; i++)
        out[i] = want[i] = 7;
    struct smx_cached_exp alone = {.high = first.high,
                                   .rest = first.rest,
                                   .sum = first.sum,
                                   .out = want + at};
    base->divide(&alone, n);
    both = first;
    memcpy(both.x, second.x, n * sizeof *both.x);
    const struct smx_cached_exp before = {
        .high = both.high,
        .rest = both.rest,
        .sum = first.sum,
        .out = out + at,
        .normal = smx_divides_normally(&split, first.extent.min, first.sum)};
    keep(kernels, &both, n, &split, &before);
    assert_memory_equal(out, want, sizeof out);
    expect_same(&both, &second, n);
}

static void divided_meanwhile_as_alone(void **state)
{
    (void)state;
    for (int isa = SMX_ISA_BASE; isa <= SMX_ISA_NEON; isa++)
        for (int t = 0; t < TRIALS && smx_isa_available((enum smx_isa)isa); t++)
            try_rows((enum smx_isa)isa);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(divided_meanwhile_as_alone),
    };

    random_seed(&seed);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
