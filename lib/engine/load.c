/* SPDX-License-Identifier: MIT */
#include "load.h"

#include <math.h>
#include <string.h>

#include "rows.h"

/* Rows and classes that are transposed at once: a cache line of floats. */
#define SIDE ((size_t)16)

/* Rows that are moved side by side: the lines of each class lie together, so
 * that a page is visited once for all of them. */
#define GROUP SMX_ROWS_MOVED

/* Classes of a row that one thread moves at a time; a multiple of SIDE. */
#define PIECE ((size_t)4096)

/* Rows first to first + count, between the tensor and their copy. */
struct move {
    const struct smx_logits *shape;
    const void *from;
    void *to;
    size_t first, count;
    size_t pieces; /* of a row */
    bool back;
};

/* ---- squares ------------------------------------------------------------- */

#define INLINED static inline __attribute__((always_inline))

typedef float four __attribute__((vector_size(16)));
typedef double two __attribute__((vector_size(16)));

/* Square [i][j] to [j][i]; strides between the lines. */
INLINED void turn_floats(const float *from, size_t from_stride, float *to,
                         size_t to_stride)
{
    four a, b, c, d, low, high;
    memcpy(&a, from, sizeof a);
    memcpy(&b, from + from_stride, sizeof b);
    memcpy(&c, from + 2 * from_stride, sizeof c);
    memcpy(&d, from + 3 * from_stride, sizeof d);
    low = __builtin_shufflevector(a, b, 0, 4, 1, 5);
    high = __builtin_shufflevector(c, d, 0, 4, 1, 5);
    a = __builtin_shufflevector(a, b, 2, 6, 3, 7);
    c = __builtin_shufflevector(c, d, 2, 6, 3, 7);
    b = __builtin_shufflevector(low, high, 0, 1, 4, 5);
    memcpy(to, &b, sizeof b);
    b = __builtin_shufflevector(low, high, 2, 3, 6, 7);
    memcpy(to + to_stride, &b, sizeof b);
    b = __builtin_shufflevector(a, c, 0, 1, 4, 5);
    memcpy(to + 2 * to_stride, &b, sizeof b);
    b = __builtin_shufflevector(a, c, 2, 3, 6, 7);
    memcpy(to + 3 * to_stride, &b, sizeof b);
}

INLINED void turn_doubles(const double *from, size_t from_stride, double *to,
                          size_t to_stride)
{
    two a, b, c;
    memcpy(&a, from, sizeof a);
    memcpy(&b, from + from_stride, sizeof b);
    c = __builtin_shufflevector(a, b, 0, 2);
    memcpy(to, &c, sizeof c);
    c = __builtin_shufflevector(a, b, 1, 3);
    memcpy(to + to_stride, &c, sizeof c);
}

/* Where the square after that at i begins: the last one ends with the line. */
INLINED size_t next_square(size_t i, size_t side, size_t n)
{
    return i + 2 * side <= n || i + side == n ? i + side : n - side;
}

/* Lines of columns to columns of lines. */
INLINED void turn_lines(bool floats, const void *from, size_t from_stride,
                        size_t lines, void *to, size_t to_stride,
                        size_t columns)
{
    const float *f = from;
    const double *d = from;
    size_t side = floats ? 4 : 2;
    if (lines < side || columns < side) {
        for (size_t i = 0; i < lines; i++)
            for (size_t j = 0; j < columns; j++)
                if (floats)
                    ((float *)to)[j * to_stride + i] = f[i * from_stride + j];
                else
                    ((double *)to)[j * to_stride + i] = d[i * from_stride + j];
        return;
    }
    for (size_t i = 0; i < lines; i = next_square(i, side, lines))
        for (size_t j = 0; j < columns; j = next_square(j, side, columns)) {
            size_t at = i * from_stride + j, there = j * to_stride + i;
            if (floats)
                turn_floats(f + at, from_stride, (float *)to + there,
                            to_stride);
            else
                turn_doubles(d + at, from_stride, (double *)to + there,
                             to_stride);
        }
}

/* At most SIDE classes of SIDE rows between the tensor and the copy: the lines
 * of the tensor, whose strides may collide in the cache, are touched once. */
INLINED void move_full(bool floats, bool back, const char *from,
                       size_t from_stride, char *to, size_t to_stride,
                       size_t classes)
{
    size_t element = floats ? sizeof(float) : sizeof(double);
    char lines[SIDE * SIDE * sizeof(double)];
    if (back)
        turn_lines(floats, from, from_stride, SIDE, lines, SIDE, classes);
    for (size_t c = 0; c < classes; c++)
        memcpy(back ? to + c * to_stride * element : lines + c * SIDE * element,
               back ? lines + c * SIDE * element
                    : from + c * from_stride * element,
               SIDE * element);
    if (!back)
        turn_lines(floats, lines, SIDE, classes, to, to_stride, SIDE);
}

static void transpose(const struct move *move, size_t from, size_t from_stride,
                      size_t to, size_t to_stride, size_t rows, size_t classes)
{
    bool floats = move->shape->dtype == SMX_FLOAT32, back = move->back;
    size_t element = floats ? sizeof(float) : sizeof(double);
    const char *source = (const char *)move->from + from * element;
    char *target = (char *)move->to + to * element;
    if (rows == SIDE && floats)
        move_full(true, back, source, from_stride, target, to_stride, classes);
    else if (rows == SIDE)
        move_full(false, back, source, from_stride, target, to_stride, classes);
    else if (floats)
        turn_lines(true, source, from_stride, back ? rows : classes, target,
                   to_stride, back ? classes : rows);
    else
        turn_lines(false, source, from_stride, back ? rows : classes, target,
                   to_stride, back ? classes : rows);
}

/* ---- a class axis that is not the last ---------------------------------- */

/* Of a class of a row in the tensor. */
static size_t place_moved(const struct move *move, size_t row, size_t class)
{
    return move->back ? smx_rows_out_index(move->shape, row, class)
                      : smx_rows_index(move->shape, row, class);
}

/* Classes that lie side by side, with gaps between the rows alone. */
static void move_straight(const struct move *move, size_t row, size_t class,
                          size_t n)
{
    const struct smx_logits *z = move->shape;
    size_t element = smx_dtype_bytes(z->dtype);
    size_t there = place_moved(move, row, class) * element;
    size_t here = ((row - move->first) * z->classes + class) * element;
    memcpy((char *)move->to + (move->back ? there : here),
           (const char *)move->from + (move->back ? here : there), n * element);
}

/* At most SIDE rows, n <= SIDE classes from class on. */
static void move_square(const struct move *move, size_t row, size_t count,
                        size_t class, size_t n)
{
    const struct smx_logits *z = move->shape;
    size_t there = place_moved(move, row, class);
    size_t here = (row - move->first) * z->classes + class;
    if (move->back)
        transpose(move, here, z->classes, there, z->inner, count, n);
    else
        transpose(move, there, z->inner, here, z->classes, count, n);
}

/* The lines of the tensor that the next squares need are on their way while
 * these are turned: strides are too long for the processor to see them. */
static void fetch_squares(const struct move *move, size_t row, size_t count,
                          size_t class, size_t end)
{
    size_t element = smx_dtype_bytes(move->shape->dtype);
    const char *tensor = move->back ? move->to : move->from;
    end = end - class < SIDE ? end : class + SIDE;
    for (; class < end; class ++) {
        const char *line = tensor + place_moved(move, row, class) * element;
        for (size_t i = 0; i < count * element; i += 64)
            __builtin_prefetch(line + i);
    }
}

/* count <= GROUP rows that differ in the last index only. */
static void move_rows(const struct move *move, size_t row, size_t count,
                      size_t class, size_t end)
{
    for (size_t c = class; c < end; c += SIDE) {
        if (end - c > SIDE)
            fetch_squares(move, row, count, c + SIDE, end);
        for (size_t r = 0; r < count; r += SIDE)
            move_square(move, row + r, count - r < SIDE ? count - r : SIDE, c,
                        end - c < SIDE ? end - c : SIDE);
    }
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
        if (inner == 1)
            move_straight(move, row, class, last - class);
        else
            move_rows(move, row, count, class, last);
        row += count;
    }
}

static void move_squares(struct smx_context *context, struct move move)
{
    size_t groups = (move.count + GROUP - 1) / GROUP;
    move.pieces = (move.shape->classes - 1) / PIECE + 1;
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

static void mask_rows(struct smx_context *context, const struct smx_logits *z,
                      size_t first, size_t count, enum smx_masked masked,
                      const void *from, void *to, atomic_bool *nonfinite)
{
    struct masking job = {.kernels = context->kernels->load,
                          .shape = z,
                          .first = first,
                          .count = count,
                          .instead = masked == SMX_MASKED_ZERO ? 0 : -INFINITY,
                          .from = from,
                          .to = to,
                          .nonfinite = nonfinite};
    size_t slices = (count * z->classes + SMX_SMALL - 1) / SMX_SMALL;
    smx_pool_for(context->pool, slices, mask_slice, &job);
}

/* ---- chunks -------------------------------------------------------------- */

bool smx_load_chunk(const struct smx_kernels *kernels,
                    const struct smx_logits *z, size_t row, size_t class,
                    size_t n, float *copy, const float **chunk)
{
    *chunk = (const float *)z->data + row * z->classes + class;
    if (!z->mask)
        return true;
    const float *x = *chunk;
    size_t at = z->mask_per_class ? class : row * z->classes + class;
    *chunk = copy;
    return kernels->load->mask_floats(x, z->mask + at, n, -INFINITY, copy);
}

/* ---- tiles --------------------------------------------------------------- */

void *smx_place_tile(const struct smx_logits *z, void *tensor, size_t first,
                     void *copy)
{
    size_t start = first * z->classes * smx_dtype_bytes(z->dtype);
    return smx_rows_moved(z) || !tensor ? copy : (char *)tensor + start;
}

const void *smx_load_tile(struct smx_context *context,
                          const struct smx_logits *z, const void *tensor,
                          size_t first, size_t count, enum smx_masked masked,
                          void *copy, atomic_bool *nonfinite)
{
    const void *from = smx_place_tile(z, (void *)tensor, first, copy);
    if (smx_rows_moved(z))
        move_squares(context, (struct move){.shape = z,
                                            .from = tensor,
                                            .to = copy,
                                            .first = first,
                                            .count = count});
    if (!z->mask || masked == SMX_MASKED_KEPT)
        return from;
    mask_rows(context, z, first, count, masked, from, copy, nonfinite);
    return copy;
}

void smx_store_tile(struct smx_context *context, const struct smx_logits *z,
                    void *rows, size_t first, size_t count,
                    enum smx_masked masked, void *tensor)
{
    if (z->mask && masked != SMX_MASKED_KEPT)
        mask_rows(context, z, first, count, masked, rows, rows, NULL);
    if (smx_rows_moved(z))
        move_squares(context, (struct move){.shape = z,
                                            .from = rows,
                                            .to = tensor,
                                            .first = first,
                                            .count = count,
                                            .back = true});
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

void smx_tiles_load(struct smx_tiles *tiles, atomic_bool *nonfinite)
{
    const struct smx_logits *z = tiles->logits;
    size_t row = z->classes * smx_dtype_bytes(z->dtype);
    size_t first = tiles->first, rows = tiles->rows;
    const void *data = (const char *)z->data + first * row;
    if (tiles->loads)
        data = smx_load_tile(tiles->context, z, z->data, first, rows,
                             SMX_MASKED_INFINITE, tiles->copy, nonfinite);
    tiles->z = smx_side_by_side(z, data, rows);
    if (loads_input(tiles))
        tiles->other = smx_load_tile(
            tiles->context, z, tiles->input, first, rows, tiles->input_masked,
            (char *)tiles->copy + tiles->most * row, NULL);
    else if (tiles->input)
        tiles->other = (const char *)tiles->input + first * row;
    if (tiles->output)
        tiles->out = smx_place_tile(z, tiles->output, first, tiles->copy);
}

bool smx_tiles_enter(struct smx_tiles *tiles, size_t first)
{
    if (!smx_tiles_place(tiles, first))
        return false;
    smx_tiles_load(tiles, NULL);
    return true;
}

void smx_tiles_leave(const struct smx_tiles *tiles, enum smx_masked masked)
{
    if (tiles->output)
        smx_store_tile(tiles->context, tiles->logits, tiles->out, tiles->first,
                       tiles->rows, masked, tiles->output);
}
