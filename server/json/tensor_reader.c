// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "tensor_reader.h"

#include <stdio.h>
#include <string.h>

#include "../pipeline.h"
#include "nesting.h"
#include "token.h"

enum {
    SHARE_FROM = 32 * 1024, /* elements before another thread wakes for more */
    RUN_MOST = 16 * 1024,   /* bytes that are counted at once */
    BLOCK_LEAST = 20 * 1024 /* that must fit into a block: those, and blanks */
};

void tensor_reader_begin(struct tensor_reader *reader,
                         const struct reader_destination *destination,
                         const struct reader_path *path, struct source *source,
                         struct jobs *jobs)
{
    element_buffer_init(&reader->buffer, destination, path);
    reader->max_rank = destination->max_rank;
    reader->required = destination->required;
    reader->state.depth = 0;
    reader->rank = -1;
    reader->source = source;
    reader->jobs = jobs;
    reader->blocks = NULL;
    memset(reader->state.shaped, 0, sizeof reader->state.shaped);
    reader->state.expect = TENSOR_READER_VALUE;
    reader->token_bytes = 0;
}

/* The pointer of the element or row that is being read, levels deep. */
static void point(const struct tensor_reader *reader, int levels, char *pointer,
                  size_t pointer_bytes)
{
    pointer[0] = '/';
    nesting_pointer(reader->buffer.path, pointer + 1, pointer_bytes - 1);
    size_t used = strlen(pointer);
    for (int i = 0; i < levels && used < pointer_bytes; i++)
        used += (size_t)snprintf(pointer + used, pointer_bytes - used, "/%zu",
                                 reader->state.counts[i]);
}

/* What is wrong with the element that is being read has no pointer yet. */
static void point_at_element(const struct tensor_reader *reader,
                             struct problem *problem)
{
    if (problem->status == 422 && !problem->pointer[0])
        point(reader, reader->state.depth, problem->pointer,
              sizeof problem->pointer);
}

static bool misplaced(const struct tensor_reader *reader, const char *got,
                      const char *rule, struct problem *problem)
{
    char pointer[sizeof problem->pointer], name[sizeof pointer];
    point(reader, reader->state.depth, pointer, sizeof pointer);
    nesting_pointer(reader->buffer.path, name, sizeof name);
    return problem_set(problem, 422, pointer, "%s: got %s, must be %s", name,
                       got, rule);
}

static bool refuse_byte(const struct tensor_reader *reader, char c,
                        struct problem *problem)
{
    static const char *const rules[] = {
        [TENSOR_READER_FIRST] = "a value or ']'",
        [TENSOR_READER_VALUE] = "a value",
        [TENSOR_READER_NEXT] = "',' or ']'",
        [TENSOR_READER_DONE] = "nothing",
    };
    return token_unexpected(c, rules[reader->state.expect], problem);
}

static bool open_row(struct tensor_reader *reader, struct problem *problem)
{
    if (reader->state.expect == TENSOR_READER_NEXT)
        return refuse_byte(reader, '[', problem);
    if (reader->rank >= 0 && reader->state.depth == reader->rank)
        return misplaced(reader, "an array",
                         element_buffer_rule(&reader->buffer), problem);
    if (reader->state.depth == reader->max_rank) {
        char rule[64];
        snprintf(rule, sizeof rule, "nested at most %d deep", reader->max_rank);
        return misplaced(reader, "an array", rule, problem);
    }
    reader->state.counts[reader->state.depth++] = 0;
    reader->buffer.nested = true;
    reader->state.expect = TENSOR_READER_FIRST;
    return true;
}

static bool close_row(struct tensor_reader *reader, struct problem *problem)
{
    if (reader->state.expect != TENSOR_READER_NEXT &&
        reader->state.expect != TENSOR_READER_FIRST) /* no row is open */
        return refuse_byte(reader, ']', problem);
    if (reader->rank < 0)
        reader->rank = reader->state.depth;
    int level = --reader->state.depth;
    if (!reader->state.shaped[level]) {
        reader->state.shaped[level] = true;
        reader->state.shape[level] = reader->state.counts[level];
    } else if (reader->state.shape[level] != reader->state.counts[level]) {
        char got[64], rule[64];
        snprintf(got, sizeof got, "a row of %zu", reader->state.counts[level]);
        snprintf(rule, sizeof rule, "%zu like the rows before it",
                 reader->state.shape[level]);
        return misplaced(reader, got, rule, problem);
    }
    if (level > 0)
        reader->state.counts[level - 1]++;
    reader->state.expect = level > 0 ? TENSOR_READER_NEXT : TENSOR_READER_DONE;
    return true;
}

static bool element(struct tensor_reader *reader, const char *text,
                    size_t bytes, struct problem *problem)
{
    if (reader->state.depth == 0 && !reader->required && bytes == 4 &&
        memcmp(text, "null", 4) == 0) {
        tensor_free(reader->buffer.tensor);
        reader->state.expect = TENSOR_READER_DONE;
        return true;
    }
    if (reader->rank < 0)
        reader->rank = reader->state.depth;
    if (reader->state.depth < reader->rank) {
        char got[72];
        snprintf(got, sizeof got, "%.*s", bytes > 64 ? 64 : (int)bytes, text);
        return misplaced(reader, got, "an array like those before it", problem);
    }
    if (reader->blocks) { /* others read it */
        reader->buffer.count++;
    } else if (!element_buffer_append(&reader->buffer, text, bytes, problem)) {
        point_at_element(reader, problem);
        return false;
    }
    if (reader->state.depth > 0)
        reader->state.counts[reader->state.depth - 1]++;
    reader->state.expect =
        reader->state.depth > 0 ? TENSOR_READER_NEXT : TENSOR_READER_DONE;
    return true;
}

static bool finish(struct tensor_reader *reader, struct problem *problem)
{
    struct tensor *tensor = reader->buffer.tensor;
    if (tensor->type == TENSOR_NONE)
        return true;
    tensor->rank = reader->rank;
    tensor->count = reader->buffer.count;
    memcpy(tensor->shape, reader->state.shape,
           (size_t)reader->rank * sizeof *reader->state.shape);
    return element_buffer_finish(&reader->buffer, problem);
}

static bool keep(struct tensor_reader *reader, const char *from, const char *to,
                 struct problem *problem)
{
    size_t bytes = (size_t)(to - from);
    if (bytes > sizeof reader->token - reader->token_bytes) {
        char rule[64];
        snprintf(rule, sizeof rule, "at most %zu bytes", sizeof reader->token);
        return misplaced(reader, "a longer element", rule, problem);
    }
    memcpy(reader->token + reader->token_bytes, from, bytes);
    reader->token_bytes += bytes;
    return true;
}

static const char *token_end(struct tensor_reader *reader, const char *p,
                             const char *end)
{
    if (reader->quoted)
        return token_string_end(p, end, &reader->escaped);
    while (p < end && !token_ends_element(*p))
        p++;
    return p < end ? p : NULL;
}

/* A token begins at p or, when some of it is kept, goes on there. */
static const char *take_token(struct tensor_reader *reader, const char *p,
                              const char *end, struct problem *problem)
{
    const char *from = p;
    if (reader->token_bytes == 0) {
        reader->quoted = *p == '"';
        reader->escaped = false;
        p += reader->quoted;
    }
    const char *stop = token_end(reader, p, end);
    if (!stop)
        return keep(reader, from, end, problem) ? end : NULL;
    const char *text = from;
    size_t bytes = (size_t)(stop - from);
    if (reader->token_bytes > 0 || bytes > sizeof reader->token) {
        if (!keep(reader, from, stop, problem))
            return NULL;
        text = reader->token;
        bytes = reader->token_bytes;
    }
    if (!element(reader, text, bytes, problem))
        return NULL;
    reader->token_bytes = 0;
    return stop;
}

/* One byte of structure, or a token that begins with it. */
static const char *step(struct tensor_reader *reader, const char *p,
                        const char *end, struct problem *problem)
{
    switch (*p) {
    case '[':
        return open_row(reader, problem) ? p + 1 : NULL;
    case ']':
        return close_row(reader, problem) ? p + 1 : NULL;
    case ',':
        if (reader->state.expect != TENSOR_READER_NEXT)
            break;
        reader->state.expect = TENSOR_READER_VALUE;
        return p + 1;
    case '{':
        if (reader->state.expect == TENSOR_READER_NEXT)
            break;
        misplaced(reader, "an object", element_buffer_rule(&reader->buffer),
                  problem);
        return NULL;
    case '}':
    case ':':
        break;
    default:
        if (reader->state.expect == TENSOR_READER_NEXT)
            break;
        return take_token(reader, p, end, problem);
    }
    refuse_byte(reader, *p, problem);
    return NULL;
}

/* Can a stretch of many elements begin at p? */
static bool may_run(const struct tensor_reader *reader, const char *p)
{
    return (reader->rank == reader->state.depth || reader->rank < 0) &&
           reader->state.depth > 0 && reader->token_bytes == 0 &&
           (reader->state.expect == TENSOR_READER_VALUE ||
            reader->state.expect == TENSOR_READER_FIRST) &&
           reader->buffer.tensor->type != TENSOR_BOOL && *p != '[' && *p != ']';
}

static void tally(struct tensor_reader *reader, size_t taken, bool comma)
{
    reader->rank = reader->state.depth;
    reader->state.counts[reader->state.depth - 1] += taken;
    reader->state.expect = comma ? TENSOR_READER_VALUE : TENSOR_READER_NEXT;
}

/**
 * Take elements of the innermost row, many at once.
 * @return where it stopped, p where it takes none; NULL: a problem is set at
 *         *bad.
 */
static const char *run(struct tensor_reader *reader, const char *p,
                       const char *end, const char **bad,
                       struct problem *problem)
{
    struct stretch stretch;
    scan_get()->read(p, (size_t)(end - p), &stretch);
    size_t taken;
    bool good =
        element_buffer_take(&reader->buffer, p, &stretch, &taken, problem);
    if (taken > 0)
        tally(reader, taken, taken < stretch.count || !stretch.after_value);
    if (good && taken == stretch.count)
        return p + stretch.bytes;
    *bad = p + stretch.edges[2 * taken];
    if (!good)
        point_at_element(reader, problem);
    return good ? *bad : NULL;
}

/* The same where the scanner cannot begin. NULL: a problem is set. */
static const char *run_short(struct tensor_reader *reader, const char *p,
                             const char *end, struct problem *problem)
{
    struct short_list list;
    const char *next = short_list_read(p, end, &list);
    if (!element_buffer_append_list(&reader->buffer, &list, problem))
        return problem->status ? NULL : p;
    tally(reader, list.count, list.comma);
    return next;
}

/* ---- alone and with others ---------------------------------------------- */

/* Until no block is at work. false: there is one that is not good. */
static bool collect_all(struct tensor_reader *reader)
{
    struct text_block *block;
    while ((block = text_blocks_collect(reader->blocks, &reader->buffer)) &&
           block->good)
        pipeline_release(reader->blocks->pipeline);
    return !block;
}

static bool open_block(struct tensor_reader *reader, const char *p)
{
    struct text_blocks *blocks = reader->blocks;
    struct place place = source_place(reader->source, p);
    size_t first = reader->buffer.count;
    while (!text_blocks_open(blocks, &reader->state, place, first, p)) {
        if (!text_blocks_collect(blocks, &reader->buffer)->good)
            return false;
        pipeline_release(blocks->pipeline);
    }
    return true;
}

/* The block ends before p. Room for its elements is made while nobody is at
 * work on others. */
static bool close_block(struct tensor_reader *reader, const char *p,
                        bool after_value)
{
    struct element_buffer *buffer = &reader->buffer;
    struct text_blocks *blocks = reader->blocks;
    if (!text_blocks_copy(blocks, p) ||
        (element_buffer_lacks_room(buffer) &&
         (!collect_all(reader) ||
          !element_buffer_make_room(buffer, element_buffer_ahead(buffer),
                                    &blocks->doubt))))
        return false;
    text_blocks_post(blocks, buffer, after_value);
    return true;
}

/* Count the elements of the innermost row, as many as are whole; others read
 * them. NULL: a block is not good, or there is no room. */
static const char *count_run(struct tensor_reader *reader, const char *p,
                             const char *end)
{
    struct text_blocks *blocks = reader->blocks;
    if ((size_t)(p - blocks->from) + BLOCK_LEAST > text_blocks_room(blocks) &&
        !(close_block(reader, p, false) && open_block(reader, p)))
        return NULL;
    size_t all = end - p < RUN_MOST ? (size_t)(end - p) : RUN_MOST, commas;
    size_t bytes = scan_get()->skim(p, all, &commas);
    bool row_ends = bytes < all;
    if (!row_ends) {
        const char *comma = memrchr(p, ',', all);
        bytes = comma ? (size_t)(comma + 1 - p) : 0;
    }
    size_t count = commas + row_ends;
    reader->buffer.count += count;
    reader->state.counts[reader->state.depth - 1] += count;
    if (count > 0)
        reader->state.expect =
            row_ends ? TENSOR_READER_NEXT : TENSOR_READER_VALUE;
    return p + bytes;
}

/* Are there so many elements that others may read more? */
static bool may_share(const struct tensor_reader *reader)
{
    return reader->jobs && reader->buffer.count >= SHARE_FROM;
}

/* Read on from p while this thread alone can, a thing or many elements each. */
static const char *read_on(struct tensor_reader *reader, const char *p,
                           const char *begin, const char *end, const char **bad,
                           struct problem *problem)
{
    do {
        const char *from = p;
        bool goes_on = reader->token_bytes > 0;
        *bad = goes_on ? NULL : p;
        if (!goes_on && token_is_space(*p)) /* as run expects a token */
            p++;
        else if (may_run(reader, p))
            p = reader->blocks ? count_run(reader, p, end)
                : scan_has_room(p, begin, end)
                    ? run(reader, p, end, bad, problem)
                    : run_short(reader, p, end, problem);
        if (p == from)
            p = (goes_on ? take_token : step)(reader, p, end, problem);
    } while (p && p < end && reader->state.expect != TENSOR_READER_DONE &&
             !may_share(reader));
    return p;
}

/* Read a block as if its text came now, the first one from the state before it
 * on. false: a problem is set, with its place. */
static bool read_again(struct tensor_reader *reader,
                       const struct text_block *block, bool *first,
                       struct problem *problem)
{
    const char *begin = block->text, *end = begin + block->bytes, *bad = begin;
    struct source source = {.place = block->place,
                            .counted = begin,
                            .slice = begin,
                            .before = block->place.offset};
    if (*first) {
        reader->state = block->state;
        reader->buffer.count = block->first;
        reader->token_bytes = 0;
    }
    *first = false;
    const char *p = begin;
    while (p && p < end)
        p = read_on(reader, p, begin, end, &bad, problem);
    return p || place_problem(source_place(&source, bad),
                              reader->buffer.bad_bytes, problem);
}

/**
 * From now on one thread reads, from the first block on that the others did not
 * understand, or had no memory for.
 * @return false: a problem is set, with its place.
 */
static bool read_alone(struct tensor_reader *reader, struct problem *problem)
{
    struct text_blocks *blocks = reader->blocks;
    bool first = true, good = true;
    struct text_block *block;
    reader->jobs = NULL;
    reader->blocks = NULL;
    pipeline_end(blocks->pipeline); /* the elements may move */
    while (good && (block = text_blocks_collect(blocks, &reader->buffer))) {
        if (!first || !block->good)
            good = read_again(reader, block, &first, problem);
        pipeline_release(blocks->pipeline);
    }
    if (good && blocks->open)
        good = read_again(reader, blocks->open, &first, problem);
    text_blocks_free(blocks);
    return good;
}

static bool begin_blocks(struct tensor_reader *reader, const char *p)
{
    if (!may_share(reader) || !may_run(reader, p))
        return false;
    reader->blocks = text_blocks_create(reader->jobs, reader->buffer.budget);
    if (!reader->blocks)
        reader->jobs = NULL;
    return reader->blocks && open_block(reader, p);
}

/* Read on while others read the numbers. *problem: not for all of it. */
static const char *feed_blocks(struct tensor_reader *reader, const char *p,
                               const char *end, const char **bad,
                               struct problem *problem)
{
    struct text_blocks *blocks = reader->blocks;
    const char *begin = blocks->from = p;
    bool done = false;
    while (p && p < end && !done) {
        p = read_on(reader, p, begin, end, bad, &blocks->doubt);
        done = reader->state.expect == TENSOR_READER_DONE;
    }
    if (p && done && close_block(reader, p, true) && collect_all(reader)) {
        text_blocks_free(blocks);
        reader->blocks = NULL;
        return p;
    }
    if (p && !done && text_blocks_copy(blocks, p))
        return p;
    p = blocks->from;
    *bad = NULL;
    return read_alone(reader, problem) ? p : NULL;
}

const char *tensor_reader_feed(struct tensor_reader *reader, const char *p,
                               const char *end, const char **bad,
                               struct problem *problem)
{
    const char *begin = p;
    while (p && p < end && reader->state.expect != TENSOR_READER_DONE)
        p = reader->blocks || begin_blocks(reader, p)
                ? feed_blocks(reader, p, end, bad, problem)
                : read_on(reader, p, begin, end, bad, problem);
    if (p && reader->state.expect == TENSOR_READER_DONE &&
        !finish(reader, problem))
        return NULL;
    return p;
}

bool tensor_reader_flush(struct tensor_reader *reader, struct problem *problem)
{
    return !reader->blocks || read_alone(reader, problem);
}

void tensor_reader_free(struct tensor_reader *reader)
{
    text_blocks_free(reader->blocks);
    element_buffer_drop_exceptions(&reader->buffer);
}
