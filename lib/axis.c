/* SPDX-License-Identifier: MIT */
#include "axis.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "kernels.h"
#include "plain.h"
#include "plain_loss.h"
#include "rows.h"

/* Rows and classes that are transposed at once: a cache line of each. */
#define SIDE ((size_t)16)

/* Elements of the copies, unless a group of rows has more: a tensor is not
 * copied as a whole where its rows are independent. */
#define TILE ((size_t)1 << 18)

/* Elements of a copy of all rows: for a loss, whose rows are not independent,
 * and for rows that need room of their own, which must be found at once. */
#define MOST ((size_t)1 << 24)

/* Rows first to first + count, between the tensor and their copy. */
struct tile {
    const struct smx_logits *shape;
    const float *from;
    float *to;
    size_t first, count;
    bool back;
};

/* A square of at most SIDE x SIDE; strides between its lines. Every cache
 * line is touched once, however the strides collide. */
static void transpose(const float *from, size_t from_stride, size_t lines,
                      float *to, size_t to_stride, size_t columns)
{
    float square[SIDE][SIDE];
    for (size_t i = 0; i < lines; i++)
        memcpy(square[i], from + i * from_stride, columns * sizeof *from);
    for (size_t j = 0; j < columns; j++) {
        float line[SIDE];
        for (size_t i = 0; i < SIDE; i++)
            line[i] = square[i][j];
        memcpy(to + j * to_stride, line, lines * sizeof *to);
    }
}

/* count <= SIDE rows that differ in the last index only. */
static void move_rows(const struct tile *tile, size_t row, size_t count)
{
    const struct smx_logits *z = tile->shape;
    size_t there = smx_rows_index(z, row, 0);
    size_t here = (row - tile->first) * z->classes;
    for (size_t c = 0; c < z->classes; c += SIDE) {
        size_t n = z->classes - c < SIDE ? z->classes - c : SIDE;
        if (tile->back)
            transpose(tile->from + here + c, z->classes, count,
                      tile->to + there + c * z->inner, z->inner, n);
        else
            transpose(tile->from + there + c * z->inner, z->inner, n,
                      tile->to + here + c, z->classes, count);
    }
}

static void move_group(void *argument, size_t group)
{
    const struct tile *tile = argument;
    size_t inner = tile->shape->inner, row = tile->first + group * SIDE;
    size_t end = tile->first + tile->count;
    end = end - row < SIDE ? end : row + SIDE;
    while (row < end) {
        size_t left = inner - row % inner;
        size_t count = end - row < left ? end - row : left;
        move_rows(tile, row, count);
        row += count;
    }
}

static void move(struct smx_context *context, struct tile tile)
{
    smx_pool_for(context->pool, (tile.count + SIDE - 1) / SIDE, move_group,
                 &tile);
}

/* ---- softmax ----------------------------------------------------------- */

struct look {
    const struct smx_kernels *kernels;
    const float *z;
    size_t count;
    atomic_bool refused;
};

static void look_at(void *argument, size_t slice)
{
    struct look *look = argument;
    size_t start = slice * SMX_SMALL, n = look->count - start;
    float max;
    n = n < SMX_SMALL ? n : SMX_SMALL;
    if (!look->kernels->peak(look->z + start, n, &max))
        look->refused = true;
}

static bool acceptable(struct smx_context *context, const struct smx_logits *z)
{
    struct look look = {.kernels = context->kernels,
                        .z = z->data,
                        .count = smx_rows_count(z) * z->classes};
    smx_pool_for(context->pool, (look.count + SMX_SMALL - 1) / SMX_SMALL,
                 look_at, &look);
    return !look.refused;
}

bool smx_axis_takes(const struct smx_logits *z)
{
    return z->dtype == SMX_FLOAT32 && z->inner > 1 && z->outer && !z->mask &&
           !z->softcap;
}

bool smx_axis_softmax(struct smx_context *context, const struct smx_logits *z,
                      bool log, float *values, enum smx_status *status)
{
    size_t rows = smx_rows_count(z), most = TILE / z->classes / SIDE * SIDE;
    if (z->classes > SMX_ROOMLESS)
        most = rows;
    if (most > rows)
        most = rows;
    if (most * z->classes > MOST || !acceptable(context, z))
        return false;
    float *copy = reallocarray(NULL, most * z->classes, sizeof *copy);
    if (!copy)
        return false;
    *status = SMX_OK;
    for (size_t r = 0; r < rows && !*status; r += most) {
        size_t count = rows - r < most ? rows - r : most;
        struct smx_logits tile = *z;
        tile.data = copy;
        tile.outer = count;
        tile.inner = 1;
        move(context, (struct tile){z, z->data, copy, r, count, false});
        *status = smx_plain_softmax(context, &tile, log, copy, NULL);
        if (!*status)
            move(context, (struct tile){z, copy, values, r, count, true});
    }
    free(copy);
    return true;
}

/* ---- loss -------------------------------------------------------------- */

bool smx_axis_loss(struct smx_context *context, const struct smx_logits *z,
                   const struct smx_criterion *criterion, const float *upstream,
                   float *gradient, const struct smx_loss_out *out,
                   enum smx_status *status)
{
    size_t rows = smx_rows_count(z), count = rows * z->classes;
    struct smx_logits last = *z;
    struct smx_criterion beside = *criterion;
    bool taken = false;
    if (count > MOST)
        return false;
    float *copy = reallocarray(NULL, criterion->targets ? 2 * count : count,
                               sizeof *copy);
    if (!copy)
        return false;
    last.data = copy;
    last.outer = rows;
    last.inner = 1;
    move(context, (struct tile){z, z->data, copy, 0, rows, false});
    if (criterion->targets) {
        beside.targets = copy + count;
        move(context, (struct tile){z, criterion->targets, copy + count, 0,
                                    rows, false});
    }
    taken = smx_plain_loss(context, &last, &beside, upstream,
                           gradient ? copy : NULL, out, status);
    if (taken && !*status && gradient)
        move(context, (struct tile){z, copy, gradient, 0, rows, true});
    free(copy);
    return taken;
}
