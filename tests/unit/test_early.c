/* SPDX-License-Identifier: MIT */
/*
 * Outputs that may be written before an error is found: the same bits as those
 * that may not, on every instruction set, in place or not; of an error the same
 * status and place, and of a softmax its row of logits as it was.
 */
#include "../support/expect.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
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

enum { SHAPES = sizeof shapes / sizeof *shapes, PICKED = 3 };

/* What is asked of a softmax, by its bits. */
enum {
    LOG = 1,
    TOP = 2,
    SUMMARIES = 4,
    IN_PLACE = 8,
    MASK = 16,
    INNER = 32, /* the classes go slowest */
    WIDE = 64,  /* float64 */
    ASKED = 128
};

/* What a call writes. */
struct answer {
    enum smx_status status;
    struct smx_where where;
    void *values, *logsumexp;
    int64_t *indices;
    size_t rows, classes;
    const uint8_t *mask;
};

static struct answer answer_new(size_t rows, size_t classes)
{
    struct answer a = {.values = must(calloc(rows * classes, sizeof(double))),
                       .logsumexp = must(calloc(rows, sizeof(double))),
                       .indices = must(calloc(rows * PICKED, sizeof(int64_t))),
                       .where.size = sizeof a.where,
                       .rows = rows,
                       .classes = classes};
    return a;
}

static void answer_free(struct answer *a)
{
    free(a->values);
    free(a->logsumexp);
    free(a->indices);
}

static size_t element(unsigned asked)
{
    return asked & WIDE ? sizeof(double) : sizeof(float);
}

static void ask(struct smx_context *context, const void *z, double temperature,
                unsigned asked, bool early, struct answer *a)
{
    struct smx_logits logits = logits_float(z, a->rows, a->classes);
    struct smx_softmax_out out = {
        .size = sizeof out, .values = a->values, .early = early};

    if (asked & TOP)
        out.indices = a->indices;
    if (asked & SUMMARIES)
        out.logsumexp = a->logsumexp;
    if (asked & IN_PLACE) {
        memcpy(a->values, z, a->rows * a->classes * element(asked));
        logits.data = a->values;
    }
    logits.dtype = asked & WIDE ? SMX_FLOAT64 : SMX_FLOAT32;
    logits.temperature = temperature;
    if (asked & MASK)
        logits.mask = a->mask;
    if (asked & INNER) {
        logits.outer = 1;
        logits.inner = a->rows;
    }
    a->status = smx_softmax(
        context, &logits,
        OPTIONS(.log = asked & LOG, .top_k = asked & TOP ? PICKED : 0), &out,
        &a->where);
}

static void assert_same(const struct answer *a, const struct answer *b)
{
    assert_int_equal(a->status, b->status);
    assert_int_equal(a->where.field, b->where.field);
    assert_int_equal(a->where.index, b->where.index);
    if (a->status)
        return;
    assert_memory_equal(a->values, b->values,
                        a->rows * a->classes * sizeof(double));
    assert_memory_equal(a->logsumexp, b->logsumexp, a->rows * sizeof(double));
    assert_memory_equal(a->indices, b->indices,
                        a->rows * PICKED * sizeof *a->indices);
}

/* The row that an error is about, of logits that were answered in place. */
static void assert_row_left(const struct answer *a, const void *z,
                            unsigned asked)
{
    bool inner = asked & INNER;
    size_t row = inner ? a->where.index % a->rows : a->where.index / a->classes;
    size_t step = inner ? a->rows : 1, at = inner ? row : row * a->classes;
    size_t bytes = element(asked);

    for (size_t c = 0; c < a->classes; c++, at += step)
        assert_memory_equal((const char *)a->values + at * bytes,
                            (const char *)z + at * bytes, bytes);
}

static double *widened(const float *z, size_t n)
{
    double *wide = must(malloc(n * sizeof *wide));

    for (size_t i = 0; i < n; i++)
        wide[i] = z[i];
    return wide;
}

/* Most classes count. */
static uint8_t *draw_mask(size_t n)
{
    uint8_t *mask = must(malloc(n));

    for (size_t i = 0; i < n; i++)
        mask[i] = !random_once_in(&seed, 5);
    return mask;
}

/* Rows of many kinds side by side, in range and out of it. */
static float *draw_rows(size_t rows, size_t classes)
{
    float *z = must(malloc(rows * classes * sizeof *z));

    for (size_t r = 0; r < rows; r++) {
        bool plain = random_below(&seed, 4) != 0;
        enum draw_kind kind = (enum draw_kind)random_below(&seed, DRAW_KINDS);
        float *row = z + r * classes;

        draw_logits(&seed, plain ? DRAW_NORMAL : kind, SMX_FLOAT32, 1, classes,
                    row);
        if (random_once_in(&seed, 3)) { /* most of the mass: half in range */
            float u = (float)random_unit(&seed);
            row[random_below(&seed, classes)] = 15 + 400 * u * u * u * u;
        }
    }
    return z;
}

static void each_tier(size_t rows, size_t classes, const float *narrow)
{
    unsigned asked = (unsigned)random_below(&seed, ASKED);
    double temperature = random_once_in(&seed, 3) ? 0.7 : 0;
    uint8_t *mask = draw_mask(rows * classes);
    double *wide = widened(narrow, rows * classes);
    const void *z = asked & WIDE ? (const void *)wide : narrow;

    if (asked & TOP)
        asked &= ~(unsigned)IN_PLACE;
    for (int isa = 0; isa <= SMX_ISA_NEON; isa++) {
        struct answer late = answer_new(rows, classes);
        struct answer early = answer_new(rows, classes);

        late.mask = early.mask = mask;
        if (tiers[isa]) {
            ask(tiers[isa], z, temperature, asked, false, &late);
            ask(tiers[isa], z, temperature, asked, true, &early);
            assert_same(&late, &early);
            if (early.status && asked & IN_PLACE)
                assert_row_left(&early, z, asked);
        }
        answer_free(&late);
        answer_free(&early);
    }
    free(wide);
    free(mask);
}

static void the_same_bits(void **state)
{
    (void)state;
    for (int i = 0; i < effort(160); i++) {
        const size_t *shape = shapes[i % SHAPES];
        float *z = draw_rows(shape[0], shape[1]);

        each_tier(shape[0], shape[1], z);
        free(z);
    }
}

static void the_same_errors(void **state)
{
    (void)state;
    for (int i = 0; i < effort(120); i++) {
        const size_t *shape = shapes[i % SHAPES], n = shape[0] * shape[1];
        float *z = draw_rows(shape[0], shape[1]);

        for (size_t k = 1 + random_below(&seed, 3); k; k--)
            z[random_below(&seed, n)] = k & 1 ? NAN : INFINITY;
        each_tier(shape[0], shape[1], z);
        free(z);
    }
}

/* The sum of a row's logits is no number here, though each of them is. */
static void rows_whose_sum_is_nan_are_no_error(void **state)
{
    enum { N = 320, HALF = 160 };
    double z[N], p[N];
    struct smx_logits logits = logits_double(z, 1, N);
    const struct smx_softmax_out out = {
        .size = sizeof out, .values = p, .early = true};

    (void)state;
    for (int isa = 0; isa <= SMX_ISA_NEON; isa++) {
        if (!tiers[isa])
            continue;
        for (int i = 0; i < N; i++)
            z[i] = i < HALF ? DBL_MAX : -DBL_MAX;
        assert_status(smx_softmax(tiers[isa], &logits, NULL, &out, NULL),
                      SMX_OK);
        for (int i = 0; i < N; i++)
            assert_true(p[i] == (i < HALF ? 1.0 / HALF : 0));
        z[N - 1] = NAN;
        assert_status(smx_softmax(tiers[isa], &logits, NULL, &out, NULL),
                      SMX_ENONFINITE);
    }
}

/* ---- products ------------------------------------------------------------ */

/* Where a product is written: apart, over the logits, over the upstream. */
enum place { APART, OVER_LOGITS, OVER_UPSTREAM, PLACES };

struct product {
    struct smx_logits logits;
    const void *upstream;
    enum place place;
    bool log;
    size_t bytes;
};

static void multiply(struct smx_context *context, const struct product *p,
                     bool early, struct answer *a)
{
    struct smx_logits z = p->logits;
    const void *g = p->upstream;

    if (p->place == OVER_LOGITS)
        z.data = memcpy(a->values, z.data, p->bytes);
    else if (p->place == OVER_UPSTREAM)
        g = memcpy(a->values, g, p->bytes);
    a->status = (early ? smx_vjp_early : smx_vjp)(context, &z, p->log, g,
                                                  a->values, &a->where);
}

static void multiply_each_tier(const struct product *p, size_t rows,
                               size_t classes)
{
    for (int isa = 0; isa <= SMX_ISA_NEON; isa++) {
        struct answer late = answer_new(rows, classes);
        struct answer early = answer_new(rows, classes);

        if (tiers[isa]) {
            multiply(tiers[isa], p, false, &late);
            multiply(tiers[isa], p, true, &early);
            assert_same(&late, &early);
            if (early.status && p->place != APART)
                assert_row_left(
                    &early,
                    p->place == OVER_LOGITS ? p->logits.data : p->upstream,
                    (p->logits.outer == 1 ? INNER : 0) |
                        (p->logits.dtype == SMX_FLOAT64 ? WIDE : 0));
        }
        answer_free(&late);
        answer_free(&early);
    }
}

/* Those that floats do not reach are the largest of them. */
static void narrow(const double *from, size_t n, float *to)
{
    for (size_t i = 0; i < n; i++)
        to[i] =
            (float)(isfinite(from[i]) ? fmax(fmin(from[i], FLT_MAX), -FLT_MAX)
                                      : from[i]);
}

/* An element of either operand that is refused, or, twice, sums of the upstream
 * that leave the range where no element does. */
static void spoil(double *z, double *g, size_t n)
{
    static const double wrong[] = {NAN, INFINITY, -INFINITY};
    double number = wrong[random_below(&seed, 3)];

    switch (random_below(&seed, 4)) {
    case 0:
        z[random_below(&seed, n)] = number;
        break;
    case 1:
        g[random_below(&seed, n)] = number;
        break;
    case 2:
        for (size_t i = 0; i < n; i++)
            g[i] = i % 3 ? DBL_MAX : -DBL_MAX / 4;
    }
}

static void products_have_the_same_bits_and_errors(void **state)
{
    (void)state;
    for (int i = 0; i < effort(240); i++) {
        const size_t *shape = shapes[i % SHAPES], n = shape[0] * shape[1];
        float *logits = draw_rows(shape[0], shape[1]);
        float *upstream = draw_rows(shape[0], shape[1]);
        double *z = widened(logits, n), *g = widened(upstream, n);
        uint8_t *mask = draw_mask(n);
        bool wide = random_below(&seed, 4), inner = random_once_in(&seed, 3);

        for (size_t k = 0; k < n; k++) /* not every kind of row is finite */
            g[k] = isfinite(g[k]) ? g[k] : 0;
        if (i % 2)
            spoil(z, g, n);
        narrow(z, n, logits);
        narrow(g, n, upstream);
        struct product p = {.logits =
                                wide ? logits_double(z, shape[0], shape[1])
                                     : logits_float(logits, shape[0], shape[1]),
                            .upstream = wide ? (const void *)g : upstream,
                            .place = (enum place)random_below(&seed, PLACES),
                            .log = random_once_in(&seed, 2),
                            .bytes = n * (wide ? sizeof *z : sizeof *logits)};
        p.logits.temperature = random_once_in(&seed, 3) ? 0.7 : 0;
        p.logits.softcap = random_once_in(&seed, 4) ? 30 : 0;
        p.logits.mask = random_once_in(&seed, 3) ? mask : NULL;
        if (inner) {
            p.logits.outer = 1;
            p.logits.inner = shape[0];
        }
        multiply_each_tier(&p, shape[0], shape[1]);
        free(logits);
        free(upstream);
        free(z);
        free(g);
        free(mask);
    }
}

/* Where an exponential is 0, or a class left out, too. */
static void upstreams_are_looked_at_where_nothing_counts(void **state)
{
    enum { N = 60, AT = 41 };
    float z[N], g[N], out[N];
    uint8_t mask[N];
    struct smx_logits logits = logits_float(z, 1, N);

    (void)state;
    for (int i = 0; i < N; i++) {
        z[i] = (float)(i % 7);
        g[i] = 1;
        mask[i] = i != AT;
    }
    g[AT] = NAN;
    for (int k = 0; k < 12 * (SMX_ISA_NEON + 1); k++) {
        struct smx_context *context = tiers[k / 12];
        struct smx_where where = {.size = sizeof where};

        z[AT] = k % 3 ? -100.0f * (float)(k % 3) : -INFINITY;
        logits.mask = k % 2 ? mask : NULL;
        if (!context)
            continue;
        assert_status(
            smx_vjp_early(context, &logits, k / 6 % 2, g, out, &where),
            SMX_ENONFINITE);
        assert_int_equal(where.field, SMX_FIELD_UPSTREAM);
        assert_int_equal(where.index, AT);
    }
}

/* Its classes go slowest, so that it was copied. */
static void a_refused_upstream_is_left_where_it_lies(void **state)
{
    enum { N = 60, ROWS = 3, AT = 41 * ROWS + 1 };
    float z[N * ROWS], g[N * ROWS], out[N * ROWS];
    struct smx_logits logits = logits_float(z, 1, N);

    (void)state;
    logits.inner = ROWS;
    for (int i = 0; i < N * ROWS; i++) {
        z[i] = (float)(i % 7);
        g[i] = (float)(i % 5);
    }
    g[AT] = INFINITY;
    for (int isa = 0; isa <= SMX_ISA_NEON; isa++) {
        if (!tiers[isa])
            continue;
        memcpy(out, g, sizeof out);
        assert_status(
            smx_vjp_early(tiers[isa], &logits, isa % 2, out, out, NULL),
            SMX_ENONFINITE);
        for (int i = AT % ROWS; i < N * ROWS; i += ROWS)
            assert_true(out[i] == g[i]);
    }
}

/* A caller whose struct does not have the member yet. */
static void who_does_not_know_it_has_the_promise(void **state)
{
    float z[2][40] = {{1, 2, 3}}, p[2][40] = {{0}}, untouched[2][40] = {{0}};
    struct smx_logits logits = logits_float(z[0], 2, 40);
    struct smx_softmax_out out = {.size =
                                      offsetof(struct smx_softmax_out, early),
                                  .values = p,
                                  .early = true};

    (void)state;
    z[1][39] = NAN;
    for (int isa = 0; isa <= SMX_ISA_NEON; isa++) {
        if (!tiers[isa])
            continue;
        assert_status(smx_softmax(tiers[isa], &logits, NULL, &out, NULL),
                      SMX_ENONFINITE);
        assert_memory_equal(p, untouched, sizeof p);
    }
    out.size -= 8;
    assert_status(smx_softmax(tiers[SMX_ISA_BASE] ? tiers[SMX_ISA_BASE]
                                                  : tiers[SMX_ISA_NEON],
                              &logits, NULL, &out, NULL),
                  SMX_EARGUMENT);
}

/* Classes of a top-k alone, for which no row is loaded, and nothing at all. */
static void logits_are_looked_at_whatever_is_asked(void **state)
{
    double z[2][40] = {{1, 2, 3}};
    int64_t classes[2][PICKED] = {{0}};
    uint8_t mask[40];

    (void)state;
    z[1][7] = NAN;
    for (int i = 0; i < 40; i++)
        mask[i] = i != 7;
    for (unsigned kind = 0; kind < 4; kind++) {
        bool top = kind & 1;
        struct smx_logits logits = logits_double(z[0], 2, 40);
        struct smx_softmax_out out = {.size = sizeof out,
                                      .indices = top ? classes[0] : NULL,
                                      .early = true};
        struct smx_where where = {.size = sizeof where};

        if (kind & 2) {
            logits.mask = mask;
            logits.mask_per_class = true;
        }
        assert_status(smx_softmax(tiers[SMX_ISA_BASE], &logits,
                                  OPTIONS(.top_k = top ? PICKED : 0), &out,
                                  &where),
                      SMX_ENONFINITE);
        assert_int_equal(where.field, SMX_FIELD_LOGITS);
        assert_int_equal(where.index, 47);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_bits),
        cmocka_unit_test(the_same_errors),
        cmocka_unit_test(logits_are_looked_at_whatever_is_asked),
        cmocka_unit_test(rows_whose_sum_is_nan_are_no_error),
        cmocka_unit_test(products_have_the_same_bits_and_errors),
        cmocka_unit_test(upstreams_are_looked_at_where_nothing_counts),
        cmocka_unit_test(a_refused_upstream_is_left_where_it_lies),
        cmocka_unit_test(who_does_not_know_it_has_the_promise),
    };

    random_seed(&seed);
    return cmocka_run_group_tests(tests, tiers_open, tiers_close);
}
