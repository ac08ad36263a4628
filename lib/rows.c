/* SPDX-License-Identifier: MIT */
#include "rows.h"

#include <math.h>
#include <stdlib.h>

#include "row.h"

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

enum smx_status smx_rows_open(struct smx_rows *rows,
                              struct smx_context *context,
                              const struct smx_logits *logits, size_t extra)
{
    *rows = (struct smx_rows){
        .context = context, .logits = logits, .count = smx_rows_count(logits)};
    if (rows->count == 0)
        return SMX_OK;
    size_t most = 8 * smx_context_threads(context), bytes;
    size_t slices = rows->count * logits->classes / SLICE + 1;
    slices = slices > most ? most : slices;
    slices = slices > rows->count ? rows->count : slices;
    rows->per_slice = (rows->count + slices - 1) / slices;
    rows->slices = slices;
    if (logits->classes > PTRDIFF_MAX / 64 ||
        __builtin_add_overflow(smx_row_bytes(logits->classes), extra,
                               &rows->bytes) ||
        __builtin_mul_overflow(slices, rows->bytes, &bytes))
        return SMX_EOVERFLOW;
    rows->scratch = malloc(bytes);
    return rows->scratch ? SMX_OK : SMX_ENOMEM;
}

struct rows_run {
    struct smx_rows *rows;
    void (*work)(void *argument, struct smx_row *row, size_t r);
    void *argument;
};

static void run_slice(void *argument, size_t i)
{
    struct rows_run *run = argument;
    struct smx_rows *rows = run->rows;
    size_t first = i * rows->per_slice, end = first + rows->per_slice;
    struct smx_row row;
    smx_row_place(&row, rows->logits->classes, rows->scratch + i * rows->bytes);
    for (size_t r = first; r < end && r < rows->count; r++) {
        smx_row_load(&row, rows->logits, r);
        run->work(run->argument, &row, r);
    }
}

void smx_rows_run(struct smx_rows *rows,
                  void (*work)(void *, struct smx_row *, size_t),
                  void *argument)
{
    struct rows_run run = {rows, work, argument};
    smx_pool_for(rows->context->pool, rows->slices, run_slice, &run);
}

void smx_rows_close(struct smx_rows *rows)
{
    free(rows->scratch);
}
