/* SPDX-License-Identifier: MIT */
/*
 * Loss and gradient of rows of few classes, of all kinds side by side: near,
 * confident, wrong, with classes or labels left out, out of range
 * (split_exp.h), ignored, upstreams of both signs and any size. Each is as
 * exact as promised, and the same alone and on every instruction set.
 */
#include "../support/expect.h"

#include <math.h>
#include <string.h>

#include "../support/draw.h"
#include "../support/reference.h"
#include "../support/tiers.h"
#include "../support/ulp.h"

enum { ROWS = 150, MOST = 34, KINDS = 11 };

struct batch {
    size_t classes;
    float z[ROWS * MOST], upstream[ROWS], weights[MOST];
    int64_t labels[ROWS];
};

struct answers {
    float loss[ROWS], gradient[ROWS * MOST];
    int64_t argmax[ROWS];
};

static struct random seed;
static struct batch batch;

static void fill_row(size_t r, unsigned kind)
{
    size_t n = batch.classes;
    float *z = batch.z + r * n;
    float *own = z + batch.labels[r];

    for (size_t c = 0; c < n; c++)
        z[c] = (float)(8 * random_unit(&seed) - 4);
    for (size_t c = 0; c < n; c++)
        if (kind == 1) /* out of range */
            z[c] += 55;
        else if (kind == 2) /* below what is in range */
            z[c] -= 60;
        else if (kind == 3 && z + c != own)
            z[c] = -INFINITY;
    if (kind == 4) /* confident */
        *own += (float)(45 * random_unit(&seed));
    else if (kind == 5) /* wrong */
        *own -= (float)(140 * random_unit(&seed));
    else if (kind == 6)
        *own = -INFINITY;
    else if (kind == 7)
        batch.labels[r] = -100;
    batch.upstream[r] = (float)(4 * random_unit(&seed) - 2);
    if (kind == 8)
        batch.upstream[r] = 0;
    else if (kind > 8)
        batch.upstream[r] *= kind == 9 ? 0x1p-100f : 0x1p100f;
}

/* Most batches are of two kinds, the first for most of the rows. */
static void fill(size_t classes)
{
    unsigned usual = (unsigned)random_below(&seed, KINDS);
    unsigned other = (unsigned)random_below(&seed, KINDS);

    batch.classes = classes;
    for (size_t c = 0; c < classes; c++)
        batch.weights[c] = (float)random_below(&seed, 4) / 2;
    for (size_t r = 0; r < ROWS; r++) {
        batch.labels[r] = (int64_t)random_below(&seed, classes);
        fill_row(r, random_below(&seed, 20) ? usual : other);
    }
}

static struct smx_criterion criterion_at(size_t r, bool weighted)
{
    return (struct smx_criterion){.size = sizeof(struct smx_criterion),
                                  .labels = batch.labels + r,
                                  .weights = weighted ? batch.weights : NULL,
                                  .ignore = true,
                                  .ignore_index = -100,
                                  .reduction = SMX_REDUCTION_NONE};
}

static void compute(struct smx_context *context, size_t r, size_t rows,
                    bool weighted, struct answers *a)
{
    size_t n = batch.classes;
    struct smx_logits z = logits_float(batch.z + r * n, rows, n);
    struct smx_criterion k = criterion_at(r, weighted);
    struct smx_loss_out out = {
        .size = sizeof out, .loss = a->loss + r, .argmax = a->argmax + r};

    assert_status(smx_gradient(context, &z, &k, batch.upstream + r,
                               a->gradient + r * n, &out, NULL),
                  SMX_OK);
}

static void assert_exact(bool weighted, const struct answers *a)
{
    static long double loss[ROWS], scale[ROWS * MOST], gradient[ROWS * MOST];
    static long double size[ROWS];
    size_t n = batch.classes;
    struct smx_logits z = logits_float(batch.z, ROWS, n);
    struct smx_criterion k = criterion_at(0, weighted);
    struct reference_loss want = {.loss = loss, .scale = size};

    reference_loss(&z, &k, &want);
    reference_gradient(&z, &k, batch.upstream, gradient, scale);
    for (size_t r = 0; r < ROWS; r++)
        assert_ulp(SMX_FLOAT32, a->loss[r], loss[r], 0, 2);
    for (size_t i = 0; i < ROWS * n; i++) {
        assert_ulp(SMX_FLOAT32, a->gradient[i], gradient[i], scale[i], 2);
        if (gradient[i] == 0 && n > 1) /* of one, what rounding left */
            assert_false(a->gradient[i] == 0 && signbit(a->gradient[i]));
    }
}

static void try_batch(size_t classes, bool weighted)
{
    static struct answers want, got;
    struct smx_logits z;
    struct smx_criterion k = criterion_at(0, weighted);
    struct smx_loss_out out = {.size = sizeof out, .loss = got.loss};

    fill(classes);
    for (size_t r = 0; r < ROWS; r++)
        compute(tiers[SMX_ISA_BASE], r, 1, weighted, &want);
    assert_exact(weighted, &want);
    for (int isa = SMX_ISA_BASE; isa <= SMX_ISA_NEON; isa++) {
        if (!tiers[isa])
            continue;
        memset(&got, 0, sizeof got);
        compute(tiers[isa], 0, ROWS, weighted, &got);
        assert_memory_equal(got.gradient, want.gradient,
                            ROWS * classes * sizeof(float));
        assert_memory_equal(got.loss, want.loss, sizeof got.loss);
        assert_memory_equal(got.argmax, want.argmax, sizeof got.argmax);
        z = logits_float(batch.z, ROWS, classes);
        memset(&got, 0, sizeof got);
        assert_status(smx_loss(tiers[isa], &z, &k, &out, NULL), SMX_OK);
        assert_memory_equal(got.loss, want.loss, sizeof got.loss);
    }
    z = logits_float(batch.z, ROWS, classes);
    assert_status(smx_gradient(tiers[SMX_ISA_BASE], &z, &k, batch.upstream,
                               batch.z, &out, NULL),
                  SMX_OK);
    assert_memory_equal(batch.z, want.gradient, ROWS * classes * sizeof(float));
}

static void rows_of_all_kinds(void **state)
{
    (void)state;
    for (size_t n = 1; n <= MOST; n++)
        for (int times = 0; times < 12; times++)
            try_batch(n, times % 2);
}

/* Wherever it stands among however many, and whichever label is ignored. */
static void labels_that_are_no_class_are_named(void **state)
{
    static const int64_t bad[] = {3, -1, INT64_MIN, INT64_MAX, -100};
    enum { N = 40, CLASSES = 3 };
    float z[N * CLASSES] = {0}, loss;
    int64_t labels[N] = {0};

    (void)state;
    for (int isa = SMX_ISA_BASE; isa <= SMX_ISA_NEON; isa++)
        for (size_t i = 0; tiers[isa] && i < N * 5; i++) {
            size_t at = i / 5;
            struct smx_logits logits = logits_float(z, N, CLASSES);
            struct smx_criterion k = {.size = sizeof k,
                                      .labels = labels,
                                      .ignore = true,
                                      .ignore_index = bad[(i + 1) % 5]};
            struct smx_where where = {.size = sizeof where};
            const struct smx_loss_out out = {.size = sizeof out, .loss = &loss};

            labels[at] = bad[i % 5];
            labels[(at + 7) % N] = k.ignore_index;
            assert_status(smx_loss(tiers[isa], &logits, &k, &out, &where),
                          SMX_ELABEL);
            assert_int_equal(where.index, at);
            k.ignore_index = labels[at];
            labels[(at + 7) % N] = 0;
            assert_status(smx_loss(tiers[isa], &logits, &k, &out, NULL),
                          SMX_OK);
            k.ignore = false;
            assert_status(smx_loss(tiers[isa], &logits, &k, &out, &where),
                          SMX_ELABEL);
            labels[at] = 0;
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_of_all_kinds),
        cmocka_unit_test(labels_that_are_no_class_are_named)};

    random_seed(&seed);
    return cmocka_run_group_tests(tests, tiers_open, tiers_close);
}
