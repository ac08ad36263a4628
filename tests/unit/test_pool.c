/* SPDX-License-Identifier: MIT */
/*
 * The context and its pool: any number of threads and of callers, the same
 * bits, in the batch or alone.
 */
#define _GNU_SOURCE
#include "../support/expect.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "../support/draw.h"
#include "../support/exact_row.h"
#include "runtime/pool.h"

static struct random seed;

static struct smx_context *with_threads(size_t threads)
{
    struct smx_context *context;
    struct smx_config config = {.size = sizeof config, .threads = threads};

    assert_status(smx_context_create(&context, &config), SMX_OK);
    return context;
}

/** A batch large enough to be split, and all that is computed of it. */
struct batch {
    size_t rows, classes;
    float *z, *p, *gradient;
    double *wide, *wide_p;
    int64_t *labels, *argmax;
    float loss;
};

static void batch_init(struct batch *b, size_t rows, size_t classes)
{
    size_t n = rows * classes;

    *b = (struct batch){.rows = rows, .classes = classes};
    b->z = must(calloc(n, sizeof *b->z));
    b->p = must(calloc(n, sizeof *b->p));
    b->gradient = must(calloc(n, sizeof *b->gradient));
    b->wide = must(calloc(n, sizeof *b->wide));
    b->wide_p = must(calloc(n, sizeof *b->wide_p));
    b->labels = must(calloc(rows, sizeof *b->labels));
    b->argmax = must(calloc(rows, sizeof *b->argmax));
    draw_logits(&seed, DRAW_NORMAL, SMX_FLOAT32, rows, classes, b->z);
    draw_logits(&seed, DRAW_NORMAL, SMX_FLOAT64, rows, classes, b->wide);
    for (size_t r = 0; r < rows; r++)
        b->labels[r] = (int64_t)random_below(&seed, classes);
}

static void batch_free(struct batch *b)
{
    free(b->z);
    free(b->p);
    free(b->gradient);
    free(b->wide);
    free(b->wide_p);
    free(b->labels);
    free(b->argmax);
}

static enum smx_status batch_run(struct batch *b, struct smx_context *context)
{
    struct smx_logits narrow = logits_float(b->z, b->rows, b->classes);
    struct smx_logits wide = logits_double(b->wide, b->rows, b->classes);
    struct smx_softmax_out out = {
        .size = sizeof out, .values = b->p, .argmax = b->argmax};
    struct smx_softmax_out wide_out = {.size = sizeof wide_out,
                                       .values = b->wide_p};
    struct smx_criterion k = {.size = sizeof k,
                              .labels = b->labels,
                              .ignore = true,
                              .ignore_index = -100};
    struct smx_loss_out loss = {.size = sizeof loss, .loss = &b->loss};
    enum smx_status status = smx_softmax(context, &narrow, NULL, &out, NULL);

    if (!status)
        status = smx_softmax(context, &wide, NULL, &wide_out, NULL);
    if (!status)
        status =
            smx_gradient(context, &narrow, &k, NULL, b->gradient, &loss, NULL);
    return status;
}

static void same_results(const struct batch *a, const struct batch *b)
{
    size_t n = a->rows * a->classes;

    assert_memory_equal(a->p, b->p, n * sizeof *a->p);
    assert_memory_equal(a->gradient, b->gradient, n * sizeof *a->gradient);
    assert_memory_equal(a->wide_p, b->wide_p, n * sizeof *a->wide_p);
    assert_memory_equal(a->argmax, b->argmax, a->rows * sizeof *a->argmax);
    assert_memory_equal(&a->loss, &b->loss, sizeof a->loss);
}

static const size_t shapes[][2] = {
    {1, 300000}, {7, 50000}, {300, 1000}, {60000, 5}};

static void any_number_of_threads_gives_the_same_bits(void **state)
{
    const size_t threads[] = {2, 3, 7};

    (void)state;
    for (int s = 0; s < 4; s++) {
        struct smx_context *one = with_threads(1);
        struct batch a, b;

        batch_init(&a, shapes[s][0], shapes[s][1]);
        assert_status(batch_run(&a, one), SMX_OK);
        smx_context_free(one);
        b = a;
        for (int t = 0; t < 3; t++) {
            struct smx_context *many = with_threads(threads[t]);
            size_t n = a.rows * a.classes;

            b.p = must(calloc(n, sizeof *b.p));
            b.gradient = must(calloc(n, sizeof *b.gradient));
            b.wide_p = must(calloc(n, sizeof *b.wide_p));
            b.argmax = must(calloc(a.rows, sizeof *b.argmax));
            assert_status(batch_run(&b, many), SMX_OK);
            same_results(&a, &b);
            free(b.p);
            free(b.gradient);
            free(b.wide_p);
            free(b.argmax);
            smx_context_free(many);
        }
        batch_free(&a);
    }
}

/* Row by row, and at another place of another batch. */
static void a_row_alone_has_the_bits_it_has_in_the_batch(void **state)
{
    const size_t sizes[] = {1, 2, 3, 4, 10, 16, 17, 33, 100, 1000, 5000};

    (void)state;
    for (int s = 0; s < 11; s++) {
        size_t c = sizes[s], rows = 37;
        struct batch all, one, turned;

        batch_init(&all, rows, c);
        batch_init(&one, 1, c);
        batch_init(&turned, rows, c);
        for (size_t r = 0; r < rows; r++)
            memcpy(turned.z + r * c, all.z + (rows - 1 - r) * c,
                   c * sizeof *all.z);
        assert_status(batch_run(&all, expect_context), SMX_OK);
        assert_status(batch_run(&turned, expect_context), SMX_OK);
        for (size_t r = 0; r < rows; r++) {
            memcpy(one.z, all.z + r * c, c * sizeof *all.z);
            memcpy(one.wide, all.wide + r * c, c * sizeof *all.wide);
            assert_status(batch_run(&one, expect_context), SMX_OK);
            assert_memory_equal(one.p, all.p + r * c, c * sizeof *one.p);
            assert_memory_equal(one.wide_p, all.wide_p + r * c,
                                c * sizeof *one.wide_p);
            assert_memory_equal(one.p, turned.p + (rows - 1 - r) * c,
                                c * sizeof *one.p);
        }
        batch_free(&all);
        batch_free(&one);
        batch_free(&turned);
    }
}

enum { CALLERS = 8 };

struct caller {
    pthread_t thread;
    struct smx_context *context;
    struct batch batch;
    enum smx_status status;
};

static void *caller_main(void *argument)
{
    struct caller *caller = argument;

    for (int i = 0; i < 10 && !caller->status; i++)
        caller->status = batch_run(&caller->batch, caller->context);
    return NULL;
}

static void callers_at_once_do_not_disturb_each_other(void **state)
{
    struct smx_context *context = with_threads(3), *alone = with_threads(1);
    struct caller callers[CALLERS];

    (void)state;
    for (int i = 0; i < CALLERS; i++) {
        callers[i] = (struct caller){.context = context};
        batch_init(&callers[i].batch, shapes[i % 4][0] / (i % 4 ? 10 : 1),
                   shapes[i % 4][1] / (i % 4 ? 1 : 10));
        assert_int_equal(
            pthread_create(&callers[i].thread, NULL, caller_main, &callers[i]),
            0);
    }
    for (int i = 0; i < CALLERS; i++) {
        struct batch again;
        float loss;

        pthread_join(callers[i].thread, NULL);
        assert_status(callers[i].status, SMX_OK);
        again = callers[i].batch;
        loss = again.loss;
        again.p = must(calloc(again.rows * again.classes, sizeof(float)));
        assert_status(batch_run(&again, alone), SMX_OK);
        assert_memory_equal(&loss, &again.loss, sizeof loss);
        assert_memory_equal(again.p, callers[i].batch.p,
                            again.rows * again.classes * sizeof(float));
        free(again.p);
        batch_free(&callers[i].batch);
    }
    smx_context_free(context);
    smx_context_free(alone);
}

static void a_context_says_what_it_has(void **state)
{
    struct smx_context *context = with_threads(3);

    (void)state;
    assert_int_equal(smx_context_threads(context), 3);
    assert_int_not_equal(smx_context_isa(context), SMX_ISA_BEST);
    assert_true(smx_isa_available(smx_context_isa(context)));
    smx_context_free(context);
    assert_true(smx_context_threads(expect_context) >= 1);
    smx_context_free(NULL);
}

/* A container's cpuset and taskset show as the affinity of the caller. */
static void default_threads_are_those_the_caller_may_run_on(void **state)
{
    struct smx_context *context;
    cpu_set_t all, one;
    int cpu = 0;

    (void)state;
    assert_int_equal(sched_getaffinity(0, sizeof all, &all), 0);
    while (!CPU_ISSET(cpu, &all))
        cpu++;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    assert_int_equal(smx_context_threads(expect_context), CPU_COUNT(&all));
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    assert_status(smx_context_create(&context, NULL), SMX_OK);
    assert_int_equal(sched_setaffinity(0, sizeof all, &all), 0);
    assert_int_equal(smx_context_threads(context), 1);
    smx_context_free(context);
}

static void too_many_threads_are_refused(void **state)
{
    struct smx_config config = {.size = sizeof config, .threads = 4097};
    struct smx_context *context = (void *)&config;

    (void)state;
    assert_status(smx_context_create(&context, &config), SMX_EARGUMENT);
    assert_null(context);
}

static void each_instruction_set_is_had_or_refused(void **state)
{
    (void)state;
    for (int i = SMX_ISA_BASE; i <= SMX_ISA_NEON; i++) {
        struct smx_config config = {.size = sizeof config,
                                    .isa = (enum smx_isa)i};
        struct smx_context *context = (void *)&config;
        enum smx_status status = smx_context_create(&context, &config);

        if (smx_isa_available(config.isa)) {
            assert_status(status, SMX_OK);
            assert_int_equal(smx_context_isa(context), i);
        } else {
            assert_status(status, SMX_EISA);
            assert_null(context);
        }
        smx_context_free(context);
    }
}

/* Nothing is left out or done twice, no slice is larger than asked or one
 * larger than another, and with enough of them threads have as many each. */
static void slices_are_even(void **state)
{
    static const size_t threads[] = {1, 2, 3, 8, 64};

    (void)state;
    for (size_t t = 0; t < sizeof threads / sizeof *threads; t++) {
        struct smx_pool *pool;

        assert_status(smx_pool_create(&pool, threads[t]), SMX_OK);
        assert_int_equal(smx_pool_slices(pool, 0, 1), 0);
        for (size_t count = 1; count < 300; count++)
            for (size_t most = 1; most < 40; most++) {
                size_t slices = smx_pool_slices(pool, count, most);

                assert_true(slices >= 1 && slices <= count);
                assert_int_equal(smx_pool_first(count, slices, 0), 0);
                assert_int_equal(smx_pool_first(count, slices, slices), count);
                for (size_t i = 0; i < slices; i++) {
                    size_t n = smx_pool_first(count, slices, i + 1) -
                               smx_pool_first(count, slices, i);

                    assert_true(n <= most && n >= count / slices &&
                                n <= count / slices + 1);
                }
                if (slices < threads[t] || count < slices + threads[t])
                    assert_true(slices <= (count - 1) / most + threads[t]);
                else
                    assert_int_equal(slices % threads[t], 0);
            }
        smx_pool_free(pool);
    }
}

/* Loops that are open at once: none of their slices ends before all have begun.
 */
enum { LOOPS = 3, SLICES = 40 };

static atomic_int begun;

struct open_loop {
    pthread_t thread;
    struct smx_pool *pool;
    atomic_bool has_begun;
    atomic_int ran[SLICES];
};

static void run_slice(void *argument, size_t i)
{
    struct open_loop *loop = argument;

    if (!atomic_exchange(&loop->has_begun, true))
        begun++;
    while (begun < LOOPS)
        sched_yield();
    loop->ran[i]++;
}

static void *run_open_loop(void *argument)
{
    struct open_loop *loop = argument;

    smx_pool_for(loop->pool, SLICES, run_slice, loop);
    return NULL;
}

static void each_slice_of_many_loops_runs_once(void **state)
{
    struct open_loop loops[LOOPS] = {0};
    struct smx_pool *pool;

    (void)state;
    assert_status(smx_pool_create(&pool, 2), SMX_OK);
    for (int i = 0; i < LOOPS; i++) {
        loops[i].pool = pool;
        assert_int_equal(
            pthread_create(&loops[i].thread, NULL, run_open_loop, &loops[i]),
            0);
    }
    for (int i = 0; i < LOOPS; i++) {
        pthread_join(loops[i].thread, NULL);
        for (int k = 0; k < SLICES; k++)
            assert_int_equal(loops[i].ran[k], 1);
    }
    smx_pool_free(pool);
}

static void no_threads_are_one(void **state)
{
    struct smx_pool *pool;

    (void)state;
    assert_status(smx_pool_create(&pool, 0), SMX_OK);
    assert_int_equal(smx_pool_threads(pool), 1);
    smx_pool_free(pool);
    smx_pool_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_number_of_threads_gives_the_same_bits),
        cmocka_unit_test(a_row_alone_has_the_bits_it_has_in_the_batch),
        cmocka_unit_test(slices_are_even),
        cmocka_unit_test(each_slice_of_many_loops_runs_once),
        cmocka_unit_test(no_threads_are_one),
        cmocka_unit_test(callers_at_once_do_not_disturb_each_other),
        cmocka_unit_test(a_context_says_what_it_has),
        cmocka_unit_test(default_threads_are_those_the_caller_may_run_on),
        cmocka_unit_test(too_many_threads_are_refused),
        cmocka_unit_test(each_instruction_set_is_had_or_refused),
    };

    random_seed(&seed);
    return cmocka_run_group_tests(tests, expect_start, expect_stop);
}
