/* SPDX-License-Identifier: MIT */
/*
 * What else is asked changes no bit of a value: summaries and a top-k beside
 * the values, a mask that leaves nothing out, the place of the class axis,
 * the number of rows; every instruction set.
 */
#include "../support/expect.h"

#include <math.h>
#include <string.h>

#include "../support/draw.h"
#include "../support/tiers.h"

enum { MOST_ROWS = 40, MOST = MOST_ROWS * 9000 };

static const size_t shapes[][2] = {{40, 1},  {40, 2},   {33, 10},  {20, 16},
                                   {20, 17}, {17, 32},  {17, 33},  {9, 100},
                                   {5, 513}, {3, 1000}, {3, 4096}, {2, 9000}};

enum { SHAPES = sizeof shapes / sizeof *shapes };

/* Room for doubles. */
struct answers {
    double p[MOST], logs[MOST];
    double lse[MOST_ROWS], entropy[MOST_ROWS];
    int64_t argmax[MOST_ROWS], top[MOST];
};

static struct random seed;
static double z[MOST], turned[MOST];
static struct answers plain, other;
static uint8_t ones[MOST];

/* Ordinary rows beside large, distant, equal and half-empty ones. */
static double draw_logit(size_t row)
{
    static const double scales[] = {4, 40, 0.001, 1e20, 0, 4};
    double x = scales[row % 6] * (2 * random_unit(&seed) - 1);

    if (row % 6 == 5 && random_below(&seed, 3) == 0)
        return -INFINITY;
    return row % 12 == 2 ? x + 90 : x;
}

static void fill(const struct smx_logits *logits)
{
    for (size_t r = 0; r < logits->outer; r++)
        for (size_t c = 0; c < logits->classes; c++) {
            size_t i = r * logits->classes + c;
            size_t t = c * logits->outer + r;
            double x = draw_logit(r);

            if (logits->dtype == SMX_FLOAT32)
                ((float *)(void *)turned)[t] = ((float *)(void *)z)[i] =
                    (float)x;
            else
                turned[t] = z[i] = x;
        }
    memset(ones, 1, sizeof ones);
}

static void same(const struct smx_logits *logits, const void *a, const void *b,
                 size_t count)
{
    assert_memory_equal(a, b, count * smx_dtype_bytes(logits->dtype));
}

/* Each question alone. */
static void ask_each(struct smx_context *context,
                     const struct smx_logits *logits, struct answers *a)
{
    struct smx_softmax_out all[] = {
        {.size = sizeof *all, .values = a->p},
        {.size = sizeof *all, .logsumexp = a->lse},
        {.size = sizeof *all, .entropy = a->entropy},
        {.size = sizeof *all, .argmax = a->argmax},
    };
    struct smx_softmax_out logs = {.size = sizeof logs, .values = a->logs};

    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        assert_status(smx_softmax(context, logits, NULL, &all[i], NULL),
                      SMX_OK);
    assert_status(
        smx_softmax(context, logits, OPTIONS(.log = true), &logs, NULL),
        SMX_OK);
}

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

static double at(const struct smx_logits *logits, const void *data, size_t i)
{
    return logits->dtype == SMX_FLOAT32 ? ((const float *)data)[i]
                                        : ((const double *)data)[i];
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

static void turn(const struct smx_logits *logits, double *tensor)
{
    static double copy[MOST];
    size_t rows = logits->outer, n = logits->classes;

    memcpy(copy, tensor, rows * n * sizeof *tensor);
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < n; c++)
            if (logits->dtype == SMX_FLOAT32)
                ((float *)(void *)tensor)[r * n + c] =
                    ((float *)(void *)copy)[c * rows + r];
            else
                tensor[r * n + c] = copy[c * rows + r];
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

/* ---- the loss and its gradient ------------------------------------------ */

struct losses {
    double loss[MOST_ROWS], gradient[MOST], lse[MOST_ROWS];
    double entropy[MOST_ROWS], logs[MOST];
    int64_t argmax[MOST_ROWS], rank[MOST_ROWS];
    double accuracy;
};

static struct losses alone, beside;
static double targets[MOST], turned_targets[MOST], weights[MOST];
static int64_t labels[MOST_ROWS];

static void set(const struct smx_logits *logits, double *tensor, size_t i,
                double x)
{
    if (logits->dtype == SMX_FLOAT32)
        ((float *)(void *)tensor)[i] = (float)x;
    else
        tensor[i] = x;
}

static void fill_criterion(const struct smx_logits *logits)
{
    size_t rows = logits->outer, n = logits->classes;

    for (size_t r = 0; r < rows; r++) {
        labels[r] =
            random_once_in(&seed, 7) ? -100 : (int64_t)random_below(&seed, n);
        for (size_t c = 0; c < n; c++) {
            double t = random_unit(&seed);

            set(logits, targets, r * n + c, t);
            set(logits, turned_targets, c * rows + r, t);
        }
    }
    for (size_t c = 0; c < n; c++)
        set(logits, weights, c, 0.5 + random_unit(&seed));
}

static struct smx_criterion criterion_of(int kind, const double *aims)
{
    struct smx_criterion k = {.size = sizeof k,
                              .ignore = true,
                              .ignore_index = -100,
                              .reduction = SMX_REDUCTION_NONE};

    k.labels = kind < 4 ? labels : NULL;
    k.targets = kind < 4 ? NULL : aims;
    k.weights = kind & 1 ? weights : NULL;
    k.label_smoothing = kind & 2 ? 0.125 : 0;
    return k;
}

static void lose(struct smx_context *context, const struct smx_logits *logits,
                 const struct smx_criterion *k, bool more, struct losses *a)
{
    struct smx_loss_out out = {.size = sizeof out, .loss = a->loss};

    if (more) {
        out.logsumexp = a->lse;
        out.argmax = a->argmax;
        out.accuracy = &a->accuracy;
        out.entropy = a->entropy;
        out.log_probabilities = a->logs;
        out.rank = k->labels ? a->rank : NULL;
    }
    assert_status(
        smx_gradient(context, logits, k, NULL, a->gradient, &out, NULL),
        SMX_OK);
}

static void expect_losses(const struct smx_logits *logits)
{
    size_t rows = logits->outer;

    same(logits, alone.loss, beside.loss, rows);
    same(logits, alone.gradient, beside.gradient, rows * logits->classes);
    assert_memory_equal(plain.argmax, beside.argmax, rows * sizeof(int64_t));
    same(logits, plain.lse, beside.lse, rows);
    same(logits, plain.entropy, beside.entropy, rows);
    same(logits, plain.logs, beside.logs, rows * logits->classes);
}

/* How many classes come before the label. */
static void expect_ranks(const struct smx_logits *logits)
{
    for (size_t r = 0; r < logits->outer; r++) {
        const size_t n = logits->classes, y = (size_t)labels[r];
        int64_t before = labels[r] == -100 ? -1 : 0;

        for (size_t c = 0; labels[r] != -100 && c < n; c++) {
            double x = at(logits, z, r * n + c), own = at(logits, z, r * n + y);

            before += x > own || (x == own && c < y);
        }
        assert_int_equal(beside.rank[r], before);
    }
}

static double hits(const struct smx_logits *logits)
{
    size_t counted = 0, right = 0;

    for (size_t r = 0; r < logits->outer; r++)
        if (labels[r] != -100) {
            counted++;
            right += labels[r] == plain.argmax[r];
        }
    return counted ? (double)right / (double)counted : 0;
}

/* Of classes that the mask leaves out the gradient is 0, and all else is as if
 * their logits were -INFINITY. */
static void with_holes(struct smx_context *context, struct smx_logits logits,
                       const struct smx_criterion *k)
{
    static uint8_t holes[MOST];
    static double low[MOST];
    size_t n = logits.classes, count = logits.outer * n;
    struct smx_logits lowered = logits;

    memcpy(low, z, count * sizeof *low);
    for (size_t i = 0; i < count; i++) {
        holes[i] = !random_once_in(&seed, 4);
        if (!holes[i])
            set(&logits, low, i, -INFINITY);
    }
    lowered.data = low;
    logits.mask = holes;
    lose(context, &lowered, k, true, &alone);
    lose(context, &logits, k, true, &beside);
    for (size_t i = 0; i < count; i++)
        if (!holes[i]) {
            assert_true(at(&logits, beside.gradient, i) == 0);
            set(&logits, alone.gradient, i, 0);
            set(&logits, beside.gradient, i, 0);
        }
    same(&logits, alone.loss, beside.loss, logits.outer);
    same(&logits, alone.gradient, beside.gradient, count);
    same(&logits, alone.lse, beside.lse, logits.outer);
}

static void try_criterion(struct smx_context *context,
                          const struct smx_logits *logits, int kind)
{
    struct smx_criterion k = criterion_of(kind, targets);
    struct smx_logits other_way = *logits;

    lose(context, logits, &k, false, &alone);
    lose(context, logits, &k, true, &beside);
    expect_losses(logits);
    if (k.labels)
        assert_true(beside.accuracy == hits(logits));
    if (k.labels)
        expect_ranks(logits);
    other_way.mask = ones;
    lose(context, &other_way, &k, true, &beside);
    expect_losses(logits);
    other_way.mask_per_class = true;
    other_way.data = memcpy(beside.gradient, z, sizeof z);
    lose(context, &other_way, &k, true, &beside);
    expect_losses(logits);
    k = criterion_of(kind, turned_targets);
    other_way.data = turned;
    other_way.outer = 1;
    other_way.inner = logits->outer;
    lose(context, &other_way, &k, true, &beside);
    turn(logits, beside.gradient);
    turn(logits, beside.logs);
    expect_losses(logits);
    k = criterion_of(kind, targets);
    with_holes(context, *logits, &k);
}

static void a_loss_is_the_same_whatever_else_is_asked(void **state)
{
    (void)state;
    for (size_t s = 0; s < SHAPES; s++)
        for (int dtype = SMX_FLOAT32; dtype <= SMX_FLOAT64; dtype++)
            for (int i = SMX_ISA_BASE; i <= SMX_ISA_NEON; i++) {
                const struct smx_logits logits = {.size = sizeof logits,
                                                  .data = z,
                                                  .dtype =
                                                      (enum smx_dtype)dtype,
                                                  .outer = shapes[s][0],
                                                  .classes = shapes[s][1],
                                                  .inner = 1};

                if (!tiers[i])
                    continue;
                fill(&logits);
                fill_criterion(&logits);
                ask_each(tiers[i], &logits, &plain);
                for (int kind = 0; kind < 8; kind++)
                    try_criterion(tiers[i], &logits, kind);
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(softmax_answers_each_question_alone),
        cmocka_unit_test(a_loss_is_the_same_whatever_else_is_asked),
    };

    random_seed(&seed);
    return cmocka_run_group_tests(tests, tiers_open, tiers_close);
}
