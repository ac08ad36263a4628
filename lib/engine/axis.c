/* SPDX-License-Identifier: MIT */
#include "axis.h"

#include <stdlib.h>
#include <string.h>

#include "plain.h"
#include "rows.h"

/* Rows and classes that are transposed at once: a cache line of each. */
#define SIDE SMX_ROWS_MOVED

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

void smx_axis_gather(struct smx_context *context, const struct smx_logits *z,
                     const float *tensor, size_t first, size_t count,
                     float *copy)
{
    move(context, (struct tile){z, tensor, copy, first, count, false});
}

void smx_axis_scatter(struct smx_context *context, const struct smx_logits *z,
                      const float *copy, size_t first, size_t count,
                      float *tensor)
{
    move(context, (struct tile){z, copy, tensor, first, count, true});
}

/* ---- softmax ----------------------------------------------------------- */

bool smx_axis_takes(const struct smx_logits *z)
{
    return z->dtype == SMX_FLOAT32 && z->inner > 1 && z->outer && !z->mask &&
           !z->softcap;
}

enum smx_status smx_axis_softmax(struct smx_context *context,
                                 const struct smx_logits *z, bool log,
                                 float *values, struct smx_where *where)
{
    size_t rows = smx_rows_count(z);
    size_t most = smx_rows_tile(z, z->classes * sizeof(float) +
                                       smx_plain_room(1, z->classes));
    enum smx_status status =
        smx_rows_scan(context, z, z->data, SMX_LOGITS, where);
    if (status)
        return status;
    size_t bytes = smx_plain_room(most, z->classes);
    float *room = malloc(bytes + most * z->classes * sizeof *room);
    if (!room)
        return SMX_ENOMEM;
    float *copy = room + bytes / sizeof *room;
    for (size_t r = 0; r < rows && !status; r += most) {
        size_t count = rows - r < most ? rows - r : most;
        struct smx_logits tile = *z;
        tile.data = copy;
        tile.outer = count;
        tile.inner = 1;
        smx_axis_gather(context, z, z->data, r, count, copy);
        status = smx_plain_rows(context, &tile, log, copy, room, NULL);
        smx_axis_scatter(context, z, copy, r, count, values);
    }
    free(room);
    return status;
}
