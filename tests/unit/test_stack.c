/* SPDX-License-Identifier: MIT */
/*
 * softmax.h promises that 128 KiB of stack are enough for any call. Every
 * operation runs on a painted stack, with every instruction set, over shapes
 * that take each way through the library; what is no longer paint was used.
 */
#include "../support/expect.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "../support/exact_row.h"

#define PROMISE ((size_t)128 << 10)
#define STACK ((size_t)2 << 20) /* ThreadSanitizer asks for a part of it */
#define PAINT 0xa5

enum { TARGETS = 1, MASK = 2, CAP = 4, SMOOTH = 8, Z_LOSS = 16, ALL = 31 };

static const int ways[] = {0, TARGETS, MASK, CAP, SMOOTH, Z_LOSS, ALL};

struct operands {
    size_t outer, classes, inner;
    float *z, *t, *out;
    double *z64, *t64;
    int64_t *labels, *indices;
    uint8_t *mask;
};

struct trial {
    struct smx_context *context;
    const struct operands *o;
    enum smx_dtype dtype;
    int way;
};

static const size_t shapes[][3] = {
    {128, 10, 1}, {700, 3, 1},  {130, 32, 1}, {64, 100, 1},
    {6, 1000, 1}, {5, 5000, 1}, {5, 9000, 1}, {2, 40000, 1},
    {5, 10, 33},  {3, 1000, 3}, {1, 9000, 2}, {300, 1, 1},
};

static void operands_init(struct operands *o, const size_t shape[3])
{
    size_t n = shape[0] * shape[1] * shape[2], rows = shape[0] * shape[2];

    *o = (struct operands){.outer = shape[0],
                           .classes = shape[1],
                           .inner = shape[2],
                           .z = must(calloc(n, sizeof(float))),
                           .t = must(calloc(n, sizeof(float))),
                           .z64 = must(calloc(n, sizeof(double))),
                           .t64 = must(calloc(n, sizeof(double))),
                           .out = must(calloc(n, sizeof(double))),
                           .labels = must(calloc(rows, sizeof(int64_t))),
                           .indices = must(calloc(n, sizeof(int64_t))),
                           .mask = must(calloc(n, 1))};
    for (size_t i = 0; i < n; i++) {
        size_t row = i / shape[1] % 5;

        o->z[i] = row == 1 ? -60 : row == 3 ? -INFINITY : (float)(i % 7);
        o->t[i] = (float)(i % 3);
        o->z64[i] = o->z[i];
        o->t64[i] = o->t[i];
        o->mask[i] = i % 4 != 0;
    }
    for (size_t r = 0; r < rows; r++)
        o->labels[r] = (int64_t)(r % shape[1]);
}

static void operands_free(struct operands *o)
{
    void *const all[] = {o->z,   o->t,      o->z64,     o->t64,
                         o->out, o->labels, o->indices, o->mask};

    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
}

static void run_softmax(const struct trial *t, const struct smx_logits *z)
{
    struct smx_softmax_out out = {.size = sizeof out, .values = t->o->out};

    assert_status(
        smx_softmax(t->context, z, OPTIONS(.log = t->way & SMOOTH), &out, NULL),
        SMX_OK);
    if (t->way & Z_LOSS) {
        out = (struct smx_softmax_out){.size = sizeof(struct smx_softmax_out),
                                       .values = t->o->out,
                                       .indices = t->o->indices};
        assert_status(smx_softmax(t->context, z,
                                  OPTIONS(.top_k = (z->classes + 1) / 2), &out,
                                  NULL),
                      SMX_OK);
    }
}

static void run_loss(const struct trial *t, const struct smx_logits *z)
{
    const struct operands *o = t->o;
    struct smx_loss_out out = {
        .size = sizeof out, .loss = o->out, .argmax = o->indices};
    struct smx_criterion k = {.size = sizeof k,
                              .ignore = true,
                              .ignore_index = -100,
                              .reduction = SMX_REDUCTION_NONE,
                              .label_smoothing = t->way & SMOOTH ? 0.1 : 0,
                              .z_loss = t->way & Z_LOSS ? 0.1 : 0};

    if (t->way & TARGETS)
        k.targets = t->dtype == SMX_FLOAT32 ? (void *)o->t : (void *)o->t64;
    else
        k.labels = o->labels;
    assert_status(smx_loss(t->context, z, &k, &out, NULL), SMX_OK);
    assert_status(smx_gradient(t->context, z, &k, NULL, o->out, NULL, NULL),
                  SMX_OK);
}

/* Far from the teacher, and so near that it takes more digits. */
static void run_divergences(const struct trial *t, const struct smx_logits *z)
{
    const struct operands *o = t->o;
    struct smx_loss_out out = {.size = sizeof out, .loss = o->out};
    const void *teacher =
        t->dtype == SMX_FLOAT32 ? (void *)o->t : (void *)o->t64;
    struct smx_criterion k = {.size = sizeof k,
                              .teacher = t->way & TARGETS ? teacher : z->data,
                              .z_loss = t->way & Z_LOSS ? 0.1 : 0};

    for (int kind = 0; kind < 3; kind++) {
        k.divergence = (enum smx_divergence)kind;
        k.beta = k.divergence == SMX_DIVERGENCE_JSD ? 0.5 : 0;
        assert_status(smx_gradient(t->context, z, &k, NULL, o->out, NULL, NULL),
                      SMX_OK);
        assert_status(smx_loss(t->context, z, &k, &out, NULL), SMX_OK);
    }
}

static void run_products(const struct trial *t, const struct smx_logits *z)
{
    const struct operands *o = t->o;
    const void *g = t->dtype == SMX_FLOAT32 ? (void *)o->t : (void *)o->t64;

    for (int log = 0; log < 2; log++)
        assert_status(smx_vjp(t->context, z, log, g, o->out, NULL), SMX_OK);
    if (z->classes <= 100 && z->outer * z->inner <= 130) {
        size_t n = z->outer * z->inner * z->classes * z->classes;
        void *jacobian = must(calloc(n, sizeof(double)));

        assert_status(smx_jacobian(t->context, z, true, jacobian, NULL),
                      SMX_OK);
        free(jacobian);
    }
}

static void *run(void *argument)
{
    const struct trial *t = argument;
    const struct operands *o = t->o;
    struct smx_logits z = {.size = sizeof z,
                           .data = t->dtype == SMX_FLOAT32 ? (void *)o->z
                                                           : (void *)o->z64,
                           .dtype = t->dtype,
                           .outer = o->outer,
                           .classes = o->classes,
                           .inner = o->inner,
                           .softcap = t->way & CAP ? 30 : 0,
                           .mask = t->way & MASK ? o->mask : NULL};

    run_softmax(t, &z);
    run_loss(t, &z);
    run_divergences(t, &z);
    run_products(t, &z);
    return NULL;
}

/** Bytes of its own stack that a thread has used for the trial. */
static size_t stack_used(struct trial *t)
{
    pthread_attr_t attributes;
    pthread_t thread;
    size_t untouched = 0;
    unsigned char *stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE,
                                MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);

    assert_true(stack != MAP_FAILED);
    memset(stack, PAINT, STACK);
    assert_int_equal(pthread_attr_init(&attributes), 0);
    assert_int_equal(pthread_attr_setstack(&attributes, stack, STACK), 0);
    assert_int_equal(pthread_create(&thread, &attributes, run, t), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    pthread_attr_destroy(&attributes);
    while (untouched < STACK && stack[untouched] == PAINT)
        untouched++;
    munmap(stack, STACK);
    return STACK - untouched;
}

static size_t worst_of(struct smx_context *context, const size_t shape[3])
{
    struct operands o;
    size_t worst = 0;

    operands_init(&o, shape);
    for (int dtype = SMX_FLOAT32; dtype <= SMX_FLOAT64; dtype++)
        for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
            struct trial t = {context, &o, (enum smx_dtype)dtype, ways[i]};
            size_t used = stack_used(&t);

            worst = used > worst ? used : worst;
        }
    operands_free(&o);
    return worst;
}

static void every_call_fits_the_stack_promised(void **state)
{
    (void)state;
    for (int isa = SMX_ISA_BASE; isa <= SMX_ISA_NEON; isa++) {
        struct smx_config config = {
            .size = sizeof config, .threads = 1, .isa = (enum smx_isa)isa};
        struct smx_context *context;

        if (!smx_isa_available((enum smx_isa)isa))
            continue;
        assert_status(smx_context_create(&context, &config), SMX_OK);
        for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
            size_t used = worst_of(context, shapes[s]);

            printf("%s %zu x %zu x %zu: %zu bytes of stack\n",
                   smx_isa_name((enum smx_isa)isa), shapes[s][0], shapes[s][1],
                   shapes[s][2], used);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
            assert_true(used <= PROMISE);
#endif
        }
        smx_context_free(context);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_call_fits_the_stack_promised),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
