/* SPDX-License-Identifier: MIT */
/*
 * What else is asked changes no bit of a value: summaries, a top-k and chosen
 * classes beside the values, a mask that leaves nothing out, the place of the
 * class axis, the number of rows; every instruction set. Of losses:
 * test_invariance_loss.
 */
#include "../support/invariance.h"
#include "../support/tiers.h"

static struct answers other;

static void ask_together(struct smx_context *context,
                         const struct smx_logits *logits, bool log,
                         struct answers *a)
{
    struct smx_softmax_out out = {.size = sizeof out,
                                  .values = log ? a->logs : a->p,
                                  .logsumexp = a->lse,
                                  .entropy = a->entropy,
                                  .argmax = a->argmax};

    assert_status(smx_softmax(context, logits, OPTIONS(.log = log), &out, NULL),
                  SMX_OK);
}

static void expect_same(const struct smx_logits *logits)
{
    size_t rows = logits->outer, count = rows * logits->classes;

    same(logits, plain.p, other.p, count);
    same(logits, plain.logs, other.logs, count);
    same(logits, plain.lse, other.lse, rows);
    same(logits, plain.entropy, other.entropy, rows);
    assert_memory_equal(plain.argmax, other.argmax, rows * sizeof(int64_t));
}

static void together(struct smx_context *context,
                     const struct smx_logits *logits)
{
    ask_together(context, logits, false, &other);
    ask_together(context, logits, true, &other);
    expect_same(logits);
}

static void in_place(struct smx_context *context, struct smx_logits logits)
{
    size_t bytes = logits.outer * logits.classes * sizeof(double);

    memcpy(other.p, z, bytes);
    logits.data = other.p;
    ask_together(context, &logits, false, &other);
    memcpy(other.logs, z, bytes);
    logits.data = other.logs;
    ask_together(context, &logits, true, &other);
    expect_same(&logits);
}

static void masked(struct smx_context *context, struct smx_logits logits)
{
    logits.mask = ones;
    for (int per_class = 0; per_class < 2; per_class++) {
        logits.mask_per_class = per_class;
        ask_each(context, &logits, &other);
        expect_same(&logits);
        together(context, &logits);
    }
}

/* All classes in their order are the values, put in that order. */
static void in_order(struct smx_context *context,
                     const struct smx_logits *logits)
{
    size_t n = logits->classes;
    struct smx_softmax_out out = {
        .size = sizeof out, .values = other.p, .indices = other.top};

    assert_status(smx_softmax(context, logits, OPTIONS(.top_k = n), &out, NULL),
                  SMX_OK);
    for (size_t i = 0; i < logits->outer * n; i++) {
        size_t class = (size_t)other.top[i], row = i / n * n;

        assert_true(class < n &&
                    at(logits, other.p, i) == at(logits, plain.p, row + class));
        if (i == row)
            assert_int_equal(other.top[i], plain.argmax[i / n]);
        else
            assert_true(at(logits, other.p, i) <= at(logits, other.p, i - 1));
    }
}

/* Some classes, the last first, with all that goes beside them. */
static void chosen(struct smx_context *context, const struct smx_logits *logits,
                   bool log)
{
    size_t n = logits->classes, k = n < 40 ? n : 40;
    int64_t ids[40];
    struct smx_softmax_out out = {.size = sizeof out,
                                  .values = log ? other.logs : other.p,
                                  .rank = other.top,
                                  .logsumexp = other.lse,
                                  .entropy = other.entropy,
                                  .argmax = other.argmax};

    for (size_t i = 0; i < k; i++)
        ids[i] = (int64_t)((k - i) * n / k - 1);
    assert_status(
        smx_softmax(context, logits,
                    OPTIONS(.log = log, .chosen = ids, .chosen_count = k), &out,
                    NULL),
        SMX_OK);
    for (size_t i = 0; i < logits->outer * k; i++) {
        size_t from = i / k * n + (size_t)ids[i % k];

        assert_true(at(logits, out.values, i) ==
                    at(logits, log ? plain.logs : plain.p, from));
        if (other.top[i] == 0)
            assert_int_equal(ids[i % k], plain.argmax[i / k]);
    }
    same(logits, plain.lse, other.lse, logits->outer);
    same(logits, plain.entropy, other.entropy, logits->outer);
    assert_memory_equal(plain.argmax, other.argmax,
                        logits->outer * sizeof *plain.argmax);
}

static void class_axis_first(struct smx_context *context,
                             const struct smx_logits *logits)
{
    struct smx_logits first = *logits;

    first.data = turned;
    first.outer = 1;
    first.inner = logits->outer;
    ask_together(context, &first, false, &other);
    ask_together(context, &first, true, &other);
    turn(logits, other.p);
    turn(logits, other.logs);
    expect_same(logits);
}

static void row_by_row(struct smx_context *context,
                       const struct smx_logits *logits)
{
    size_t element = smx_dtype_bytes(logits->dtype);
    struct smx_logits one = *logits;

    one.outer = 1;
    for (size_t r = 0; r < logits->outer; r++) {
        size_t start = r * logits->classes * element;
        struct smx_softmax_out out = {
            .size = sizeof out,
            .values = (char *)other.p + start,
            .logsumexp = (char *)other.lse + r * element,
            .entropy = (char *)other.entropy + r * element,
            .argmax = other.argmax + r};

        one.data = (char *)z + start;
        assert_status(smx_softmax(context, &one, NULL, &out, NULL), SMX_OK);
    }
    expect_same(logits);
}

static void try_shape(struct smx_context *context, struct smx_logits logits)
{
    fill(&logits);
    ask_each(context, &logits, &plain);
    memset(&other, 0, sizeof other);
    together(context, &logits);
    in_place(context, logits);
    masked(context, logits);
    class_axis_first(context, &logits);
    row_by_row(context, &logits);
    in_order(context, &logits);
    chosen(context, &logits, false);
    chosen(context, &logits, true);
}

static void softmax_answers_each_question_alone(void **state)
{
    static const double temperatures[] = {0, 0.7, 1e30};

    (void)state;
    for (size_t s = 0; s < SHAPES; s++)
        for (int dtype = SMX_FLOAT32; dtype <= SMX_FLOAT64; dtype++)
            for (size_t t = 0; t < 2 * 3; t++)
                for (int i = SMX_ISA_BASE; i <= SMX_ISA_NEON; i++)
                    if (tiers[i])
                        try_shape(tiers[i],
                                  (struct smx_logits){
                                      .size = sizeof(struct smx_logits),
                                      .data = z,
                                      .dtype = (enum smx_dtype)dtype,
                                      .outer = shapes[s][0],
                                      .classes = shapes[s][1],
                                      .inner = 1,
                                      .temperature = temperatures[t % 3],
                                      .softcap = t < 3 ? 0 : 30});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(softmax_answers_each_question_alone),
    };

    random_seed(&seed);
    return cmocka_run_group_tests(tests, tiers_open, tiers_close);
}
