// SPDX-License-Identifier: MIT
/* The answer is a list of pieces, in order; the text of all of them lies in one
 * buffer. */
#include "writer.h"
#include "../freelist.h"
#include "../number/base64.h"
#include "../utf8.h"
#include "small_text.h"
#include "leaf_blocks.h"
#include "leaves.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

struct piece {
    const struct tensor *tensor; /* NULL: text */
    bool nested;
    bool base64;
    size_t offset, bytes; /* of the text */
};

/* Text and pieces begin in the writer itself: a small answer takes no other
 * memory. */
enum { FIRST_PIECES = 4, FIRST_TEXT = 256 };

struct writer {
    char *text;
    size_t text_bytes, text_room;
    struct piece *pieces;
    size_t count, room;
    bool failed;
    size_t piece, written; /* now: which, how much of its text or base64 */
    struct leaves leaves;  /* of its tensor */
    struct jobs *jobs;     /* NULL: one thread writes all */
    struct budget *budget;
    struct piece first_pieces[FIRST_PIECES];
    char first_text[FIRST_TEXT];
    struct leaf_blocks blocks; /* of its leaves, on several threads */
};

struct writer *writer_create(void)
{
    struct writer *writer = freelist_take(sizeof *writer);
    if (!writer)
        return NULL;
    memset(writer, 0, offsetof(struct writer, first_pieces));
    writer->text = writer->first_text;
    writer->text_room = FIRST_TEXT;
    writer->pieces = writer->first_pieces;
    writer->room = FIRST_PIECES;
    writer->blocks.pipeline = NULL;
    return writer;
}

void writer_free(struct writer *writer)
{
    if (!writer)
        return;
    leaf_blocks_end(&writer->blocks);
    inline_buffer_free(writer->text, writer->first_text);
    inline_buffer_free(writer->pieces, writer->first_pieces);
    freelist_give(writer);
}

static bool grow(void **data, size_t *room, const void *first, size_t needed,
                 size_t unit)
{
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
    if (writer->count == writer->room &&
        !grow(&pieces, &writer->room, writer->first_pieces, writer->count + 1,
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
    if (!last || (bytes > writer->text_room - writer->text_bytes &&
                  !grow(&all, &writer->text_room, writer->first_text,
                        writer->text_bytes + bytes, 1))) {
        writer->failed = true;
        return;
    }
    writer->text = all;
    memcpy(writer->text + writer->text_bytes, text, bytes);
    writer->text_bytes += bytes;
    last->bytes += bytes;
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

void writer_format(struct writer *writer, const char *format, ...)
{
    va_list values;
    va_start(values, format);
    for (size_t text; *format; format += text) {
        text = strcspn(format, "%");
        writer_bytes(writer, format, text);
        if (format[text] == '\0')
            break;
        if (format[text + 1] == 's')
            writer_string(writer, va_arg(values, const char *));
        else
            writer_int64(writer, (int64_t)va_arg(values, size_t));
        text += strlen(format[text + 1] == 's' ? "%s" : "%zu");
    }
    va_end(values);
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

void writer_share(struct writer *writer, struct jobs *jobs,
                  struct budget *budget)
{
    writer->jobs = jobs;
    writer->budget = budget;
}

bool writer_done(const struct writer *writer)
{
    return writer->piece == writer->count;
}

/* Groups of three bytes while there is room, then the rest. */
static bool next_base64(struct writer *writer, char *buffer, size_t room,
                        size_t *length)
{
    const struct tensor *tensor = writer->pieces[writer->piece].tensor;
    size_t left = bytes_of(tensor) - writer->written;
    size_t fit = (room - *length) / 4 * 3, count = left < fit ? left : fit;
    const unsigned char *data = tensor->data;
    if (count > 0)
        *length +=
            base64_encode(buffer + *length, data + writer->written, count);
    writer->written += count;
    return count == left;
}

static bool next_tensor(struct writer *writer, char *buffer, size_t room,
                        size_t *length)
{
    const struct piece *piece = &writer->pieces[writer->piece];
    struct leaves *leaves = &writer->leaves;
    if (room - *length < LEAF_ROOM)
        return false;
    if (!leaves->tensor) {
        leaves_begin(leaves, piece->tensor, piece->nested);
        memset(buffer + *length, '[', (size_t)leaves->rank);
        *length += (size_t)leaves->rank;
    }
    if (writer->jobs && !writer->blocks.pipeline)
        leaf_blocks_begin(&writer->blocks, leaves, writer->jobs,
                          writer->budget);
    return writer->blocks.pipeline
               ? leaf_blocks_next(&writer->blocks, buffer, room, length)
               : leaves_write(leaves, buffer, room, length);
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
            writer->leaves.tensor = NULL;
            leaf_blocks_end(&writer->blocks);
        } else if (length == before) {
            break;
        }
    }
    return length;
}
