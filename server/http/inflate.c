// SPDX-License-Identifier: MIT
#include "inflate.h"

#include <stdint.h>
#include <stdlib.h>
#include <zlib.h>

/* What inflate holds: a 32 KiB window and its tables (zlib.h, zconf.h). */
enum { INFLATE_BYTES = 48 * 1024, SLICE_BYTES = 16 * 1024 };

struct inflater {
    z_stream z;
    struct budget *budget;
    const char *name;
    bool gzip;  /* several members may follow one another */
    bool ended; /* the end of the stream was read */
    bool any;   /* a byte of a stream was read */
    char slice[SLICE_BYTES];
};

struct inflater *inflater_create(enum coding coding, struct budget *budget)
{
    if (!budget_take(budget, INFLATE_BYTES + sizeof(struct inflater)))
        return NULL;
    struct inflater *inflater = calloc(1, sizeof *inflater);
    if (inflater) {
        inflater->budget = budget;
        inflater->name = coding_name(coding);
        inflater->gzip = coding == CODING_GZIP;
        if (inflateInit2(&inflater->z, MAX_WBITS + (inflater->gzip ? 16 : 0)) ==
            Z_OK)
            return inflater;
        free(inflater);
    }
    budget_give(budget, INFLATE_BYTES + sizeof(struct inflater));
    return NULL;
}

static bool broken(const struct inflater *inflater, struct problem *problem)
{
    return problem_set(problem, 400, NULL,
                       "body: got bytes that do not decode, must be %s as "
                       "Content-Encoding says",
                       inflater->name);
}

bool inflater_feed(struct inflater *inflater, const char *bytes, size_t count,
                   inflater_sink *sink, void *cls, struct problem *problem)
{
    inflater->z.next_in = (Bytef *)(uintptr_t)bytes;
    inflater->z.avail_in = (uInt)count;
    bool full = false; /* then zlib may hold more than it gave */
    while (inflater->z.avail_in > 0 || full) {
        if (inflater->ended &&
            (!inflater->gzip || inflateReset(&inflater->z) != Z_OK))
            return broken(inflater, problem);
        inflater->ended = false;
        inflater->any = true;
        inflater->z.next_out = (Bytef *)inflater->slice;
        inflater->z.avail_out = sizeof inflater->slice;
        int code = inflate(&inflater->z, Z_NO_FLUSH);
        size_t made = sizeof inflater->slice - inflater->z.avail_out;
        if (code == Z_MEM_ERROR)
            return problem_memory(problem);
        if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR)
            return broken(inflater, problem);
        inflater->ended = code == Z_STREAM_END;
        full = inflater->z.avail_out == 0 && !inflater->ended;
        if (made > 0 && !sink(cls, inflater->slice, made, problem))
            return false;
    }
    return true;
}

bool inflater_finish(const struct inflater *inflater, struct problem *problem)
{
    if (inflater->ended)
        return true;
    return problem_set(
        problem, 400, NULL, "body: got %s %s stream, must be a whole one",
        inflater->any ? "the beginning of a" : "no", inflater->name);
}

void inflater_free(struct inflater *inflater)
{
    if (!inflater)
        return;
    inflateEnd(&inflater->z);
    budget_give(inflater->budget, INFLATE_BYTES + sizeof *inflater);
    free(inflater);
}
