/* SPDX-License-Identifier: MIT */
/* Classes left out of a softmax, by -INFINITY or by the mask, up to all. */
#include "../support/expect.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../support/draw.h"
#include "../support/exact_row.h"
#include "../support/tiers.h"
#include "../support/reference.h"

#define INF INFINITY

/** Within the promise for float32. */
static void near(float got, double want)
{
    assert_ulp(SMX_FLOAT32, got, want, 0, 2);
}

static void minus_infinity_is_a_masked_class(void **state)
{
    const float z[] = {1, -INF, 1};
    float p[3], l[3];
    struct smx_logits logits = logits_float(z, 1, 3);
    struct smx_softmax_out out = {.size = sizeof out, .values = p};

    (void)state;
    assert_status(smx_softmax(expect_context, &logits, NULL, &out, NULL),
                  SMX_OK);
    assert_true(p[0] == 0.5f && p[1] == 0 && p[2] == 0.5f);
    out = (struct smx_softmax_out){.size = sizeof(struct smx_softmax_out),
                                   .values = l};
    assert_status(
        smx_softmax(expect_context, &logits, OPTIONS(.log = true), &out, NULL),
        SMX_OK);
    near(l[0], -M_LN2);
    assert_true(l[1] == -INF && l[2] == l[0]);
}

static void mask_is_minus_infinity_in_another_notation(void **state)
{
    const float z[] = {1, 7, 1, 3, 2, 5}, holes[] = {1, -INF, 1, 3, -INF, 5};
    const uint8_t per_class[] = {1, 0, 1}, full[] = {1, 0, 1, 1, 0, 1};
    float want[6], got[6];
    struct smx_logits logits = logits_float(holes, 2, 3);
    struct smx_softmax_out out = {.size = sizeof out, .values = want};

    (void)state;
    assert_status(smx_softmax(expect_context, &logits, NULL, &out, NULL),
                  SMX_OK);
    for (int each = 0; each < 2; each++) {
        logits = logits_float(z, 2, 3);
        logits.mask = each ? full : per_class;
        logits.mask_per_class = !each;
        out.values = got;
        assert_status(smx_softmax(expect_context, &logits, NULL, &out, NULL),
                      SMX_OK);
        assert_memory_equal(want, got, sizeof got);
    }
}

static void row_all_masked_has_no_probability(void **state)
{
    const float z[] = {-INF, -INF, 1, 2};
    const uint8_t mask[] = {1, 1, 0, 0};
    float p[4], l[4], lse[2], entropy[2];
    int64_t argmax[2];
    struct smx_logits logits = logits_float(z, 2, 2);
    struct smx_softmax_out out = {.size = sizeof out,
                                  .values = p,
                                  .logsumexp = lse,
                                  .entropy = entropy,
                                  .argmax = argmax};

    (void)state;
    logits.mask = mask;
    assert_status(smx_softmax(expect_context, &logits, NULL, &out, NULL),
                  SMX_OK);
    for (int i = 0; i < 4; i++)
        assert_true(p[i] == 0);
    for (int r = 0; r < 2; r++) {
        assert_true(lse[r] == -INF && entropy[r] == 0);
        assert_int_equal(argmax[r], 0);
    }
    out = (struct smx_softmax_out){.size = sizeof(struct smx_softmax_out),
                                   .values = l};
    assert_status(
        smx_softmax(expect_context, &logits, OPTIONS(.log = true), &out, NULL),
        SMX_OK);
    for (int i = 0; i < 4; i++)
        assert_true(l[i] == -INF);
}

static void top_of_a_row_all_masked_is_its_first_classes(void **state)
{
    const float z[] = {-INF, -INF, -INF};
    float p[2];
    int64_t indices[2];
    struct smx_logits logits = logits_float(z, 1, 3);
    struct smx_softmax_out out = {
        .size = sizeof out, .values = p, .indices = indices};

    (void)state;
    assert_status(
        smx_softmax(expect_context, &logits, OPTIONS(.top_k = 2), &out, NULL),
        SMX_OK);
    assert_true(p[0] == 0 && p[1] == 0);
    assert_int_equal(indices[0], 0);
    assert_int_equal(indices[1], 1);
}

/* ---- derivatives ------------------------------------------------------- */

enum { TRIALS = 1500 };

static struct random seed;

/** A derivative with every option: of the loss, of softmax and of its log. */
enum derivative { OF_LOSS, OF_SOFTMAX, OF_LOG, DERIVATIVES };

static void differentiate(struct smx_context *context, const struct draw *d,
                          enum derivative which, void *out)
{
    if (which == OF_LOSS)
        assert_status(smx_gradient(context, &d->logits, &d->criterion,
                                   d->upstream_row, out, NULL, NULL),
                      SMX_OK);
    else
        assert_status(smx_vjp(context, &d->logits, which == OF_LOG, d->upstream,
                              out, NULL),
                      SMX_OK);
}

/** Masks rows at random, some of them but for one class or none. */
static void draw_mask(struct draw *d)
{
    struct smx_logits *l = &d->logits;

    free(d->mask);
    l->mask = d->mask = must(calloc(d->elements, 1));
    l->mask_per_class = random_once_in(&seed, 3);
    for (size_t r = 0; r < d->rows; r++) {
        size_t n = random_below(&seed, 4), first = r / l->inner * l->classes;
        for (size_t c = 0; c < l->classes; c++)
            d->mask[(first + c) * l->inner + r % l->inner] =
                n > 1 ? !random_once_in(&seed, n + 1)
                      : n && c == r % l->classes;
    }
}

static bool is_masked(const struct smx_logits *l, size_t i)
{
    return !l->mask[l->mask_per_class ? i / l->inner % l->classes : i];
}

static void gradient_of_a_masked_class_is_nothing(void **state)
{
    (void)state;
    for (int i = 0; i < TRIALS; i++) {
        struct draw d;
        void *got;

        draw_init(&d, &seed, i % 2 ? SMX_FLOAT32 : SMX_FLOAT64, i % 4 > 1);
        draw_mask(&d);
        got = must(calloc(d.elements, sizeof(double)));
        for (int isa = SMX_ISA_BASE; isa <= SMX_ISA_NEON; isa++)
            for (int of = 0; tiers[isa] && of < DERIVATIVES; of++) {
                memset(got, 0x55, d.elements * sizeof(double));
                differentiate(tiers[isa], &d, (enum derivative)of, got);
                for (size_t k = 0; k < d.elements; k++)
                    if (is_masked(&d.logits, k))
                        assert_true(reference_get(got, d.logits.dtype, k) == 0);
            }
        free(got);
        draw_free(&d);
    }
}

static void jacobian_of_a_masked_class_has_neither_row_nor_column(void **state)
{
    const double z[] = {0.5, 2, 1};
    const uint8_t mask[] = {1, 0, 1};

    (void)state;
    for (int i = 0; i < 8; i++) {
        struct smx_logits logits = logits_double(z, 1, 3);
        double got[3][3];

        logits.mask = mask;
        logits.mask_per_class = i & 1;
        logits.softcap = i & 2 ? 4 : 0;
        assert_status(smx_jacobian(expect_context, &logits, i & 4, got, NULL),
                      SMX_OK);
        for (int c = 0; c < 3; c++)
            assert_true(got[1][c] == 0 && got[c][1] == 0);
        assert_true(got[0][0] > 0 && got[2][0] < 0);
    }
}

/* The loss of a label is -log a_y: so must be its gradient, p_y = 0 or not. */
static void gradient_at_minus_infinity_is_that_of_the_log(void **state)
{
    const double z[] = {1, -INFINITY, 2}, up[] = {0, -1, 0};
    const int64_t y = 1;
    struct smx_criterion k = {.size = sizeof k, .labels = &y};

    (void)state;
    for (int i = 0; i < 4; i++) {
        struct smx_logits logits = {.size = sizeof logits,
                                    .data = z,
                                    .dtype = SMX_FLOAT64,
                                    .outer = 1,
                                    .classes = 3,
                                    .inner = 1,
                                    .temperature = i & 1 ? 2 : 1,
                                    .softcap = i & 2 ? 4 : 0};
        double want[3], got[3], jacobian[3][3];
        double own = i & 2 ? 0 : -1 / logits.temperature;

        assert_status(
            smx_gradient(expect_context, &logits, &k, NULL, want, NULL, NULL),
            SMX_OK);
        assert_status(smx_vjp(expect_context, &logits, true, up, got, NULL),
                      SMX_OK);
        assert_status(
            smx_jacobian(expect_context, &logits, true, jacobian, NULL),
            SMX_OK);
        assert_true(want[1] == own);
        for (int c = 0; c < 3; c++)
            assert_true(got[c] == want[c] && -jacobian[1][c] == want[c]);
    }
}

/** All the mass of a row on its only class; upstreams elsewhere are 0. */
static void aim_at(struct draw *d, size_t r, size_t class)
{
    const struct smx_logits *l = &d->logits;
    size_t first = r / l->inner * l->classes * l->inner + r % l->inner;

    for (size_t c = 0; c < l->classes; c++) {
        size_t i = first + c * l->inner;
        if (d->teacher)
            draw_set(d->teacher, l->dtype, i, c == class ? 0 : -INF);
        if (c == class)
            continue;
        if (d->targets)
            draw_set(d->targets, l->dtype, i, 0);
        draw_set(d->upstream, l->dtype, i, 0);
    }
    if (d->labels)
        d->labels[r] = (int64_t) class;
}

/** One class a row that counts, by the mask or by -INFINITY. */
static void leave_one(struct draw *d, bool by_mask)
{
    struct smx_logits *l = &d->logits;

    free(d->mask);
    l->mask = d->mask = by_mask ? must(calloc(d->elements, 1)) : NULL;
    l->mask_per_class = false;
    if (l->classes > 1)
        d->criterion.label_smoothing = 0;
    d->criterion.z_loss = 0;
    for (size_t r = 0; r < d->rows; r++) {
        size_t only = random_below(&seed, l->classes);
        for (size_t c = 0; c < l->classes; c++) {
            size_t i = (r / l->inner * l->classes + c) * l->inner;
            i += r % l->inner;
            if (c == only)
                draw_set(d->data, l->dtype, i, 30 * random_normal(&seed));
            else if (!by_mask)
                draw_set(d->data, l->dtype, i, -INF);
            if (by_mask)
                d->mask[i] = c == only;
        }
        aim_at(d, r, only);
    }
}

static void class_alone_costs_nothing_and_has_no_gradient(void **state)
{
    (void)state;
    for (int i = 0; i < TRIALS; i++) {
        struct draw d;
        void *got;

        draw_init(&d, &seed, i % 2 ? SMX_FLOAT32 : SMX_FLOAT64, i % 8 > 3);
        leave_one(&d, i % 4 > 1);
        got = must(calloc(d.elements, sizeof(double)));
        for (int isa = SMX_ISA_BASE; isa <= SMX_ISA_NEON; isa++) {
            double loss[64] = {1};
            struct smx_loss_out out = {.size = sizeof out, .loss = loss};

            if (!tiers[isa])
                continue;
            for (int of = 0; of < DERIVATIVES; of++) {
                memset(got, 0x55, d.elements * sizeof(double));
                differentiate(tiers[isa], &d, (enum derivative)of, got);
                for (size_t k = 0; k < d.elements; k++)
                    assert_true(reference_get(got, d.logits.dtype, k) == 0);
            }
            assert_status(
                smx_loss(tiers[isa], &d.logits, &d.criterion, &out, NULL),
                SMX_OK);
            assert_true(reference_get(loss, d.logits.dtype, 0) == 0);
        }
        free(got);
        draw_free(&d);
    }
}

/* Infinite costs of both signs: the same for any length of a row and type. */
static void masses_of_both_signs_on_masked_classes_cost_infinity(void **state)
{
    static const size_t classes[] = {3, 10, 100, 5000};
    float z[5000] = {0}, t[5000] = {0}, loss;
    double z64[5000] = {0}, t64[5000] = {0}, loss64;

    (void)state;
    z[1] = z[2] = -INF;
    z64[1] = z64[2] = -INF;
    t[1] = -0.5f;
    t[2] = 0.5f;
    t64[1] = -0.5;
    t64[2] = 0.5;
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++) {
        struct smx_logits logits = logits_float(z, 1, classes[i]);
        struct smx_criterion criterion = {.size = sizeof criterion,
                                          .targets = t};
        struct smx_loss_out out = {.size = sizeof out, .loss = &loss};

        assert_status(smx_loss(expect_context, &logits, &criterion, &out, NULL),
                      SMX_OK);
        assert_true(loss == INF);
        logits = logits_double(z64, 1, classes[i]);
        criterion.targets = t64;
        out.loss = &loss64;
        assert_status(smx_loss(expect_context, &logits, &criterion, &out, NULL),
                      SMX_OK);
        assert_true(loss64 == INF);
    }
}

/* On the last row of narrow, short and long ones. */
static void a_logit_that_is_left_out_is_refused_all_the_same(void **state)
{
    const size_t shapes[][2] = {{9, 5}, {3, 300}, {2, 9000}};

    (void)state;
    for (size_t i = 0; i < 6; i++) {
        size_t rows = shapes[i % 3][0], classes = shapes[i % 3][1];
        size_t n = rows * classes, at = n - 1 - i;
        float *z = must(calloc(n, sizeof *z)), loss = 7;
        uint8_t *mask = must(malloc(n));
        int64_t labels[9] = {0};
        struct smx_logits logits = logits_float(z, rows, classes);
        struct smx_criterion criterion = {.size = sizeof criterion,
                                          .labels = labels};
        const struct smx_loss_out out = {.size = sizeof out, .loss = &loss};
        struct smx_where where = {.size = sizeof where};

        memset(mask, 1, n);
        mask[at] = 0;
        z[at] = i < 3 ? NAN : INF;
        logits.mask = mask;
        assert_status(
            smx_loss(expect_context, &logits, &criterion, &out, &where),
            SMX_ENONFINITE);
        assert_int_equal(where.field, SMX_FIELD_LOGITS);
        assert_int_equal(where.index, at);
        assert_true(loss == 7);
        free(mask);
        free(z);
    }
}

/* Rows long enough for every way that a float32 gradient is computed. */
static void a_class_left_out_is_0_times_any_factor(void **state)
{
    enum { CLASSES = 9000 };
    static float z[CLASSES], teacher[CLASSES], gradient[CLASSES];
    const float upstream = 1e30F;
    struct smx_criterion k = {.size = sizeof k, .teacher = teacher};
    struct smx_logits logits = {.size = sizeof logits, .data = z, .outer = 1};

    (void)state;
    for (size_t n = 10; n <= CLASSES; n += n / 2) {
        logits.classes = n;
        draw_logits(&seed, DRAW_NORMAL, SMX_FLOAT32, 1, n, z);
        draw_logits(&seed, DRAW_NORMAL, SMX_FLOAT32, 1, n, teacher);
        z[n / 2] = teacher[n / 2] = -INFINITY;
        z[n / 3] = teacher[n / 3] = -300;
        assert_status(smx_gradient(expect_context, &logits, &k, &upstream,
                                   gradient, NULL, NULL),
                      SMX_OK);
        assert_true(gradient[n / 2] == 0 && gradient[n / 3] == 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(minus_infinity_is_a_masked_class),
        cmocka_unit_test(mask_is_minus_infinity_in_another_notation),
        cmocka_unit_test(row_all_masked_has_no_probability),
        cmocka_unit_test(top_of_a_row_all_masked_is_its_first_classes),
        cmocka_unit_test(gradient_of_a_masked_class_is_nothing),
        cmocka_unit_test(jacobian_of_a_masked_class_has_neither_row_nor_column),
        cmocka_unit_test(gradient_at_minus_infinity_is_that_of_the_log),
        cmocka_unit_test(class_alone_costs_nothing_and_has_no_gradient),
        cmocka_unit_test(masses_of_both_signs_on_masked_classes_cost_infinity),
        cmocka_unit_test(a_logit_that_is_left_out_is_refused_all_the_same),
        cmocka_unit_test(a_class_left_out_is_0_times_any_factor),
    };

    random_seed(&seed);
    return cmocka_run_group_tests(tests, tiers_start, tiers_stop);
}
