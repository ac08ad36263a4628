/* SPDX-License-Identifier: MIT */
/*
 * A loss and its gradient whose outputs may be written before an error is
 * found: the same bits as of one that may not, on every instruction set; of an
 * error the same status and place, and a gradient over the logits leaves them
 * as they were.
 */
#include "../support/expect.h"

#include <math.h>
#include <float.h>
#include <stdlib.h>
#include <string.h>

#include "../support/draw.h"
#include "../support/effort.h"
#include "../support/exact_row.h"
#include "../support/tiers.h"

static struct random seed;

/* Narrow, short and long rows, few and many; of the last more than a tile. */
static const size_t shapes[][2] = {{90, 7},    {40, 300},  {300, 1000},
                                   {3, 8192},  {1, 10000}, {5, 9000},
                                   {7, 70001}, {12000, 33}};

enum { SHAPES = sizeof shapes / sizeof *shapes };

/* A tensor of each operand, and how they are used. */
struct call {
    size_t rows, classes, n;
    double *z, *targets, *numbers, *upstream;
    int64_t *labels;
    uint8_t *mask;
    struct smx_logits logits;
    struct smx_criterion criterion;
    bool descends, in_place, summaries;
};

/* What a call writes. */
struct answer {
    enum smx_status status;
    struct smx_where where;
    double *gradient, *losses, *logsumexp;
    int64_t *argmax;
    double divisor, accuracy;
};

static struct answer answer_new(const struct call *c)
{
    return (struct answer){.where.size = sizeof(struct smx_where),
                           .gradient = must(calloc(c->n, sizeof(double))),
                           .losses = must(calloc(c->rows, sizeof(double))),
                           .logsumexp = must(calloc(c->rows, sizeof(double))),
                           .argmax = must(calloc(c->rows, sizeof(int64_t)))};
}

static void answer_free(struct answer *a)
{
    free(a->gradient);
    free(a->losses);
    free(a->logsumexp);
    free(a->argmax);
}

static void ask(struct smx_context *context, const struct call *c, bool early,
                struct answer *a)
{
    struct smx_logits z = c->logits;
    const struct smx_loss_out out = {.size = sizeof out,
                                     .loss = a->losses,
                                     .divisor = &a->divisor,
                                     .accuracy = &a->accuracy,
                                     .logsumexp =
                                         c->summaries ? a->logsumexp : NULL,
                                     .argmax = c->summaries ? a->argmax : NULL,
                                     .early = early};

    if (c->in_place)
        z.data = memcpy(a->gradient, z.data, c->n * sizeof(double));
    a->status = c->descends
                    ? smx_gradient(context, &z, &c->criterion, c->upstream,
                                   a->gradient, &out, &a->where)
                    : smx_loss(context, &z, &c->criterion, &out, &a->where);
    if (a->status && c->in_place)
        assert_memory_equal(a->gradient, c->z, c->n * sizeof(double));
}

static void assert_same(const struct call *c, const struct answer *a,
                        const struct answer *b)
{
    size_t row_bytes = c->rows * sizeof(double);

    assert_int_equal(a->status, b->status);
    assert_int_equal(a->where.field, b->where.field);
    assert_int_equal(a->where.index, b->where.index);
    if (a->status)
        return;
    assert_memory_equal(a->gradient, b->gradient, c->n * sizeof(double));
    assert_memory_equal(a->losses, b->losses, row_bytes);
    assert_memory_equal(a->logsumexp, b->logsumexp, row_bytes);
    assert_memory_equal(a->argmax, b->argmax, row_bytes);
    assert_memory_equal(&a->divisor, &b->divisor, sizeof a->divisor);
    assert_memory_equal(&a->accuracy, &b->accuracy, sizeof a->accuracy);
}

static void ask_each_tier(const struct call *c)
{
    for (int isa = 0; isa <= SMX_ISA_NEON; isa++) {
        if (!tiers[isa])
            continue;
        struct answer late = answer_new(c), early = answer_new(c);

        ask(tiers[isa], c, false, &late);
        ask(tiers[isa], c, true, &early);
        assert_same(c, &late, &early);
        answer_free(&late);
        answer_free(&early);
    }
}

static void draw_numbers(struct call *c)
{
    for (size_t r = 0; r < c->rows; r++) {
        bool plain = random_below(&seed, 4) != 0;
        enum draw_kind kind = (enum draw_kind)random_below(&seed, DRAW_KINDS);

        draw_logits(&seed, plain ? DRAW_NORMAL : kind, SMX_FLOAT64, 1,
                    c->classes, c->z + r * c->classes);
        c->labels[r] = random_once_in(&seed, 9)
                           ? -100
                           : (int64_t)random_below(&seed, c->classes);
        c->upstream[r] = (double)random_below(&seed, 3) - 1;
    }
    for (size_t i = 0; i < c->n; i++) {
        c->targets[i] = random_once_in(&seed, 9) ? 0 : random_unit(&seed);
        c->mask[i] = !random_once_in(&seed, 5);
    }
    for (size_t i = 0; i < c->rows + c->classes; i++) /* 0, too */
        c->numbers[i] = (double)random_below(&seed, 4) / 2;
}

static void draw_options(struct call *c)
{
    struct smx_criterion *k = &c->criterion;
    bool soft = random_once_in(&seed, 2);

    *k = (struct smx_criterion){.size = sizeof *k,
                                .targets = soft ? c->targets : NULL,
                                .labels = soft ? NULL : c->labels,
                                .ignore = true,
                                .ignore_index = -100};
    k->reduction = (enum smx_reduction)random_below(&seed, 3);
    k->label_smoothing = random_once_in(&seed, 3) ? 0.1 : 0;
    k->label_smoothing = random_once_in(&seed, 9) ? 1 : k->label_smoothing;
    k->z_loss = random_once_in(&seed, 4) ? 1e-3 : 0;
    k->entropy_weight = random_once_in(&seed, 4) ? 0.1 : 0;
    k->focal =
        !soft && k->label_smoothing == 0 && random_once_in(&seed, 3) ? 2 : 0;
    k->row_weights = random_once_in(&seed, 3) ? c->numbers : NULL;
    k->weights = random_once_in(&seed, 3) ? c->numbers + c->rows : NULL;
    c->logits = logits_double(c->z, c->rows, c->classes);
    c->logits.softcap = random_once_in(&seed, 4) ? 30 : 0;
    c->logits.mask = random_once_in(&seed, 3) ? c->mask : NULL;
    if (random_once_in(&seed, 4)) { /* the classes go slowest */
        c->logits.outer = 1;
        c->logits.inner = c->rows;
    }
    c->descends = random_once_in(&seed, 2);
    c->in_place = c->descends && random_once_in(&seed, 4);
    c->summaries = random_once_in(&seed, 3);
}

/* One number or two of which one takes the other's place in a sum, also where
 * all of the probability lies; or targets whose sum alone leaves the range. */
static void spoil(struct call *c)
{
    static const double wrong[] = {NAN, INFINITY, -INFINITY};
    size_t at = random_below(&seed, c->n), row = at - at % c->classes;
    double number = wrong[random_below(&seed, 3)];

    switch (random_below(&seed, 6)) {
    case 0:
        c->z[at] = number;
        break;
    case 1:
        c->z[random_below(&seed, c->n)] = number; /* and one of the targets */
        /* fall through */
    case 2: /* in a row that counts for nothing */
        c->targets[at] = number;
        c->numbers[at / c->classes] = 0;
        c->criterion.row_weights = c->numbers;
        break;
    case 3:
        c->targets[at] = INFINITY;
        c->targets[random_below(&seed, c->n)] = -INFINITY;
        break;
    case 4:
        for (size_t i = row; i < row + c->classes; i++)
            c->z[i] = -1e6;
        c->z[at] = 1e6;
        c->targets[at] = number;
        break;
    default:
        for (size_t i = 0; i < c->n; i++)
            c->targets[i] = i % 3 ? 0x1p1023 : -0x1p1021;
    }
}

static void try(size_t rows, size_t classes, bool spoiled)
{
    size_t n = rows * classes;
    struct call c = {.rows = rows,
                     .classes = classes,
                     .n = n,
                     .z = must(malloc(n * sizeof *c.z)),
                     .targets = must(malloc(n * sizeof *c.targets)),
                     .numbers = must(malloc((rows + classes) * sizeof(double))),
                     .upstream = must(malloc(rows * sizeof *c.upstream)),
                     .labels = must(malloc(rows * sizeof *c.labels)),
                     .mask = must(malloc(n))};

    draw_numbers(&c);
    draw_options(&c);
    if (spoiled)
        spoil(&c);
    ask_each_tier(&c);
    free(c.z);
    free(c.targets);
    free(c.numbers);
    free(c.upstream);
    free(c.labels);
    free(c.mask);
}

static void the_same_bits(void **state)
{
    (void)state;
    for (int i = 0; i < effort(120); i++)
        try(shapes[i % SHAPES][0], shapes[i % SHAPES][1], false);
}

static void the_same_errors(void **state)
{
    (void)state;
    for (int i = 0; i < effort(240); i++)
        try(shapes[i % SHAPES][0], shapes[i % SHAPES][1], true);
}

/* A caller whose struct does not have the member yet. */
static void whose_out_is_older_has_the_promise(void **state)
{
    double z[2][40] = {{1, 2, 3}}, g[2][40] = {{0}}, untouched[2][40] = {{0}};
    int64_t labels[2] = {0, 1};
    struct smx_logits logits = logits_double(z[0], 2, 40);
    const struct smx_criterion criterion = {.size = sizeof criterion,
                                            .labels = labels};
    struct smx_loss_out out = {.size = offsetof(struct smx_loss_out, early),
                               .early = true};

    (void)state;
    z[1][39] = NAN;
    for (int isa = 0; isa <= SMX_ISA_NEON; isa++) {
        if (!tiers[isa])
            continue;
        out.size = offsetof(struct smx_loss_out, early);
        assert_status(
            smx_gradient(tiers[isa], &logits, &criterion, NULL, g, &out, NULL),
            SMX_ENONFINITE);
        assert_memory_equal(g, untouched, sizeof g);
        out.size -= 8;
        assert_status(
            smx_gradient(tiers[isa], &logits, &criterion, NULL, g, &out, NULL),
            SMX_EARGUMENT);
    }
}

/* Of narrow rows, a sum that overflows is that of no other number. */
static void large_logits_that_are_masked_change_no_bit(void **state)
{
    enum { ROWS = 4000, C = 20, N = ROWS * C };
    static double z[N], gradient[N], loss[2][ROWS];
    static const int64_t labels[ROWS];
    const uint8_t mask[C] = {
        [0] = 1, [1] = 1, [2] = 1, [3] = 1,  [4] = 1,  [5] = 1,  [6] = 1,
        [7] = 1, [8] = 1, [9] = 1, [10] = 1, [11] = 1, [12] = 1, [13] = 1};
    struct smx_logits logits = logits_double(z, ROWS, C);

    (void)state;
    logits.mask = mask;
    logits.mask_per_class = true;
    logits.temperature = 0.7;
    for (int i = 0; i < N; i++)
        z[i] = mask[i % C] ? 6 * random_unit(&seed) : DBL_MAX;
    for (int isa = 0; isa <= SMX_ISA_NEON; isa++) {
        if (!tiers[isa])
            continue;
        for (int early = 0; early < 2; early++) {
            const struct smx_criterion k = {.size = sizeof k,
                                            .labels = labels,
                                            .reduction = SMX_REDUCTION_NONE};
            const struct smx_loss_out out = {
                .size = sizeof out, .loss = loss[early], .early = early};
            assert_status(smx_gradient(tiers[isa], &logits, &k, NULL, gradient,
                                       &out, NULL),
                          SMX_OK);
        }
        assert_memory_equal(loss[0], loss[1], sizeof loss[0]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_bits),
        cmocka_unit_test(the_same_errors),
        cmocka_unit_test(large_logits_that_are_masked_change_no_bit),
        cmocka_unit_test(whose_out_is_older_has_the_promise),
    };

    random_seed(&seed);
    return cmocka_run_group_tests(tests, tiers_open, tiers_close);
}
