/* SPDX-License-Identifier: MIT */
/*
 * Structs as a caller fills them: sized, their other members 0 by default; and
 * tensors with gaps, of which not a bit depends on what lies in them.
 */
#include "../support/expect.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../support/draw.h"
#include "../support/exact_row.h"
#include "../support/reference.h"

enum { CLASSES = 3 };

static struct random seed;

/* ---- sizes --------------------------------------------------------------- */

static const float z[2][CLASSES] = {{1, 2, 3}, {0, 0.5f, -1}};
static const int64_t labels[] = {0, 2};

/** The structs of a call, each with room for members yet to come. */
struct call {
    struct {
        struct smx_logits now;
        double later;
    } logits;
    struct {
        struct smx_criterion now;
        double later;
    } criterion;
    struct {
        struct smx_loss_out now;
        double later;
    } out;
    struct smx_where where;
    float loss, gradient[2][CLASSES];
};

static void call_init(struct call *c)
{
    memset(c, 0, sizeof *c);
    c->logits.now = logits_float(z[0], 2, CLASSES);
    c->criterion.now.size = sizeof c->criterion.now;
    c->criterion.now.labels = labels;
    c->out.now.size = sizeof c->out.now;
    c->out.now.loss = &c->loss;
    c->where.size = sizeof c->where;
}

static enum smx_status gradient_of(struct call *c)
{
    return smx_gradient(expect_context, &c->logits.now, &c->criterion.now, NULL,
                        c->gradient, &c->out.now, &c->where);
}

static void a_struct_without_its_size_is_refused(void **state)
{
    struct call c;

    (void)state;
    call_init(&c);
    c.logits.now.size = 0;
    assert_status(gradient_of(&c), SMX_EARGUMENT);
    assert_int_equal(c.where.field, SMX_FIELD_LOGITS_SIZE);
    call_init(&c);
    c.criterion.now.size -= 8;
    assert_status(gradient_of(&c), SMX_EARGUMENT);
    assert_int_equal(c.where.field, SMX_FIELD_CRITERION_SIZE);
    call_init(&c);
    c.out.now.size = 0;
    assert_status(gradient_of(&c), SMX_EARGUMENT);
    assert_int_equal(c.where.field, SMX_FIELD_OUT_SIZE);
    call_init(&c);
    c.where.size = 0;
    assert_status(gradient_of(&c), SMX_EARGUMENT);
    assert_true(c.gradient[0][0] == 0 && c.loss == 0);
}

static void options_and_config_have_a_size_too(void **state)
{
    struct smx_logits logits = logits_float(z[0], 2, CLASSES);
    struct smx_softmax_options options = {.log = true};
    struct smx_config config = {.threads = 1};
    struct smx_softmax_out out = {0};
    struct smx_where where = {.size = sizeof where};
    struct smx_context *context;

    (void)state;
    assert_status(smx_softmax(expect_context, &logits, &options, &out, &where),
                  SMX_EARGUMENT);
    assert_int_equal(where.field, SMX_FIELD_OPTIONS_SIZE);
    assert_status(smx_softmax(expect_context, &logits, NULL, &out, &where),
                  SMX_EARGUMENT);
    assert_int_equal(where.field, SMX_FIELD_OUT_SIZE);
    assert_status(smx_context_create(&context, &config), SMX_EARGUMENT);
    assert_null(context);
}

/* A program that was compiled against a later header. */
static void members_yet_to_come_must_be_zero(void **state)
{
    struct call c, now;

    (void)state;
    call_init(&now);
    assert_status(gradient_of(&now), SMX_OK);
    call_init(&c);
    c.logits.now.size = sizeof c.logits;
    c.criterion.now.size = sizeof c.criterion;
    c.out.now.size = sizeof c.out;
    assert_status(gradient_of(&c), SMX_OK);
    assert_memory_equal(c.gradient, now.gradient, sizeof c.gradient);
    c.criterion.later = 0.5;
    assert_status(gradient_of(&c), SMX_EARGUMENT);
    assert_int_equal(c.where.field, SMX_FIELD_CRITERION_SIZE);
}

/* ---- defaults ------------------------------------------------------------ */

static void a_zeroed_criterion_ignores_no_class(void **state)
{
    struct call c, none;
    size_t rows;

    (void)state;
    call_init(&c);
    c.out.now.rows = &rows;
    assert_status(gradient_of(&c), SMX_OK);
    assert_int_equal(rows, 2);
    call_init(&none);
    none.criterion.now.ignore = true;
    none.criterion.now.ignore_index = -100;
    assert_status(gradient_of(&none), SMX_OK);
    assert_memory_equal(&c.loss, &none.loss, sizeof c.loss);
    c.criterion.now.ignore = true;
    assert_status(gradient_of(&c), SMX_OK);
    assert_int_equal(rows, 1);
    c.criterion.now.ignore = false;
    c.criterion.now.ignore_index = -1;
    c.criterion.now.labels = (const int64_t[]){0, -1};
    assert_status(gradient_of(&c), SMX_ELABEL);
    assert_int_equal(c.where.field, SMX_FIELD_LABELS);
    assert_int_equal(c.where.index, 1);
}

static void inner_of_zero_is_one(void **state)
{
    struct call c, one;

    (void)state;
    call_init(&one);
    assert_status(gradient_of(&one), SMX_OK);
    call_init(&c);
    c.logits.now.inner = 0;
    assert_status(gradient_of(&c), SMX_OK);
    assert_memory_equal(c.gradient, one.gradient, sizeof c.gradient);
}

static void weights_may_be_negative(void **state)
{
    const float canceling[] = {0.5f, 1, -0.5f}, left[] = {0.5f, 1, -0.25f};
    struct call c;
    double divisor;

    (void)state;
    call_init(&c);
    c.out.now.divisor = &divisor;
    c.criterion.now.weights = left;
    assert_status(gradient_of(&c), SMX_OK);
    assert_true(divisor == 0.25);
    assert_ulp(SMX_FLOAT32, c.loss,
               (0.5L * logl(1 + expl(1) + expl(2)) -
                0.25L * logl(1 + expl(1) + expl(1.5L))) /
                   0.25L,
               4, 2);
    c.criterion.now.weights = canceling;
    assert_status(gradient_of(&c), SMX_OK);
    assert_true(divisor == 0 && c.loss == 0);
    for (int i = 0; i < 2 * CLASSES; i++)
        assert_true(c.gradient[i / CLASSES][i % CLASSES] == 0);
}

static void outputs_that_a_call_is_for_must_be_there(void **state)
{
    struct smx_logits logits = logits_float(z[0], 2, CLASSES);
    struct smx_where where = {.size = sizeof where};
    float out[2][CLASSES];
    struct call c;

    (void)state;
    call_init(&c);
    assert_status(smx_gradient(expect_context, &logits, &c.criterion.now, NULL,
                               NULL, NULL, &where),
                  SMX_EARGUMENT);
    assert_int_equal(where.field, SMX_FIELD_GRADIENT);
    assert_status(smx_vjp(expect_context, &logits, true, NULL, out, &where),
                  SMX_EARGUMENT);
    assert_int_equal(where.field, SMX_FIELD_UPSTREAM);
    assert_status(smx_vjp(expect_context, &logits, true, z, NULL, &where),
                  SMX_EARGUMENT);
    assert_int_equal(where.field, SMX_FIELD_GRADIENT);
    assert_status(smx_jacobian(expect_context, &logits, true, NULL, &where),
                  SMX_EARGUMENT);
    assert_int_equal(where.field, SMX_FIELD_JACOBIAN);
}

/* ---- gaps ---------------------------------------------------------------- */

/** A tensor of a draw's shape, spread out with NaN in its gaps. */
static void *spread(const struct draw *d, const void *dense, size_t stride)
{
    size_t part = d->logits.classes * d->logits.inner;
    void *gaps = must(calloc(d->logits.outer * stride, sizeof(double)));

    for (size_t i = 0; i < d->logits.outer * stride; i++) {
        double value = NAN;
        if (dense && i % stride < part)
            value = (double)reference_get(dense, d->logits.dtype,
                                          i / stride * part + i % stride);
        draw_set(gaps, d->logits.dtype, i, value);
    }
    return gaps;
}

/** got has the bits of dense between its gaps, and NaN in them. */
static void assert_spread(const struct draw *d, const void *dense,
                          const void *got, size_t stride)
{
    size_t part = d->logits.classes * d->logits.inner;

    for (size_t i = 0; i < d->logits.outer * stride; i++) {
        long double value = reference_get(got, d->logits.dtype, i);
        if (i % stride >= part)
            assert_true(isnan(value));
        else
            assert_true(value == reference_get(dense, d->logits.dtype,
                                               i / stride * part + i % stride));
    }
}

enum operation { SOFTMAX, LOG_SOFTMAX, GRADIENT, PRODUCT, LOG_PRODUCT, ALL };

static enum smx_status run(const struct draw *d, enum operation what, void *out,
                           struct smx_where *where)
{
    const struct smx_logits *l = &d->logits;
    struct smx_softmax_out values = {.size = sizeof values, .values = out};

    if (what == GRADIENT)
        return smx_gradient(expect_context, l, &d->criterion, d->upstream_row,
                            out, NULL, where);
    if (what >= PRODUCT)
        return smx_vjp(expect_context, l, what == LOG_PRODUCT, d->upstream, out,
                       where);
    return smx_softmax(expect_context, l, OPTIONS(.log = what == LOG_SOFTMAX),
                       &values, where);
}

static uint8_t *spread_mask(const struct draw *d, size_t stride)
{
    size_t part = d->logits.classes * d->logits.inner;
    uint8_t *mask = must(calloc(d->logits.outer * stride, 1));

    for (size_t i = 0; i < d->logits.outer * stride; i++)
        mask[i] = i % stride < part ? d->mask[i / stride * part + i % stride]
                                    : (uint8_t)(i & 1);
    return mask;
}

/** A draw with the same numbers, its inputs and outputs spread out. */
static struct draw spread_draw(const struct draw *d)
{
    struct draw gaps = *d;
    size_t part = d->logits.classes * d->logits.inner;
    size_t stride = part + 1 + random_below(&seed, 40);

    gaps.logits.stride = stride;
    gaps.logits.out_stride = part + random_below(&seed, 20);
    gaps.logits.data = gaps.data = spread(d, d->data, stride);
    gaps.upstream = spread(d, d->upstream, stride);
    if (d->targets)
        gaps.criterion.targets = gaps.targets = spread(d, d->targets, stride);
    if (d->teacher)
        gaps.criterion.teacher = gaps.teacher = spread(d, d->teacher, stride);
    if (d->mask && !d->logits.mask_per_class)
        gaps.logits.mask = gaps.mask = spread_mask(d, stride);
    return gaps;
}

static void spread_free(struct draw *gaps, const struct draw *d)
{
    free(gaps->data);
    free(gaps->upstream);
    free(gaps->targets);
    free(gaps->teacher);
    if (gaps->mask != d->mask)
        free(gaps->mask);
}

static void gaps_change_no_bit_and_are_left_alone(void **state)
{
    (void)state;
    for (int i = 0; i < 1500; i++) {
        struct draw d, gaps;
        void *want, *got;

        draw_init(&d, &seed, i % 2 ? SMX_FLOAT32 : SMX_FLOAT64, i % 4 > 1);
        gaps = spread_draw(&d);
        want = must(calloc(d.elements, sizeof(double)));
        got = spread(&d, NULL, gaps.logits.out_stride);
        for (int what = 0; what < ALL; what++) {
            assert_status(run(&d, (enum operation)what, want, NULL), SMX_OK);
            assert_status(run(&gaps, (enum operation)what, got, NULL), SMX_OK);
            assert_spread(&d, want, got, gaps.logits.out_stride);
        }
        free(want);
        free(got);
        spread_free(&gaps, &d);
        draw_free(&d);
    }
}

static void errors_count_without_gaps(void **state)
{
    (void)state;
    for (int i = 0; i < 200; i++) {
        struct draw d, gaps;
        struct smx_where where = {.size = sizeof where};
        void *got;
        size_t part, bad;

        draw_init(&d, &seed, i % 2 ? SMX_FLOAT32 : SMX_FLOAT64, i % 4 > 1);
        gaps = spread_draw(&d);
        part = d.logits.classes * d.logits.inner;
        bad = random_below(&seed, d.elements);
        draw_set(gaps.data, d.logits.dtype,
                 bad / part * gaps.logits.stride + bad % part, NAN);
        got = must(calloc(d.logits.outer * gaps.logits.out_stride, 8));
        for (int what = 0; what < ALL; what++) {
            assert_status(run(&gaps, (enum operation)what, got, &where),
                          SMX_ENONFINITE);
            assert_int_equal(where.field, SMX_FIELD_LOGITS);
            assert_int_equal(where.index, bad);
        }
        free(got);
        spread_free(&gaps, &d);
        draw_free(&d);
    }
}

static void strides_must_hold_a_part(void **state)
{
    struct call c;

    (void)state;
    call_init(&c);
    c.logits.now.stride = CLASSES - 1;
    assert_status(gradient_of(&c), SMX_EARGUMENT);
    assert_int_equal(c.where.field, SMX_FIELD_STRIDE);
    c.logits.now.stride = SIZE_MAX;
    assert_status(gradient_of(&c), SMX_EOVERFLOW);
    assert_int_equal(c.where.field, SMX_FIELD_STRIDE);
    c.logits.now.stride = 0;
    c.logits.now.out_stride = 1;
    assert_status(gradient_of(&c), SMX_EARGUMENT);
    assert_int_equal(c.where.field, SMX_FIELD_OUT_STRIDE);
    c.logits.now.out_stride = SIZE_MAX / 8;
    assert_status(gradient_of(&c), SMX_EOVERFLOW);
    assert_int_equal(c.where.field, SMX_FIELD_OUT_STRIDE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_struct_without_its_size_is_refused),
        cmocka_unit_test(options_and_config_have_a_size_too),
        cmocka_unit_test(members_yet_to_come_must_be_zero),
        cmocka_unit_test(a_zeroed_criterion_ignores_no_class),
        cmocka_unit_test(inner_of_zero_is_one),
        cmocka_unit_test(weights_may_be_negative),
        cmocka_unit_test(outputs_that_a_call_is_for_must_be_there),
        cmocka_unit_test(gaps_change_no_bit_and_are_left_alone),
        cmocka_unit_test(errors_count_without_gaps),
        cmocka_unit_test(strides_must_hold_a_part),
    };

    random_seed(&seed);
    return cmocka_run_group_tests(tests, expect_start, expect_stop);
}
