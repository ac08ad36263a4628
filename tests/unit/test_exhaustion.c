/* SPDX-License-Identifier: MIT */
/*
 * The library when memory or threads run out: at each allocation in turn
 * SMX_ENOMEM, at each thread SMX_ETHREAD, outputs as they were, nothing kept.
 *
 * malloc, its kin and pthread_create below take the place of libc's for the
 * whole program. Sanitizers bring their own; there is nothing to run then.
 */
#define _GNU_SOURCE
#include "../support/expect.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "../support/libc_malloc.h"

/* Calls until one fails, on any thread; negative: none will. */
static atomic_long memory_left = -1, threads_left = -1;

#if REPLACED

static bool fails(atomic_long *left)
{
    if (atomic_load(left) < 0 || atomic_fetch_sub(left, 1) != 0)
        return false;
    errno = ENOMEM;
    return true;
}

void *malloc(size_t bytes)
{
    return fails(&memory_left) ? NULL : __libc_malloc(bytes);
}

void *calloc(size_t count, size_t bytes)
{
    return fails(&memory_left) ? NULL : __libc_calloc(count, bytes);
}

void *realloc(void *block, size_t bytes)
{
    return fails(&memory_left) ? NULL : __libc_realloc(block, bytes);
}

void *aligned_alloc(size_t alignment, size_t bytes)
{
    return fails(&memory_left) ? NULL : __libc_memalign(alignment, bytes);
}

typedef int create(pthread_t *, const pthread_attr_t *, void *(*)(void *),
                   void *);

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes,
                   void *(*start)(void *), void *argument)
{
    static create *libc;
    long left = atomic_exchange(&memory_left, -1); /* not libc's own */
    int error = EAGAIN;

    if (!libc)
        *(void **)&libc = dlsym(RTLD_NEXT, "pthread_create");
    if (!fails(&threads_left))
        error = libc(thread, attributes, start, argument);
    atomic_store(&memory_left, left);
    return error;
}

#endif

enum { ROWS = 700, CLASSES = 130, N = ROWS * CLASSES, TOP = 5, MOST = 1000 };

/** Operands large enough to be split, and all outputs. */
struct call {
    struct smx_context *context;
    struct smx_logits logits;
    struct smx_criterion criterion;
    float z[N], g[N];
    int64_t y[ROWS];
    struct {
        float values[N], rows[ROWS];
        int64_t indices[ROWS * TOP];
        double divisor;
    } out, before;
};

static struct call call; /* too large for a stack */

static int start(void **state)
{
    struct smx_config config = {.size = sizeof config, .threads = 2};

    (void)state;
    for (int i = 0; i < N; i++)
        call.z[i] = call.g[i] = (float)(i % 17) / 4;
    call.logits = logits_float(call.z, ROWS, CLASSES);
    call.criterion =
        (struct smx_criterion){.size = sizeof(struct smx_criterion),
                               .labels = call.y,
                               .ignore = true,
                               .ignore_index = -100,
                               .reduction = SMX_REDUCTION_NONE};
    memset(&call.before, 0xa5, sizeof call.before);
    return smx_context_create(&call.context, &config) != SMX_OK;
}

static int stop(void **state)
{
    (void)state;
    smx_context_free(call.context);
    return 0;
}

typedef enum smx_status operation(void);

static enum smx_status do_softmax(void)
{
    struct smx_softmax_out out = {.size = sizeof out,
                                  .values = call.out.values};

    return smx_softmax(call.context, &call.logits, NULL, &out, NULL);
}

static enum smx_status do_summaries(void)
{
    struct smx_softmax_out out = {.size = sizeof out,
                                  .entropy = call.out.rows,
                                  .argmax = call.out.indices};

    return smx_softmax(call.context, &call.logits, NULL, &out, NULL);
}

static enum smx_status do_top_k(void)
{
    struct smx_softmax_out out = {.size = sizeof out,
                                  .values = call.out.values,
                                  .indices = call.out.indices,
                                  .logsumexp = call.out.rows};

    return smx_softmax(call.context, &call.logits, OPTIONS(.top_k = TOP), &out,
                       NULL);
}

static enum smx_status do_chosen(void)
{
    static const int64_t chosen[TOP] = {4, 0, 4, 129, 7};
    struct smx_softmax_out out = {.size = sizeof out,
                                  .values = call.out.values,
                                  .rank = call.out.indices};

    return smx_softmax(call.context, &call.logits,
                       OPTIONS(.chosen = chosen, .chosen_count = TOP), &out,
                       NULL);
}

static enum smx_status do_loss_beside(void)
{
    struct smx_loss_out out = {.size = sizeof out,
                               .loss = call.out.rows,
                               .rank = call.out.indices,
                               .log_probabilities = call.out.values};

    return smx_loss(call.context, &call.logits, &call.criterion, &out, NULL);
}

static enum smx_status do_loss(void)
{
    struct smx_loss_out out = {.size = sizeof out,
                               .loss = call.out.rows,
                               .divisor = &call.out.divisor};

    return smx_loss(call.context, &call.logits, &call.criterion, &out, NULL);
}

static enum smx_status do_gradient(void)
{
    struct smx_loss_out out = {.size = sizeof out,
                               .loss = call.out.rows,
                               .divisor = &call.out.divisor};

    return smx_gradient(call.context, &call.logits, &call.criterion, NULL,
                        call.out.values, &out, NULL);
}

static enum smx_status do_vjp(void)
{
    return smx_vjp(call.context, &call.logits, false, call.g, call.out.values,
                   NULL);
}

/** Fail at the 0th, 1st ... allocation until none is left to fail. */
static void exhaust(operation *run)
{
    enum smx_status status = SMX_ENOMEM;

    if (!REPLACED)
        skip();
    for (long k = 0; status != SMX_OK && k < MOST; k++) {
        call.out = call.before;
        atomic_store(&memory_left, k);
        status = run();
        atomic_store(&memory_left, -1);
        if (status == SMX_OK)
            break;
        assert_status(status, SMX_ENOMEM);
        assert_memory_equal(&call.out, &call.before, sizeof call.out);
    }
    assert_status(status, SMX_OK);
}

static void softmax_without_memory(void **state)
{
    (void)state;
    exhaust(do_softmax);
}

static void softmax_with_options_without_memory(void **state)
{
    (void)state;
    call.logits.temperature = 2;
    exhaust(do_softmax);
    call.logits.temperature = 0;
}

static void summaries_without_memory(void **state)
{
    (void)state;
    exhaust(do_summaries);
}

static void top_k_without_memory(void **state)
{
    (void)state;
    exhaust(do_top_k);
}

static void chosen_without_memory(void **state)
{
    (void)state;
    exhaust(do_chosen);
}

static void loss_beside_without_memory(void **state)
{
    (void)state;
    exhaust(do_loss_beside);
    call.logits.softcap = 1e9; /* in double-double */
    exhaust(do_loss_beside);
    call.logits.softcap = 0;
}

static void loss_without_memory(void **state)
{
    (void)state;
    exhaust(do_loss);
}

static void gradient_without_memory(void **state)
{
    (void)state;
    exhaust(do_gradient);
}

static void vjp_without_memory(void **state)
{
    (void)state;
    exhaust(do_vjp);
    call.logits.softcap = 5;
    exhaust(do_vjp);
    exhaust(do_gradient);
    call.logits.softcap = 0;
}

/* Values and summaries of a softcap need no memory beside the tensors. */
static void softcap_needs_no_memory(void **state)
{
    operation *const all[] = {do_softmax, do_summaries};

    (void)state;
    if (!REPLACED)
        skip();
    call.logits.softcap = 5;
    atomic_store(&memory_left, 0);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        assert_status(all[i](), SMX_OK);
    assert_int_equal(atomic_exchange(&memory_left, -1), 0);
    call.logits.softcap = 0;
}

/* What a long row is shared out with; without it one thread does it all. */
static void long_rows_do_without_memory(void **state)
{
    operation *const all[] = {do_softmax, do_summaries, do_vjp};

    (void)state;
    if (!REPLACED)
        skip();
    call.logits.softcap = 1e9; /* in double-double */
    call.logits.outer = 1;
    call.logits.classes = N;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        call.out = call.before;
        assert_status(all[i](), SMX_OK);
        float shared = call.out.values[N - 1];
        call.out = call.before;
        atomic_store(&memory_left, 0);
        assert_status(all[i](), SMX_OK);
        assert_true(atomic_exchange(&memory_left, -1) < 0);
        assert_memory_equal(&shared, &call.out.values[N - 1], sizeof shared);
    }
    call.logits.softcap = 0;
    call.logits.outer = ROWS;
    call.logits.classes = CLASSES;
}

/** Create with k calls left of that kind; until it works. */
static void exhaust_creation(atomic_long *left, enum smx_status want)
{
    struct smx_config config = {.size = sizeof config, .threads = 4};
    enum smx_status status = want;
    long k;

    if (!REPLACED)
        skip();
    for (k = 0; status != SMX_OK && k < MOST; k++) {
        struct smx_context *context = (void *)&config;

        atomic_store(left, k);
        status = smx_context_create(&context, &config);
        atomic_store(left, -1);
        if (status != SMX_OK) {
            assert_status(status, want);
            assert_null(context);
        }
        smx_context_free(status == SMX_OK ? context : NULL);
    }
    assert_status(status, SMX_OK);
    assert_true(k > 1); /* something did fail */
}

static void context_without_memory(void **state)
{
    (void)state;
    exhaust_creation(&memory_left, SMX_ENOMEM);
}

static void context_without_threads(void **state)
{
    (void)state;
    exhaust_creation(&threads_left, SMX_ETHREAD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(softmax_without_memory),
        cmocka_unit_test(softmax_with_options_without_memory),
        cmocka_unit_test(summaries_without_memory),
        cmocka_unit_test(top_k_without_memory),
        cmocka_unit_test(chosen_without_memory),
        cmocka_unit_test(loss_without_memory),
        cmocka_unit_test(loss_beside_without_memory),
        cmocka_unit_test(gradient_without_memory),
        cmocka_unit_test(vjp_without_memory),
        cmocka_unit_test(softcap_needs_no_memory),
        cmocka_unit_test(long_rows_do_without_memory),
        cmocka_unit_test(context_without_memory),
        cmocka_unit_test(context_without_threads),
    };

    return cmocka_run_group_tests(tests, start, stop);
}
