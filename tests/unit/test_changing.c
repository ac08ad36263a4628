/* SPDX-License-Identifier: MIT */
/*
 * Logits that another process changes while a call reads them, as a client may
 * in shared memory: whatever they were, an answer has all of its numbers, and
 * an error names the logits. One page at each end of them tells when a first
 * look has begun and when it is over: then one in the middle changes.
 */
#include "../support/expect.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../support/exact_row.h"
#include "engine/rows.h"

enum { PAGES = 32, MARK = 0x5a };

static struct {
    char *logits;
    size_t page, bytes;
    enum smx_dtype dtype;
    size_t place;
    double becomes;
    volatile sig_atomic_t faults;
} shared;

static struct smx_context *alone; /* one thread: it reads from first to last */

static void notice(int number, siginfo_t *info, void *machine)
{
    size_t at = (size_t)((char *)info->si_addr - shared.logits);
    (void)machine;
    if (at >= shared.bytes) {
        signal(number, SIG_DFL);
        return;
    }
    mprotect(shared.logits + at / shared.page * shared.page, shared.page,
             PROT_READ | PROT_WRITE);
    if (++shared.faults == 2)
        smx_set(shared.logits, shared.dtype, shared.place, shared.becomes);
}

enum operation { SOFTMAX, LOSS, GRADIENT, PRODUCT, JACOBIAN, OPERATIONS };

/* A call, and what it writes: at most an answer of each element and one of each
 * row. */
struct call {
    enum operation operation;
    bool early, log, masked, row_too, appears;
    struct smx_logits logits;
    size_t rows, elements, answers;
    void *values, *of_rows, *upstream;
    uint8_t *mask;
    struct smx_where where;
};

static enum smx_status run_softmax(struct call *call)
{
    const struct smx_softmax_out out = {.size = sizeof out,
                                        .values = call->values,
                                        .early = call->early,
                                        .entropy = call->row_too ? call->of_rows
                                                                 : NULL};
    return smx_softmax(alone, &call->logits, OPTIONS(.log = call->log), &out,
                       &call->where);
}

static enum smx_status run_loss(struct call *call)
{
    const struct smx_criterion criterion = {.size = sizeof criterion,
                                            .targets = call->upstream,
                                            .reduction = SMX_REDUCTION_NONE};
    const struct smx_loss_out out = {
        .size = sizeof out, .loss = call->of_rows, .early = call->early};
    return call->operation == LOSS
               ? smx_loss(alone, &call->logits, &criterion, &out, &call->where)
               : smx_gradient(alone, &call->logits, &criterion, NULL,
                              call->values, &out, &call->where);
}

static enum smx_status run(struct call *call)
{
    switch (call->operation) {
    case SOFTMAX:
        return run_softmax(call);
    case PRODUCT:
        return (call->early ? smx_vjp_early : smx_vjp)(
            alone, &call->logits, call->log, call->upstream, call->values,
            &call->where);
    case JACOBIAN:
        return smx_jacobian(alone, &call->logits, call->log, call->values,
                            &call->where);
    default:
        return run_loss(call);
    }
}

static bool is_whole(const void *answers, size_t count, size_t bytes)
{
    static const unsigned char mark[] = {MARK, MARK, MARK, MARK};
    for (size_t i = 0; answers && i < count; i++)
        if (!memcmp((const char *)answers + i * bytes, mark, sizeof mark))
            return false;
    return true;
}

static void open_call(struct call *call, size_t classes)
{
    size_t bytes = shared.dtype == SMX_FLOAT64 ? 8 : 4;
    call->rows = shared.bytes / bytes / classes;
    call->elements = call->rows * classes;
    call->answers =
        call->elements * (call->operation == JACOBIAN ? classes : 1);
    call->values = must(malloc(call->answers * bytes));
    call->of_rows = must(malloc(call->rows * bytes));
    call->upstream = must(malloc(call->elements * bytes));
    call->mask = must(malloc(classes));
    call->where.size = sizeof call->where;
    memset(call->values, MARK, call->answers * bytes);
    memset(call->of_rows, MARK, call->rows * bytes);
    memset(call->mask, 1, classes);
    call->mask[classes - 1] = 0;
    for (size_t i = 0; i < call->elements; i++) {
        smx_set(shared.logits, shared.dtype, i, (double)(i % 7) / 8);
        smx_set(call->upstream, shared.dtype, i, (double)(i % 5) / 4);
    }
    call->logits = (struct smx_logits){.size = sizeof call->logits,
                                       .data = shared.logits,
                                       .dtype = shared.dtype,
                                       .outer = call->rows,
                                       .classes = classes,
                                       .mask = call->masked ? call->mask : NULL,
                                       .mask_per_class = true};
}

static void close_call(struct call *call)
{
    free(call->values);
    free(call->of_rows);
    free(call->upstream);
    free(call->mask);
}

static void watch(const struct call *call)
{
    shared.faults = 0;
    shared.place = call->elements / 4;
    shared.becomes = call->appears ? (double)NAN : 1;
    if (!call->appears)
        smx_set(shared.logits, shared.dtype, shared.place, NAN);
    mprotect(shared.logits, shared.page, PROT_NONE);
    mprotect(shared.logits + shared.bytes - shared.page, shared.page,
             PROT_NONE);
}

static void try(enum operation operation, size_t classes, unsigned kind)
{
    struct call call = {.operation = operation,
                        .early = kind & 1,
                        .log = kind & 2,
                        .masked = kind & 4,
                        .row_too = kind & 8,
                        .appears = kind & 16};
    size_t bytes = shared.dtype == SMX_FLOAT64 ? 8 : 4;
    open_call(&call, classes);
    watch(&call);
    enum smx_status status = run(&call);
    bool whole =
        operation == LOSS || is_whole(call.values, call.answers, bytes);
    if (operation == LOSS || operation == GRADIENT || call.row_too)
        whole = whole && is_whole(call.of_rows, call.rows, bytes);
    if (status ? call.where.field != SMX_FIELD_LOGITS : !whole)
        fail_msg("operation %d, %zu classes of float%zu, kind %u: %s, %s",
                 operation, classes, 8 * bytes, kind, smx_status_string(status),
                 status ? smx_field_name(call.where.field) : "not whole");
    close_call(&call);
}

static void try_operation(enum operation operation)
{
    static const size_t classes[] = {2, 8, 16, 32, 64, 128, 1024, 8192};
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
        for (unsigned kind = 0; kind < 32; kind++) {
            unsigned without = operation == SOFTMAX    ? 0
                               : operation == JACOBIAN ? 9
                                                       : 8;
            if ((operation == JACOBIAN && classes[i] > 64) || kind & without)
                continue;
            try(operation, classes[i], kind);
        }
}

/* cmocka has a handler of its own while a test runs. */
static void try_all(enum smx_dtype dtype)
{
    struct sigaction action = {.sa_sigaction = notice, .sa_flags = SA_SIGINFO};
    struct sigaction before;
    shared.dtype = dtype;
    assert_int_equal(sigaction(SIGSEGV, &action, &before), 0);
    for (int operation = 0; operation < OPERATIONS; operation++)
        try_operation((enum operation)operation);
    sigaction(SIGSEGV, &before, NULL);
}

static void of_float32(void **state)
{
    (void)state;
    try_all(SMX_FLOAT32);
}

static void of_float64(void **state)
{
    (void)state;
    try_all(SMX_FLOAT64);
}

static int start(void **state)
{
    const struct smx_config config = {.size = sizeof config, .threads = 1};
    (void)state;
    shared.page = (size_t)sysconf(_SC_PAGESIZE);
    shared.bytes = PAGES * shared.page;
    shared.logits = mmap(NULL, shared.bytes, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return shared.logits == MAP_FAILED ||
           smx_context_create(&alone, &config) != SMX_OK;
}

static int stop(void **state)
{
    (void)state;
    smx_context_free(alone);
    return munmap(shared.logits, shared.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_float32),
        cmocka_unit_test(of_float64),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
