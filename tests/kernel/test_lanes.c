/* SPDX-License-Identifier: MIT */
/*
 * Narrow rows in lanes (lib/engine/lanes.h): a row is answered with the same
 * bits among any others, alone, and along an inner axis; also rows that leave
 * the lanes because a logit, a weight or an upstream gradient is too large or
 * too small for them.
 */
#include "../support/expect.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../support/tiers.h"
#include "softmax.h"

enum { ROWS = 77, MOST = 32 };

struct narrow {
    enum smx_dtype dtype;
    size_t classes;
    double z[ROWS * MOST], t[ROWS * MOST], g[ROWS * MOST], w[MOST];
    double out[ROWS * MOST], loss[ROWS];
    double r[ROWS]; /* weights of rows */
    int64_t y[ROWS];
};

static void put(const struct narrow *n, void *to, size_t i, double x)
{
    if (n->dtype == SMX_FLOAT32)
        ((float *)to)[i] = (float)x;
    else
        ((double *)to)[i] = x;
}

/* Some rows, classes and upstreams are far out. */
static void narrow_init(struct narrow *n, enum smx_dtype dtype, size_t classes)
{
    double far = dtype == SMX_FLOAT32 ? 1e30 : 1e290;
    unsigned state = 7;

    n->dtype = dtype;
    n->classes = classes;
    for (size_t i = 0; i < ROWS * classes; i++) {
        size_t row = i / classes;

        state = state * 1103515245 + 12345;
        double x = (double)(state >> 16) / 6554 - 5;
        double by = row % 9 == 4 ? far : row % 9 == 7 ? 1 / far : 1;

        put(n, n->z, i,
            row % 13 == 5   ? -INFINITY
            : row % 11 == 3 ? x * far
                            : x);
        put(n, n->t, i, x * by);
        put(n, n->g, i, x * by);
    }
    for (size_t c = 0; c < classes; c++)
        put(n, n->w, c, c == 1 ? 1 / far : 1 + (double)c);
    for (size_t r = 0; r < ROWS; r++) {
        put(n, n->r, r,
            r % 8 == 3   ? far
            : r % 8 == 6 ? 1 / far
                         : (double)(r % 5));
        n->y[r] = r % 6 == 5 ? -100 : (int64_t)(r % classes);
    }
}

enum {
    SOFTMAX,
    LOG,
    LOSS,
    SMOOTH,
    WEIGHED,
    FOCAL,
    PRODUCT,
    LOG_PRODUCT,
    OPERATIONS
};

static void run(struct smx_context *context, struct narrow *n, int operation,
                double softcap, size_t first, size_t rows, bool inner,
                void *out, void *loss)
{
    size_t element = smx_dtype_bytes(n->dtype);
    size_t at = first * n->classes * element;
    struct smx_logits z = {.size = sizeof z,
                           .data = (char *)n->z + at,
                           .dtype = n->dtype,
                           .outer = inner ? 1 : rows,
                           .classes = n->classes,
                           .inner = inner ? rows : 1,
                           .temperature = 0.75,
                           .softcap = softcap};
    struct smx_softmax_options options = {.size = sizeof options,
                                          .log = operation == LOG};
    struct smx_softmax_out values = {.size = sizeof values, .values = out};
    struct smx_criterion k = {.size = sizeof k,
                              .targets = (char *)n->t + at,
                              .weights = n->w,
                              .z_loss = operation == SMOOTH ? 0.25 : 0,
                              .label_smoothing = operation == SMOOTH ? 0.1 : 0,
                              .reduction = SMX_REDUCTION_NONE};
    if (operation == WEIGHED || operation == FOCAL) {
        k.targets = NULL;
        k.labels = n->y + first;
        k.ignore = true;
        k.ignore_index = -100;
        k.row_weights = (char *)n->r + first * element;
        k.focal = operation == FOCAL ? 1.5 : 0;
    }
    struct smx_loss_out losses = {.size = sizeof losses, .loss = loss};

    if (operation <= LOG)
        assert_status(smx_softmax(context, &z, &options, &values, NULL),
                      SMX_OK);
    else if (operation <= FOCAL)
        assert_status(smx_gradient(context, &z, &k, NULL, out, &losses, NULL),
                      SMX_OK);
    else
        assert_status(smx_vjp(context, &z, operation == LOG_PRODUCT,
                              (char *)n->g + at, out, NULL),
                      SMX_OK);
}

static void transpose(const struct narrow *n, const double *from, double *to,
                      bool back)
{
    size_t element = smx_dtype_bytes(n->dtype);

    for (size_t r = 0; r < ROWS; r++)
        for (size_t c = 0; c < n->classes; c++) {
            size_t row = r * n->classes + c, column = c * ROWS + r;
            memcpy((char *)to + (back ? row : column) * element,
                   (const char *)from + (back ? column : row) * element,
                   element);
        }
}

static void compare(struct smx_context *context, struct narrow *n,
                    int operation, double softcap)
{
    size_t element = smx_dtype_bytes(n->dtype), row = n->classes * element;
    double one[MOST], loss[ROWS] = {0}, turned[ROWS * MOST];
    static struct narrow other;

    memset(n->loss, 0, sizeof n->loss);
    run(context, n, operation, softcap, 0, ROWS, false, n->out, n->loss);
    for (size_t r = 0; r < ROWS; r++) {
        run(context, n, operation, softcap, r, 1, false, one, loss);
        assert_memory_equal(one, (char *)n->out + r * row, row);
        if (operation >= LOSS && operation <= FOCAL)
            assert_memory_equal(loss, (char *)n->loss + r * element, element);
    }
    other = *n;
    transpose(n, n->z, other.z, false);
    transpose(n, n->t, other.t, false);
    transpose(n, n->g, other.g, false);
    run(context, &other, operation, softcap, 0, ROWS, true, other.out,
        other.loss);
    transpose(n, other.out, turned, true);
    assert_memory_equal(turned, n->out, ROWS * row);
}

static void rows_keep_their_bits(void **state)
{
    static const size_t classes[] = {1, 2, 3, 7, 8, 10, 16, 17, 31, 32};
    static struct narrow n;

    (void)state;
    for (int isa = SMX_ISA_BASE; isa <= SMX_ISA_NEON; isa++) {
        struct smx_context *context = tiers[isa];
        if (!context)
            continue;
        for (int dtype = SMX_FLOAT32; dtype <= SMX_FLOAT64; dtype++)
            for (size_t i = 0; i < sizeof classes / sizeof *classes; i++) {
                narrow_init(&n, (enum smx_dtype)dtype, classes[i]);
                for (int o = 0; o < OPERATIONS; o++) {
                    compare(context, &n, o, 0);
                    compare(context, &n, o, 20);
                }
            }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_keep_their_bits),
    };

    return cmocka_run_group_tests(tests, tiers_open, tiers_close);
}
