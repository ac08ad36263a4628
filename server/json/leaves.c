// SPDX-License-Identifier: MIT
/*
 * Leaves are written in blocks as large as the room. A block may hold many rows
 * of one plane, which the last two dimensions make. Each row ends in "],[";
 * after the last row of a plane that is taken back, and the brackets that
 * belong there follow.
 */
#include "leaves.h"

#include <stdint.h>
#include <string.h>

/* count numbers need count * NUMBER_MAX_TEXT bytes of room, and 27 at most of
 * text each, "-1.2345678901234567e-308],["; then the brackets between two
 * planes, "]]]]]]]]],[[[[[[[[", must fit, too, at worst behind one number. */
enum { BRACKET_ROOM = 27 + 2 * TENSOR_MAX_RANK - NUMBER_MAX_TEXT };

/* The dimensions before the first 0 are a tensor of leaves "[]". */
void leaves_begin(struct leaves *leaves, const struct tensor *tensor,
                  bool nested)
{
    int rank = nested ? tensor->rank : 1;
    const size_t *shape = nested ? tensor->shape : &tensor->count;
    *leaves = (struct leaves){
        .tensor = tensor, .plane = 1, .rows = {1, 1}, .end = SIZE_MAX};
    for (int i = 0; i < rank && !leaves->empty; i++) {
        leaves->empty = shape[i] == 0;
        if (!leaves->empty)
            leaves->shape[leaves->rank++] = shape[i];
    }
    for (int i = 1; i <= 2 && i <= leaves->rank; i++)
        leaves->plane *= leaves->shape[leaves->rank - i];
    leaves->plane_left = leaves->plane;
    if (leaves->rank > 0)
        leaves->rows.length = leaves->shape[leaves->rank - 1];
    leaves->rows.left = leaves->rows.length;
}

void leaves_skip(struct leaves *leaves, size_t count)
{
    leaves->leaf += count;
    size_t planes = leaves->leaf / leaves->plane;
    size_t within = leaves->leaf % leaves->plane;
    leaves->plane_left = leaves->plane - within;
    leaves->rows.left = leaves->rows.length - within % leaves->rows.length;
    for (int i = leaves->rank - 3; i >= 0; i--) {
        leaves->index[i] = planes % leaves->shape[i];
        planes /= leaves->shape[i];
    }
}

static void advance(struct leaves *leaves, size_t count)
{
    struct number_rows *rows = &leaves->rows;
    leaves->leaf += count;
    leaves->plane_left -= count;
    if (count < rows->left)
        rows->left -= count;
    else
        rows->left = rows->length - (count - rows->left) % rows->length;
}

size_t leaf_write(char *text, const struct tensor *tensor, size_t leaf)
{
    const char *word = "[]";
    switch (tensor->count ? tensor->type : TENSOR_NONE) {
    case TENSOR_FLOAT32:
        return number_write_float32(text, ((const float *)tensor->data)[leaf]);
    case TENSOR_FLOAT64:
        return number_write_float64(text, ((const double *)tensor->data)[leaf]);
    case TENSOR_INT64:
        return number_write_int64(text, ((const int64_t *)tensor->data)[leaf]);
    case TENSOR_BOOL:
        word = ((const uint8_t *)tensor->data)[leaf] ? "true" : "false";
        break;
    case TENSOR_NONE:
        break;
    }
    size_t bytes = strlen(word);
    memcpy(text, word, bytes);
    return bytes;
}

static size_t write_block(char *text, const struct leaves *leaves, size_t count)
{
    const struct tensor *tensor = leaves->tensor;
    size_t leaf = leaves->leaf, n = 0;
    struct number_rows rows = leaves->rows;
    bool many = count > 1 && !leaves->empty; /* enough for vectors */
    if (many && tensor->type == TENSOR_FLOAT32)
        return number_write_block_float32(
            text, (const float *)tensor->data + leaf, count, rows);
    if (many && tensor->type == TENSOR_FLOAT64)
        return number_write_block_float64(
            text, (const double *)tensor->data + leaf, count, rows);
    for (size_t i = 0; i < count; i++) {
        n += leaf_write(text + n, tensor, leaf + i);
        text[n++] = ',';
        if (--rows.left == 0) {
            n = (size_t)(number_end_row(text + n) - text);
            rows.left = rows.length;
        }
    }
    return n;
}

/* A plane is complete: close the dimensions that end with it, and open as many
 * again. true: the tensor is complete. */
static bool end_plane(struct leaves *leaves, char *text, size_t *length)
{
    int ended = leaves->rank < 2 ? leaves->rank : 2;
    for (int i = leaves->rank - 3; i >= 0; i--) {
        if (++leaves->index[i] < leaves->shape[i])
            break;
        leaves->index[i] = 0;
        ended++;
    }
    memset(text + *length, ']', (size_t)ended);
    *length += (size_t)ended;
    if (ended == leaves->rank)
        return true;
    text[(*length)++] = ',';
    memset(text + *length, '[', (size_t)ended);
    *length += (size_t)ended;
    leaves->plane_left = leaves->plane;
    return false;
}

bool leaves_write(struct leaves *leaves, char *text, size_t room,
                  size_t *length)
{
    while (room - *length >= LEAF_ROOM - TENSOR_MAX_RANK) {
        size_t fit = (room - *length - BRACKET_ROOM) / NUMBER_MAX_TEXT;
        size_t left = leaves->end - leaves->leaf;
        if (left > leaves->plane_left)
            left = leaves->plane_left;
        size_t count = left < fit ? left : fit;
        *length += write_block(text + *length, leaves, count);
        advance(leaves, count);
        if (leaves->plane_left == 0) {
            *length -= strlen("],[");
            if (end_plane(leaves, text, length))
                return true;
        }
        if (leaves->leaf == leaves->end)
            return true;
    }
    return false;
}
