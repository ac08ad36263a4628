// SPDX-License-Identifier: MIT
#include "source.h"

#include <string.h>

#include "token.h"

void source_init(struct source *source)
{
    *source = (struct source){.place = {.line = 1}};
}

void source_begin(struct source *source, const char *slice)
{
    source->slice = source->counted = slice;
}

void source_end(struct source *source, const char *end)
{
    source_place(source, end);
    source->before = source->place.offset;
}

const char *source_skip_mark(struct source *source, const char *p,
                             const char *end, struct problem *problem)
{
    static const char mark[] = "\xef\xbb\xbf";
    while (p < end && source->mark < 3 && *p == mark[source->mark]) {
        source->mark++;
        p++;
    }
    if (p < end && source->mark % 3 > 0) {
        token_unexpected(mark[0], "a value", problem);
        place_problem((struct place){.line = 1}, 0, problem);
        return NULL;
    }
    source->mark = p < end ? 3 : source->mark;
    return p;
}

struct place source_place(struct source *source, const char *p)
{
    while (source->counted < p) {
        size_t rest = (size_t)(p - source->counted);
        const char *line = memchr(source->counted, '\n', rest);
        source->counted = line ? line + 1 : p;
        if (line) {
            source->place.line++;
            source->place.line_start =
                source->before + (size_t)(line + 1 - source->slice);
        }
    }
    source->place.offset = source->before + (size_t)(p - source->slice);
    return source->place;
}

bool place_problem(struct place place, size_t bytes, struct problem *problem)
{
    if (!problem->located && problem->status != 503) {
        problem->located = true;
        problem->offset = place.offset + bytes;
        problem->line = place.line;
        problem->column = problem->offset - place.line_start + 1;
    }
    return false;
}
