/* SPDX-License-Identifier: MIT */
/* The largest classes of rows, beside a count of what precedes each: few
 * different numbers, so that most classes have equals, of narrow rows every
 * number of classes, rows that fill no group, every k and every instruction
 * set. */
#include "../support/expect.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "../support/random.h"
#include "../support/tiers.h"
#include "engine/engine.h"
#include "engine/kernels.h"
#include "engine/summary_kernels.h"
#include "softmax.h"

enum { ROWS = 19, NARROW = 32, MOST = 330, UNTOUCHED = -7 };

static double z[ROWS * MOST];
static float narrow[ROWS * MOST];
static double values[ROWS * MOST];
static int64_t order[ROWS * MOST + 16];

static void fill(enum smx_dtype dtype, size_t classes, struct random *seed)
{
    static const double some[2][8] = {
        {-INFINITY, -FLT_MAX, FLT_MAX, 0, -0.0, FLT_TRUE_MIN, -FLT_TRUE_MIN, 1},
        {-INFINITY, -DBL_MAX, DBL_MAX, 0, -0.0, DBL_TRUE_MIN, -DBL_TRUE_MIN,
         1 + DBL_EPSILON}};

    for (size_t i = 0; i < ROWS * classes; i++) {
        double x = random_once_in(seed, 3)
                       ? (double)random_below(seed, 5) - 2
                       : some[dtype == SMX_FLOAT64][random_below(seed, 8)];

        narrow[i] = (float)x;
        z[i] = dtype == SMX_FLOAT32 ? (double)narrow[i] : x;
    }
}

/* How many classes precede one. */
static size_t place(const double *row, size_t classes, size_t class)
{
    size_t before = 0;

    for (size_t c = 0; c < classes; c++)
        before += c < class ? row[c] >= row[class] : row[c] > row[class];
    return before;
}

static void expect_order(size_t classes, size_t k)
{
    for (size_t r = 0; r < ROWS; r++)
        for (size_t c = 0; c < classes; c++) {
            size_t i = place(z + r * classes, classes, c);

            if (i < k)
                assert_int_equal(order[r * k + i], c);
        }
    assert_int_equal(order[ROWS * k], UNTOUCHED);
}

static void try_order(struct smx_context *context, enum smx_dtype dtype,
                      size_t classes, size_t k)
{
    struct smx_logits logits = dtype == SMX_FLOAT32
                                   ? logits_float(narrow, ROWS, classes)
                                   : logits_double(z, ROWS, classes);
    struct smx_softmax_out out = {.size = sizeof out, .indices = order};

    for (size_t i = 0; i < sizeof order / sizeof *order; i++)
        order[i] = UNTOUCHED;
    assert_status(
        smx_softmax(context, &logits, OPTIONS(.top_k = k), &out, NULL), SMX_OK);
    expect_order(classes, k);
    out.values = values; /* beside which the order is the same */
    assert_status(
        smx_softmax(context, &logits, OPTIONS(.top_k = k), &out, NULL), SMX_OK);
    expect_order(classes, k);
}

static void largest_come_first(void **state)
{
    struct random seed = {7};

    (void)state;
    for (int isa = SMX_ISA_BASE; isa <= SMX_ISA_NEON; isa++)
        for (size_t classes = 1; tiers[isa] && classes <= NARROW; classes++)
            for (int dtype = SMX_FLOAT32; dtype <= SMX_FLOAT64; dtype++)
                for (size_t k = 1; k <= classes; k++) {
                    fill((enum smx_dtype)dtype, classes, &seed);
                    try_order(tiers[isa], (enum smx_dtype)dtype, classes, k);
                }
}

/* Up to some k, and from some length on, a bound is known beforehand. */
static void largest_of_longer_rows(void **state)
{
    static const size_t sizes[] = {33, 64, 65, 127, 130, 192, 330},
                        some[] = {1, 2, 5, 15, 16, 17, 33};
    struct random seed = {8};

    (void)state;
    for (int isa = SMX_ISA_BASE; isa <= SMX_ISA_NEON; isa++)
        for (size_t i = 0; tiers[isa] && i < sizeof sizes / sizeof *sizes; i++)
            for (size_t k = 0; k < sizeof some / sizeof *some; k++)
                for (int t = SMX_FLOAT32; t <= SMX_FLOAT64; t++) {
                    fill((enum smx_dtype)t, sizes[i], &seed);
                    try_order(tiers[isa], (enum smx_dtype)t, sizes[i], some[k]);
                }
}

/* As if a client had lowered the logits of a region of shared memory between
 * the two looks at them. */
static void claim_much(const float *x, size_t n, float *maxima)
{
    (void)x, (void)n;
    for (size_t g = 0; g < SMX_GROUPS(float); g++)
        maxima[g] = FLT_MAX;
}

static void claim_much_double(const double *x, size_t n, double *maxima)
{
    (void)x, (void)n;
    for (size_t g = 0; g < SMX_GROUPS(double); g++)
        maxima[g] = DBL_MAX;
}

/* The largest of rows of zeros of either type. */
static void find_of_zeros(struct smx_context *context, enum smx_dtype dtype,
                          size_t k)
{
    struct smx_logits logits = dtype == SMX_FLOAT32
                                   ? logits_float(narrow, ROWS, MOST)
                                   : logits_double(z, ROWS, MOST);

    memset(narrow, 0, sizeof narrow);
    memset(z, 0, sizeof z);
    smx_top_find(context, &logits, k, order);
}

static void classes_of_changing_rows_are_classes(void **state)
{
    enum { K = 16 };
    (void)state;
    for (int isa = SMX_ISA_BASE; isa <= SMX_ISA_NEON; isa++) {
        if (!tiers[isa])
            continue;
        struct smx_summary_kernels summary = *tiers[isa]->kernels->summary;
        struct smx_kernels kernels = *tiers[isa]->kernels;
        struct smx_context context = *tiers[isa];

        summary.group_maxima = claim_much;
        summary.group_maxima_double = claim_much_double;
        kernels.summary = &summary;
        context.kernels = &kernels;
        for (int t = SMX_FLOAT32; t <= SMX_FLOAT64; t++) {
            find_of_zeros(&context, (enum smx_dtype)t, K);
            for (size_t i = 0; i < (size_t)ROWS * K; i++)
                assert_in_range(order[i], 0, MOST - 1);
        }
    }
}

#if defined(__x86_64__)
/* Ties at 0, for a caller whose processor takes denormal numbers for 0. */
static void flushing_callers_get_the_first_of_ties(void **state)
{
    enum { K = 5, FLUSH = 0x8040 };
    (void)state;
    for (int isa = SMX_ISA_BASE; isa <= SMX_ISA_AVX512; isa++)
        for (int t = SMX_FLOAT32; tiers[isa] && t <= SMX_FLOAT64; t++) {
            unsigned before = __builtin_ia32_stmxcsr();

            __builtin_ia32_ldmxcsr(before | FLUSH);
            find_of_zeros(tiers[isa], (enum smx_dtype)t, K);
            __builtin_ia32_ldmxcsr(before);
            for (size_t i = 0; i < (size_t)ROWS * K; i++)
                assert_int_equal(order[i], i % K);
        }
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(largest_come_first),
        cmocka_unit_test(largest_of_longer_rows),
        cmocka_unit_test(classes_of_changing_rows_are_classes),
#if defined(__x86_64__)
        cmocka_unit_test(flushing_callers_get_the_first_of_ties),
#endif
    };

    return cmocka_run_group_tests(tests, tiers_open, tiers_close);
}
