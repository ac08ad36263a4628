/* SPDX-License-Identifier: MIT */
/*
 * Rows at the edges of what lib/engine/split_exp.h calls in range: largest
 * logits around the bounds, all depths below them, temperatures, upstream
 * gradients; a row's bits beside rows that are out of range, and in any number
 * of rows of few classes; every instruction set.
 */
#include "../support/expect.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../support/draw.h"
#include "../support/reference.h"
#include "../support/tiers.h"
#include "../support/ulp.h"

enum { MOST = 8200 };

static struct random seed;

static const size_t sizes[] = {1,  2,   10,  16,   17,   31,   32,  33,
                               64, 100, 130, 1000, 4096, 4100, 8193};

/* Logits whose largest is about top, the others down to 110 below. */
static void fill(float *z, size_t n, double top, double temperature)
{
    for (size_t c = 0; c < n; c++) {
        double depth = random_below(&seed, 4) ? 8 : 110;

        z[c] = (float)((top - depth * random_unit(&seed)) * temperature);
    }
    z[random_below(&seed, n)] = (float)(top * temperature);
    if (random_below(&seed, 4) == 0)
        z[random_below(&seed, n)] = -INFINITY;
}

static void softmax_of(struct smx_context *context, const float *z, size_t rows,
                       size_t n, double temperature, float *p)
{
    struct smx_logits logits = logits_float(z, rows, n);
    struct smx_softmax_out out = {.size = sizeof out, .values = p};

    logits.temperature = temperature;
    assert_status(smx_softmax(context, &logits, NULL, &out, NULL), SMX_OK);
}

static void try_row(size_t n, double top, double temperature)
{
    static float z[MOST], want[MOST], got[MOST];
    static long double exact[MOST];
    struct smx_logits logits = logits_float(z, 1, n);

    fill(z, n, top, temperature);
    logits.temperature = temperature;
    softmax_of(tiers[SMX_ISA_BASE], z, 1, n, temperature, want);
    reference_softmax(&logits, false, exact);
    for (size_t c = 0; c < n; c++)
        assert_ulp(SMX_FLOAT32, want[c], exact[c], 0, 2);
    for (int isa = SMX_ISA_BASE; isa <= SMX_ISA_NEON; isa++)
        if (tiers[isa]) {
            softmax_of(tiers[isa], z, 1, n, temperature, got);
            assert_memory_equal(got, want, n * sizeof *got);
        }
}

static void every_largest_logit(void **state)
{
    static const double tops[] = {-400, -120, -25,  -14,  -13.9, -13.8, -10, 0,
                                  30,   45.3, 45.9, 46.1, 69,    90,    400};

    (void)state;
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
        for (size_t t = 0; t < sizeof tops / sizeof *tops; t++)
            try_row(sizes[s], tops[t], 1);
}

static void every_temperature(void **state)
{
    static const double t[] = {0x1p-30, 0x1p-24, 1e-3, 0.3,    0.7,
                               1.3,     3,       1000, 0x1p24, 0x1p25};

    (void)state;
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
        for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
            try_row(sizes[s], 5, t[i]);
            try_row(sizes[s], 45.9, t[i]);
            try_row(sizes[s], -13.8, t[i]);
        }
}

/* Whatever the upstream, a class that counts as the lowest has no share in the
 * gradient, and only what is beyond float32 is infinite. */
static void try_gradient(size_t n, float upstream, double temperature)
{
    static float z[MOST], want[MOST], got[MOST];
    static long double exact[MOST], scale[MOST];
    int64_t label = (int64_t)random_below(&seed, n);
    struct smx_logits logits = logits_float(z, 1, n);
    struct smx_criterion criterion = {.size = sizeof criterion,
                                      .labels = &label};

    fill(z, n, 30 * random_unit(&seed), temperature);
    z[random_below(&seed, n)] = -INFINITY;
    z[random_below(&seed, n)] = (float)(-200 * temperature);
    logits.temperature = temperature;
    reference_gradient(&logits, &criterion, &upstream, exact, scale);
    for (int isa = SMX_ISA_BASE; isa <= SMX_ISA_NEON; isa++) {
        if (!tiers[isa])
            continue;
        assert_status(smx_gradient(tiers[isa], &logits, &criterion, &upstream,
                                   got, NULL, NULL),
                      SMX_OK);
        if (isa == SMX_ISA_BASE)
            memcpy(want, got, n * sizeof *got);
        assert_memory_equal(got, want, n * sizeof *got);
        memcpy(got, z, n * sizeof *got);
        logits.data = got;
        smx_gradient(tiers[isa], &logits, &criterion, &upstream, got, NULL,
                     NULL);
        assert_memory_equal(got, want, n * sizeof *got);
        logits.data = z;
    }
    for (size_t c = 0; c < n; c++)
        assert_ulp(SMX_FLOAT32, want[c], exact[c], scale[c], 2);
}

static void every_size_of_gradient(void **state)
{
    static const float upstreams[] = {1,     -1,    1e-30F, 0x1p20F, 1e8F,
                                      -1e8F, 1e20F, -1e30F, 3.35e38F};

    (void)state;
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
        for (size_t i = 0; i < sizeof upstreams / sizeof *upstreams; i++) {
            for (int k = 0; k < 16; k++)
                try_gradient(sizes[s], upstreams[i], 1);
            try_gradient(sizes[s], upstreams[i] / 1e3F, 1e-3);
        }
}

/* Rows 1 and 3 of 5 are out of range. */
static void beside_rows_out_of_range(void **state)
{
    enum { ROWS = 5 };
    static float z[ROWS * MOST], p[ROWS * MOST], alone[MOST];

    (void)state;
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        size_t n = sizes[s];

        for (size_t r = 0; r < ROWS; r++)
            fill(z + r * n, n, r == 1 ? 70 : r == 3 ? -60 : 3, 1);
        for (int isa = SMX_ISA_BASE; isa <= SMX_ISA_NEON; isa++) {
            if (!tiers[isa])
                continue;
            softmax_of(tiers[isa], z, ROWS, n, 1, p);
            for (size_t r = 0; r < ROWS; r++) {
                softmax_of(tiers[isa], z + r * n, 1, n, 1, alone);
                assert_memory_equal(alone, p + r * n, n * sizeof *p);
            }
        }
    }
}

static void gradient_of(struct smx_context *context, float *z, size_t rows,
                        size_t n, const int64_t *labels, float *loss,
                        float *gradient)
{
    struct smx_logits logits = logits_float(z, rows, n);
    struct smx_criterion criterion = {.size = sizeof criterion,
                                      .labels = labels,
                                      .reduction = SMX_REDUCTION_NONE};
    struct smx_loss_out out = {.size = sizeof out, .loss = loss};

    assert_status(
        smx_gradient(context, &logits, &criterion, NULL, gradient, &out, NULL),
        SMX_OK);
}

/* The label's class keeps the digits of p - 1, though not promised; the
 * reference has them down to 1e-10. */
static void confident_labels(void **state)
{
    static float z[MOST], d[MOST], loss;
    static long double exact[MOST], scale[MOST];

    (void)state;
    for (size_t s = 1; s < sizeof sizes / sizeof *sizes; s++)
        for (float own = 0; own < 40; own += 0.5F) {
            size_t n = sizes[s];
            int64_t label = (int64_t)random_below(&seed, n);
            struct smx_logits logits = logits_float(z, 1, n);
            struct smx_criterion criterion = {.size = sizeof criterion,
                                              .labels = &label};

            for (size_t c = 0; c < n; c++)
                z[c] = (float)random_unit(&seed);
            z[label] = own + (float)random_unit(&seed);
            reference_gradient(&logits, &criterion, NULL, exact, scale);
            gradient_of(tiers[SMX_ISA_BASE], z, 1, n, &label, &loss, d);
            assert_true(d[label] <= 0);
            if (exact[label] > -1e-3L && exact[label] < -1e-10L)
                assert_ulp(SMX_FLOAT32, d[label], exact[label], 0, 2);
        }
}

/* Together in place, alone not. */
static void losses_beside_rows_out_of_range(void **state)
{
    enum { ROWS = 5 };
    static float z[ROWS * MOST], d[ROWS * MOST], alone[MOST];
    static const double tops[ROWS] = {70, 3, -60, 48, 20};
    float loss[ROWS], own;
    int64_t labels[ROWS];

    (void)state;
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        size_t n = sizes[s];

        for (size_t r = 0; r < ROWS; r++) {
            fill(z + r * n, n, tops[r], 1);
            labels[r] = (int64_t)random_below(&seed, n);
        }
        for (int isa = SMX_ISA_BASE; isa <= SMX_ISA_NEON; isa++) {
            if (!tiers[isa])
                continue;
            memcpy(d, z, ROWS * n * sizeof *d);
            gradient_of(tiers[isa], d, ROWS, n, labels, loss, d);
            for (size_t r = 0; r < ROWS; r++) {
                gradient_of(tiers[isa], z + r * n, 1, n, labels + r, &own,
                            alone);
                assert_memory_equal(alone, d + r * n, n * sizeof *d);
                assert_memory_equal(&own, loss + r, sizeof own);
            }
        }
    }
}

/* A guard behind the last; in place too. */
static void try_few(struct smx_context *context, size_t rows, size_t n)
{
    static float z[MOST], p[MOST], alone[MOST];
    const float guard = 7;

    for (size_t r = 0; r < rows; r++) {
        fill(z + r * n, n, 20 * random_unit(&seed), 1);
        softmax_of(tiers[SMX_ISA_BASE], z + r * n, 1, n, 1, alone + r * n);
    }
    p[rows * n] = z[rows * n] = guard;
    softmax_of(context, z, rows, n, 1, p);
    assert_memory_equal(p, alone, rows * n * sizeof *p);
    softmax_of(context, z, rows, n, 1, z);
    assert_memory_equal(z, alone, rows * n * sizeof *p);
    assert_true(p[rows * n] == guard && z[rows * n] == guard);
}

static void any_rows_of_few_classes(void **state)
{
    static const size_t rows[] = {1, 2, 3, 7, 8, 15, 16, 17, 63, 130, 200};

    (void)state;
    for (size_t n = 1; n <= 34; n++)
        for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
            for (int isa = SMX_ISA_BASE; isa <= SMX_ISA_NEON; isa++)
                if (tiers[isa])
                    try_few(tiers[isa], rows[i], n);
}

/* Refused by softmax, by the loss and by the gradient, which say where and
 * leave the output alone. */
static void try_refused(struct smx_context *context, const float *z, size_t n,
                        size_t at)
{
    static float out[2 * MOST], before[2 * MOST];
    const int64_t labels[2] = {0, 0};
    float loss = 5;
    struct smx_logits logits = logits_float(z, 2, n);
    struct smx_criterion criterion = {.size = sizeof criterion,
                                      .labels = labels};
    struct smx_softmax_out values = {.size = sizeof values, .values = out};
    struct smx_loss_out losses = {.size = sizeof losses, .loss = &loss};

    for (int i = 0; i < 3; i++) {
        struct smx_where where = {.size = sizeof where};
        enum smx_status status =
            i == 0   ? smx_softmax(context, &logits, NULL, &values, &where)
            : i == 1 ? smx_loss(context, &logits, &criterion, &losses, &where)
                     : smx_gradient(context, &logits, &criterion, NULL, out,
                                    &losses, &where);

        assert_status(status, SMX_ENONFINITE);
        assert_int_equal(where.field, SMX_FIELD_LOGITS);
        assert_int_equal(where.index, at);
    }
    assert_memory_equal(out, before, sizeof out);
    assert_true(loss == 5);
}

/* Anywhere in the second of two rows, the first of which is out of range or
 * not. */
static void every_kind_of_nan(void **state)
{
    static float z[2 * MOST];
    const float bad[] = {NAN, -NAN, INFINITY};

    (void)state;
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
        for (int k = 0; k < 24; k++) {
            size_t n = sizes[s], at = n + random_below(&seed, n);

            fill(z, n, k & 1 ? 70 : 3, 1);
            fill(z + n, n, 3, 1);
            z[at] = bad[k % 3];
            for (int isa = SMX_ISA_BASE; isa <= SMX_ISA_NEON; isa++)
                if (tiers[isa])
                    try_refused(tiers[isa], z, n, at);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_largest_logit),
        cmocka_unit_test(every_temperature),
        cmocka_unit_test(every_size_of_gradient),
        cmocka_unit_test(beside_rows_out_of_range),
        cmocka_unit_test(losses_beside_rows_out_of_range),
        cmocka_unit_test(confident_labels),
        cmocka_unit_test(any_rows_of_few_classes),
        cmocka_unit_test(every_kind_of_nan),
    };

    random_seed(&seed);
    return cmocka_run_group_tests(tests, tiers_open, tiers_close);
}
