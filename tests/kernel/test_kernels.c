/* SPDX-License-Identifier: MIT */
/*
 * Every instruction set of this machine against base, bit for bit, and base
 * against the long double reference: sizes around every block and chunk,
 * all kinds of inputs, misaligned, in place, between guard bands.
 *
 * usage: test_kernels [--bench]     (TEST_SEED: the seed)
 * --bench prints ns an element for each instruction set instead.
 */
#include "../support/expect.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../support/draw.h"
#include "../support/exact_row.h"
#include "../support/reference.h"
#include "../support/ulp.h"

enum { ROWS = 3, GUARD = 64, SHIFTS = 16, LARGEST = 1000000 };

static struct random seed;

/** What is between two guard bands. */
struct guarded {
    unsigned char *memory;
    void *data;
    size_t bytes;
};

/** Operands of one run. */
struct extras {
    int64_t labels[ROWS];
    void *upstream;
};

typedef enum smx_status run(struct smx_context *context,
                            const struct smx_logits *logits,
                            const struct extras *extras, void *out);
typedef void exact(const struct smx_logits *logits, const struct extras *extras,
                   long double *want, long double *scale);

struct operation {
    const char *name;
    run *run;
    exact *exact;
    bool per_row; /* one output a row; else the logits' shape, in place too */
};

/* ---- operations ------------------------------------------------------- */

static enum smx_status run_softmax(struct smx_context *context,
                                   const struct smx_logits *logits,
                                   const struct extras *extras, void *out)
{
    struct smx_softmax_out o = {.size = sizeof o, .values = out};

    (void)extras;
    return smx_softmax(context, logits, NULL, &o, NULL);
}

static void exact_softmax(const struct smx_logits *logits,
                          const struct extras *extras, long double *want,
                          long double *scale)
{
    (void)extras;
    (void)scale;
    reference_softmax(logits, false, want);
}

static enum smx_status run_log_softmax(struct smx_context *context,
                                       const struct smx_logits *logits,
                                       const struct extras *extras, void *out)
{
    struct smx_softmax_out o = {.size = sizeof o, .values = out};

    (void)extras;
    return smx_softmax(context, logits, OPTIONS(.log = true), &o, NULL);
}

static void exact_log_softmax(const struct smx_logits *logits,
                              const struct extras *extras, long double *want,
                              long double *scale)
{
    (void)extras;
    (void)scale;
    reference_softmax(logits, true, want);
}

static enum smx_status run_logsumexp(struct smx_context *context,
                                     const struct smx_logits *logits,
                                     const struct extras *extras, void *out)
{
    struct smx_softmax_out o = {.size = sizeof o, .logsumexp = out};

    (void)extras;
    return smx_softmax(context, logits, NULL, &o, NULL);
}

static void exact_logsumexp(const struct smx_logits *logits,
                            const struct extras *extras, long double *want,
                            long double *scale)
{
    (void)extras;
    reference_summaries(logits, want, scale, NULL, NULL);
}

static struct smx_criterion criterion_of(const struct extras *extras)
{
    return (struct smx_criterion){.size = sizeof(struct smx_criterion),
                                  .labels = extras->labels,
                                  .ignore = true,
                                  .ignore_index = -100,
                                  .reduction = SMX_REDUCTION_NONE};
}

static enum smx_status run_loss(struct smx_context *context,
                                const struct smx_logits *logits,
                                const struct extras *extras, void *out)
{
    struct smx_criterion k = criterion_of(extras);
    struct smx_loss_out o = {.size = sizeof o, .loss = out};

    return smx_loss(context, logits, &k, &o, NULL);
}

static void exact_loss(const struct smx_logits *logits,
                       const struct extras *extras, long double *want,
                       long double *scale)
{
    struct smx_criterion k = criterion_of(extras);
    struct reference_loss o = {.loss = want, .scale = scale};

    reference_loss(logits, &k, &o);
}

static enum smx_status run_gradient(struct smx_context *context,
                                    const struct smx_logits *logits,
                                    const struct extras *extras, void *out)
{
    struct smx_criterion k = criterion_of(extras);

    return smx_gradient(context, logits, &k, NULL, out, NULL, NULL);
}

static void exact_gradient(const struct smx_logits *logits,
                           const struct extras *extras, long double *want,
                           long double *scale)
{
    struct smx_criterion k = criterion_of(extras);

    reference_gradient(logits, &k, NULL, want, scale);
}

static enum smx_status run_vjp(struct smx_context *context,
                               const struct smx_logits *logits,
                               const struct extras *extras, void *out)
{
    return smx_vjp(context, logits, false, extras->upstream, out, NULL);
}

static void exact_vjp(const struct smx_logits *logits,
                      const struct extras *extras, long double *want,
                      long double *scale)
{
    reference_vjp(logits, false, extras->upstream, want, scale);
}

static const struct operation operations[] = {
    {"softmax", run_softmax, exact_softmax, false},
    {"log_softmax", run_log_softmax, exact_log_softmax, false},
    {"logsumexp", run_logsumexp, exact_logsumexp, true},
    {"loss", run_loss, exact_loss, true},
    {"gradient", run_gradient, exact_gradient, false},
    {"vjp", run_vjp, exact_vjp, false},
};

enum { OPERATIONS = sizeof operations / sizeof *operations };

/* ---- guard bands ------------------------------------------------------ */

/* Bytes 0xff are NaNs of either type. */
static struct guarded guarded_new(size_t bytes, size_t misalign)
{
    size_t room = GUARD + SHIFTS * sizeof(double) + bytes + GUARD;
    struct guarded g = {.bytes = bytes, .memory = must(malloc(room))};

    memset(g.memory, 0xff, room);
    g.data = g.memory + GUARD + misalign;
    return g;
}

static void guarded_free(struct guarded *g)
{
    const unsigned char *data = g->data;
    bool whole = true;

    for (const unsigned char *p = g->memory; p < data; p++)
        whole &= *p == 0xff;
    for (size_t i = 0; i < GUARD; i++)
        whole &= data[g->bytes + i] == 0xff;
    free(g->memory);
    assert_true(whole);
}

/* ---- an instruction set that is not there ----------------------------- */

static const char *volatile running;

static void on_sigill(int signal_number)
{
    (void)signal_number;
    fprintf(stderr, "SIGILL: illegal instruction in %s\n", running);
    _Exit(1);
}

/* ---- trials ----------------------------------------------------------- */

struct subject {
    const struct operation *operation;
    enum smx_dtype dtype;
    enum smx_isa isa;
    char name[64];
};

static struct smx_context *base_context, *tier_context;

static size_t outputs(const struct subject *s, const struct smx_logits *logits)
{
    return logits->outer * (s->operation->per_row ? 1 : logits->classes);
}

static void compute(const struct subject *s, struct smx_context *context,
                    const struct smx_logits *logits, const struct extras *e,
                    void *out)
{
    running = smx_isa_name(smx_context_isa(context));
    assert_status(s->operation->run(context, logits, e, out), SMX_OK);
}

static void judge(const struct subject *s, const struct smx_logits *logits,
                  const struct extras *e, const void *got)
{
    size_t count = outputs(s, logits);
    long double *want = must(calloc(count, sizeof *want));
    long double *scale = must(calloc(count, sizeof *scale));
    double promise = s->dtype == SMX_FLOAT32 ? 2 : 4;

    s->operation->exact(logits, e, want, scale);
    for (size_t i = 0; i < count; i++)
        assert_ulp(s->dtype, reference_get(got, s->dtype, i), want[i], scale[i],
                   promise);
    free(want);
    free(scale);
}

/** The tier out of place and in place at a place that nothing aligns. */
static void try_tier(const struct subject *s, struct smx_logits logits,
                     const struct extras *e, const void *want)
{
    size_t width = smx_dtype_bytes(s->dtype);
    size_t bytes = outputs(s, &logits) * width;
    size_t misalign = width * random_below(&seed, SHIFTS);
    struct guarded out = guarded_new(bytes, misalign);
    struct guarded in =
        guarded_new(logits.outer * logits.classes * width, misalign);

    memcpy(in.data, logits.data, in.bytes);
    logits.data = in.data;
    compute(s, tier_context, &logits, e, out.data);
    assert_memory_equal(out.data, want, bytes);
    if (!s->operation->per_row) {
        compute(s, tier_context, &logits, e, in.data);
        assert_memory_equal(in.data, want, bytes);
    }
    guarded_free(&out);
    guarded_free(&in);
}

static void try_size(const struct subject *s, enum draw_kind kind,
                     size_t classes)
{
    size_t rows = classes == LARGEST ? 1 : ROWS, n = rows * classes;
    void *z = must(calloc(n, sizeof(double)));
    void *want = must(calloc(n, sizeof(double)));
    struct extras e = {.upstream = must(calloc(n, sizeof(double)))};
    struct smx_logits logits = {.size = sizeof logits,
                                .data = z,
                                .dtype = s->dtype,
                                .outer = rows,
                                .classes = classes,
                                .inner = 1};

    draw_logits(&seed, kind, s->dtype, rows, classes, z);
    draw_logits(&seed, DRAW_NORMAL, s->dtype, rows, classes, e.upstream);
    for (size_t r = 0; r < rows; r++)
        e.labels[r] = (int64_t)random_below(&seed, classes);
    compute(s, base_context, &logits, &e, want);
    if (s->isa == SMX_ISA_BASE)
        judge(s, &logits, &e, want);
    try_tier(s, logits, &e, want);
    free(z);
    free(want);
    free(e.upstream);
}

static const size_t around[] = {127,  128,  129,  1000, 4095,
                                4096, 4097, 8191, 8192, 8193};

static void every_size_and_kind(void **state)
{
    const struct subject *s = *state;
    struct smx_config config = {.size = sizeof config, .isa = s->isa};

    assert_status(smx_context_create(&tier_context, &config), SMX_OK);
    for (int kind = 0; kind < DRAW_KINDS; kind++) {
        for (size_t n = 1; n <= 65; n++)
            try_size(s, (enum draw_kind)kind, n);
        for (size_t i = 0; i < sizeof around / sizeof *around; i++)
            try_size(s, (enum draw_kind)kind, around[i]);
    }
    try_size(s, DRAW_NORMAL, 65537);
    try_size(s, DRAW_NORMAL, LARGEST);
    smx_context_free(tier_context);
    tier_context = NULL;
}

/* ---- the longest row -------------------------------------------------- */

enum { LONGEST = 1 << 24 };

/** log of the sum of exp(z - top), compensated. */
static long double exact_log_sum(const float *z, long double top)
{
    struct sum sum = {0, 0};

    for (size_t c = 0; c < LONGEST; c++)
        sum_add(&sum, expl(z[c] - top));
    return logl(sum_get(&sum));
}

/* 2^24 classes of float32: still within 2 ulp. */
static void a_row_of_16777216_classes(void **state)
{
    float *z = must(calloc(LONGEST, sizeof *z));
    float *p = must(calloc(LONGEST, sizeof *p));
    struct smx_logits logits = logits_float(z, 1, LONGEST);
    struct smx_softmax_out out = {.size = sizeof out, .values = p};
    long double top = -INFINITY, log_sum;
    double worst = 0;

    (void)state;
    draw_logits(&seed, DRAW_NORMAL, SMX_FLOAT32, 1, LONGEST, z);
    for (size_t c = 0; c < LONGEST; c++)
        top = z[c] > top ? z[c] : top;
    log_sum = exact_log_sum(z, top);
    for (int log = 0; log < 2; log++) {
        assert_status(smx_softmax(expect_context, &logits, OPTIONS(.log = log),
                                  &out, NULL),
                      SMX_OK);
        for (size_t c = 0; c < LONGEST; c += log ? 1 : 16) {
            long double l = z[c] - top - log_sum;
            double error = ulp_error(SMX_FLOAT32, p[c], log ? l : expl(l), 0);

            worst = error > worst ? error : worst;
        }
    }
    printf("worst of 2^24 classes: %.3f ulp\n", worst);
    assert_true(worst <= 2);
    free(z);
    free(p);
}

/* ---- benchmark -------------------------------------------------------- */

static double now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/** Best of some rounds, ns an element. */
static double time_of(const struct subject *s, struct smx_context *context,
                      const struct smx_logits *logits, const struct extras *e,
                      void *out)
{
    double best = HUGE_VAL, end = now_ns() + 1e8;

    while (now_ns() < end) {
        double start = now_ns(), took;

        compute(s, context, logits, e, out);
        took = now_ns() - start;
        best = took < best ? took : best;
    }
    return best / (double)(ROWS * logits->classes);
}

static void bench_subject(const struct subject *s)
{
    static const size_t sizes[] = {10, 1000, 8192, 128256};

    printf("%-28s", s->name);
    for (size_t i = 0; i < 4; i++) {
        size_t n = ROWS * sizes[i];
        void *z = must(calloc(n, sizeof(double)));
        void *out = must(calloc(n, sizeof(double)));
        struct extras e = {.upstream = z};
        struct smx_config config = {
            .size = sizeof config, .threads = 1, .isa = s->isa};
        struct smx_context *context;
        struct smx_logits logits = {.size = sizeof logits,
                                    .data = z,
                                    .dtype = s->dtype,
                                    .outer = ROWS,
                                    .classes = sizes[i],
                                    .inner = 1};

        draw_logits(&seed, DRAW_NORMAL, s->dtype, ROWS, sizes[i], z);
        assert_status(smx_context_create(&context, &config), SMX_OK);
        printf(" %8.3f", time_of(s, context, &logits, &e, out));
        smx_context_free(context);
        free(z);
        free(out);
    }
    printf("\n");
}

static void bench(const struct subject *subjects, size_t count)
{
    printf("ns an element, 3 rows, one thread\n%-28s %8d %8d %8d %8d\n",
           "classes", 10, 1000, 8192, 128256);
    for (size_t i = 0; i < count; i++)
        bench_subject(&subjects[i]);
}

/** Every operation in both types on every instruction set here. */
static size_t list_subjects(struct subject *s)
{
    size_t count = 0;

    for (int op = 0; op < OPERATIONS; op++)
        for (int dtype = SMX_FLOAT32; dtype <= SMX_FLOAT64; dtype++)
            for (int isa = SMX_ISA_BASE; isa <= SMX_ISA_NEON; isa++) {
                if (!smx_isa_available((enum smx_isa)isa))
                    continue;
                s[count] = (struct subject){&operations[op],
                                            (enum smx_dtype)dtype,
                                            (enum smx_isa)isa,
                                            {0}};
                snprintf(s[count].name, sizeof s->name, "%s_%s_%s",
                         operations[op].name,
                         dtype == SMX_FLOAT32 ? "float32" : "float64",
                         smx_isa_name((enum smx_isa)isa));
                count++;
            }
    return count;
}

int main(int argc, char **argv)
{
    static struct subject subjects[OPERATIONS * 2 * 4];
    static struct CMUnitTest tests[OPERATIONS * 2 * 4 + 1];
    struct smx_config config = {.size = sizeof config, .isa = SMX_ISA_BASE};
    size_t count = list_subjects(subjects);
    int failed;

    signal(SIGILL, on_sigill);
    random_seed(&seed);
    if (argc > 1 && strcmp(argv[1], "--bench") == 0) {
        bench(subjects, count);
        return 0;
    }
    for (size_t i = 0; i < count; i++)
        tests[i] = (struct CMUnitTest){subjects[i].name, every_size_and_kind,
                                       NULL, NULL, &subjects[i]};
    tests[count] =
        (struct CMUnitTest)cmocka_unit_test(a_row_of_16777216_classes);
    if (smx_context_create(&base_context, &config))
        return 1;
    failed = _cmocka_run_group_tests("kernels", tests, count + 1, expect_start,
                                     expect_stop);
    smx_context_free(base_context);
    return failed;
}
