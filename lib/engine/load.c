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

typedef float four __attribute__((vector_size(16)));

/* Square [i][j] to [j][i]. */
static inline __attribute__((always_inline)) void turn_four(const float *from,
                                                            float *to)
{
    four a, b, c, d, low, high;
    memcpy(&a, from, sizeof a);
    memcpy(&b, from + SIDE, sizeof b);
    memcpy(&c, from + 2 * SIDE, sizeof c);
    memcpy(&d, from + 3 * SIDE, sizeof d);
    low = __builtin_shufflevector(a, b, 0, 4, 1, 5);
    high = __builtin_shufflevector(c, d, 0, 4, 1, 5);
    a = __builtin_shufflevector(a, b, 2, 6, 3, 7);
    c = __builtin_shufflevector(c, d, 2, 6, 3, 7);
    b = __builtin_shufflevector(low, high, 0, 1, 4, 5);
    memcpy(to, &b, sizeof b);
    b = __builtin_shufflevector(low, high, 2, 3, 6, 7);
    memcpy(to + SIDE, &b, sizeof b);
    b = __builtin_shufflevector(a, c, 0, 1, 4, 5);
    memcpy(to + 2 * SIDE, &b, sizeof b);
    b = __builtin_shufflevector(a, c, 2, 3, 6, 7);
    memcpy(to + 3 * SIDE, &b, sizeof b);
}

/* Short lines are not worth a call. */
static inline __attribute__((always_inline)) void
copy_line(float *to, const float *from, size_t n)
{
    if (n == SIDE) {
        memcpy(to, from, SIDE * sizeof *to);
        return;
    }
    for (; n >= 4; n -= 4, to += 4, from += 4)
        memcpy(to, from, 4 * sizeof *to);
    while (n--)
        *to++ = *from++;
}

/* A square of at most SIDE x SIDE; strides between its lines. Every cache
 * line is touched once, however the strides collide. */
static void transpose_floats(const float *from, size_t from_stride,
                             size_t lines, float *to, size_t to_stride,
                             size_t columns)
{
    float square[SIDE * SIDE], turned[SIDE * SIDE];
    for (size_t i = 0; i < lines; i++)
        copy_line(square + i * SIDE, from + i * from_stride, columns);
    for (size_t i = 0; i < lines; i += 4)
        for (size_t j = 0; j < columns; j += 4)
            turn_four(square + i * SIDE + j, turned + j * SIDE + i);
    for (size_t j = 0; j < columns; j++)
        copy_line(to + j * to_stride, turned + j * SIDE, lines);
}

static void transpose_doubles(const double *from, size_t from_stride,
                              size_t lines, double *to, size_t to_stride,
                              size_t columns)
{
    double square[SIDE][SIDE];
    for (size_t i = 0; i < lines; i++)
        memcpy(square[i], from + i * from_stride, columns * sizeof *from);
    for (size_t j = 0; j < columns; j++)
        for (size_t i = 0; i < lines; i++)
            to[j * to_stride + i] = square[i][j];
}

static void transpose(const struct move *move, size_t from, size_t from_stride,
                      size_t lines, size_t to, size_t to_stride, size_t columns)
{
    if (move->shape->dtype == SMX_FLOAT32)
        transpose_floats((const float *)move->from + from, from_stride, lines,
                         (float *)move->to + to, to_stride, columns);
    else
        transpose_doubles((const double *)move->from + from, from_stride, lines,
                          (double *)move->to + to, to_stride, columns);
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
        transpose(move, here, z->classes, count, there, z->inner, n);
    else
        transpose(move, there, z->inner, n, here, z->classes, count);
}

/* count <= GROUP rows that differ in the last index only. */
static void move_rows(const struct move *move, size_t row, size_t count,
                      size_t class, size_t end)
{
    for (size_t c = class; c < end; c += SIDE)
        for (size_t r = 0; r < count; r += SIDE)
            move_square(move, row + r, count - r < SIDE ? count - r : SIDE, c,
                        end - c < SIDE ? end - c : SIDE);
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
};

static void mask_elements(const struct masking *job, size_t at, size_t n,
                          const uint8_t *mask)
{
    if (job->shape->dtype == SMX_FLOAT32)
        job->kernels->mask_floats((const float *)job->from + at, mask, n,
                                  (float)job->instead, (float *)job->to + at);
    else
        job->kernels->mask_doubles((const double *)job->from + at, mask, n,
                                   job->instead, (double *)job->to + at);
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
                      const void *from, void *to)
{
    struct masking job = {.kernels = context->kernels->load,
                          .shape = z,
                          .first = first,
                          .count = count,
                          .instead = masked == SMX_MASKED_ZERO ? 0 : -INFINITY,
                          .from = from,
                          .to = to};
    size_t slices = (count * z->classes + SMX_SMALL - 1) / SMX_SMALL;
    smx_pool_for(context->pool, slices, mask_slice, &job);
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
                          void *copy)
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
    mask_rows(context, z, first, count, masked, from, copy);
    return copy;
}

void smx_store_tile(struct smx_context *context, const struct smx_logits *z,
                    void *rows, size_t first, size_t count,
                    enum smx_masked masked, void *tensor)
{
    if (z->mask && masked != SMX_MASKED_KEPT)
        mask_rows(context, z, first, count, masked, rows, rows);
    if (smx_rows_moved(z))
        move_squares(context, (struct move){.shape = z,
                                            .from = rows,
                                            .to = tensor,
                                            .first = first,
                                            .count = count,
                                            .back = true});
}
