// SPDX-License-Identifier: MIT
#include "stream.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>

/* What deflate holds at memory level 8 (zconf.h). */
enum { DEFLATE_BYTES = 268 * 1024, LEVEL = 1 };

/* That a writer is asked to fill; it puts nothing into less. */
enum { LEAST_ROOM = 64 };

struct stream {
    struct budget *budget;
    size_t charged;
    struct writer *writer;
    const struct tensor *tensors[REPLY_MAX_TENSORS];
    size_t tensor_count, tensor;
    size_t at; /* bytes of the tensor that went out */
    bool compressed;
    z_stream z;
    bool ended;         /* z has nothing more to give */
    size_t first, last; /* what of slice is still to go out */
    char *slice;
};

static bool begin_deflate(struct stream *stream, enum coding coding)
{
    int window = MAX_WBITS + (coding == CODING_GZIP ? 16 : 0);
    stream->compressed = deflateInit2(&stream->z, LEVEL, Z_DEFLATED, window, 8,
                                      Z_DEFAULT_STRATEGY) == Z_OK;
    return stream->compressed;
}

struct stream *stream_create(const struct reply *reply, char *slice,
                             size_t begun_bytes, enum coding coding,
                             struct budget *budget)
{
    size_t bytes = sizeof(struct stream) + STREAM_SLICE_BYTES +
                   (coding == CODING_IDENTITY ? 0 : DEFLATE_BYTES);
    if (!budget_take(budget, bytes))
        return NULL;
    struct stream *stream = calloc(1, sizeof *stream);
    if (!stream ||
        (coding != CODING_IDENTITY && !begin_deflate(stream, coding))) {
        free(stream);
        budget_give(budget, bytes);
        return NULL;
    }
    stream->budget = budget;
    stream->charged = bytes;
    stream->writer = reply->writer;
    stream->tensor_count = reply->tensor_count;
    memcpy(stream->tensors, reply->tensors, sizeof stream->tensors);
    stream->slice = slice;
    stream->last = begun_bytes;
    return stream;
}

static size_t next_of_tensors(struct stream *stream, char *buffer, size_t room)
{
    while (stream->tensor < stream->tensor_count) {
        const struct tensor *tensor = stream->tensors[stream->tensor];
        size_t left =
            tensor->count * tensor_element_bytes(tensor->type) - stream->at;
        if (left == 0) {
            stream->tensor++;
            stream->at = 0;
            continue;
        }
        size_t count = left < room ? left : room;
        memcpy(buffer, (const char *)tensor->data + stream->at, count);
        stream->at += count;
        return count;
    }
    return 0;
}

/** Fill the slice with what comes next; false: nothing does. */
static bool refill(struct stream *stream)
{
    stream->first = 0;
    stream->last = stream->writer ? writer_next(stream->writer, stream->slice,
                                                STREAM_SLICE_BYTES)
                                  : 0;
    if (stream->last == 0)
        stream->last =
            next_of_tensors(stream, stream->slice, STREAM_SLICE_BYTES);
    return stream->last > 0;
}

static ssize_t next_compressed(struct stream *stream, char *buffer, size_t room)
{
    z_stream *z = &stream->z;
    z->next_out = (Bytef *)buffer;
    z->avail_out =
        (uInt)(room < STREAM_SLICE_BYTES ? room : STREAM_SLICE_BYTES);
    uInt asked = z->avail_out;
    while (z->avail_out == asked && !stream->ended) {
        bool more = stream->first < stream->last || refill(stream);
        z->next_in = (Bytef *)stream->slice + stream->first;
        z->avail_in = (uInt)(stream->last - stream->first);
        int code = deflate(z, more ? Z_NO_FLUSH : Z_FINISH);
        stream->first = stream->last - z->avail_in;
        stream->ended = code == Z_STREAM_END;
        if (code == Z_STREAM_ERROR)
            return -1;
    }
    return (ssize_t)(asked - z->avail_out);
}

ssize_t stream_next(struct stream *stream, char *buffer, size_t room)
{
    if (stream->compressed)
        return next_compressed(stream, buffer, room);
    bool empty = stream->first == stream->last;
    size_t whole = empty && stream->writer && room >= LEAST_ROOM
                       ? writer_next(stream->writer, buffer, room)
                       : 0;
    if (whole > 0)
        return (ssize_t)whole;
    if (empty && !refill(stream))
        return 0;
    size_t left = stream->last - stream->first;
    size_t count = left < room ? left : room;
    memcpy(buffer, stream->slice + stream->first, count);
    stream->first += count;
    return (ssize_t)count;
}

void stream_free(struct stream *stream)
{
    if (!stream)
        return;
    if (stream->compressed)
        deflateEnd(&stream->z);
    writer_free(stream->writer);
    budget_give(stream->budget, stream->charged);
    free(stream);
}
