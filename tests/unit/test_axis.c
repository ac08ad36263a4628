/* SPDX-License-Identifier: MIT */
/*
 * The class axis in the middle gives the bits that it gives as the last one:
 * probabilities, losses, gradients and products, in place, for shapes around
 * the tiles that are copied; a bad logit is named and nothing is written.
 */
#include "../support/expect.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../support/exact_row.h"
#include "../support/random.h"

static struct random seed;

struct shape {
    size_t outer, classes, inner;
};

static const struct shape shapes[] = {
    {1, 1, 2},    {1, 2, 16},    {3, 5, 4},    {2, 16, 17},
    {1, 33, 31},  {2, 129, 3},   {5, 100, 15}, {1, 10, 70000},
    {1, 9000, 5}, {2, 4096, 18}, {300, 40, 90}};

enum { SHAPES = sizeof shapes / sizeof *shapes };

struct operands {
    struct shape shape;
    size_t rows, count;
    float *middle, *last; /* the logits, either way */
    float *targets, *last_targets;
    float *got, *want, *moved;
    int64_t *labels;
};

static size_t there(const struct operands *o, size_t r, size_t c)
{
    const struct shape *s = &o->shape;

    return (r / s->inner * s->classes + c) * s->inner + r % s->inner;
}

static void to_last(const struct operands *o, const float *from, float *to)
{
    for (size_t r = 0; r < o->rows; r++)
        for (size_t c = 0; c < o->shape.classes; c++)
            to[r * o->shape.classes + c] = from[there(o, r, c)];
}

static float *floats(size_t count)
{
    return must(calloc(count, sizeof(float)));
}

static struct operands operands_new(struct shape shape)
{
    struct operands o = {.shape = shape, .rows = shape.outer * shape.inner};

    o.count = o.rows * shape.classes;
    o.middle = floats(o.count);
    o.last = floats(o.count);
    o.targets = floats(o.count);
    o.last_targets = floats(o.count);
    o.got = floats(o.count);
    o.want = floats(o.count);
    o.moved = floats(o.count);
    o.labels = must(calloc(o.rows, sizeof *o.labels));
    for (size_t i = 0; i < o.count; i++) {
        o.middle[i] = (float)(3 * random_normal(&seed));
        o.targets[i] = (float)random_unit(&seed);
    }
    for (size_t r = 0; r < o.rows; r++)
        o.labels[r] = (int64_t)random_below(&seed, shape.classes);
    o.middle[random_below(&seed, o.count)] = 60;
    to_last(&o, o.middle, o.last);
    to_last(&o, o.targets, o.last_targets);
    return o;
}

static void operands_free(struct operands *o)
{
    free(o->middle);
    free(o->last);
    free(o->targets);
    free(o->last_targets);
    free(o->got);
    free(o->want);
    free(o->moved);
    free(o->labels);
}

static struct smx_logits middle_of(const struct operands *o, const float *data)
{
    return (struct smx_logits){.size = sizeof(struct smx_logits),
                               .data = data,
                               .outer = o->shape.outer,
                               .classes = o->shape.classes,
                               .inner = o->shape.inner,
                               .temperature = 1.5};
}

static struct smx_logits last_of(const struct operands *o)
{
    struct smx_logits z = logits_float(o->last, o->rows, o->shape.classes);

    z.temperature = 1.5;
    return z;
}

static void assert_same(struct operands *o)
{
    to_last(o, o->got, o->moved);
    assert_memory_equal(o->moved, o->want, o->count * sizeof(float));
}

static void softmax_of(struct operands *o, bool log)
{
    struct smx_logits z = middle_of(o, o->middle), last = last_of(o);
    struct smx_softmax_out out = {.size = sizeof out, .values = o->got};
    const struct smx_softmax_options *options = OPTIONS(.log = log);

    assert_status(smx_softmax(expect_context, &z, options, &out, NULL), SMX_OK);
    out.values = o->want;
    assert_status(smx_softmax(expect_context, &last, options, &out, NULL),
                  SMX_OK);
    assert_same(o);
    memcpy(o->got, o->middle, o->count * sizeof(float));
    z.data = out.values = o->got;
    assert_status(smx_softmax(expect_context, &z, options, &out, NULL), SMX_OK);
    assert_same(o);
}

static void probabilities(void **state)
{
    (void)state;
    for (size_t s = 0; s < SHAPES; s++) {
        struct operands o = operands_new(shapes[s]);

        softmax_of(&o, false);
        softmax_of(&o, true);
        operands_free(&o);
    }
}

static void gradient_of(struct operands *o, bool by_targets)
{
    struct smx_logits z = middle_of(o, o->middle), last = last_of(o);
    struct smx_criterion k = {.size = sizeof k,
                              .ignore = true,
                              .ignore_index = -100,
                              .label_smoothing = 0.1};
    float loss[2];
    struct smx_loss_out out = {.size = sizeof out, .loss = &loss[0]};

    k.labels = by_targets ? NULL : o->labels;
    k.targets = by_targets ? o->targets : NULL;
    assert_status(
        smx_gradient(expect_context, &z, &k, NULL, o->got, &out, NULL), SMX_OK);
    k.targets = by_targets ? o->last_targets : NULL;
    out.loss = &loss[1];
    assert_status(
        smx_gradient(expect_context, &last, &k, NULL, o->want, &out, NULL),
        SMX_OK);
    assert_same(o);
    assert_memory_equal(&loss[0], &loss[1], sizeof *loss);
}

static void losses_and_gradients(void **state)
{
    (void)state;
    for (size_t s = 0; s < SHAPES; s++) {
        struct operands o = operands_new(shapes[s]);

        gradient_of(&o, false);
        gradient_of(&o, true);
        operands_free(&o);
    }
}

static void product_of(struct operands *o, bool log)
{
    struct smx_logits z = middle_of(o, o->middle), last = last_of(o);

    assert_status(smx_vjp(expect_context, &z, log, o->targets, o->got, NULL),
                  SMX_OK);
    assert_status(
        smx_vjp(expect_context, &last, log, o->last_targets, o->want, NULL),
        SMX_OK);
    assert_same(o);
    memcpy(o->got, o->targets, o->count * sizeof(float));
    assert_status(smx_vjp(expect_context, &z, log, o->got, o->got, NULL),
                  SMX_OK);
    assert_same(o);
}

static void products(void **state)
{
    (void)state;
    for (size_t s = 0; s < SHAPES; s++) {
        struct operands o = operands_new(shapes[s]);

        product_of(&o, false);
        product_of(&o, true);
        operands_free(&o);
    }
}

static void a_bad_logit_is_named(void **state)
{
    (void)state;
    for (size_t s = 0; s < SHAPES; s++) {
        struct operands o = operands_new(shapes[s]);
        struct smx_logits z = middle_of(&o, o.middle);
        struct smx_softmax_out out = {.size = sizeof out, .values = o.got};
        struct smx_criterion k = {.size = sizeof k,
                                  .labels = o.labels,
                                  .ignore = true,
                                  .ignore_index = -100};
        size_t bad = random_below(&seed, o.count);
        struct smx_where where = {.size = sizeof where};

        o.middle[bad] = s % 2 ? NAN : INFINITY;
        assert_status(smx_softmax(expect_context, &z, NULL, &out, &where),
                      SMX_ENONFINITE);
        assert_int_equal(where.field, SMX_FIELD_LOGITS);
        assert_int_equal(where.index, bad);
        assert_status(
            smx_gradient(expect_context, &z, &k, NULL, o.got, NULL, &where),
            SMX_ENONFINITE);
        assert_int_equal(where.index, bad);
        assert_status(
            smx_vjp(expect_context, &z, false, o.targets, o.got, &where),
            SMX_ENONFINITE);
        assert_int_equal(where.index, bad);
        for (size_t i = 0; i < o.count; i++)
            assert_true(o.got[i] == 0);
        operands_free(&o);
    }
}

/* One upstream for each row, inner ones too. */
static void a_bad_upstream_is_named(void **state)
{
    (void)state;
    enum { CLASSES = 4, INNER = 3 };
    float z[CLASSES * INNER] = {0}, out[CLASSES * INNER] = {0};
    const float upstream[INNER] = {1, 1, NAN};
    const int64_t labels[INNER] = {0};
    const struct smx_logits logits = {.size = sizeof logits,
                                      .data = z,
                                      .outer = 1,
                                      .classes = CLASSES,
                                      .inner = INNER};
    const struct smx_criterion k = {
        .size = sizeof k, .labels = labels, .reduction = SMX_REDUCTION_NONE};
    struct smx_where where = {.size = sizeof where};
    assert_status(
        smx_gradient(expect_context, &logits, &k, upstream, out, NULL, &where),
        SMX_ENONFINITE);
    assert_int_equal(where.field, SMX_FIELD_UPSTREAM);
    assert_int_equal(where.index, 2);
    for (size_t i = 0; i < CLASSES * INNER; i++)
        assert_true(out[i] == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(probabilities),
        cmocka_unit_test(losses_and_gradients),
        cmocka_unit_test(products),
        cmocka_unit_test(a_bad_logit_is_named),
        cmocka_unit_test(a_bad_upstream_is_named),
    };

    random_seed(&seed);
    return cmocka_run_group_tests(tests, expect_start, expect_stop);
}
