/* SPDX-License-Identifier: MIT */
/*
 * The memory that a call takes beside its operands is what softmax.h says.
 *
 * malloc, calloc and realloc below take the place of libc's and add up what
 * is asked of them. Sanitizers bring their own; there is nothing to run then.
 */
#include "../support/expect.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "../support/exact_row.h"
#include "../support/libc_malloc.h"

static atomic_size_t asked; /* bytes, also of what has been freed since */

#if REPLACED

void *malloc(size_t bytes)
{
    asked += bytes;
    return __libc_malloc(bytes);
}

void *calloc(size_t count, size_t bytes)
{
    asked += count * bytes;
    return __libc_calloc(count, bytes);
}

void *realloc(void *block, size_t bytes)
{
    asked += bytes;
    return __libc_realloc(block, bytes);
}

#endif

/* outer, classes, inner: many short rows, long ones, either axis */
static const size_t shapes[][3] = {
    {200000, 2, 1}, {100000, 10, 1}, {30000, 33, 1}, {2, 300000, 1},
    {1, 2, 200000}, {1, 10, 50000},  {3, 40, 7000},  {1, 500000, 2},
};

enum { SHAPES = sizeof shapes / sizeof *shapes, TOP = 2 };

struct operands {
    struct smx_logits logits;
    struct smx_criterion criterion;
    size_t rows, count;
    void *z, *other, *out, *a, *b;
    int64_t *labels, *argmax;
};

static struct operands operands_new(const size_t shape[3], enum smx_dtype dtype)
{
    size_t rows = shape[0] * shape[2], count = rows * shape[1];
    struct operands o = {.rows = rows,
                         .count = count,
                         .z = must(calloc(count, 8)),
                         .other = must(calloc(count, 8)),
                         .out = must(calloc(count, 8)),
                         .a = must(calloc(rows, 8)),
                         .b = must(calloc(rows, 8)),
                         .labels = must(calloc(rows, 8)),
                         .argmax = must(calloc(rows, 8))};

    o.logits = (struct smx_logits){.size = sizeof(struct smx_logits),
                                   .data = o.z,
                                   .dtype = dtype,
                                   .outer = shape[0],
                                   .classes = shape[1],
                                   .inner = shape[2]};
    o.criterion.size = sizeof o.criterion;
    o.criterion.reduction = SMX_REDUCTION_NONE;
    o.criterion.z_loss = 0.5;
    return o;
}

static void operands_free(struct operands *o)
{
    free(o->z);
    free(o->other);
    free(o->out);
    free(o->a);
    free(o->b);
    free(o->labels);
    free(o->argmax);
}

static enum smx_status do_softmax(struct operands *o)
{
    struct smx_softmax_out out = {.size = sizeof out, .values = o->out};

    return smx_softmax(expect_context, &o->logits, NULL, &out, NULL);
}

static enum smx_status do_log_softmax(struct operands *o)
{
    struct smx_softmax_out out = {.size = sizeof out, .values = o->out};

    return smx_softmax(expect_context, &o->logits, OPTIONS(.log = true), &out,
                       NULL);
}

static enum smx_status do_summaries(struct operands *o)
{
    struct smx_softmax_out out = {.size = sizeof out,
                                  .values = o->out,
                                  .logsumexp = o->a,
                                  .entropy = o->b,
                                  .argmax = o->argmax};

    return smx_softmax(expect_context, &o->logits, NULL, &out, NULL);
}

static enum smx_status do_top_k(struct operands *o)
{
    struct smx_softmax_out out = {.size = sizeof out, .values = o->out};

    return smx_softmax(expect_context, &o->logits, OPTIONS(.top_k = TOP), &out,
                       NULL);
}

static enum smx_status lose(struct operands *o, bool targets, bool gradient)
{
    struct smx_loss_out out = {.size = sizeof out,
                               .loss = o->a,
                               .logsumexp = o->b,
                               .argmax = o->argmax};

    o->criterion.labels = targets ? NULL : o->labels;
    o->criterion.targets = targets ? o->other : NULL;
    if (!gradient)
        return smx_loss(expect_context, &o->logits, &o->criterion, &out, NULL);
    return smx_gradient(expect_context, &o->logits, &o->criterion, NULL, o->out,
                        &out, NULL);
}

static enum smx_status do_loss(struct operands *o)
{
    return lose(o, false, false);
}

static enum smx_status do_gradient(struct operands *o)
{
    return lose(o, false, true);
}

static enum smx_status do_gradient_by_targets(struct operands *o)
{
    return lose(o, true, true);
}

static enum smx_status do_vjp(struct operands *o)
{
    return smx_vjp(expect_context, &o->logits, false, o->other, o->out, NULL);
}

static const struct {
    const char *name;
    enum smx_status (*run)(struct operands *o);
    size_t a_row;
} all[] = {
    {"softmax", do_softmax, 0},
    {"log-softmax", do_log_softmax, 0},
    {"summaries", do_summaries, 0},
    {"top-k", do_top_k, 0},
    {"loss", do_loss, 16},
    {"gradient", do_gradient, 16},
    {"gradient by targets", do_gradient_by_targets, 16},
    {"vjp", do_vjp, 0},
};

enum { ALL = sizeof all / sizeof *all };

static void check(struct operands *o, size_t which)
{
    size_t element = smx_dtype_bytes(o->logits.dtype);
    size_t moved = o->rows < 32 ? o->rows : 32;
    size_t row =
        (o->logits.inner > 1 ? 2 * moved : 1) * o->logits.classes * element;
    size_t bound = o->count * element / 8;
    size_t before = atomic_load(&asked), took;

    bound = bound > 1 << 20 ? bound : 1 << 20;
    bound += row + o->rows * all[which].a_row;
    assert_status(all[which].run(o), SMX_OK);
    took = atomic_load(&asked) - before;
    if (took > bound)
        print_error("%s of %zu x %zu x %zu: %zu bytes, not %zu\n",
                    all[which].name, o->logits.outer, o->logits.classes,
                    o->logits.inner, took, bound);
    assert_true(took <= bound);
}

static void as_the_header_says(void **state)
{
    (void)state;
    if (!REPLACED)
        skip();
    for (size_t s = 0; s < 2 * SHAPES; s++) {
        struct operands o =
            operands_new(shapes[s / 2], s % 2 ? SMX_FLOAT64 : SMX_FLOAT32);

        for (size_t i = 0; i < ALL; i++)
            check(&o, i);
        operands_free(&o);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_the_header_says),
    };

    return cmocka_run_group_tests(tests, expect_start, expect_stop);
}
