/* SPDX-License-Identifier: MIT */
/* Narrow float32 rows whose class axis is not the last
 * (lib/engine/f32_columns.c, loss_columns.c): the bits of the same rows side by
 * side, for every number of classes and every instruction set; among them rows
 * that are not in range, rows that fill no register, gaps, rows with weights or
 * ignored, and an early answer beside NaN. */
#include "../support/expect.h"

#include <math.h>
#include <string.h>

#include "../support/random.h"
#include "../support/tiers.h"
#include "softmax.h"

enum { OUTER = 2, MOST_INNER = 41, CLASSES = 32, GAP = 3 };
enum { MOST_ROWS = OUTER * MOST_INNER };
enum { MOST = OUTER * (CLASSES * MOST_INNER + GAP) };

static float columns[MOST], rows[MOST_ROWS * CLASSES];
static float got[MOST], want[MOST_ROWS * CLASSES];

static size_t place(const struct smx_logits *z, size_t stride, size_t r,
                    size_t c)
{
    return r / z->inner * stride + c * z->inner + r % z->inner;
}

static float draw(size_t r, struct random *seed)
{
    double x = 3 * random_normal(seed);

    switch (r % 11) {
    case 4: /* above the highest in range, or below the lowest */
        return (float)(random_once_in(seed, 3) ? 40 * x : x);
    case 7:
        return random_once_in(seed, 2) ? -INFINITY : (float)x;
    case 9:
        return -INFINITY;
    default:
        return (float)x;
    }
}

static void fill(const struct smx_logits *z, struct random *seed)
{
    for (size_t r = 0; r < z->outer * z->inner; r++)
        for (size_t c = 0; c < z->classes; c++)
            columns[place(z, z->stride, r, c)] = rows[r * z->classes + c] =
                draw(r, seed);
}

static void expect_columns(const struct smx_logits *z, size_t stride)
{
    for (size_t r = 0; r < z->outer * z->inner; r++)
        for (size_t c = 0; c < z->classes; c++)
            assert_memory_equal(&got[place(z, stride, r, c)],
                                &want[r * z->classes + c], sizeof *got);
}

static void try_columns(struct smx_context *context, size_t classes,
                        size_t inner, double temperature, struct random *seed)
{
    size_t part = classes * inner;
    struct smx_logits z = {.size = sizeof z,
                           .data = columns,
                           .outer = OUTER,
                           .classes = classes,
                           .inner = inner,
                           .stride = part,
                           .out_stride = part + GAP,
                           .temperature = temperature};
    struct smx_logits last = logits_float(rows, OUTER * inner, classes);
    struct smx_softmax_out out = {.size = sizeof out, .values = want};

    fill(&z, seed);
    last.temperature = temperature;
    assert_status(smx_softmax(context, &last, NULL, &out, NULL), SMX_OK);
    for (int early = 0; early < 2; early++) {
        memset(got, -1, sizeof got);
        out = (struct smx_softmax_out){
            .size = sizeof out, .values = got, .early = early};
        assert_status(smx_softmax(context, &z, NULL, &out, NULL), SMX_OK);
        expect_columns(&z, z.out_stride);
        assert_true(isnan(got[part])); /* the gap */
    }
    memcpy(got, columns, sizeof got);
    z.data = got;
    z.out_stride = part;
    assert_status(smx_softmax(context, &z, NULL, &out, NULL), SMX_OK);
    expect_columns(&z, part);
}

static void columns_have_the_bits_of_rows(void **state)
{
    static const size_t inner[] = {16, 17, 32, MOST_INNER};
    struct random seed = {3};

    (void)state;
    for (int isa = SMX_ISA_BASE; isa <= SMX_ISA_NEON; isa++)
        for (size_t n = 1; tiers[isa] && n <= CLASSES; n++)
            for (size_t i = 0; i < sizeof inner / sizeof *inner; i++)
                for (int warm = 0; warm < 2; warm++)
                    try_columns(tiers[isa], n, inner[i], warm ? 0.3 : 1, &seed);
}

/* ---- losses by labels ---------------------------------------------------- */

enum { IGNORED = -100 };

static int64_t labels[MOST_ROWS];
static float upstream[MOST_ROWS], row_weights[MOST_ROWS], weights[CLASSES];

/* far: some rows are not in range. */
static void fill_loss(const struct smx_logits *z, bool far, struct random *seed)
{
    for (size_t r = 0; r < z->outer * z->inner; r++) {
        bool ignored = random_once_in(seed, 9);
        labels[r] = ignored ? IGNORED : (int64_t)random_below(seed, z->classes);
        upstream[r] = (float)random_normal(seed);
        row_weights[r] = random_once_in(seed, 5) ? 0 : (float)r;
    }
    for (size_t c = 0; c < z->classes; c++)
        weights[c] = random_once_in(seed, 5) ? 0 : (float)(c + 1);
    for (size_t r = 0; r < z->outer * z->inner; r++)
        for (size_t c = 0; c < z->classes; c++)
            columns[place(z, z->stride, r, c)] = rows[r * z->classes + c] =
                far ? draw(r, seed) : (float)random_normal(seed);
}

static void try_losses(struct smx_context *context, const struct smx_logits *z,
                       const struct smx_logits *last,
                       const struct smx_criterion *k, const float *g)
{
    static float losses[2][MOST_ROWS];
    size_t n = k->reduction == SMX_REDUCTION_NONE ? last->outer : 1;
    const struct smx_loss_out a = {.size = sizeof a, .loss = losses[0]},
                              b = {.size = sizeof b, .loss = losses[1]};

    memset(got, -1, sizeof got);
    assert_status(smx_loss(context, last, k, &a, NULL), SMX_OK);
    assert_status(smx_loss(context, z, k, &b, NULL), SMX_OK);
    assert_memory_equal(losses[0], losses[1], n * sizeof(float));
    assert_status(smx_gradient(context, last, k, g, want, &a, NULL), SMX_OK);
    assert_status(smx_gradient(context, z, k, g, got, &b, NULL), SMX_OK);
    assert_memory_equal(losses[0], losses[1], n * sizeof(float));
    expect_columns(z, z->out_stride);
    assert_true(isnan(got[z->classes * z->inner])); /* the gap */
}

static void try_loss_columns(struct smx_context *context, size_t classes,
                             size_t inner, int asked, struct random *seed)
{
    size_t part = classes * inner;
    const struct smx_logits z = {.size = sizeof z,
                                 .data = columns,
                                 .outer = OUTER,
                                 .classes = classes,
                                 .inner = inner,
                                 .stride = part,
                                 .out_stride = part + GAP,
                                 .temperature = asked & 16 ? 0.7 : 1};
    struct smx_logits last = logits_float(rows, OUTER * inner, classes);
    bool none = asked & 8;
    const struct smx_criterion k = {
        .size = sizeof k,
        .labels = labels,
        .ignore = asked & 1,
        .ignore_index = IGNORED,
        .weights = asked & 2 ? weights : NULL,
        .row_weights = asked & 4 ? row_weights : NULL,
        .reduction = none ? SMX_REDUCTION_NONE : SMX_REDUCTION_MEAN};

    last.temperature = z.temperature;
    for (int far = 0; far < 2; far++) {
        fill_loss(&z, far, seed);
        for (size_t r = 0; !k.ignore && r < last.outer; r++)
            labels[r] = labels[r] == IGNORED ? 0 : labels[r];
        try_losses(context, &z, &last, &k, none ? upstream : NULL);
    }
}

static void losses_of_columns_have_the_bits_of_rows(void **state)
{
    static const size_t inner[] = {16, 17, MOST_INNER};
    struct random seed = {5};

    (void)state;
    for (int isa = SMX_ISA_BASE; isa <= SMX_ISA_NEON; isa++)
        for (size_t n = 1; tiers[isa] && n <= CLASSES; n++)
            for (size_t i = 0; i < sizeof inner / sizeof *inner; i++)
                for (int asked = 0; asked < 32; asked++)
                    try_loss_columns(tiers[isa], n, inner[i], asked, &seed);
}

/* Written or not, it is refused, and named. */
static void columns_name_what_is_not_a_number(void **state)
{
    enum { N = 3, INNER = 40, BAD = 2 * INNER + 21 };
    float z[N * INNER] = {0}, p[N * INNER];

    (void)state;
    z[BAD] = NAN;
    for (int isa = SMX_ISA_BASE; isa <= SMX_ISA_NEON; isa++)
        for (int early = 0; tiers[isa] && early < 2; early++) {
            struct smx_logits logits = logits_float(z, 1, N);
            struct smx_softmax_out out = {
                .size = sizeof out, .values = p, .early = early};
            struct smx_where where = {.size = sizeof where};

            logits.inner = INNER;
            p[0] = 7;
            assert_status(smx_softmax(tiers[isa], &logits, NULL, &out, &where),
                          SMX_ENONFINITE);
            assert_int_equal(where.index, BAD);
            assert_true(early || p[0] == 7);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_have_the_bits_of_rows),
        cmocka_unit_test(losses_of_columns_have_the_bits_of_rows),
        cmocka_unit_test(columns_name_what_is_not_a_number),
    };

    return cmocka_run_group_tests(tests, tiers_open, tiers_close);
}
