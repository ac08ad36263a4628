/* SPDX-License-Identifier: MIT */
/* Short rows are loaded in groups (lib/engine/dd_row.h): each has the bits that
 * it has alone, whatever is beside it, with all of what moves them apart:
 * scale, masks, a class axis in the middle; every instruction set. */
#include "../support/expect.h"

#include <math.h>
#include <string.h>

#include "../support/draw.h"
#include "../support/tiers.h"

enum { ROWS = 70, MOST = 513 };

static struct random seed;

static const size_t sizes[] = {1, 2, 4, 9, 10, 16, 17, 32, 100, 512, 513};

struct answers {
    double p[ROWS * MOST], logs[ROWS * MOST], loss[ROWS], lse[ROWS];
    double gradient[ROWS * MOST], product[ROWS * MOST];
};

static double z[ROWS * MOST], upstream[ROWS * MOST];
static uint8_t mask[ROWS * MOST];
static int64_t labels[ROWS];

/* Ordinary rows beside those near either end of the doubles, and empty ones. */
static void fill(size_t n, size_t at, size_t step, size_t r)
{
    static const double scales[] = {1, 30, 600, 1e300, -INFINITY, 1e-300};
    double scale = scales[random_below(&seed, 6)];

    labels[r] = (int64_t)random_below(&seed, n);
    for (size_t c = 0; c < n; c++, at += step) {
        z[at] = isinf(scale) ? scale : scale * (2 * random_unit(&seed) - 1);
        upstream[at] = 2 * random_unit(&seed) - 1;
        mask[at] = random_below(&seed, 8) != 0;
    }
}

static void compute(struct smx_context *context, struct smx_logits logits,
                    size_t at, size_t row, struct answers *a)
{
    logits.data = z + at;
    if (logits.mask)
        logits.mask = mask + at;
    struct smx_softmax_out out = {
        .size = sizeof out, .values = a->p, .logsumexp = a->lse};
    struct smx_softmax_out log = {.size = sizeof log, .values = a->logs};
    struct smx_criterion criterion = {.size = sizeof criterion,
                                      .labels = labels + row,
                                      .z_loss = 0.01,
                                      .reduction = SMX_REDUCTION_NONE};
    struct smx_loss_out loss = {.size = sizeof loss, .loss = a->loss};

    assert_status(smx_softmax(context, &logits, NULL, &out, NULL), SMX_OK);
    assert_status(
        smx_softmax(context, &logits, OPTIONS(.log = true), &log, NULL),
        SMX_OK);
    assert_status(smx_gradient(context, &logits, &criterion, NULL, a->gradient,
                               &loss, NULL),
                  SMX_OK);
    assert_status(
        smx_vjp(context, &logits, false, upstream + at, a->product, NULL),
        SMX_OK);
}

static void same(const double *all, const double *alone, size_t n)
{
    assert_memory_equal(all, alone, n * sizeof *all);
}

static void try_rows(struct smx_context *context, size_t n, bool masked)
{
    static struct answers all, alone;
    struct smx_logits logits = {.size = sizeof logits,
                                .dtype = SMX_FLOAT64,
                                .outer = ROWS,
                                .classes = n,
                                .inner = 1,
                                .mask = masked ? mask : NULL};

    compute(context, logits, 0, 0, &all);
    logits.outer = 1;
    for (size_t r = 0; r < ROWS; r++) {
        compute(context, logits, r * n, r, &alone);
        same(all.p + r * n, alone.p, n);
        same(all.logs + r * n, alone.logs, n);
        same(all.gradient + r * n, alone.gradient, n);
        same(all.product + r * n, alone.product, n);
        same(all.loss + r, alone.loss, 1);
        same(all.lse + r, alone.lse, 1);
    }
}

static void rows_side_by_side(void **state)
{
    (void)state;
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
        for (int masked = 0; masked < 2; masked++) {
            for (size_t r = 0; r < ROWS; r++)
                fill(sizes[s], r * sizes[s], 1, r);
            for (int isa = SMX_ISA_BASE; isa <= SMX_ISA_NEON; isa++)
                if (tiers[isa])
                    try_rows(tiers[isa], sizes[s], masked);
        }
}

/* The columns of a matrix against its transpose. */
static void columns(void **state)
{
    static struct answers across, along;
    static double turned[ROWS * MOST];

    (void)state;
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        size_t n = sizes[s];
        struct smx_logits logits = {.size = sizeof logits,
                                    .dtype = SMX_FLOAT64,
                                    .outer = 1,
                                    .classes = n,
                                    .inner = ROWS};

        for (size_t r = 0; r < ROWS; r++)
            fill(n, r, ROWS, r);
        compute(tiers[SMX_ISA_BASE], logits, 0, 0, &across);
        for (size_t i = 0; i < ROWS * n; i++)
            turned[i % ROWS * n + i / ROWS] = z[i];
        memcpy(z, turned, ROWS * n * sizeof *z);
        logits.outer = ROWS;
        logits.inner = 1;
        compute(tiers[SMX_ISA_BASE], logits, 0, 0, &along);
        for (size_t i = 0; i < ROWS * n; i++) {
            size_t j = i % ROWS * n + i / ROWS;

            same(across.p + i, along.p + j, 1);
            same(across.logs + i, along.logs + j, 1);
            same(across.gradient + i, along.gradient + j, 1);
        }
        same(across.loss, along.loss, ROWS);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_side_by_side),
        cmocka_unit_test(columns),
    };

    random_seed(&seed);
    return cmocka_run_group_tests(tests, tiers_open, tiers_close);
}
