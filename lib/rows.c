/* SPDX-License-Identifier: MIT */
#include "rows.h"

#include <math.h>
#include <stdlib.h>

/* Elements a slice of the pool holds about. */
#define SLICE ((size_t)32768)

enum smx_status smx_rows_check(const struct smx_logits *z)
{
    size_t rows, count, bytes;
    if (z->classes == 0 || (z->dtype != SMX_FLOAT32 && z->dtype != SMX_FLOAT64))
        return SMX_EARGUMENT;
    if (!(z->temperature >= 0) || isinf(z->temperature) || !(z->softcap >= 0) ||
        isinf(z->softcap))
        return SMX_EARGUMENT;
    if (__builtin_mul_overflow(z->outer, z->inner, &rows) ||
        __builtin_mul_overflow(rows, z->classes, &count) ||
        __builtin_mul_overflow(count, sizeof(double), &bytes) ||
        bytes > PTRDIFF_MAX)
        return SMX_EOVERFLOW;
    return rows && !z->data ? SMX_EARGUMENT : SMX_OK;
}

size_t smx_rows_count(const struct smx_logits *z)
{
    return z->outer * z->inner;
}

size_t smx_rows_index(const struct smx_logits *z, size_t r, size_t c)
{
    return (r / z->inner * z->classes + c) * z->inner + r % z->inner;
}

double smx_get(const void *data, enum smx_dtype dtype, size_t i)
{
    return dtype == SMX_FLOAT64 ? ((const double *)data)[i]
                                : ((const float *)data)[i];
}

void smx_set(void *data, enum smx_dtype dtype, size_t i, double value)
{
    if (dtype == SMX_FLOAT64)
        ((double *)data)[i] = value;
    else
        ((float *)data)[i] = (float)value;
}

bool smx_rows_masked(const struct smx_logits *z, size_t r, size_t c)
{
    if (!z->mask)
        return false;
    return !z->mask[z->mask_per_class ? c : smx_rows_index(z, r, c)];
}

enum smx_status smx_rows_finite(const void *data, enum smx_dtype dtype,
                                size_t count, bool low, enum smx_operand what,
                                struct smx_where *where)
{
    for (size_t i = 0; i < count; i++) {
        double v = smx_get(data, dtype, i);
        if (isfinite(v) || (low && v == -INFINITY))
            continue;
        if (where)
            *where = (struct smx_where){what, i};
        return SMX_ENONFINITE;
    }
    return SMX_OK;
}

double smx_row_slope(const struct smx_logits *z, size_t index, bool masked)
{
    double slope = z->temperature ? 1 / z->temperature : 1;
    if (!z->softcap)
        return slope;
    if (masked)
        return 0; /* tanh is flat at -infinity */
    double v = smx_get(z->data, z->dtype, index);
    /* 1 - tanh^2 u = 4 t / (1 + t)^2, t = exp(-2 |u|): nothing cancels */
    double t = exp(-2 * fabs(v / z->softcap));
    return t == 0 ? 0 : slope * 4 * t / ((1 + t) * (1 + t));
}

static double capped(const struct smx_logits *z, size_t index)
{
    double v = smx_get(z->data, z->dtype, index);
    return z->softcap && v != -INFINITY ? z->softcap * tanh(v / z->softcap) : v;
}

/* (v - top) / t, of halves where the difference overflows. */
static double below(double v, double top, double t)
{
    double d = v - top;
    return isfinite(d) ? d / t : (v / 2 - top / 2) / t * 2;
}

void smx_row_load(struct smx_row *row, const struct smx_logits *z, size_t r)
{
    double top = -INFINITY, t = z->temperature ? z->temperature : 1;
    double largest = -INFINITY; /* before softcap rounds two to one */
    row->argmax = 0;
    for (size_t c = 0; c < z->classes; c++) {
        size_t i = smx_rows_index(z, r, c);
        row->d[c] = smx_rows_masked(z, r, c) ? -INFINITY : capped(z, i);
        double logit = smx_get(z->data, z->dtype, i);
        if (row->d[c] != -INFINITY && logit > largest) {
            largest = logit;
            top = row->d[c];
            row->argmax = c;
        }
    }
    row->max = top / t;
    row->rest = 0;
    for (size_t c = 0; c < z->classes; c++) {
        bool masked = row->d[c] == -INFINITY;
        row->d[c] = masked ? -INFINITY : below(row->d[c], top, t);
        row->p[c] = masked ? 0 : exp(row->d[c]);
        row->rest += c == row->argmax ? 0 : row->p[c];
    }
    row->empty = top == -INFINITY;
    row->logsum = row->empty ? 0 : log1p(row->rest);
    for (size_t c = 0; c < z->classes; c++)
        row->p[c] = row->empty ? 0 : row->p[c] / (1 + row->rest);
}

struct rows_loop {
    const struct smx_logits *logits;
    void (*work)(void *argument, struct smx_row *row, size_t r);
    void *argument;
    size_t rows, per_slice;
    double *scratch; /* two rows a slice */
};

static void run_slice(void *argument, size_t i)
{
    struct rows_loop *loop = argument;
    size_t classes = loop->logits->classes, first = i * loop->per_slice;
    size_t end = first + loop->per_slice;
    double *scratch = loop->scratch + 2 * i * classes;
    struct smx_row row = {
        .classes = classes, .d = scratch, .p = scratch + classes};
    for (size_t r = first; r < end && r < loop->rows; r++) {
        smx_row_load(&row, loop->logits, r);
        loop->work(loop->argument, &row, r);
    }
}

enum smx_status smx_rows_for(struct smx_context *context,
                             const struct smx_logits *logits,
                             void (*work)(void *, struct smx_row *, size_t),
                             void *argument)
{
    struct rows_loop loop = {.logits = logits,
                             .work = work,
                             .argument = argument,
                             .rows = smx_rows_count(logits)};
    if (loop.rows == 0)
        return SMX_OK;
    size_t most = 8 * smx_context_threads(context);
    size_t slices = loop.rows * logits->classes / SLICE + 1;
    slices = slices > most ? most : slices;
    slices = slices > loop.rows ? loop.rows : slices;
    loop.per_slice = (loop.rows + slices - 1) / slices;
    size_t bytes;
    if (__builtin_mul_overflow(2 * slices * sizeof(double), logits->classes,
                               &bytes))
        return SMX_EOVERFLOW;
    loop.scratch = malloc(bytes);
    if (!loop.scratch)
        return SMX_ENOMEM;
    smx_pool_for(context->pool, slices, run_slice, &loop);
    free(loop.scratch);
    return SMX_OK;
}
