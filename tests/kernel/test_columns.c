/* SPDX-License-Identifier: MIT */
/* Narrow float32 rows whose class axis is not the last
 * (lib/engine/f32_columns.h): the bits of the same rows side by side, for every
 * number of classes and every instruction set; among them rows that are not in
 * range, rows that fill no register, gaps, and an early answer beside NaN. */
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
        cmocka_unit_test(columns_name_what_is_not_a_number),
    };

    return cmocka_run_group_tests(tests, tiers_open, tiers_close);
}
