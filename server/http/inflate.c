// SPDX-License-Identifier: MIT
#include "inflate.h"

#include <stdint.h>
#include <stdlib.h>
#include <zlib.h>

/* What inflate holds: a 32 KiB window and its tables (zlib.h, zconf.h). */
enum { INFLATE_BYTES = 48 * 1024, SLICE_BYTES = 16 * 1024 };

struct body {
    z_stream z;
    struct budget *budget;
    const char *name;
    bool gzip;  /* several members may follow one another */
    bool ended; /* the end of the stream was read */
    bool any;   /* a byte of a stream was read */
    char slice[SLICE_BYTES];
};

struct body *body_create(enum coding coding, struct budget *budget)
{
    if (!budget_take(budget, INFLATE_BYTES + sizeof(struct body)))
        return NULL;
    struct body *body = calloc(1, sizeof *body);
    if (body) {
        body->budget = budget;
        body->name = coding_name(coding);
        body->gzip = coding == CODING_GZIP;
        if (inflateInit2(&body->z, MAX_WBITS + (body->gzip ? 16 : 0)) == Z_OK)
            return body;
        free(body);
    }
    budget_give(budget, INFLATE_BYTES + sizeof(struct body));
    return NULL;
}

static bool broken(const struct body *body, struct problem *problem)
{
    return problem_set(problem, 400, NULL,
                       "body: got bytes that do not decode, must be %s as "
                       "Content-Encoding says",
                       body->name);
}

bool body_feed(struct body *body, const char *bytes, size_t count,
               body_sink *sink, void *cls, struct problem *problem)
{
    body->z.next_in = (Bytef *)(uintptr_t)bytes;
    body->z.avail_in = (uInt)count;
    bool full = false; /* then zlib may hold more than it gave */
    while (body->z.avail_in > 0 || full) {
        if (body->ended && (!body->gzip || inflateReset(&body->z) != Z_OK))
            return broken(body, problem);
        body->ended = false;
        body->any = true;
        body->z.next_out = (Bytef *)body->slice;
        body->z.avail_out = sizeof body->slice;
        int code = inflate(&body->z, Z_NO_FLUSH);
        size_t made = sizeof body->slice - body->z.avail_out;
        if (code == Z_MEM_ERROR)
            return problem_memory(problem);
        if (code != Z_OK && code != Z_STREAM_END && code != Z_BUF_ERROR)
            return broken(body, problem);
        body->ended = code == Z_STREAM_END;
        full = body->z.avail_out == 0 && !body->ended;
        if (made > 0 && !sink(cls, body->slice, made, problem))
            return false;
    }
    return true;
}

bool body_finish(const struct body *body, struct problem *problem)
{
    if (body->ended)
        return true;
    return problem_set(problem, 400, NULL,
                       "body: got %s %s stream, must be a whole one",
                       body->any ? "the beginning of a" : "no", body->name);
}

void body_free(struct body *body)
{
    if (!body)
        return;
    inflateEnd(&body->z);
    budget_give(body->budget, INFLATE_BYTES + sizeof *body);
    free(body);
}
