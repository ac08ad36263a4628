/* SPDX-License-Identifier: MIT */
#include "rows.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "api/arguments.h"
#include "dd_row.h"
#include "lanes.h"
#include "load.h"
#include "tuning.h"

/* Nothing of no bytes, which is not out of memory. */
bool smx_allocate(void *place, size_t count, size_t bytes)
{
    void *data = bytes ? reallocarray(NULL, count, bytes) : NULL;
    memcpy(place, &data, sizeof data);
    return data || !bytes;
}

size_t smx_rows_count(const struct smx_logits *z)
{
    return z->outer * z->inner;
}

/* A division takes long. */
static size_t index_in(const struct smx_logits *z, size_t stride, size_t r,
                       size_t c)
{
    if (z->inner == 1)
        return r * stride + c;
    return r / z->inner * stride + c * z->inner + r % z->inner;
}

size_t smx_rows_index(const struct smx_logits *z, size_t r, size_t c)
{
    return index_in(z, z->stride, r, c);
}

size_t smx_rows_out_index(const struct smx_logits *z, size_t r, size_t c)
{
    return index_in(z, z->out_stride, r, c);
}

bool smx_rows_moved(const struct smx_logits *z)
{
    size_t part = z->classes * z->inner;
    return z->inner > 1 || z->stride != part || z->out_stride != part;
}

bool smx_rows_masked(const struct smx_logits *z, size_t r, size_t c)
{
    if (!z->mask)
        return false;
    return !z->mask[z->mask_per_class ? c : smx_rows_index(z, r, c)];
}

/* The first refused of n elements from i on; n: none. */
static size_t find_refused(const struct smx_kernels *kernels, const void *data,
                           enum smx_dtype dtype, size_t i, size_t n, bool low)
{
    const float *f = data;
    const double *d = data;
    return dtype == SMX_FLOAT32 ? kernels->dd->nonfinite_float(f + i, n, low)
                                : kernels->dd->nonfinite_double(d + i, n, low);
}

enum smx_status smx_rows_finite(const struct smx_context *context,
                                const void *data, enum smx_dtype dtype,
                                size_t count, enum smx_field what,
                                struct smx_where *where)
{
    size_t i =
        count ? find_refused(context->kernels, data, dtype, 0, count, false)
              : 0;
    return i < count ? smx_blame(SMX_ENONFINITE, where, what, i) : SMX_OK;
}

struct scan {
    const struct smx_kernels *kernels;
    const void *data;
    enum smx_dtype dtype;
    size_t count;
    size_t part, stride; /* elements between gaps, and from each to the next */
    bool low;
    atomic_size_t nonfinite; /* the first; SIZE_MAX: none */
};

static void scan_slice(void *argument, size_t slice)
{
    struct scan *scan = argument;
    size_t first = slice * SMX_SMALL, end = first + SMX_SMALL, n;
    end = end < scan->count ? end : scan->count;
    for (; first < end; first += n) {
        size_t here = first % scan->part, left = scan->part - here;
        size_t i = first / scan->part * scan->stride + here, at;
        n = end - first < left ? end - first : left;
        at = find_refused(scan->kernels, scan->data, scan->dtype, i, n,
                          scan->low);
        if (at < n) {
            smx_pool_least(&scan->nonfinite, first + at);
            return;
        }
    }
}

enum smx_status smx_rows_scan(struct smx_context *context,
                              const struct smx_logits *z, const void *data,
                              enum smx_field what, struct smx_where *where)
{
    size_t count = smx_rows_count(z) * z->classes;
    bool gaps = z->stride != z->classes * z->inner;
    struct scan scan = {.kernels = context->kernels,
                        .data = data,
                        .dtype = z->dtype,
                        .count = count,
                        .part = gaps ? z->classes * z->inner : count,
                        .stride = gaps ? z->stride : count,
                        .low = what == SMX_FIELD_LOGITS ||
                               what == SMX_FIELD_TEACHER,
                        .nonfinite = SIZE_MAX};
    smx_pool_for_scan(context->pool, (scan.count + SMX_SMALL - 1) / SMX_SMALL,
                      scan_slice, &scan);
    if (scan.nonfinite == SIZE_MAX)
        return SMX_OK;
    return smx_blame(SMX_ENONFINITE, where, what, scan.nonfinite);
}

/* Of row r, as it lies in the tensor. */
static bool note_refused(const struct smx_logits *z, const void *data, bool low,
                         size_t r, atomic_size_t *first)
{
    for (size_t c = 0; c < z->classes; c++) {
        double x = smx_get(data, z->dtype, smx_rows_index(z, r, c));
        if (isfinite(x) || (low && x == -INFINITY))
            continue;
        size_t part = r / z->inner * z->classes + c;
        smx_pool_least(first, part * z->inner + r % z->inner);
        return true;
    }
    return false;
}

/* In memory that is shared all may be finite again. */
void smx_rows_refuse(const struct smx_logits *z, const void *input, size_t r,
                     struct smx_refused *refused)
{
    bool found = note_refused(z, z->data, true, r, &refused->logits);
    if (!note_refused(z, input, false, r, &refused->input) && !found)
        smx_pool_least(&refused->logits,
                       r / z->inner * z->classes * z->inner + r % z->inner);
}

/* ---- the largest of each row --------------------------------------------- */

struct maxima {
    const struct smx_kernels *kernels;
    const struct smx_logits *logits;
    const void *data;
    size_t pieces; /* of a row */
    size_t count, slices;
    struct smx_dd *top;
};

/* Of n logits; NaN where one is refused. */
static struct smx_dd find_top_float(const struct maxima *maxima, const float *z,
                                    size_t n)
{
    float top;
    bool fine = maxima->kernels->row_max(z, n, &top);
    return (struct smx_dd){fine ? (double)top : NAN, 0};
}

/* Of those from class c to end, and its class. */
static struct smx_dd find_top_double(const struct maxima *maxima,
                                     const double *z, size_t c, size_t end)
{
    const struct smx_row_kernels *kernels = maxima->kernels->dd;
    struct smx_dd top = {-INFINITY, (double)c};
    for (size_t n; c < end; c += n, z += n) {
        n = end - c < SMX_TILE ? end - c : SMX_TILE;
        top = smx_row_larger(top, smx_row_tile_max(kernels, z, c, n));
    }
    return top;
}

static void find_tops(void *argument, size_t slice)
{
    const struct maxima *maxima = argument;
    const struct smx_logits *z = maxima->logits;
    const float *f = maxima->data;
    const double *d = maxima->data;
    size_t last,
        i = smx_pool_slice(maxima->count, maxima->slices, slice, &last);
    for (; i < last; i++) {
        size_t c = i % maxima->pieces * SMX_SMALL, end = c + SMX_SMALL;
        size_t at = i / maxima->pieces * z->stride + c;
        end = end < z->classes ? end : z->classes;
        maxima->top[i] = z->dtype == SMX_FLOAT32
                             ? find_top_float(maxima, f + at, end - c)
                             : find_top_double(maxima, d + at, c, end);
    }
}

/* From those of pieces those of rows; false where one was refused. */
static bool join_maxima(const struct maxima *maxima)
{
    for (size_t r = 0; r < smx_rows_count(maxima->logits); r++) {
        struct smx_dd *piece = maxima->top + r * maxima->pieces, top = *piece;
        for (size_t i = 0; i < maxima->pieces; i++) {
            if (isnan(piece[i].hi))
                return false;
            top = smx_row_larger(top, piece[i]);
        }
        maxima->top[r] = top;
    }
    return true;
}

enum smx_status smx_rows_scan_tops(struct smx_context *context,
                                   const struct smx_logits *z, const void *data,
                                   enum smx_field what, struct smx_dd **tops,
                                   struct smx_where *where)
{
    struct maxima maxima = {.kernels = context->kernels,
                            .logits = z,
                            .data = data,
                            .pieces = (z->classes - 1) / SMX_SMALL + 1};
    size_t piece = z->classes < SMX_SMALL ? z->classes : SMX_SMALL;
    maxima.count = smx_rows_count(z) * maxima.pieces;
    maxima.slices =
        smx_pool_slices(context->pool, maxima.count, SMX_SMALL / piece);
    *tops = NULL;
    if (z->inner == 1 && !z->mask && maxima.count)
        maxima.top = reallocarray(NULL, maxima.count, sizeof *maxima.top);
    if (maxima.top) {
        smx_pool_for_scan(context->pool, maxima.slices, find_tops, &maxima);
        if (join_maxima(&maxima)) {
            *tops = maxima.top;
            return SMX_OK;
        }
        free(maxima.top);
    }
    return smx_rows_scan(context, z, data, what, where);
}

enum smx_status smx_rows_scan_maxima(struct smx_context *context,
                                     const struct smx_logits *z,
                                     struct smx_dd **maxima,
                                     struct smx_where *where)
{
    *maxima = NULL;
    /* elsewhere rows find it near enough */
    if (z->dtype == SMX_FLOAT64 && z->classes > SMX_TILE)
        return smx_rows_scan_tops(context, z, z->data, SMX_FIELD_LOGITS, maxima,
                                  where);
    return smx_rows_scan(context, z, z->data, SMX_FIELD_LOGITS, where);
}

/* ---- tiles --------------------------------------------------------------- */

size_t smx_rows_tile(const struct smx_context *context,
                     const struct smx_logits *z, size_t row_bytes)
{
    size_t rows = smx_rows_count(z);
    size_t bytes = rows * z->classes * sizeof(float) / 8;
    size_t threads = smx_pool_threads(context->pool);
    bool alone = threads == 1 && smx_load_needed(z);
    size_t most = alone ? SMX_TILE_BYTES_ALONE : SMX_TILE_BYTES * threads;
    if (row_bytes == 0)
        return rows;
    bytes = bytes > SMX_TILE_BYTES ? bytes : SMX_TILE_BYTES;
    size_t tile = (bytes < most ? bytes : most) / row_bytes;
    tile -= tile > SMX_ROWS_MOVED ? tile % SMX_ROWS_MOVED : 0;
    size_t line = 64 / smx_dtype_bytes(z->dtype);
    size_t least =
        SMX_ROWS_MOVED * row_bytes > SMX_TILE_MOST ? line : SMX_ROWS_MOVED;
    least = smx_rows_moved(z) ? least : 1;
    tile = tile > least ? tile : least;
    return tile < rows ? tile : rows;
}

/* ---- rows over the pool -------------------------------------------------- */

bool smx_rows_keep(const struct smx_logits *z, const struct smx_rows_work *work)
{
    return work->keep && z->dtype == SMX_FLOAT64 && z->classes > SMX_TILE &&
           work->output && work->output != work->input &&
           (work->over || work->output != z->data);
}

/* Of short rows the lines that they share would count. */
bool smx_rows_streamed(const struct smx_logits *z, size_t whole)
{
    return z->dtype == SMX_FLOAT64 && z->classes >= SMX_TILE / 4 &&
           whole * sizeof(double) >= SMX_STREAMED * sizeof(float);
}

struct rows_run {
    const struct smx_kernels *kernels;
    const struct smx_logits *logits;
    const struct smx_rows_work *work;
    size_t first; /* of the rows of a tensor, the one with which logits begin */
    atomic_bool *nonfinite; /* set where one that is unseen is refused */
};

/* Row k of those that were loaded. */
static void run_loaded_row(const struct rows_run *run, struct smx_row *row,
                           size_t k)
{
    if (run->work->unseen && row->refused >> k & 1) {
        *run->nonfinite = true;
        return;
    }
    smx_row_select(row, k);
    run->work->run(run->work->argument, row, row->r);
}

static size_t load_rows(const struct rows_run *run, struct smx_row *row,
                        size_t r, size_t count)
{
    count = smx_row_load(row, r, count);
    if (run->work->loaded)
        run->work->loaded(run->work->argument, row, count);
    return count;
}

size_t smx_rows_slice(const struct smx_logits *z)
{
    return z->classes < SMX_SMALL ? SMX_SMALL / z->classes : 1;
}

static void run_slice(void *argument, size_t i)
{
    const struct rows_run *run = argument;
    size_t per_slice = smx_rows_slice(run->logits), first = i * per_slice;
    size_t rows = smx_rows_count(run->logits), end = first + per_slice;
    struct smx_row row;
    end = end < rows ? end : rows;
    smx_row_init(&row, run->kernels, run->logits, run->work, run->first);
    for (size_t r = first, count; r < end; r += count) {
        count = load_rows(run, &row, r, end - r);
        for (size_t k = 0; k < count; k++)
            run_loaded_row(run, &row, k);
    }
}

/* Few long rows: one after the other, their tiles over the pool. */
struct shared {
    struct smx_row row;
    struct smx_dd parts[];
};

static bool is_shared(const struct smx_context *context,
                      const struct smx_logits *z,
                      const struct smx_rows_work *work)
{
    size_t threads = smx_pool_threads(context->pool);
    size_t rows = smx_rows_count(z), narrow = work->serial ? 2 : 4 * threads;
    return threads > 1 && z->classes > SMX_SMALL && rows > 0 && rows < narrow;
}

static void run_shared(struct smx_context *context, struct shared *shared,
                       const struct rows_run *run)
{
    struct smx_row *row = &shared->row;
    smx_row_init(row, run->kernels, run->logits, run->work, run->first);
    row->pool = context->pool;
    row->parts = shared->parts;
    for (size_t r = 0; r < smx_rows_count(run->logits); r++) {
        load_rows(run, row, r, 1);
        run_loaded_row(run, row, 0);
    }
}

/* Rows whose classes lie side by side. */
static void run_rows(struct smx_context *context,
                     const struct smx_logits *logits,
                     const struct smx_rows_work *work, size_t first,
                     atomic_bool *nonfinite)
{
    struct rows_run run = {context->kernels, logits, work, first, nonfinite};
    struct shared *shared = NULL;
    size_t tiles = (logits->classes - 1) / SMX_TILE + 1;
    if (is_shared(context, logits, work)) /* without memory: as others are */
        shared = aligned_alloc(
            64,
            (sizeof *shared + tiles * sizeof *shared->parts + 63) / 64 * 64);
    if (shared) {
        run_shared(context, shared, &run);
        free(shared);
        return;
    }
    size_t per_slice = smx_rows_slice(logits);
    size_t slices = (smx_rows_count(logits) + per_slice - 1) / per_slice;
    smx_pool_for(context->pool, slices, run_slice, &run);
}

/* ---- rows that are loaded ------------------------------------------------ */

/* Have rows to be copied first? Not for gaps between them alone, which rows
 * are read across, nor for a mask of nothing but logits, which they load by. */
static bool is_loaded(const struct smx_logits *z,
                      const struct smx_rows_work *work)
{
    return z->inner > 1 || (z->mask && (work->masked || !work->zeros));
}

static struct smx_tiles tiles_of(struct smx_context *context,
                                 const struct smx_logits *z,
                                 const struct smx_rows_work *work)
{
    return smx_tiles_of(context, z, work->input,
                        work->masked ? SMX_MASKED_ZERO : SMX_MASKED_KEPT,
                        work->output);
}

/* The tile that begins with row first. */
static bool run_loaded(struct smx_tiles *tiles,
                       const struct smx_rows_work *work, size_t first,
                       atomic_bool *nonfinite)
{
    struct smx_rows_work on = *work;
    if (!smx_tiles_place(tiles, first))
        return false;
    smx_tiles_load(tiles, work->unseen ? nonfinite : NULL);
    on.input = tiles->other;
    on.output = tiles->out;
    run_rows(tiles->context, &tiles->z, &on, first, nonfinite);
    smx_tiles_leave(tiles, work->zeros ? SMX_MASKED_KEPT : SMX_MASKED_ZERO);
    return true;
}

enum smx_status smx_rows_run(struct smx_context *context,
                             const struct smx_logits *z,
                             const struct smx_rows_work *work)
{
    struct smx_tiles tiles = tiles_of(context, z, work);
    atomic_bool nonfinite = false;
    if (!is_loaded(z, work) || !tiles.all) {
        run_rows(context, z, work, 0, &nonfinite);
        return nonfinite ? SMX_ENONFINITE : SMX_OK;
    }
    size_t bytes = smx_tiles_bytes(&tiles);
    tiles.most = smx_rows_tile(context, z, bytes);
    tiles.copy = reallocarray(NULL, tiles.most, bytes);
    if (!tiles.copy)
        return SMX_ENOMEM;
    for (size_t r = 0; run_loaded(&tiles, work, r, &nonfinite); r += tiles.most)
        ;
    free(tiles.copy);
    return nonfinite ? SMX_ENONFINITE : SMX_OK;
}

void smx_rows_run_marked(struct smx_context *context,
                         const struct smx_logits *logits,
                         const struct smx_rows_work *work, size_t first,
                         uint64_t marks, atomic_bool *nonfinite)
{
    double copy[2 * SMX_LANES_CLASSES];
    struct smx_tiles tiles = tiles_of(context, logits, work);
    tiles.most = 1;
    tiles.copy = copy;
    for (; marks; marks &= marks - 1)
        run_loaded(&tiles, work, first + (size_t)__builtin_ctzll(marks),
                   nonfinite);
}
