/* SPDX-License-Identifier: MIT */
/* Of large tensors a row is divided while the next in its place is summed
 * (lib/engine/split_exp.h): each has the bits that it has alone, beside rows
 * that are out of range or ignored, in place or past the cache, on every
 * instruction set. */
#include "../support/expect.h"

#include <math.h>
#include <string.h>

#include "../support/draw.h"
#include "../support/tiers.h"
#include "api/context.h"

enum { ELEMENTS = 1 << 17, MOST = ELEMENTS + 2 * 8192, ROWS = 4000 };

static struct random seed;

static const size_t sizes[] = {33,   48,   100,  128,  129,  250, 1000,
                               1023, 2048, 2049, 4100, 8191, 8192};

static float z[MOST], all[MOST], alone[8192];
static int64_t labels[ROWS];
static float upstream[ROWS];

/* Tame rows but for some: too high, too low, empty. */
static void fill(size_t rows, size_t n)
{
    static const float tops[] = {0, 3, -5, 40, 1, 60, -30, -INFINITY};
    static const float upstreams[] = {1, 0.25F, 0, -3, 1e-30F, 1e30F};

    for (size_t r = 0; r < rows; r++) {
        bool any = random_below(&seed, 4) == 0;
        float top = tops[random_below(&seed, any ? 8 : 5)];

        labels[r] = (int64_t)random_below(&seed, n);
        if (random_below(&seed, 8) == 0)
            labels[r] = -100;
        upstream[r] = upstreams[random_below(&seed, 6)];
        for (size_t c = 0; c < n; c++)
            z[r * n + c] = top - 8 * (float)random_unit(&seed);
    }
}

static void softmax_masked(struct smx_context *context, const uint8_t *mask,
                           const float *x, size_t rows, size_t n, float *p)
{
    struct smx_logits logits = logits_float(x, rows, n);
    struct smx_softmax_out out = {.size = sizeof out, .values = p};

    logits.mask = mask;

    assert_status(smx_softmax(context, &logits, NULL, &out, NULL), SMX_OK);
}

static void softmax_of(struct smx_context *context, const float *x, size_t rows,
                       size_t n, float *p)
{
    softmax_masked(context, NULL, x, rows, n, p);
}

static void gradient_of(struct smx_context *context, const float *x,
                        size_t first, size_t rows, size_t n, float *loss,
                        float *d)
{
    struct smx_logits logits = logits_float(x, rows, n);
    struct smx_criterion criterion = {.size = sizeof criterion,
                                      .labels = labels + first,
                                      .reduction = SMX_REDUCTION_NONE,
                                      .ignore = true,
                                      .ignore_index = -100};
    struct smx_loss_out out = {.size = sizeof out, .loss = loss};

    assert_status(smx_gradient(context, &logits, &criterion, upstream + first,
                               d, &out, NULL),
                  SMX_OK);
}

/* What a third cache of so many bytes holds is one element: all others are
 * streamed. */
enum { NO_CACHE = 12 };

static void try_softmax(struct smx_context *context, size_t rows, size_t n)
{
    static float apart[MOST];
    static uint8_t mask[MOST];
    size_t cache = context->third_cache;

    memset(mask, 1, sizeof mask);
    context->third_cache = NO_CACHE;
    softmax_of(context, z, rows, n, apart);
    softmax_masked(context, mask, z, rows, n, all);
    assert_memory_equal(all, apart, rows * n * sizeof *all);
    context->third_cache = cache;
    memcpy(all, z, rows * n * sizeof *all);
    softmax_of(context, all, rows, n, all);
    assert_memory_equal(all, apart, rows * n * sizeof *all);
    for (size_t r = 0; r < rows; r++) {
        softmax_of(context, z + r * n, 1, n, alone);
        assert_memory_equal(all + r * n, alone, n * sizeof *all);
    }
}

static void try_gradient(struct smx_context *context, size_t rows, size_t n)
{
    static float apart[MOST];
    float losses[ROWS], loss;
    size_t cache = context->third_cache;

    context->third_cache = NO_CACHE;
    gradient_of(context, z, 0, rows, n, losses, apart);
    context->third_cache = cache;
    memcpy(all, z, rows * n * sizeof *all);
    gradient_of(context, all, 0, rows, n, losses, all);
    assert_memory_equal(all, apart, rows * n * sizeof *all);
    for (size_t r = 0; r < rows; r++) {
        gradient_of(context, z + r * n, r, 1, n, &loss, alone);
        assert_memory_equal(all + r * n, alone, n * sizeof *all);
        assert_memory_equal(&losses[r], &loss, sizeof loss);
    }
}

static void rows_that_wait(void **state)
{
    (void)state;
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        size_t n = sizes[s], rows = ELEMENTS / n + 1 + random_below(&seed, 2);

        fill(rows, n);
        for (int isa = SMX_ISA_BASE; isa <= SMX_ISA_NEON; isa++) {
            if (!tiers[isa])
                continue;
            try_softmax(tiers[isa], rows, n);
            try_gradient(tiers[isa], rows, n);
        }
    }
}

static void try_threads(size_t rows, size_t n, unsigned threads)
{
    static float want[MOST], wanted[MOST];
    float losses[ROWS], loss[ROWS];
    struct smx_config config = {.size = sizeof config, .threads = threads};
    struct smx_context *context;

    assert_status(smx_context_create(&context, &config), SMX_OK);
    if (threads % 2)
        context->third_cache = NO_CACHE;
    softmax_of(tiers[SMX_ISA_BASE], z, rows, n, want);
    softmax_of(context, z, rows, n, all);
    assert_memory_equal(all, want, rows * n * sizeof *all);
    gradient_of(tiers[SMX_ISA_BASE], z, 0, rows, n, losses, wanted);
    gradient_of(context, z, 0, rows, n, loss, all);
    assert_memory_equal(all, wanted, rows * n * sizeof *all);
    assert_memory_equal(loss, losses, rows * sizeof *loss);
    smx_context_free(context);
}

/* Whoever gets how many slices, of rows that do not divide evenly. */
static void any_number_of_threads(void **state)
{
    static const size_t n[] = {1000, 8192};

    (void)state;
    for (size_t s = 0; s < sizeof n / sizeof *n; s++) {
        size_t most = ELEMENTS / n[s] + 2;

        fill(most, n[s]);
        for (size_t rows = 9; rows <= most; rows += 7)
            for (unsigned threads = 1; threads < 11; threads += 3)
                try_threads(rows, n[s], threads);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_that_wait),
        cmocka_unit_test(any_number_of_threads),
    };

    random_seed(&seed);
    return cmocka_run_group_tests(tests, tiers_open, tiers_close);
}
