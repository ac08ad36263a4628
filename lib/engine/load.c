/* SPDX-License-Identifier: MIT */
#include "load.h"

#include <math.h>
#include <string.h>

#include "rows.h"
#include "tuning.h"

/* Rows that are moved side by side: the lines of each class lie together, so
 * that a page is visited once for all of them. */
#define GROUP SMX_ROWS_MOVED

/* Classes of a row that one thread moves at a time. */
#define PIECE ((size_t)4096)

/* Rows first to first + count, between the tensor and their copy. */
struct move {
    const struct smx_load_kernels *kernels;
    const struct smx_logits *shape;
    const void *from;
    void *to;
    size_t first, count;
    size_t pieces; /* of a row */
    bool back, stream;
};

/* ---- a class axis that is not the last ---------------------------------- */

/* Of a class of a row in the tensor. */
static size_t place_moved(const struct move *move, size_t row, size_t class)
{
    return move->back ? smx_rows_out_index(move->shape, row, class)
                      : smx_rows_index(move->shape, row, class);
}

/* Rows that differ in the last index only, n classes from class on. */
static void move_rows(const struct move *move, size_t row, size_t count,
                      size_t class, size_t n)
{
    const struct smx_logits *z = move->shape;
    size_t element = smx_dtype_bytes(z->dtype);
    size_t there = place_moved(move, row, class) * element;
    size_t here = ((row - move->first) * z->classes + class) * element;
    const struct smx_turn turn = {
        .from = (const char *)move->from + (move->back ? here : there),
        .to = (char *)move->to + (move->back ? there : here),
        .apart = z->inner,
        .length = z->classes,
        .rows = count,
        .classes = n,
        .back = move->back,
        .stream = move->stream};
    if (z->inner == 1) /* one row, as only gaps lie between them */
        memcpy(turn.to, turn.from, n * element);
    else
        move->kernels->turn(z->dtype, &turn);
}

static void move_piece(void *argument, size_t i)
{
    const struct move *move = argument;
    size_t inner = move->shape->inner, classes = move->shape->classes;
    size_t class = i % move->pieces * PIECE;
    size_t last = classes - class < PIECE ? classes : class + PIECE;
    size_t row = move->first + i / move->pieces * GROUP;
    size_t end = move->first + move->count;
    end = end - row < GROUP ? end : row + GROUP;
    while (row < end) {
        size_t left = inner - row % inner;
        size_t count = end - row < left ? end - row : left;
        move_rows(move, row, count, class, last - class);
        row += count;
    }
}

static void move_squares(struct smx_context *context, struct move move)
{
    size_t groups = (move.count + GROUP - 1) / GROUP;
    move.pieces = (move.shape->classes - 1) / PIECE + 1;
    move.kernels = context->kernels->load;
    smx_pool_for(context->pool, groups * move.pieces, move_piece, &move);
}

/* ---- the mask ------------------------------------------------------------ */

struct masking {
    const struct smx_load_kernels *kernels;
    const struct smx_logits *shape;
    size_t first, count;
    double instead;
    const void *from;
    void *to;
    atomic_bool *nonfinite; /* NULL: nobody asks */
};

static void mask_elements(const struct masking *job, size_t at, size_t n,
                          const uint8_t *mask)
{
    bool below = job->shape->dtype == SMX_FLOAT32
                     ? job->kernels->mask_floats((const float *)job->from + at,
                                                 mask, n, (float)job->instead,
                                                 (float *)job->to + at)
                     : job->kernels->mask_doubles(
                           (const double *)job->from + at, mask, n,
                           job->instead, (double *)job->to + at);
    if (!below && job->nonfinite)
        *job->nonfinite = true;
}

/* Elements at to end of the tile, by a mask that begins again with each row.
 * That of short rows is laid out for several. */
static void mask_by_class(const struct masking *job, size_t at, size_t end)
{
    size_t classes = job->shape->classes, period = classes;
    const uint8_t *mask = job->shape->mask;
    uint8_t rows[1024];
    if (classes < sizeof rows / 2) {
        period = sizeof rows / classes * classes;
        for (size_t c = 0; c < period; c += classes)
            memcpy(rows + c, mask, classes);
        mask = rows;
    }
    for (size_t n; at < end; at += n) {
        size_t c = at % period;
        n = end - at < period - c ? end - at : period - c;
        mask_elements(job, at, n, mask + c);
    }
}

/* Elements at to end of the tile, where the rows' classes lie apart. */
static void mask_strided(const struct masking *job, size_t at, size_t end)
{
    const struct smx_logits *z = job->shape;
    uint8_t mask[256];
    for (size_t n; at < end; at += n) {
        size_t c = at % z->classes, left = z->classes - c;
        size_t from = smx_rows_index(z, job->first + at / z->classes, c);
        n = end - at < left ? end - at : left;
        n = n < sizeof mask ? n : sizeof mask;
        for (size_t i = 0; i < n; i++)
            mask[i] = z->mask[from + i * z->inner];
        mask_elements(job, at, n, mask);
    }
}

static void mask_slice(void *argument, size_t slice)
{
    const struct masking *job = argument;
    const struct smx_logits *z = job->shape;
    size_t at = slice * SMX_SMALL, all = job->count * z->classes;
    size_t end = all - at < SMX_SMALL ? all : at + SMX_SMALL;
    if (z->mask_per_class)
        mask_by_class(job, at, end);
    else if (smx_rows_moved(z))
        mask_strided(job, at, end);
    else
        mask_elements(job, at, end - at,
                      z->mask + job->first * z->classes + at);
}

/* Of the tile's rows. */
static void mask_rows(const struct smx_tiles *tiles, enum smx_masked masked,
                      const void *from, void *to, atomic_bool *nonfinite)
{
    const struct smx_logits *z = tiles->logits;
    struct masking job = {.kernels = tiles->context->kernels->load,
                          .shape = z,
                          .first = tiles->first,
                          .count = tiles->rows,
                          .instead = masked == SMX_MASKED_ZERO ? 0 : -INFINITY,
                          .from = from,
                          .to = to,
                          .nonfinite = nonfinite};
    size_t slices = (job.count * z->classes + SMX_SMALL - 1) / SMX_SMALL;
    smx_pool_for(tiles->context->pool, slices, mask_slice, &job);
}

/* ---- chunks -------------------------------------------------------------- */

bool smx_load_chunk(const struct smx_kernels *kernels,
                    const struct smx_logits *z, size_t row, size_t chunk,
                    float *copy, const float **x)
{
    size_t class = chunk * SMX_CHUNK, at = row * z->classes + class;
    *x = (const float *)z->data + at;
    if (!z->mask)
        return true;
    const uint8_t *mask = z->mask + (z->mask_per_class ? class : at);
    size_t n = smx_chunk_classes(z->classes, chunk);
    const float *own = *x;
    *x = copy;
    return kernels->load->mask_floats(own, mask, n, -INFINITY, copy);
}

/* ---- tile by tile -------------------------------------------------------- */

struct smx_logits smx_side_by_side(const struct smx_logits *z, const void *data,
                                   size_t rows)
{
    struct smx_logits tile = *z;
    tile.data = data;
    tile.outer = rows;
    tile.inner = 1;
    tile.stride = tile.out_stride = z->classes;
    tile.mask = NULL;
    return tile;
}

struct smx_tiles smx_tiles_of(struct smx_context *context,
                              const struct smx_logits *z, const void *input,
                              enum smx_masked input_masked, void *output)
{
    return (struct smx_tiles){.context = context,
                              .logits = z,
                              .input = input,
                              .input_masked = input_masked,
                              .output = output,
                              .all = smx_rows_count(z),
                              .loads = smx_load_needed(z)};
}

/* Is the input copied as well? */
static bool loads_input(const struct smx_tiles *tiles)
{
    const struct smx_logits *z = tiles->logits;
    bool masked = z->mask && tiles->input_masked != SMX_MASKED_KEPT;
    return tiles->loads && tiles->input && (smx_rows_moved(z) || masked);
}

size_t smx_tiles_bytes(const struct smx_tiles *tiles)
{
    const struct smx_logits *z = tiles->logits;
    size_t copies = tiles->loads ? loads_input(tiles) ? 2 : 1 : 0;
    return copies * z->classes * smx_dtype_bytes(z->dtype);
}

bool smx_tiles_place(struct smx_tiles *tiles, size_t first)
{
    size_t left = first < tiles->all ? tiles->all - first : 0;
    tiles->first = first;
    tiles->rows = left < tiles->most ? left : tiles->most;
    return tiles->rows > 0;
}

/* Where the tile's rows of a tensor are side by side: in it, or in a copy. */
static void *place_rows_of(const struct smx_tiles *tiles, const void *tensor,
                           void *copy)
{
    const struct smx_logits *z = tiles->logits;
    size_t row = z->classes * smx_dtype_bytes(z->dtype);
    return smx_rows_moved(z) || !tensor ? copy
                                        : (char *)tensor + tiles->first * row;
}

/* The tile's rows of a tensor, side by side: in it, or in the copy where it has
 * to be one. */
static const void *load_rows_of(const struct smx_tiles *tiles,
                                const void *tensor, enum smx_masked masked,
                                void *copy, atomic_bool *nonfinite)
{
    const struct smx_logits *z = tiles->logits;
    const void *from = place_rows_of(tiles, tensor, copy);
    if (smx_rows_moved(z))
        move_squares(tiles->context, (struct move){.shape = z,
                                                   .from = tensor,
                                                   .to = copy,
                                                   .first = tiles->first,
                                                   .count = tiles->rows});
    if (!z->mask || masked == SMX_MASKED_KEPT)
        return from;
    mask_rows(tiles, masked, from, copy, nonfinite);
    return copy;
}

void smx_tiles_load(struct smx_tiles *tiles, atomic_bool *nonfinite)
{
    const struct smx_logits *z = tiles->logits;
    size_t row = z->classes * smx_dtype_bytes(z->dtype);
    const void *data = (const char *)z->data + tiles->first * row;
    if (tiles->loads)
        data = load_rows_of(tiles, z->data, SMX_MASKED_INFINITE, tiles->copy,
                            nonfinite);
    tiles->z = smx_side_by_side(z, data, tiles->rows);
    if (!tiles->loads && z->mask)
        tiles->z.mask =
            z->mask + (z->mask_per_class ? 0 : tiles->first * z->classes);
    if (loads_input(tiles))
        tiles->other =
            load_rows_of(tiles, tiles->input, tiles->input_masked,
                         (char *)tiles->copy + tiles->most * row, nonfinite);
    else if (tiles->input)
        tiles->other = (const char *)tiles->input + tiles->first * row;
    if (tiles->output)
        tiles->out = place_rows_of(tiles, tiles->output, tiles->copy);
}

void smx_tiles_leave(const struct smx_tiles *tiles, enum smx_masked masked)
{
    const struct smx_logits *z = tiles->logits;
    if (!tiles->output)
        return;
    if (z->mask && masked != SMX_MASKED_KEPT)
        mask_rows(tiles, masked, tiles->out, tiles->out, NULL);
    if (!smx_rows_moved(z))
        return;
    bool streams =
        tiles->all * z->classes >= SMX_STREAMED && tiles->output != z->data;
    move_squares(tiles->context, (struct move){.shape = z,
                                               .from = tiles->out,
                                               .to = tiles->output,
                                               .first = tiles->first,
                                               .count = tiles->rows,
                                               .back = true,
                                               .stream = streams});
}
