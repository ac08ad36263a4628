/* SPDX-License-Identifier: MIT */
/*
 * Thousands of random requests over the whole option space against the long
 * double reference: within 2 units in the last place of the terms in float32,
 * within 4 in float64, 4 f with a focal exponent f above 1. Prints the worst of
 * each operation.
 */
#include "../support/expect.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "../support/draw.h"
#include "../support/effort.h"
#include "../support/exact_row.h"
#include "../support/reference.h"
#include "../support/ulp.h"

enum { REQUESTS = 2000 };

static struct random seed;

/** Arrays that hold any answer to a draw, and the worst so far. */
struct answer {
    void *got;
    long double *want, *scale;
    double worst;
    double focal; /* exponent of what is asked */
};

static void answer_init(struct answer *a, size_t count)
{
    free(a->got);
    free(a->want);
    free(a->scale);
    a->got = must(calloc(count + 1, sizeof(double)));
    a->want = must(calloc(count + 1, sizeof *a->want));
    a->scale = must(calloc(count + 1, sizeof *a->scale));
}

static void answer_free(struct answer *a)
{
    free(a->got);
    free(a->want);
    free(a->scale);
}

static void judge(struct answer *a, const struct draw *d, size_t count)
{
    enum smx_dtype dtype = d->logits.dtype;
    double promise = dtype == SMX_FLOAT32 ? 2 : 4 * fmax(1, a->focal);

    for (size_t i = 0; i < count; i++) {
        long double got = reference_get(a->got, dtype, i);
        double error = ulp_error(dtype, got, a->want[i], a->scale[i]);

        if (error > a->worst)
            a->worst = error;
        if (error <= promise)
            continue;
        draw_print(d);
        printf("[%zu] is %.17Lg, want %.17Lg, of terms %.17Lg: %g ulp\n", i,
               got, a->want[i], a->scale[i], error);
        fail();
    }
}

typedef void trial(struct answer *a, const struct draw *d);

static void try_all(const char *what, trial *run)
{
    for (int dtype = SMX_FLOAT32; dtype <= SMX_FLOAT64; dtype++) {
        struct answer a = {0};

        for (int i = 0; i < effort(REQUESTS); i++) {
            struct draw d;

            draw_init(&d, &seed, (enum smx_dtype)dtype, i % 2);
            run(&a, &d);
            draw_free(&d);
        }
        printf("worst %-18s %s: %.3f ulp\n", what,
               dtype == SMX_FLOAT32 ? "float32" : "float64", a.worst);
        answer_free(&a);
    }
}

static void try_softmax(struct answer *a, const struct draw *d)
{
    for (int log = 0; log < 2; log++) {
        struct smx_softmax_out out = {.size = sizeof out};

        answer_init(a, d->elements);
        out.values = a->got;
        reference_softmax(&d->logits, log, a->want);
        assert_status(smx_softmax(expect_context, &d->logits,
                                  OPTIONS(.log = log), &out, NULL),
                      SMX_OK);
        judge(a, d, d->elements);
    }
}

static void try_summaries(struct answer *a, const struct draw *d)
{
    int64_t *want = must(calloc(d->rows, sizeof *want));
    int64_t *got = must(calloc(d->rows, sizeof *got));
    struct smx_softmax_out out = {.size = sizeof out, .argmax = got};

    answer_init(a, d->rows);
    out.logsumexp = a->got;
    reference_summaries(&d->logits, a->want, a->scale, NULL, want);
    assert_status(smx_softmax(expect_context, &d->logits, NULL, &out, NULL),
                  SMX_OK);
    judge(a, d, d->rows);
    assert_memory_equal(got, want, d->rows * sizeof *got);
    free(want);
    free(got);
}

static void try_entropy(struct answer *a, const struct draw *d)
{
    struct smx_softmax_out out = {.size = sizeof out};

    answer_init(a, d->rows);
    out.entropy = a->got;
    reference_summaries(&d->logits, NULL, NULL, a->want, NULL);
    assert_status(smx_softmax(expect_context, &d->logits, NULL, &out, NULL),
                  SMX_OK);
    judge(a, d, d->rows);
}

static void try_top_k(struct answer *a, const struct draw *d)
{
    size_t count = d->rows * d->top_k;
    int64_t *want = must(calloc(count, sizeof *want));
    int64_t *got = must(calloc(count, sizeof *got));
    struct smx_softmax_out out = {.size = sizeof out, .indices = got};

    answer_init(a, count);
    out.values = a->got;
    reference_top_k(&d->logits, false, d->top_k, a->want, want);
    assert_status(smx_softmax(expect_context, &d->logits,
                              OPTIONS(.top_k = d->top_k), &out, NULL),
                  SMX_OK);
    judge(a, d, count);
    assert_memory_equal(got, want, count * sizeof *got);
    free(want);
    free(got);
}

static void try_loss(struct answer *a, const struct draw *d)
{
    size_t rows,
        count = d->criterion.reduction == SMX_REDUCTION_NONE ? d->rows : 1;
    double divisor, accuracy;
    struct reference_loss want;
    struct smx_loss_out out = {.size = sizeof out,
                               .divisor = &divisor,
                               .rows = &rows,
                               .accuracy = &accuracy};

    answer_init(a, d->rows);
    out.loss = a->got;
    a->focal = d->criterion.focal;
    want = (struct reference_loss){.loss = a->want, .scale = a->scale};
    reference_loss(&d->logits, &d->criterion, &want);
    assert_status(
        smx_loss(expect_context, &d->logits, &d->criterion, &out, NULL),
        SMX_OK);
    judge(a, d, count);
    assert_int_equal(rows, want.rows);
    assert_close(divisor, want.divisor, 1e-15);
    assert_close(accuracy, want.accuracy, 1e-15);
}

static void try_gradient(struct answer *a, const struct draw *d)
{
    answer_init(a, d->elements);
    a->focal = d->criterion.focal;
    reference_gradient(&d->logits, &d->criterion, d->upstream_row, a->want,
                       a->scale);
    assert_status(smx_gradient(expect_context, &d->logits, &d->criterion,
                               d->upstream_row, a->got, NULL, NULL),
                  SMX_OK);
    judge(a, d, d->elements);
}

static void try_vjp(struct answer *a, const struct draw *d)
{
    for (int log = 0; log < 2; log++) {
        answer_init(a, d->elements);
        reference_vjp(&d->logits, log, d->upstream, a->want, a->scale);
        assert_status(
            smx_vjp(expect_context, &d->logits, log, d->upstream, a->got, NULL),
            SMX_OK);
        judge(a, d, d->elements);
    }
}

static void try_jacobian(struct answer *a, const struct draw *d)
{
    size_t count = d->elements * d->logits.classes;

    if (count > 20000 && count != 1025 * 1025) /* one row in two tiles */
        return;
    for (int log = 0; log < 2; log++) {
        answer_init(a, count);
        reference_jacobian(&d->logits, log, a->want, a->scale);
        assert_status(
            smx_jacobian(expect_context, &d->logits, log, a->got, NULL),
            SMX_OK);
        judge(a, d, count);
    }
}

static void softmax_is_within_the_promise(void **state)
{
    (void)state;
    try_all("softmax", try_softmax);
}

static void logsumexp_and_argmax_are_within_the_promise(void **state)
{
    (void)state;
    try_all("logsumexp", try_summaries);
}

static void entropy_is_within_the_promise(void **state)
{
    (void)state;
    try_all("entropy", try_entropy);
}

static void top_k_is_within_the_promise(void **state)
{
    (void)state;
    try_all("top-k", try_top_k);
}

static void loss_is_within_the_promise(void **state)
{
    (void)state;
    try_all("loss", try_loss);
}

static void gradient_is_within_the_promise(void **state)
{
    (void)state;
    try_all("gradient", try_gradient);
}

static void vjp_is_within_the_promise(void **state)
{
    (void)state;
    try_all("vjp", try_vjp);
}

static void jacobian_is_within_the_promise(void **state)
{
    (void)state;
    try_all("jacobian", try_jacobian);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(softmax_is_within_the_promise),
        cmocka_unit_test(logsumexp_and_argmax_are_within_the_promise),
        cmocka_unit_test(entropy_is_within_the_promise),
        cmocka_unit_test(top_k_is_within_the_promise),
        cmocka_unit_test(loss_is_within_the_promise),
        cmocka_unit_test(gradient_is_within_the_promise),
        cmocka_unit_test(vjp_is_within_the_promise),
        cmocka_unit_test(jacobian_is_within_the_promise),
    };

    random_seed(&seed);
    return cmocka_run_group_tests(tests, expect_start, expect_stop);
}
