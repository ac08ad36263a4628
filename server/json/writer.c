// SPDX-License-Identifier: MIT
/*
 * The answer is a list of pieces, in order; the text of all of them lies in
 * one buffer. The leaves of a tensor are numbers, or "[]" where a dimension is
 * 0. They go out in blocks as large as there is room; a block may hold many
 * rows, of the last two dimensions (a plane). Each row ends in "],[", which
 * behind the last of a plane is taken back for the brackets that belong there.
 */
#include "writer.h"
#include "../number/base64.h"
#include "../number/number.h"
#include "../utf8.h"
#include "inline_buffer.h"

#include <stdlib.h>
#include <string.h>

struct piece {
    const struct tensor *tensor; /* NULL: text */
    bool nested;
    bool base64;
    size_t offset, bytes; /* of the text */
};

/* Where in a tensor the next leaf is. */
struct cursor {
    bool begun;
    bool empty; /* every leaf is "[]" */
    int rank;   /* dimensions of leaves */
    size_t shape[TENSOR_MAX_RANK], index[TENSOR_MAX_RANK]; /* of planes */
    size_t plane, plane_left;                              /* leaves */
    struct number_rows rows;
    size_t leaf; /* flat */
    size_t byte; /* in base64 */
};

/* What both begin with lies here: a small answer takes no other memory. */
enum { FIRST_PIECES = 4, FIRST_TEXT = 256 };

struct writer {
    char *text;
    size_t text_bytes, text_room;
    struct piece *pieces;
    size_t count, room;
    bool failed;
    size_t piece, written; /* now: which, and how much of its text */
    struct cursor cursor;  /* in its tensor */
    struct piece first_pieces[FIRST_PIECES];
    char first_text[FIRST_TEXT];
};

/* count numbers need count * NUMBER_MAX_TEXT bytes of room, and 27 at most of
 * text each, "-1.2345678901234567e-308],["; then the brackets between two
 * planes, "]]]]]]]]],[[[[[[[[", must fit, too, at worst behind one number. */
enum {
    LEAF_ROOM = 64,
    BRACKET_ROOM = 27 + 2 * TENSOR_MAX_RANK - NUMBER_MAX_TEXT
};

struct writer *writer_create(void)
{
    struct writer *writer = malloc(sizeof *writer);
    if (!writer)
        return NULL;
    memset(writer, 0, offsetof(struct writer, first_pieces));
    writer->text = writer->first_text;
    writer->text_room = FIRST_TEXT;
    writer->pieces = writer->first_pieces;
    writer->room = FIRST_PIECES;
    return writer;
}

void writer_free(struct writer *writer)
{
    if (!writer)
        return;
    inline_buffer_free(writer->text, writer->first_text);
    inline_buffer_free(writer->pieces, writer->first_pieces);
    free(writer);
}

static bool grow(void **data, size_t *room, const void *first, size_t needed,
                 size_t unit)
{
    if (needed <= *room)
        return true;
    size_t more = 2 * *room;
    while (more < needed)
        more *= 2;
    void *grown = inline_buffer_grow(*data, first, *room * unit, more * unit);
    if (!grown)
        return false;
    *data = grown;
    *room = more;
    return true;
}

static struct piece *add_piece(struct writer *writer)
{
    void *pieces = writer->pieces;
    if (!grow(&pieces, &writer->room, writer->first_pieces, writer->count + 1,
              sizeof *writer->pieces)) {
        writer->failed = true;
        return NULL;
    }
    writer->pieces = pieces;
    writer->pieces[writer->count] =
        (struct piece){.offset = writer->text_bytes};
    return &writer->pieces[writer->count++];
}

void writer_bytes(struct writer *writer, const char *text, size_t bytes)
{
    if (writer->failed || bytes == 0)
        return;
    struct piece *last =
        writer->count ? &writer->pieces[writer->count - 1] : NULL;
    if (!last || last->tensor)
        last = add_piece(writer);
    void *all = writer->text;
    if (!last || !grow(&all, &writer->text_room, writer->first_text,
                       writer->text_bytes + bytes, 1)) {
        writer->failed = true;
        return;
    }
    writer->text = all;
    memcpy(writer->text + writer->text_bytes, text, bytes);
    writer->text_bytes += bytes;
    last->bytes += bytes;
}

void writer_text(struct writer *writer, const char *text)
{
    writer_bytes(writer, text, strlen(text));
}

static void add_escape(struct writer *writer, unsigned char c)
{
    static const char hex[] = "0123456789abcdef", plain[] = "\"\\\b\f\n\r\t",
                      letter[] = "\"\\bfnrt";
    const char *found = strchr(plain, c);
    char escape[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
    if (found)
        escape[1] = letter[found - plain];
    writer_bytes(writer, escape, found ? 2 : 6);
}

/* How many at the beginning stand for themselves in a string. */
static size_t plain_bytes(const unsigned char *text)
{
    size_t bytes = 0;
    while (text[bytes] >= ' ' && text[bytes] < 0x80 && text[bytes] != '"' &&
           text[bytes] != '\\')
        bytes++;
    return bytes;
}

/* Any other one. @return its bytes. */
static size_t add_character(struct writer *writer, const unsigned char *text)
{
    size_t bytes = utf8_bytes((const char *)text, UTF8_MAX);
    if (bytes == 0)
        writer_bytes(writer, "\xef\xbf\xbd", 3); /* U+FFFD */
    else if (bytes == 1)
        add_escape(writer, *text);
    else
        writer_bytes(writer, (const char *)text, bytes);
    return bytes ? bytes : 1;
}

void writer_string(struct writer *writer, const char *text)
{
    const unsigned char *at = (const unsigned char *)text;
    writer_bytes(writer, "\"", 1);
    while (*at) {
        size_t plain = plain_bytes(at);
        writer_bytes(writer, (const char *)at, plain);
        at += plain;
        if (*at)
            at += add_character(writer, at);
    }
    writer_bytes(writer, "\"", 1);
}

void writer_int64(struct writer *writer, int64_t value)
{
    char text[NUMBER_MAX_TEXT];
    writer_bytes(writer, text, number_write_int64(text, value));
}

static void add_tensor(struct writer *writer, const struct tensor *tensor,
                       bool nested, bool base64)
{
    struct piece *piece = writer->failed ? NULL : add_piece(writer);
    if (!piece)
        return;
    piece->tensor = tensor;
    piece->nested = nested;
    piece->base64 = base64;
}

void writer_tensor(struct writer *writer, const struct tensor *tensor,
                   bool nested)
{
    add_tensor(writer, tensor, nested, false);
}

void writer_base64(struct writer *writer, const struct tensor *tensor)
{
    add_tensor(writer, tensor, false, true);
}

static size_t bytes_of(const struct tensor *tensor)
{
    return tensor->count * tensor_element_bytes(tensor->type);
}

bool writer_failed(const struct writer *writer)
{
    return writer->failed;
}

size_t writer_known_bytes(const struct writer *writer)
{
    size_t bytes = writer->text_bytes;
    for (size_t i = 0; i < writer->count; i++) {
        const struct piece *piece = &writer->pieces[i];
        if (piece->tensor && !piece->base64)
            return SIZE_MAX;
        if (piece->tensor)
            bytes += base64_characters(bytes_of(piece->tensor));
    }
    return bytes;
}

bool writer_done(const struct writer *writer)
{
    return writer->piece == writer->count;
}

/* The dimensions before the first 0 are a tensor of leaves "[]". */
static void cursor_begin(struct cursor *cursor, const struct piece *piece)
{
    const struct tensor *tensor = piece->tensor;
    int rank = piece->nested ? tensor->rank : 1;
    const size_t *shape = piece->nested ? tensor->shape : &tensor->count;
    *cursor = (struct cursor){.begun = true, .plane = 1, .rows = {1, 1}};
    for (int i = 0; i < rank && !cursor->empty; i++) {
        cursor->empty = shape[i] == 0;
        if (!cursor->empty)
            cursor->shape[cursor->rank++] = shape[i];
    }
    for (int i = 1; i <= 2 && i <= cursor->rank; i++)
        cursor->plane *= cursor->shape[cursor->rank - i];
    cursor->plane_left = cursor->plane;
    if (cursor->rank > 0)
        cursor->rows.length = cursor->shape[cursor->rank - 1];
    cursor->rows.left = cursor->rows.length;
}

static void cursor_advance(struct cursor *cursor, size_t count)
{
    struct number_rows *rows = &cursor->rows;
    cursor->leaf += count;
    cursor->plane_left -= count;
    if (count < rows->left)
        rows->left -= count;
    else
        rows->left = rows->length - (count - rows->left) % rows->length;
}

static size_t write_leaf(char *text, const struct tensor *tensor,
                         const struct cursor *cursor, size_t leaf)
{
    const char *word = "[]";
    if (!cursor->empty && tensor->type == TENSOR_INT64)
        return number_write_int64(text, ((const int64_t *)tensor->data)[leaf]);
    if (!cursor->empty)
        word = ((const uint8_t *)tensor->data)[leaf] ? "true" : "false";
    size_t bytes = strlen(word);
    memcpy(text, word, bytes);
    return bytes;
}

static size_t write_leaves(char *text, const struct tensor *tensor,
                           const struct cursor *cursor, size_t count)
{
    size_t leaf = cursor->leaf, n = 0;
    struct number_rows rows = cursor->rows;
    if (!cursor->empty && tensor->type == TENSOR_FLOAT32)
        return number_write_block_float32(
            text, (const float *)tensor->data + leaf, count, rows);
    if (!cursor->empty && tensor->type == TENSOR_FLOAT64)
        return number_write_block_float64(
            text, (const double *)tensor->data + leaf, count, rows);
    for (size_t i = 0; i < count; i++) {
        n += write_leaf(text + n, tensor, cursor, leaf + i);
        text[n++] = ',';
        if (--rows.left == 0) {
            n = (size_t)(number_end_row(text + n) - text);
            rows.left = rows.length;
        }
    }
    return n;
}

/* Close the dimensions that end here, and open as many; true: all ended. */
static bool end_plane(struct cursor *cursor, char *text, size_t *length)
{
    int ended = cursor->rank < 2 ? cursor->rank : 2;
    for (int i = cursor->rank - 3; i >= 0; i--) {
        if (++cursor->index[i] < cursor->shape[i])
            break;
        cursor->index[i] = 0;
        ended++;
    }
    memset(text + *length, ']', (size_t)ended);
    *length += (size_t)ended;
    if (ended == cursor->rank)
        return true;
    text[(*length)++] = ',';
    memset(text + *length, '[', (size_t)ended);
    *length += (size_t)ended;
    cursor->plane_left = cursor->plane;
    return false;
}

/* @return the tensor is complete. */
static bool write_tensor(struct cursor *cursor, const struct tensor *tensor,
                         char *text, size_t room, size_t *length)
{
    while (room - *length >= LEAF_ROOM - TENSOR_MAX_RANK) {
        size_t fit = (room - *length - BRACKET_ROOM) / NUMBER_MAX_TEXT;
        size_t left = cursor->plane_left, count = left < fit ? left : fit;
        *length += write_leaves(text + *length, tensor, cursor, count);
        cursor_advance(cursor, count);
        if (cursor->plane_left > 0)
            continue;
        *length -= strlen("],[");
        if (end_plane(cursor, text, length))
            return true;
    }
    return false;
}

/* Groups of three bytes while there is room, then the rest. */
static bool next_base64(struct writer *writer, char *buffer, size_t room,
                        size_t *length)
{
    const struct tensor *tensor = writer->pieces[writer->piece].tensor;
    struct cursor *cursor = &writer->cursor;
    size_t left = bytes_of(tensor) - cursor->byte;
    size_t fit = (room - *length) / 4 * 3, count = left < fit ? left : fit;
    const unsigned char *data = tensor->data;
    if (count > 0)
        *length += base64_encode(buffer + *length, data + cursor->byte, count);
    cursor->byte += count;
    return count == left;
}

static bool next_tensor(struct writer *writer, char *buffer, size_t room,
                        size_t *length)
{
    const struct piece *piece = &writer->pieces[writer->piece];
    struct cursor *cursor = &writer->cursor;
    if (room - *length < LEAF_ROOM)
        return false;
    if (!cursor->begun) {
        cursor_begin(cursor, piece);
        memset(buffer + *length, '[', (size_t)cursor->rank);
        *length += (size_t)cursor->rank;
    }
    return write_tensor(cursor, piece->tensor, buffer, room, length);
}

static bool next_text(struct writer *writer, char *buffer, size_t room,
                      size_t *length)
{
    const struct piece *piece = &writer->pieces[writer->piece];
    size_t left = piece->bytes - writer->written;
    size_t bytes = left < room - *length ? left : room - *length;
    memcpy(buffer + *length, writer->text + piece->offset + writer->written,
           bytes);
    *length += bytes;
    writer->written += bytes;
    return bytes == left;
}

size_t writer_next(struct writer *writer, char *buffer, size_t room)
{
    size_t length = 0;
    while (!writer_done(writer)) {
        const struct piece *piece = &writer->pieces[writer->piece];
        bool (*next)(struct writer *, char *, size_t, size_t *) =
            !piece->tensor  ? next_text
            : piece->base64 ? next_base64
                            : next_tensor;
        size_t before = length;
        if (next(writer, buffer, room, &length)) {
            writer->piece++;
            writer->written = 0;
            writer->cursor = (struct cursor){0};
        } else if (length == before) {
            break;
        }
    }
    return length;
}
