// SPDX-License-Identifier: MIT
/* The answer is text, all of it in one buffer, and tensors at places in it. */
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
    const struct tensor *tensor;
    size_t place; /* bytes of text before it */
    bool nested;
    bool base64;
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
    size_t text_written, piece; /* so far: text, and tensors as a whole */
    size_t written;             /* of the next one, in base64 */
    struct leaves leaves;       /* of the next one */
    struct jobs *jobs;          /* NULL: one thread writes all */
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

/* data with room for needed units instead of *room, or as it was: then the
 * writer has failed. */
static void *grow(struct writer *writer, void *data, size_t *room,
                  const void *first, size_t needed, size_t unit)
{
    size_t more = 2 * *room;
    while (more < needed)
        more *= 2;
    void *grown = inline_buffer_grow(data, first, *room * unit, more * unit);
    writer->failed = !grown;
    if (!grown)
        return data;
    *room = more;
    return grown;
}

static bool add_text_room(struct writer *writer, size_t bytes)
{
    writer->text = grow(writer, writer->text, &writer->text_room,
                        writer->first_text, writer->text_bytes + bytes, 1);
    return !writer->failed;
}

static bool add_piece_room(struct writer *writer)
{
    writer->pieces =
        grow(writer, writer->pieces, &writer->room, writer->first_pieces,
             writer->count + 1, sizeof *writer->pieces);
    return !writer->failed;
}

/* Where so many bytes of text go next; NULL: the writer has failed. */
static inline char *text_end(struct writer *writer, size_t bytes)
{
    if (writer->failed || (bytes > writer->text_room - writer->text_bytes &&
                           !add_text_room(writer, bytes)))
        return NULL;
    return writer->text + writer->text_bytes;
}

void writer_bytes(struct writer *writer, const char *text, size_t bytes)
{
    char *end = text_end(writer, bytes);
    if (!end)
        return;
    memcpy(end, text, bytes);
    writer->text_bytes += bytes;
}

void writer_name(struct writer *writer, char before, const char *name)
{
    size_t bytes = strlen(name);
    char *end = text_end(writer, bytes + 4);
    if (!end)
        return;
    end[0] = before;
    end[1] = '"';
    memcpy(end + 2, name, bytes);
    memcpy(end + 2 + bytes, "\":", 2);
    writer->text_bytes += bytes + 4;
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
    char *end = text_end(writer, NUMBER_MAX_TEXT);
    if (end)
        writer->text_bytes += number_write_int64(end, value);
}

static void add_tensor(struct writer *writer, const struct tensor *tensor,
                       bool nested, bool base64)
{
    if (writer->failed ||
        (writer->count == writer->room && !add_piece_room(writer)))
        return;
    writer->pieces[writer->count++] =
        (struct piece){tensor, writer->text_bytes, nested, base64};
}

/* A scalar is written at once. */
void writer_tensor(struct writer *writer, const struct tensor *tensor,
                   bool nested)
{
    char *end;
    if (!nested || tensor->rank > 0)
        add_tensor(writer, tensor, nested, false);
    else if ((end = text_end(writer, NUMBER_MAX_TEXT)))
        writer->text_bytes += leaf_write(end, tensor, 0);
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
        if (!writer->pieces[i].base64)
            return SIZE_MAX;
        bytes += base64_characters(bytes_of(writer->pieces[i].tensor));
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
    return writer->piece == writer->count &&
           writer->text_written == writer->text_bytes;
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

static bool next_leaves(struct writer *writer, char *buffer, size_t room,
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

/* false: there is no room for all of it. */
static bool next_tensor(struct writer *writer, char *buffer, size_t room,
                        size_t *length)
{
    if (!(writer->pieces[writer->piece].base64 ? next_base64 : next_leaves)(
            writer, buffer, room, length))
        return false;
    writer->piece++;
    writer->written = 0;
    writer->leaves.tensor = NULL;
    leaf_blocks_end(&writer->blocks);
    return true;
}

/* The text up to the next tensor; false: there is no room for all of it. */
static bool next_text(struct writer *writer, char *buffer, size_t room,
                      size_t *length)
{
    size_t end = writer->piece < writer->count
                     ? writer->pieces[writer->piece].place
                     : writer->text_bytes;
    size_t left = end - writer->text_written;
    size_t bytes = left < room - *length ? left : room - *length;
    memcpy(buffer + *length, writer->text + writer->text_written, bytes);
    *length += bytes;
    writer->text_written += bytes;
    return bytes == left;
}

size_t writer_next(struct writer *writer, char *buffer, size_t room)
{
    size_t length = 0;
    while (next_text(writer, buffer, room, &length) &&
           writer->piece < writer->count &&
           next_tensor(writer, buffer, room, &length))
        ;
    return length;
}
