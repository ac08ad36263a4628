/* SPDX-License-Identifier: MIT */
/*
 * The short way of plain float32 against the long way, which a mask that
 * leaves nothing out makes the library take: every option, shapes on both
 * sides of every fork, and what is refused in the last row.
 */
#include "../support/expect.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../support/draw.h"
#include "../support/exact_row.h"

static struct random seed;

/* Few classes in several blocks of rows; one chunk; several chunks. */
static const size_t shapes[][2] = {{300, 10}, {150, 20}, {140, 40},
                                   {3, 4096}, {2, 4097}, {2, 20000}};

enum { SHAPES = sizeof shapes / sizeof *shapes, CHOICES = 1 << 7 };

struct operands {
    size_t rows, classes, count;
    float *z, *targets, *weights, *upstream;
    int64_t *labels;
    uint8_t *mask;
};

struct answers {
    float *loss, *logsumexp, *gradient;
    int64_t *argmax;
    size_t rows;
    double divisor, accuracy;
};

static struct operands operands_new(const size_t shape[2])
{
    size_t rows = shape[0], n = rows * shape[1];
    struct operands o = {.rows = rows,
                         .classes = shape[1],
                         .count = n,
                         .z = must(calloc(n, sizeof(float))),
                         .targets = must(calloc(n, sizeof(float))),
                         .weights = must(calloc(shape[1], sizeof(float))),
                         .upstream = must(calloc(n, sizeof(float))),
                         .labels = must(calloc(rows, sizeof(int64_t))),
                         .mask = must(malloc(n))};

    draw_logits(&seed, DRAW_NORMAL, SMX_FLOAT32, rows, shape[1], o.z);
    draw_logits(&seed, DRAW_NORMAL, SMX_FLOAT32, rows, shape[1], o.upstream);
    memset(o.mask, 1, n);
    for (size_t i = 0; i < n; i++)
        o.targets[i] = (float)random_below(&seed, 3) / 8;
    for (size_t c = 0; c < shape[1]; c++)
        o.weights[c] = (float)random_below(&seed, 4) / 2;
    for (size_t r = 0; r < rows; r++) {
        float *z = o.z + r * shape[1];

        o.labels[r] = (int64_t)random_below(&seed, shape[1]);
        if (r % 5 == 1)
            o.labels[r] = -100;
        else if (r % 5 == 2) /* confident, and out of reach of 0 */
            z[o.labels[r]] = 400;
        else if (r % 5 == 3) /* a class left out, with mass or without */
            z[random_below(&seed, shape[1])] = -INFINITY;
        if (r == 8) /* all of them */
            for (size_t c = 0; c < shape[1]; c++)
                z[c] = -INFINITY;
    }
    return o;
}

static void operands_free(struct operands *o)
{
    free(o->z);
    free(o->targets);
    free(o->weights);
    free(o->upstream);
    free(o->labels);
    free(o->mask);
}

static struct answers answers_new(const struct operands *o)
{
    struct answers a = {.loss = must(calloc(o->rows, sizeof(float))),
                        .logsumexp = must(calloc(o->rows, sizeof(float))),
                        .gradient = must(calloc(o->count, sizeof(float))),
                        .argmax = must(calloc(o->rows, sizeof(int64_t)))};
    return a;
}

static void answers_free(struct answers *a)
{
    free(a->loss);
    free(a->logsumexp);
    free(a->gradient);
    free(a->argmax);
}

/* What the bits of choice ask for. */
static struct smx_criterion criterion_of(const struct operands *o,
                                         unsigned choice)
{
    static const enum smx_reduction reductions[] = {
        SMX_REDUCTION_MEAN, SMX_REDUCTION_SUM, SMX_REDUCTION_NONE,
        SMX_REDUCTION_MEAN};
    struct smx_criterion k = {.size = sizeof k,
                              .ignore = true,
                              .ignore_index = -100,
                              .reduction = reductions[choice & 3]};

    if (choice & 4)
        k.targets = o->targets;
    else
        k.labels = o->labels;
    if (choice & 8)
        k.weights = o->weights;
    if (choice & 16)
        k.label_smoothing = 0.125;
    if (choice & 32)
        k.z_loss = 0.01;
    return k;
}

static struct smx_logits logits_of(const struct operands *o, unsigned choice,
                                   bool plain)
{
    return (struct smx_logits){.size = sizeof(struct smx_logits),
                               .data = o->z,
                               .outer = o->rows,
                               .classes = o->classes,
                               .inner = 1,
                               .temperature = choice & 64 ? 1.7 : 0,
                               .mask = plain ? NULL : o->mask};
}

static enum smx_status compute(const struct operands *o, unsigned choice,
                               bool plain, struct answers *a,
                               struct smx_where *where)
{
    struct smx_criterion k = criterion_of(o, choice);
    struct smx_logits z = logits_of(o, choice, plain);
    struct smx_loss_out out = {.size = sizeof out,
                               .loss = a->loss,
                               .divisor = &a->divisor,
                               .rows = &a->rows,
                               .logsumexp = a->logsumexp,
                               .argmax = a->argmax,
                               .accuracy = &a->accuracy};

    return smx_gradient(expect_context, &z, &k, o->upstream, a->gradient, &out,
                        where);
}

/* Both are within 2 ulp; what cancels is of the size of size. */
static void assert_near(float got, float want, float size)
{
    float larger = fmaxf(fabsf(want), size);

    if (isinf(want))
        assert_true(got == want);
    else
        assert_true(fabsf(got - want) <= larger * 0x1p-21f);
}

static void compare(const struct operands *o, unsigned choice)
{
    struct answers got = answers_new(o), want = answers_new(o);
    float size = 0x1p-30f; /* of what is left of 1 - 1 */

    assert_status(compute(o, choice, true, &got, NULL), SMX_OK);
    assert_status(compute(o, choice, false, &want, NULL), SMX_OK);
    for (size_t r = 0; r < o->rows; r++) {
        assert_near(got.loss[r], want.loss[r], 0);
        assert_near(got.logsumexp[r], want.logsumexp[r], 0);
    }
    assert_memory_equal(got.argmax, want.argmax, o->rows * sizeof(int64_t));
    assert_int_equal(got.rows, want.rows);
    assert_true(got.divisor == want.divisor && got.accuracy == want.accuracy);
    for (size_t i = 0; i < o->count; i++)
        size = fmaxf(size, fabsf(want.gradient[i]));
    for (size_t i = 0; i < o->count; i++)
        assert_near(got.gradient[i], want.gradient[i], size);
    answers_free(&got);
    answers_free(&want);
}

static void every_option_as_the_long_way(void **state)
{
    (void)state;
    for (size_t s = 0; s < SHAPES; s++) {
        struct operands o = operands_new(shapes[s]);

        for (unsigned choice = 0; choice < CHOICES; choice++)
            if ((choice & 3) != 3)
                compare(&o, choice);
        operands_free(&o);
    }
}

static void product_as_the_long_way(void **state)
{
    (void)state;
    for (size_t s = 0; s < 2 * SHAPES; s++) {
        struct operands o = operands_new(shapes[s / 2]);
        struct answers got = answers_new(&o), want = answers_new(&o);
        struct smx_logits z = logits_of(&o, 64, true);

        assert_status(
            smx_vjp(expect_context, &z, s % 2, o.upstream, got.gradient, NULL),
            SMX_OK);
        z.mask = o.mask;
        assert_status(
            smx_vjp(expect_context, &z, s % 2, o.upstream, want.gradient, NULL),
            SMX_OK);
        for (size_t i = 0; i < o.count; i++)
            assert_near(got.gradient[i], want.gradient[i], s % 2 ? 1 : 0.01f);
        answers_free(&got);
        answers_free(&want);
        operands_free(&o);
    }
}

/* ---- tiles of rows ------------------------------------------------------ */

/* Several tiles, whichever the operation. */
static const size_t tall[2] = {61000, 10};

/* Some of the rows, wherever their tile began in the whole. */
static struct operands part_of(const struct operands *o, size_t first,
                               size_t rows)
{
    size_t start = first * o->classes;

    return (struct operands){.rows = rows,
                             .classes = o->classes,
                             .count = rows * o->classes,
                             .z = o->z + start,
                             .targets = o->targets + start,
                             .weights = o->weights,
                             .upstream = o->upstream + start,
                             .labels = o->labels + first};
}

enum { PART = 4000 };

static void losses_in_tiles(void **state)
{
    struct operands o = operands_new(tall);
    struct answers whole = answers_new(&o);

    (void)state;
    for (unsigned choice = 2; choice < 64; choice += 4) { /* reduction none */
        assert_status(compute(&o, choice, true, &whole, NULL), SMX_OK);
        for (size_t r = 0; r + PART <= o.rows; r += PART) {
            struct operands part = part_of(&o, r, PART);
            struct answers a = answers_new(&part);

            part.upstream = o.upstream + r; /* one a row */
            assert_status(compute(&part, choice, true, &a, NULL), SMX_OK);
            assert_memory_equal(a.loss, whole.loss + r, PART * sizeof(float));
            assert_memory_equal(a.logsumexp, whole.logsumexp + r,
                                PART * sizeof(float));
            assert_memory_equal(a.argmax, whole.argmax + r,
                                PART * sizeof(int64_t));
            assert_memory_equal(a.gradient, whole.gradient + r * o.classes,
                                part.count * sizeof(float));
            answers_free(&a);
        }
    }
    answers_free(&whole);
    operands_free(&o);
}

static void product_of(const struct operands *o, bool log, float *gradient)
{
    struct smx_logits z = logits_of(o, 64, true);

    assert_status(smx_vjp(expect_context, &z, log, o->upstream, gradient, NULL),
                  SMX_OK);
}

static void products_in_tiles(void **state)
{
    struct operands o = operands_new(tall);
    struct answers whole = answers_new(&o), a = answers_new(&o);

    (void)state;
    for (int log = 0; log < 2; log++) {
        product_of(&o, log, whole.gradient);
        for (size_t r = 0; r + PART <= o.rows; r += PART) {
            struct operands part = part_of(&o, r, PART);

            product_of(&part, log, a.gradient);
            assert_memory_equal(a.gradient, whole.gradient + r * o.classes,
                                part.count * sizeof(float));
        }
    }
    product_of(&o, false, whole.gradient);
    product_of(&o, false, o.z); /* in place */
    assert_memory_equal(o.z, whole.gradient, o.count * sizeof(float));
    answers_free(&whole);
    answers_free(&a);
    operands_free(&o);
}

/* ---- refused ---------------------------------------------------------- */

static void assert_untouched(const void *data, size_t bytes)
{
    const unsigned char *p = data;

    for (size_t i = 0; i < bytes; i++)
        assert_int_equal(p[i], 0);
}

static void refuse(struct operands *o, unsigned choice, enum smx_field what,
                   size_t index)
{
    struct answers a = answers_new(o);
    struct smx_where where = {.size = sizeof where};

    assert_status(compute(o, choice, true, &a, &where), SMX_ENONFINITE);
    assert_int_equal(where.field, what);
    assert_int_equal(where.index, index);
    assert_untouched(a.loss, o->rows * sizeof(float));
    assert_untouched(a.logsumexp, o->rows * sizeof(float));
    assert_untouched(a.argmax, o->rows * sizeof(int64_t));
    assert_untouched(a.gradient, o->count * sizeof(float));
    answers_free(&a);
}

static void the_last_element_is_looked_at_first(void **state)
{
    (void)state;
    for (size_t s = 0; s <= SHAPES; s++) {
        struct operands o = operands_new(s < SHAPES ? shapes[s] : tall);
        size_t last = o.count - 1;

        o.targets[last] = INFINITY;
        refuse(&o, 4, SMX_FIELD_TARGETS, last);
        o.z[last] = NAN;
        refuse(&o, 0, SMX_FIELD_LOGITS, last);
        refuse(&o, 4, SMX_FIELD_LOGITS, last);
        o.z[last - 1] = INFINITY;
        refuse(&o, 0, SMX_FIELD_LOGITS, last - 1);
        operands_free(&o);
    }
}

static void product_of_the_refused(void **state)
{
    (void)state;
    for (size_t s = 0; s <= SHAPES; s++) {
        struct operands o = operands_new(s < SHAPES ? shapes[s] : tall);
        struct answers a = answers_new(&o);
        struct smx_logits z = logits_of(&o, 0, true);
        struct smx_where where = {.size = sizeof where};

        o.upstream[o.count - 1] = -INFINITY;
        assert_status(
            smx_vjp(expect_context, &z, false, o.upstream, a.gradient, &where),
            SMX_ENONFINITE);
        assert_int_equal(where.field, SMX_FIELD_UPSTREAM);
        assert_int_equal(where.index, o.count - 1);
        assert_untouched(a.gradient, o.count * sizeof(float));
        answers_free(&a);
        operands_free(&o);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_option_as_the_long_way),
        cmocka_unit_test(product_as_the_long_way),
        cmocka_unit_test(losses_in_tiles),
        cmocka_unit_test(products_in_tiles),
        cmocka_unit_test(the_last_element_is_looked_at_first),
        cmocka_unit_test(product_of_the_refused),
    };

    random_seed(&seed);
    return cmocka_run_group_tests(tests, expect_start, expect_stop);
}
