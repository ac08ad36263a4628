/* SPDX-License-Identifier: MIT */
/*
 * What else is asked changes no bit of a loss or its gradient; nor do a mask
 * that leaves nothing out, the place of the class axis, the other rows, the
 * threads, the instruction set.
 */
#include "../support/invariance.h"

#include <math.h>

#include "../support/tiers.h"

struct losses {
    double loss[MOST_ROWS], gradient[MOST], lse[MOST_ROWS];
    double entropy[MOST_ROWS], logs[MOST];
    int64_t argmax[MOST_ROWS], rank[MOST_ROWS];
    double accuracy;
};

static struct losses alone, beside, of_kind[22];
static double targets[MOST], turned_targets[MOST], weights[MOST];
static double row_weights[MOST_ROWS];
static int64_t labels[MOST_ROWS];
static struct smx_context *threads;

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
    for (size_t r = 0; r < rows; r++)
        set(logits, row_weights, r, r % 5 ? 2 * random_unit(&seed) : 0);
}

/* By labels, by targets, from a teacher in three ways; then with weights of
 * rows, an entropy and, of labels, a focal exponent, too. */
enum { PLAIN_KINDS = 8, TEACHERS = 3, KINDS = 2 * (PLAIN_KINDS + TEACHERS) };

static struct smx_criterion criterion_of(int kind, const double *aims)
{
    struct smx_criterion k = {.size = sizeof k,
                              .ignore = true,
                              .ignore_index = -100,
                              .reduction = SMX_REDUCTION_NONE};

    if (kind >= PLAIN_KINDS + TEACHERS) {
        k.row_weights = row_weights;
        k.entropy_weight = kind & 1 ? 0.25 : 0;
        kind -= PLAIN_KINDS + TEACHERS;
        k.focal = kind == 0 || kind == 1 ? 1.5 - kind : 0;
    }
    if (kind >= PLAIN_KINDS) {
        k.teacher = aims;
        k.divergence = (enum smx_divergence)(kind - PLAIN_KINDS);
        k.beta = k.divergence == SMX_DIVERGENCE_JSD ? 0.25 : 0;
        return k;
    }
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
    static double low[MOST], aims[MOST];
    size_t n = logits.classes, count = logits.outer * n;
    struct smx_logits lowered = logits;
    struct smx_criterion lowers = *k;

    memcpy(low, z, count * sizeof *low);
    memcpy(aims, targets, count * sizeof *aims);
    for (size_t i = 0; i < count; i++) {
        holes[i] = !random_once_in(&seed, 4);
        if (!holes[i])
            set(&logits, low, i, -INFINITY);
        if (!holes[i] && k->teacher)
            set(&logits, aims, i, -INFINITY);
    }
    lowered.data = low;
    lowers.teacher = k->teacher ? aims : NULL;
    logits.mask = holes;
    lose(context, &lowered, &lowers, true, &alone);
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

static void loss_row_by_row(struct smx_context *context,
                            const struct smx_logits *logits,
                            const struct smx_criterion *all)
{
    size_t element = smx_dtype_bytes(logits->dtype), n = logits->classes;
    static struct losses row;

    for (size_t r = 0; r < logits->outer; r++) {
        struct smx_logits one = *logits;
        struct smx_criterion k = *all;
        size_t start = r * n * element;

        one.outer = 1;
        one.data = (char *)z + start;
        k.labels = all->labels ? labels + r : NULL;
        k.targets = all->targets ? (char *)targets + start : NULL;
        k.teacher = all->teacher ? (char *)targets + start : NULL;
        k.row_weights =
            all->row_weights ? (char *)row_weights + r * element : NULL;
        lose(context, &one, &k, false, &row);
        same(logits, (char *)alone.loss + r * element, row.loss, 1);
        same(logits, (char *)alone.gradient + start, row.gradient, n);
    }
}

/* The first instruction set's answers are every other's, and the pool's. */
static void expect_those_of(struct smx_context *context,
                            const struct smx_logits *logits, int kind)
{
    static struct losses *first = of_kind;
    const struct smx_criterion k = criterion_of(kind, targets);

    if (context == tiers[SMX_ISA_BASE])
        lose(threads, logits, &k, false, &first[kind]);
    same(logits, first[kind].loss, alone.loss, logits->outer);
    same(logits, first[kind].gradient, alone.gradient,
         logits->outer * logits->classes);
}

static void try_criterion(struct smx_context *context,
                          const struct smx_logits *logits, int kind)
{
    struct smx_criterion k = criterion_of(kind, targets);
    struct smx_logits other_way = *logits;

    lose(context, logits, &k, false, &alone);
    expect_those_of(context, logits, kind);
    loss_row_by_row(context, logits, &k);
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
    for (size_t s = 0; s < 4 * SHAPES; s++) {
        const struct smx_logits logits = {.size = sizeof logits,
                                          .data = z,
                                          .dtype =
                                              s % 2 ? SMX_FLOAT64 : SMX_FLOAT32,
                                          .outer = shapes[s / 4][0],
                                          .classes = shapes[s / 4][1],
                                          .inner = 1,
                                          .softcap = s & 2 ? 30 : 0};

        fill(&logits);
        fill_criterion(&logits);
        for (int i = SMX_ISA_BASE; i <= SMX_ISA_NEON; i++) {
            if (!tiers[i])
                continue;
            ask_each(tiers[i], &logits, &plain);
            for (int kind = 0; kind < KINDS; kind++)
                try_criterion(tiers[i], &logits, kind);
        }
    }
}

/* Of narrow rows whose loss lanes decline for their weights. */
static void small_weights_change_no_summary(void **state)
{
    enum { ROWS = 4000, CLASSES = 20 };
    static double x[ROWS * CLASSES], weight[ROWS], loss[ROWS];
    static double lse[2][ROWS], h[2][ROWS];
    static int64_t y[ROWS];
    const struct smx_logits logits = {.size = sizeof logits,
                                      .data = x,
                                      .dtype = SMX_FLOAT64,
                                      .outer = ROWS,
                                      .classes = CLASSES,
                                      .temperature = 0.7};
    const struct smx_criterion k = {.size = sizeof k,
                                    .labels = y,
                                    .row_weights = weight,
                                    .reduction = SMX_REDUCTION_NONE};
    const struct smx_softmax_out out = {
        .size = sizeof out, .logsumexp = lse[0], .entropy = h[0]};
    const struct smx_loss_out beside_loss = {.size = sizeof beside_loss,
                                             .loss = loss,
                                             .logsumexp = lse[1],
                                             .entropy = h[1]};

    (void)state;
    for (size_t i = 0; i < ROWS * CLASSES; i++)
        x[i] = 6 * random_unit(&seed);
    for (size_t r = 0; r < ROWS; r++)
        weight[r] = r % 3 ? 0x1p-120 : 1;
    for (int i = SMX_ISA_BASE; i <= SMX_ISA_NEON; i++) {
        if (!tiers[i])
            continue;
        assert_status(smx_softmax(tiers[i], &logits, NULL, &out, NULL), SMX_OK);
        assert_status(smx_loss(tiers[i], &logits, &k, &beside_loss, NULL),
                      SMX_OK);
        assert_memory_equal(h[0], h[1], sizeof h[0]);
        assert_memory_equal(lse[0], lse[1], sizeof lse[0]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_loss_is_the_same_whatever_else_is_asked),
        cmocka_unit_test(small_weights_change_no_summary),
    };
    const struct smx_config three = {.size = sizeof three, .threads = 3};

    random_seed(&seed);
    if (smx_context_create(&threads, &three))
        return 1;
    int failed = cmocka_run_group_tests(tests, tiers_open, tiers_close);
    smx_context_free(threads);
    return failed;
}
