/* SPDX-License-Identifier: MIT */
/* Where in memory the arrays of a call lie changes no bit of an answer, not the
 * sign of a 0 either; nor does the width of registers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../support/expect.h"
#include "../support/random.h"
#include "../support/tiers.h"

enum { ROWS = 5, MOST_CLASSES = 9000, MOST = ROWS * MOST_CLASSES, PLACES = 17 };

static struct random seed;
static double z[MOST], targets[MOST], weights[MOST_CLASSES];
static double upstream[ROWS], cotangents[MOST];
static int64_t labels[ROWS];
static double room[2][MOST + PLACES]; /* first and other places */

static void set(enum smx_dtype dtype, double *array, size_t i, double x)
{
    if (dtype == SMX_FLOAT64)
        array[i] = x;
    else
        ((float *)(void *)array)[i] = (float)x;
}

/* Many exponentials are 0 or nearly so, labels' probabilities are 1, and
 * upstreams have both signs. */
static void fill(enum smx_dtype dtype, size_t classes)
{
    for (size_t i = 0; i < ROWS * classes; i++) {
        double x = random_normal(&seed);

        set(dtype, z, i, random_once_in(&seed, 2) ? -x * x * 400 : x);
        set(dtype, targets, i, random_once_in(&seed, 2) ? 0 : 1 / (1 + x * x));
        set(dtype, cotangents, i, random_once_in(&seed, 3) ? 0 : x);
    }
    for (size_t c = 0; c < classes; c++)
        set(dtype, weights, c, random_once_in(&seed, 5) ? 0 : 1.5);
    for (size_t r = 0; r < ROWS; r++) {
        set(dtype, upstream, r, r % 2 ? 1 : -1);
        labels[r] = (int64_t)random_below(&seed, classes);
        set(dtype, z, r * classes + (size_t)labels[r], 30 * (double)r);
    }
}

enum {
    LABELS,
    WEIGHTS,
    SMOOTHING,
    FOCAL,
    TARGETS,
    PRODUCT,
    LOG_PRODUCT,
    KINDS
};

static void ask(struct smx_context *context, const struct smx_logits *logits,
                int kind, void *gradient)
{
    const struct smx_criterion criterion = {
        .size = sizeof criterion,
        .labels = kind == TARGETS ? NULL : labels,
        .targets = kind == TARGETS ? targets : NULL,
        .weights = kind == WEIGHTS ? weights : NULL,
        .focal = kind == FOCAL ? 2 : 0,
        .label_smoothing = kind == SMOOTHING ? 0.1 : 0,
        .reduction = SMX_REDUCTION_NONE};

    if (kind < PRODUCT)
        assert_status(smx_gradient(context, logits, &criterion, upstream,
                                   gradient, NULL, NULL),
                      SMX_OK);
    else
        assert_status(smx_vjp(context, logits, kind == LOG_PRODUCT, cotangents,
                              gradient, NULL),
                      SMX_OK);
}

/* At each place as at the first one of the narrowest registers. */
static void try(const struct smx_logits *logits)
{
    size_t each = logits->dtype == SMX_FLOAT64 ? sizeof(double) : sizeof(float);
    size_t bytes = ROWS * logits->classes * each;

    for (int kind = 0; kind < KINDS; kind++) {
        ask(tiers[SMX_ISA_BASE], logits, kind, room[0]);
        for (int isa = SMX_ISA_BASE; isa <= SMX_ISA_NEON; isa++)
            for (size_t place = 0; tiers[isa] && place < PLACES; place++) {
                char *gradient = (char *)room[1] + place * each;

                ask(tiers[isa], logits, kind, gradient);
                if (memcmp(gradient, room[0], bytes) != 0)
                    printf("kind %d, %zu classes, softcap %g, set %d, at %zu\n",
                           kind, logits->classes, logits->softcap, isa, place);
                assert_memory_equal(gradient, room[0], bytes);
            }
    }
}

static void a_place_changes_no_bit(void **state)
{
    static const size_t classes[] = {1,  7,   10,  31,   33,
                                     64, 100, 317, 1000, 9000};

    (void)state;
    for (size_t i = 0; i < 4 * sizeof classes / sizeof *classes; i++) {
        struct smx_logits logits = {.size = sizeof logits,
                                    .data = z,
                                    .dtype = i & 1 ? SMX_FLOAT64 : SMX_FLOAT32,
                                    .outer = ROWS,
                                    .classes = classes[i / 4],
                                    .inner = 1,
                                    .softcap = i & 2 ? 30 : 0};

        fill(logits.dtype, logits.classes);
        try(&logits);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_place_changes_no_bit),
    };

    random_seed(&seed);
    return cmocka_run_group_tests(tests, tiers_open, tiers_close);
}
