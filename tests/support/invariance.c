/* SPDX-License-Identifier: MIT */
#include "invariance.h"

#include <math.h>

const size_t shapes[SHAPES][2] = {{40, 1},  {40, 2},   {33, 10},  {20, 16},
                                  {20, 17}, {17, 32},  {17, 33},  {9, 100},
                                  {5, 513}, {3, 1000}, {3, 4096}, {2, 9000}};

struct random seed;
double z[MOST], turned[MOST];
struct answers plain;
uint8_t ones[MOST];

/* Ordinary rows beside large, distant, equal and half-empty ones. */
static double draw_logit(size_t row)
{
    static const double scales[] = {4, 40, 0.001, 1e20, 0, 4};
    double x = scales[row % 6] * (2 * random_unit(&seed) - 1);

    if (row % 6 == 5 && random_below(&seed, 3) == 0)
        return -INFINITY;
    return row % 12 == 2 ? x + 90 : x;
}

void fill(const struct smx_logits *logits)
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

void same(const struct smx_logits *logits, const void *a, const void *b,
          size_t count)
{
    assert_memory_equal(a, b, count * smx_dtype_bytes(logits->dtype));
}

void ask_each(struct smx_context *context, const struct smx_logits *logits,
              struct answers *a)
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

double at(const struct smx_logits *logits, const void *data, size_t i)
{
    return logits->dtype == SMX_FLOAT32 ? ((const float *)data)[i]
                                        : ((const double *)data)[i];
}

void set(const struct smx_logits *logits, double *tensor, size_t i, double x)
{
    if (logits->dtype == SMX_FLOAT32)
        ((float *)(void *)tensor)[i] = (float)x;
    else
        tensor[i] = x;
}

void turn(const struct smx_logits *logits, double *tensor)
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
