/* SPDX-License-Identifier: MIT */
/*
 * Chosen classes: the bits that they have among all, in the order asked for,
 * and their ranks, which are their places in a top-k of all; beside all else
 * that may be asked, every instruction set.
 */
#include "../support/expect.h"

#include <math.h>
#include <string.h>

#include "../support/draw.h"
#include "../support/tiers.h"

enum { MOST = 3 * 10000 * 2, MOST_ROWS = 40 };

/* outer, classes, inner; some longer than a chunk, and than two */
static const size_t shapes[][3] = {{40, 1, 1},   {9, 2, 1},    {33, 10, 1},
                                   {5, 32, 1},   {5, 33, 1},   {3, 1000, 1},
                                   {2, 4097, 1}, {1, 8193, 1}, {3, 10000, 1},
                                   {2, 17, 3},   {1, 9000, 2}};

enum { SHAPES = sizeof shapes / sizeof *shapes };

/* Room for doubles. */
static struct random seed;
static double z[MOST], all[MOST], got[MOST];
static double lse[2][MOST_ROWS], entropy[2][MOST_ROWS];
static int64_t argmax[2][MOST_ROWS];
static int64_t order[MOST], chosen[MOST], rank[MOST];
static uint8_t mask[MOST];

static double at(const struct smx_logits *logits, const void *data, size_t i)
{
    return logits->dtype == SMX_FLOAT32 ? ((const float *)data)[i]
                                        : ((const double *)data)[i];
}

/* Where element i of row r is in a tensor with k classes. */
static size_t place(const struct smx_logits *logits, size_t k, size_t r,
                    size_t i)
{
    size_t inner = logits->inner;

    return r / inner * k * inner + i * inner + r % inner;
}

/* Those that every row's order has first, last and between, some twice. */
static size_t choose(const struct smx_logits *logits, bool each_row)
{
    size_t n = logits->classes, k = n < 3 ? n : 7;
    size_t rows = each_row ? logits->outer * logits->inner : 1;

    for (size_t r = 0; r < rows; r++)
        for (size_t i = 0; i < k; i++) {
            chosen[r * k + i] = i == 0   ? order[place(logits, n, r, 0)]
                                : i == 1 ? order[place(logits, n, r, n - 1)]
                                         : (int64_t)random_below(&seed, n);
        }
    if (!each_row && k > 2)
        chosen[k - 1] = chosen[0];
    return k;
}

/* The bits of all, and of what else can be asked. */
static void ask_all(struct smx_context *context,
                    const struct smx_logits *logits, bool log)
{
    const struct smx_softmax_out out = {.size = sizeof out,
                                        .values = all,
                                        .logsumexp = lse[0],
                                        .entropy = entropy[0],
                                        .argmax = argmax[0]};
    const struct smx_softmax_out top = {.size = sizeof top, .indices = order};

    assert_status(smx_softmax(context, logits, OPTIONS(.log = log), &out, NULL),
                  SMX_OK);
    assert_status(smx_softmax(context, logits,
                              OPTIONS(.top_k = logits->classes), &top, NULL),
                  SMX_OK);
}

static void expect_chosen(const struct smx_logits *logits, size_t k,
                          bool each_row)
{
    size_t n = logits->classes, rows = logits->outer * logits->inner;
    size_t bytes = rows * smx_dtype_bytes(logits->dtype);

    for (size_t r = 0; r < rows; r++)
        for (size_t i = 0; i < k; i++) {
            size_t from = place(logits, k, r, i);
            size_t class = (size_t)chosen[each_row ? r * k + i : i];

            assert_true(at(logits, got, from) ==
                        at(logits, all, place(logits, n, r, class)));
            assert_int_equal(order[place(logits, n, r, (size_t)rank[from])],
                             class);
        }
    assert_memory_equal(lse[0], lse[1], bytes);
    assert_memory_equal(entropy[0], entropy[1], bytes);
    assert_memory_equal(argmax[0], argmax[1], rows * sizeof *argmax[0]);
}

static void try_chosen(struct smx_context *context,
                       const struct smx_logits *logits, bool log, bool each_row)
{
    const struct smx_softmax_out out = {.size = sizeof out,
                                        .values = got,
                                        .logsumexp = lse[1],
                                        .entropy = entropy[1],
                                        .argmax = argmax[1],
                                        .rank = rank};
    const struct smx_softmax_out alone = {.size = sizeof alone, .values = got};
    const struct smx_softmax_out ranks = {.size = sizeof ranks, .rank = rank};
    size_t k;

    ask_all(context, logits, log);
    k = choose(logits, each_row);
    const struct smx_softmax_options *options =
        OPTIONS(.log = log, .chosen = chosen, .chosen_count = k,
                .chosen_each_row = each_row);
    assert_status(smx_softmax(context, logits, options, &out, NULL), SMX_OK);
    expect_chosen(logits, k, each_row);
    memset(got, 0, sizeof got);
    memset(rank, 0, sizeof rank);
    assert_status(smx_softmax(context, logits, options, &alone, NULL), SMX_OK);
    assert_status(smx_softmax(context, logits, options, &ranks, NULL), SMX_OK);
    expect_chosen(logits, k, each_row);
}

static void try_shape(struct smx_context *context, enum smx_dtype dtype,
                      const size_t shape[3], enum draw_kind kind)
{
    struct smx_logits logits = {.size = sizeof logits,
                                .data = z,
                                .dtype = dtype,
                                .outer = shape[0],
                                .classes = shape[1],
                                .inner = shape[2]};

    draw_logits(&seed, kind, dtype, shape[0] * shape[2], shape[1], z);
    for (size_t i = 0; i < MOST; i++)
        mask[i] = !random_once_in(&seed, 5);
    for (int way = 0; way < 8; way++) {
        logits.softcap = way == 4 || way == 5 ? 20 : 0;
        logits.temperature = way == 6 ? 0.7 : 1;
        logits.mask = way > 1 && way < 6 ? mask : NULL;
        logits.mask_per_class = way == 3;
        try_chosen(context, &logits, way & 1, way & 2);
    }
}

static void chosen_classes_have_the_bits_of_all(void **state)
{
    static const enum draw_kind kinds[] = {DRAW_NORMAL, DRAW_HUGE, DRAW_HOLES};

    (void)state;
    for (size_t s = 0; s < SHAPES; s++)
        for (int i = SMX_ISA_BASE; i <= SMX_ISA_NEON; i++)
            for (size_t k = 0; tiers[i] && k < 3; k++) {
                try_shape(tiers[i], SMX_FLOAT32, shapes[s], kinds[k]);
                try_shape(tiers[i], SMX_FLOAT64, shapes[s], kinds[k]);
            }
}

/* Where a row is sorted for them. */
static void many_ranks_are_those_of_few(void **state)
{
    enum { CLASSES = 10000, COUNT = 5000 };
    static int64_t one[COUNT];
    struct smx_logits logits = {.size = sizeof logits,
                                .data = z,
                                .outer = 2,
                                .classes = CLASSES,
                                .inner = 1};
    const struct smx_softmax_out many = {.size = sizeof many, .rank = rank};

    (void)state;
    for (size_t i = 0; i < 2 * CLASSES; i++)
        ((float *)(void *)z)[i] = (float)random_below(&seed, 100);
    for (size_t i = 0; i < COUNT; i++)
        chosen[i] = (int64_t)random_below(&seed, CLASSES);
    assert_status(smx_softmax(expect_context, &logits,
                              OPTIONS(.chosen = chosen, .chosen_count = COUNT),
                              &many, NULL),
                  SMX_OK);
    for (size_t i = 0; i < COUNT; i += 1000) {
        const struct smx_softmax_out few = {.size = sizeof few, .rank = one};

        assert_status(
            smx_softmax(expect_context, &logits,
                        OPTIONS(.chosen = chosen + i, .chosen_count = 1000),
                        &few, NULL),
            SMX_OK);
        assert_memory_equal(rank + i, one, 1000 * sizeof *one);
        assert_memory_equal(rank + COUNT + i, one + 1000, 1000 * sizeof *one);
    }
}

/* A logit that is none is named, whichever question looks at it first. */
static void no_question_misses_a_nonfinite_logit(void **state)
{
    enum { CLASSES = 9000, ROWS = 3, AT = 2 * CLASSES + 8500 };
    static const struct {
        size_t chosen, top;
        bool values, rank, lse, entropy, argmax;
    } asked[] = {{.chosen = 2, .values = true},
                 {.chosen = 2, .values = true, .rank = true, .lse = true},
                 {.chosen = 2, .rank = true},
                 {.top = 3, .values = true},
                 {.values = true, .lse = true},
                 {.lse = true},
                 {.lse = true, .argmax = true},
                 {.entropy = true},
                 {.argmax = true}};
    static double before[ROWS];
    const float bad[] = {NAN, INFINITY};
    float *x = (void *)z;

    (void)state;
    memset(before, 0x5a, sizeof before);
    for (size_t i = 0; i < sizeof asked / sizeof *asked * 8; i++) {
        size_t q = i / 8, narrow = i & 1, many = i & 2, k = i & 4;
        size_t classes = narrow ? 900 : CLASSES, at = narrow ? 2650 : AT;
        struct smx_logits logits = logits_float(x, ROWS, classes);
        struct smx_where where = {.size = sizeof where};
        const int64_t last[] = {0, (int64_t)classes - 1};
        struct smx_softmax_out out = {
            .size = sizeof out,
            .values = asked[q].values ? got : NULL,
            .rank = asked[q].rank ? rank : NULL,
            .logsumexp = asked[q].lse ? lse[0] : NULL,
            .entropy = asked[q].entropy ? lse[0] : NULL,
            .argmax = asked[q].argmax ? argmax[0] : NULL};

        for (size_t c = 0; c < ROWS * classes; c++)
            x[c] = many && c >= at ? NAN : (float)(c % 7);
        x[at] = bad[k != 0];
        memcpy(got, before, sizeof before);
        memcpy(rank, before, sizeof before);
        memcpy(lse[0], before, sizeof before);
        memcpy(argmax[0], before, sizeof before);
        assert_status(
            smx_softmax(expect_context, &logits,
                        OPTIONS(.log = k != 0, .top_k = asked[q].top,
                                .chosen = asked[q].chosen ? last : NULL,
                                .chosen_count = asked[q].chosen),
                        &out, &where),
            SMX_ENONFINITE);
        assert_int_equal(where.field, SMX_FIELD_LOGITS);
        assert_int_equal(where.index, at);
        assert_memory_equal(got, before, sizeof before);
        assert_memory_equal(rank, before, sizeof before);
        assert_memory_equal(lse[0], before, sizeof before);
        assert_memory_equal(argmax[0], before, sizeof before);
    }
}

/* ---- what is refused ------------------------------------------------------
 */

static void expect_refused(const struct smx_softmax_options *options,
                           enum smx_status status, enum smx_field field,
                           size_t index)
{
    static const float x[6] = {1, 2, 3, 4, 5, 6};
    struct smx_logits logits = logits_float(x, 2, 3);
    struct smx_where where = {.size = sizeof where};
    const struct smx_softmax_out out = {
        .size = sizeof out, .values = got, .rank = rank};

    memset(got, 7, 64);
    assert_status(smx_softmax(expect_context, &logits, options, &out, &where),
                  status);
    assert_int_equal(where.field, field);
    assert_int_equal(where.index, index);
    assert_int_equal(((char *)got)[0], 7);
}

static void what_cannot_be_chosen_is_refused(void **state)
{
    static const int64_t ids[] = {0, 2, 3, -1};
    struct smx_logits none = {.size = sizeof none, .classes = 3};
    const struct smx_softmax_out out = {.size = sizeof out, .rank = rank};

    (void)state;
    expect_refused(OPTIONS(.chosen = ids, .chosen_count = 3), SMX_ELABEL,
                   SMX_FIELD_CHOSEN, 2);
    expect_refused(
        OPTIONS(.chosen = ids, .chosen_count = 2, .chosen_each_row = true),
        SMX_ELABEL, SMX_FIELD_CHOSEN, 2);
    expect_refused(OPTIONS(.chosen = ids + 3, .chosen_count = 1), SMX_ELABEL,
                   SMX_FIELD_CHOSEN, 0);
    expect_refused(OPTIONS(.chosen = ids), SMX_EARGUMENT,
                   SMX_FIELD_CHOSEN_COUNT, 0);
    expect_refused(OPTIONS(.chosen_count = 1), SMX_EARGUMENT, SMX_FIELD_CHOSEN,
                   0);
    expect_refused(OPTIONS(.chosen = ids, .chosen_count = 1, .top_k = 1),
                   SMX_EARGUMENT, SMX_FIELD_CHOSEN, 0);
    expect_refused(OPTIONS(.chosen = ids, .chosen_count = SIZE_MAX / 2,
                           .chosen_each_row = true),
                   SMX_EOVERFLOW, SMX_FIELD_CHOSEN_COUNT, 0);
    expect_refused(NULL, SMX_EARGUMENT, SMX_FIELD_RANK, 0);
    assert_status(smx_softmax(expect_context, &none,
                              OPTIONS(.chosen = ids, .chosen_count = 2), &out,
                              NULL),
                  SMX_OK);
}

static void a_loss_has_ranks_of_labels_alone(void **state)
{
    static const float x[6] = {1, 2, 3, 4, 5, 6};
    struct smx_logits logits = logits_float(x, 2, 3);
    struct smx_criterion criterion = {.size = sizeof criterion, .targets = x};
    struct smx_where where = {.size = sizeof where};
    struct smx_loss_out out = {.size = sizeof out, .rank = rank};
    static const int64_t labels[] = {1, 2};

    (void)state;
    assert_status(smx_loss(expect_context, &logits, &criterion, &out, &where),
                  SMX_EARGUMENT);
    assert_int_equal(where.field, SMX_FIELD_RANK);
    criterion.targets = NULL;
    criterion.labels = labels;
    criterion.ignore = true;
    criterion.ignore_index = 2;
    assert_status(smx_loss(expect_context, &logits, &criterion, &out, &where),
                  SMX_OK);
    assert_int_equal(rank[0], 1);
    assert_int_equal(rank[1], -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chosen_classes_have_the_bits_of_all),
        cmocka_unit_test(many_ranks_are_those_of_few),
        cmocka_unit_test(no_question_misses_a_nonfinite_logit),
        cmocka_unit_test(what_cannot_be_chosen_is_refused),
        cmocka_unit_test(a_loss_has_ranks_of_labels_alone),
    };

    random_seed(&seed);
    return cmocka_run_group_tests(tests, tiers_start, tiers_stop);
}
