/* SPDX-License-Identifier: MIT */
/*
 * Rows of several tiles on the long way (float64, or with a mask or softcap):
 * in place they give the bits that they give beside it, alone those that they
 * give with others, with any number of threads.
 */
#include "../support/expect.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../support/draw.h"
#include "../support/effort.h"
#include "../support/exact_row.h"
#include "../support/tiers.h"

static struct random seed;

enum {
    ROWS = 3,
    CONTEXTS = 3,
    MASK = 1,
    CAP = 2,
    WARM = 4,
    CHOICES = 8,
    LONG = 50000
};

/* Tiles that end with the row and that do not, few and many. */
static const size_t classes[] = {1024, 1040, 2048, 5000, 70001, 131072};

enum { LENGTHS = sizeof classes / sizeof *classes };

static struct smx_context *contexts[CONTEXTS]; /* of 1, 2 and 7 threads */

struct operands {
    struct smx_logits logits;
    size_t count, bytes; /* of a tensor */
    void *z, *upstream, *out, *want;
    uint8_t *mask;
    int64_t labels[ROWS];
};

struct summary {
    double lse[ROWS], entropy[ROWS], loss;
    int64_t argmax[ROWS];
};

static int start(void **state)
{
    static const size_t threads[CONTEXTS] = {1, 2, 7};

    (void)state;
    for (int i = 0; i < CONTEXTS; i++) {
        struct smx_config config = {.size = sizeof config,
                                    .threads = threads[i]};

        if (smx_context_create(&contexts[i], &config))
            return 1;
    }
    return 0;
}

static int stop(void **state)
{
    (void)state;
    for (int i = 0; i < CONTEXTS; i++)
        smx_context_free(contexts[i]);
    return 0;
}

/* The last row is all left out. */
static void leave_out(struct operands *o)
{
    size_t first = o->count / ROWS * (ROWS - 1);

    for (size_t i = first; i < o->count; i++)
        if (o->logits.dtype == SMX_FLOAT64)
            ((double *)o->z)[i] = -INFINITY;
        else
            ((float *)o->z)[i] = -INFINITY;
}

static struct operands operands_new(size_t length, enum smx_dtype dtype,
                                    int choice)
{
    size_t count = ROWS * length, bytes = count * smx_dtype_bytes(dtype);
    struct operands o = {.count = count,
                         .bytes = bytes,
                         .z = must(malloc(bytes)),
                         .upstream = must(malloc(bytes)),
                         .out = must(malloc(bytes)),
                         .want = must(malloc(bytes)),
                         .mask = must(malloc(count))};

    draw_logits(&seed, DRAW_NORMAL, dtype, ROWS, length, o.z);
    draw_logits(&seed, DRAW_NORMAL, dtype, ROWS, length, o.upstream);
    for (size_t i = 0; i < count; i++)
        o.mask[i] = random_below(&seed, 4) != 0;
    for (int r = 0; r < ROWS; r++)
        o.labels[r] = (int64_t)random_below(&seed, length);
    o.logits = (struct smx_logits){.size = sizeof(struct smx_logits),
                                   .data = o.z,
                                   .dtype = dtype,
                                   .outer = ROWS,
                                   .classes = length,
                                   .inner = 1,
                                   .temperature = choice & WARM ? 1.7 : 0,
                                   .softcap = choice & CAP ? 5 : 0,
                                   .mask = choice & MASK ? o.mask : NULL};
    leave_out(&o);
    return o;
}

static void operands_free(struct operands *o)
{
    free(o->z);
    free(o->upstream);
    free(o->out);
    free(o->want);
    free(o->mask);
}

/* What an operation puts into out, and beside it. */
typedef void operation(struct smx_context *context, const struct smx_logits *z,
                       const struct operands *o, void *out, struct summary *s);

static void values(struct smx_context *context, const struct smx_logits *z,
                   const struct operands *o, void *out, struct summary *s)
{
    struct smx_softmax_out wanted = {.size = sizeof wanted, .values = out};

    (void)o, (void)s;
    assert_status(smx_softmax(context, z, NULL, &wanted, NULL), SMX_OK);
}

static void logs(struct smx_context *context, const struct smx_logits *z,
                 const struct operands *o, void *out, struct summary *s)
{
    struct smx_softmax_out wanted = {.size = sizeof wanted, .values = out};

    (void)o, (void)s;
    assert_status(smx_softmax(context, z, OPTIONS(.log = true), &wanted, NULL),
                  SMX_OK);
}

static void summaries(struct smx_context *context, const struct smx_logits *z,
                      const struct operands *o, void *out, struct summary *s)
{
    struct smx_softmax_out wanted = {.size = sizeof wanted,
                                     .values = out,
                                     .logsumexp = s->lse,
                                     .entropy = s->entropy,
                                     .argmax = s->argmax};

    (void)o;
    assert_status(smx_softmax(context, z, NULL, &wanted, NULL), SMX_OK);
}

static void some_summaries(struct smx_context *context,
                           const struct smx_logits *z, const struct operands *o,
                           void *out, struct summary *s)
{
    struct smx_softmax_out wanted = {.size = sizeof wanted,
                                     .values = out,
                                     .logsumexp = s->lse,
                                     .argmax = s->argmax};

    (void)o;
    assert_status(smx_softmax(context, z, NULL, &wanted, NULL), SMX_OK);
}

static void gradient(struct smx_context *context, const struct smx_logits *z,
                     const struct operands *o, void *out, struct summary *s)
{
    struct smx_criterion k = {
        .size = sizeof k, .labels = o->labels, .label_smoothing = 0.1};
    struct smx_loss_out wanted = {.size = sizeof wanted, .loss = &s->loss};

    assert_status(smx_gradient(context, z, &k, NULL, out, &wanted, NULL),
                  SMX_OK);
}

static void gradient_by_labels(struct smx_context *context,
                               const struct smx_logits *z,
                               const struct operands *o, void *out,
                               struct summary *s)
{
    struct smx_criterion k = {
        .size = sizeof k, .labels = o->labels, .reduction = SMX_REDUCTION_SUM};
    struct smx_loss_out wanted = {.size = sizeof wanted, .loss = &s->loss};

    assert_status(smx_gradient(context, z, &k, NULL, out, &wanted, NULL),
                  SMX_OK);
}

static void gradient_by_targets(struct smx_context *context,
                                const struct smx_logits *z,
                                const struct operands *o, void *out,
                                struct summary *s)
{
    struct smx_criterion k = {.size = sizeof k, .targets = o->upstream};
    struct smx_loss_out wanted = {.size = sizeof wanted, .loss = &s->loss};

    assert_status(smx_gradient(context, z, &k, NULL, out, &wanted, NULL),
                  SMX_OK);
}

static void product(struct smx_context *context, const struct smx_logits *z,
                    const struct operands *o, void *out, struct summary *s)
{
    (void)s;
    assert_status(smx_vjp(context, z, false, o->upstream, out, NULL), SMX_OK);
}

static void product_of_logs(struct smx_context *context,
                            const struct smx_logits *z,
                            const struct operands *o, void *out,
                            struct summary *s)
{
    (void)s;
    assert_status(smx_vjp(context, z, true, o->upstream, out, NULL), SMX_OK);
}

static operation *const all[] = {values,
                                 logs,
                                 summaries,
                                 some_summaries,
                                 gradient,
                                 product,
                                 gradient_by_targets,
                                 product_of_logs,
                                 gradient_by_labels};

enum { ALL = sizeof all / sizeof *all };

/* One row on its own; gradients have the labels of all. */
static void assert_alone(const struct operands *o, operation *run)
{
    size_t row = o->count / ROWS, bytes = o->bytes / ROWS;
    char *out = o->out;

    if (run == gradient || run == gradient_by_targets ||
        run == gradient_by_labels)
        return;
    for (size_t r = 0; r < ROWS; r++) {
        struct smx_logits z = o->logits;
        struct operands one = *o;
        struct summary s;

        z.outer = 1;
        z.data = (const char *)z.data + r * bytes;
        z.mask = z.mask ? z.mask + r * row : NULL;
        one.upstream = (char *)o->upstream + r * bytes;
        run(contexts[1], &z, &one, out + r * bytes, &s);
    }
    assert_memory_equal(o->out, o->want, o->bytes);
}

static void try_all(const struct operands *o)
{
    for (int i = 0; i < ALL; i++) {
        struct summary want = {0};
        struct smx_logits z = o->logits;

        all[i](contexts[0], &z, o, o->want, &want);
        for (int c = 0; c < CONTEXTS; c++) {
            struct summary got = {0};

            z = o->logits;
            memset(o->out, 0xa5, o->bytes);
            all[i](contexts[c], &z, o, o->out, &got);
            assert_memory_equal(o->out, o->want, o->bytes);
            assert_memory_equal(&got, &want, sizeof got);
            memset(&got, 0, sizeof got);
            z.data = memcpy(o->out, o->z, o->bytes);
            all[i](contexts[c], &z, o, o->out, &got);
            assert_memory_equal(o->out, o->want, o->bytes);
            assert_memory_equal(&got, &want, sizeof got);
        }
        assert_alone(o, all[i]);
    }
}

static void the_same_bits(void **state)
{
    (void)state;
    for (int l = 0; l < LENGTHS; l++) {
        int choices = classes[l] > LONG ? effort(CHOICES) : CHOICES;
        size_t first = random_below(&seed, CHOICES);

        for (int i = 0; i < choices; i++) {
            int choice = (int)((first + i) % CHOICES);
            enum smx_dtype dtype =
                random_below(&seed, 3) || !choice ? SMX_FLOAT64 : SMX_FLOAT32;
            struct operands o = operands_new(classes[l], dtype, choice);

            try_all(&o);
            operands_free(&o);
        }
    }
}

/* Even where exponentials are kept in the output. */
static void the_last_logit_is_looked_at_first(void **state)
{
    (void)state;
    for (int l = 0; l < LENGTHS; l++) {
        struct operands o = operands_new(classes[l], SMX_FLOAT64, 0);
        struct smx_softmax_out out = {.size = sizeof out, .values = o.out};

        ((double *)o.z)[o.count - 1] = NAN;
        memset(o.out, 0, o.bytes);
        assert_status(smx_softmax(contexts[1], &o.logits, NULL, &out, NULL),
                      SMX_ENONFINITE);
        for (size_t i = 0; i < o.count; i++)
            assert_true(((double *)o.out)[i] == 0);
        operands_free(&o);
    }
}

/* A piece of a row or its last tile: the first of those refused is named. */
static void the_first_refused_is_named(void **state)
{
    (void)state;
    for (int i = 0; i < 60; i++) {
        struct operands o = operands_new(classes[i % LENGTHS], SMX_FLOAT64, 0);
        size_t at = random_below(&seed, o.count);
        size_t after = at + random_below(&seed, o.count - at);
        struct smx_context *context = contexts[i % CONTEXTS];
        struct smx_criterion k = {.size = sizeof k, .labels = o.labels};
        struct smx_loss_out loss = {.size = sizeof loss, .loss = o.out};
        struct smx_softmax_out out = {.size = sizeof out, .values = o.out};
        struct smx_where where[4] = {{sizeof *where, 0, 0},
                                     {sizeof *where, 0, 0},
                                     {sizeof *where, 0, 0},
                                     {sizeof *where, 0, 0}};

        ((double *)o.z)[after] = INFINITY;
        ((double *)o.z)[at] = i % 2 ? NAN : INFINITY;
        assert_status(smx_softmax(context, &o.logits, NULL, &out, &where[0]),
                      SMX_ENONFINITE);
        assert_status(smx_loss(context, &o.logits, &k, &loss, &where[1]),
                      SMX_ENONFINITE);
        assert_status(
            smx_gradient(context, &o.logits, &k, NULL, o.out, &loss, &where[2]),
            SMX_ENONFINITE);
        assert_status(
            smx_vjp(context, &o.logits, false, o.upstream, o.out, &where[3]),
            SMX_ENONFINITE);
        for (int w = 0; w < 4; w++) {
            assert_int_equal(where[w].field, SMX_FIELD_LOGITS);
            assert_int_equal(where[w].index, at);
        }
        operands_free(&o);
    }
}

static void try_large(struct smx_context *context, struct smx_logits logits,
                      void *large, void *small)
{
    struct smx_softmax_out out = {.size = sizeof out, .values = large};
    size_t width = logits.dtype == SMX_FLOAT32 ? sizeof(float) : sizeof(double);
    size_t bytes = logits.outer * logits.classes * width;
    const char *z = logits.data;

    memset(large, 0xff, bytes);
    assert_status(smx_softmax(context, &logits, NULL, &out, NULL), SMX_OK);
    logits.outer /= 17;
    for (size_t i = 0; i < bytes; i += bytes / 17) {
        logits.data = z + i;
        out.values = (char *)small + i;
        assert_status(smx_softmax(context, &logits, NULL, &out, NULL), SMX_OK);
    }
    assert_memory_equal(large, small, bytes);
}

/* Rows of a large output, which passes the caches by, begin anywhere in a line
 * of theirs; few of them make a small one. One of float32 is out of range. */
static void large_outputs_have_the_bits_of_small_ones(void **state)
{
    static const struct {
        enum smx_dtype dtype;
        size_t rows, classes;
    } shapes[] = {{SMX_FLOAT64, 1700, 1001},
                  {SMX_FLOAT32, 17 * 70500, 7},
                  {SMX_FLOAT32, 17 * 500, 1001},
                  {SMX_FLOAT32, 17 * 101, 5001}};
    enum { BYTES = 17 * 101 * 5001 * sizeof(float) };
    void *z = must(malloc(BYTES));
    void *large = must(malloc(BYTES)), *small = must(malloc(BYTES));

    (void)state;
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        struct smx_logits logits = {.size = sizeof logits,
                                    .data = z,
                                    .dtype = shapes[s].dtype,
                                    .outer = shapes[s].rows,
                                    .classes = shapes[s].classes,
                                    .inner = 1};

        draw_logits(&seed, DRAW_NORMAL, logits.dtype, logits.outer,
                    logits.classes, z);
        if (logits.dtype == SMX_FLOAT32)
            ((float *)z)[random_below(&seed, logits.outer)] = 70;
        for (int isa = SMX_ISA_BASE; isa <= SMX_ISA_NEON; isa++)
            if (tiers[isa])
                try_large(tiers[isa], logits, large, small);
    }
    free(z);
    free(large);
    free(small);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_bits),
        cmocka_unit_test(the_last_logit_is_looked_at_first),
        cmocka_unit_test(the_first_refused_is_named),
        cmocka_unit_test_setup_teardown(
            large_outputs_have_the_bits_of_small_ones, tiers_open, tiers_close),
    };

    random_seed(&seed);
    return cmocka_run_group_tests(tests, start, stop);
}
