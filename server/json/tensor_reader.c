// SPDX-License-Identifier: MIT
#include "tensor_reader.h"

#include <stdio.h>
#include <string.h>

#include "token.h"

void tensor_reader_begin(struct tensor_reader *reader,
                         const struct reader_destination *destination,
                         const char *name)
{
    element_buffer_init(&reader->buffer, destination);
    size_t bytes = strnlen(name, sizeof reader->name - 1);
    memcpy(reader->name, name, bytes);
    reader->name[bytes] = '\0';
    reader->max_rank = destination->max_rank;
    reader->required = destination->required;
    reader->depth = 0;
    reader->rank = -1;
    memset(reader->shaped, 0, sizeof reader->shaped);
    reader->expect = TENSOR_READER_VALUE;
    reader->token_bytes = 0;
    reader->quoted = reader->escaped = false;
}

/* The pointer of the element or row that is being read, levels deep. */
static void point(const struct tensor_reader *reader, int levels, char *pointer,
                  size_t pointer_bytes)
{
    size_t used = (size_t)snprintf(pointer, pointer_bytes, "/%s", reader->name);
    for (int i = 0; i < levels && used < pointer_bytes; i++)
        used += (size_t)snprintf(pointer + used, pointer_bytes - used, "/%zu",
                                 reader->counts[i]);
}

static bool misplaced(const struct tensor_reader *reader, const char *got,
                      const char *rule, struct problem *problem)
{
    char pointer[sizeof problem->pointer];
    point(reader, reader->depth, pointer, sizeof pointer);
    return problem_set(problem, 422, pointer, "%s: got %s, must be %s",
                       reader->name, got, rule);
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
    return token_unexpected(c, rules[reader->expect], problem);
}

static bool open_row(struct tensor_reader *reader, struct problem *problem)
{
    if (reader->expect == TENSOR_READER_NEXT)
        return refuse_byte(reader, '[', problem);
    if (reader->rank >= 0 && reader->depth == reader->rank)
        return misplaced(reader, "an array",
                         element_buffer_rule(&reader->buffer), problem);
    if (reader->depth == reader->max_rank) {
        char rule[64];
        snprintf(rule, sizeof rule, "nested at most %d deep", reader->max_rank);
        return misplaced(reader, "an array", rule, problem);
    }
    reader->counts[reader->depth++] = 0;
    reader->buffer.nested = true;
    reader->expect = TENSOR_READER_FIRST;
    return true;
}

static bool close_row(struct tensor_reader *reader, struct problem *problem)
{
    if (reader->depth == 0 || (reader->expect != TENSOR_READER_NEXT &&
                               reader->expect != TENSOR_READER_FIRST))
        return refuse_byte(reader, ']', problem);
    if (reader->rank < 0)
        reader->rank = reader->depth;
    int level = --reader->depth;
    if (!reader->shaped[level]) {
        reader->shaped[level] = true;
        reader->shape[level] = reader->counts[level];
    } else if (reader->shape[level] != reader->counts[level]) {
        char got[64], rule[64];
        snprintf(got, sizeof got, "a row of %zu", reader->counts[level]);
        snprintf(rule, sizeof rule, "%zu like the rows before it",
                 reader->shape[level]);
        return misplaced(reader, got, rule, problem);
    }
    if (level > 0)
        reader->counts[level - 1]++;
    reader->expect = level > 0 ? TENSOR_READER_NEXT : TENSOR_READER_DONE;
    return true;
}

static bool is_null(const char *text, size_t bytes)
{
    return bytes == 4 && memcmp(text, "null", 4) == 0;
}

static bool element(struct tensor_reader *reader, const char *text,
                    size_t bytes, struct problem *problem)
{
    if (reader->rank < 0 && reader->depth == 0 && !reader->required &&
        is_null(text, bytes)) {
        tensor_free(reader->buffer.tensor);
        reader->expect = TENSOR_READER_DONE;
        return true;
    }
    if (reader->rank < 0)
        reader->rank = reader->depth;
    if (reader->depth < reader->rank) {
        char got[72];
        snprintf(got, sizeof got, "%.*s", bytes > 64 ? 64 : (int)bytes, text);
        return misplaced(reader, got, "an array like those before it", problem);
    }
    if (!element_buffer_append(&reader->buffer, text, bytes, reader->name,
                               problem)) {
        if (problem->status == 422 && !problem->pointer[0])
            point(reader, reader->depth, problem->pointer,
                  sizeof problem->pointer);
        return false;
    }
    if (reader->depth > 0)
        reader->counts[reader->depth - 1]++;
    reader->expect =
        reader->depth > 0 ? TENSOR_READER_NEXT : TENSOR_READER_DONE;
    return true;
}

static bool finish(struct tensor_reader *reader, struct problem *problem)
{
    struct tensor *tensor = reader->buffer.tensor;
    if (tensor->type == TENSOR_NONE)
        return true;
    tensor->rank = reader->rank;
    tensor->count = reader->buffer.count;
    memcpy(tensor->shape, reader->shape,
           (size_t)reader->rank * sizeof *reader->shape);
    return element_buffer_finish(&reader->buffer, problem);
}

static bool ends_token(char c)
{
    return c == ',' || c == ']' || c == '[' || c == '{' || c == '}' ||
           c == ':' || c == '"' || token_is_space(c);
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
    while (p < end && !ends_token(*p))
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
        if (reader->expect != TENSOR_READER_NEXT)
            break;
        reader->expect = TENSOR_READER_VALUE;
        return p + 1;
    case '{':
        if (reader->expect == TENSOR_READER_NEXT)
            break;
        misplaced(reader, "an object", element_buffer_rule(&reader->buffer),
                  problem);
        return NULL;
    case '}':
    case ':':
        break;
    default:
        if (reader->expect == TENSOR_READER_NEXT)
            break;
        return take_token(reader, p, end, problem);
    }
    refuse_byte(reader, *p, problem);
    return NULL;
}

/* May a token that was split at commas and spaces be taken as a whole? */
static bool is_whole(const char *text, size_t bytes)
{
    if (text[0] == '"') /* a string, to its second quote */
        return bytes > 1 && !memchr(text, '\\', bytes) &&
               memchr(text + 1, '"', bytes - 1) == text + bytes - 1;
    for (size_t i = 0; i < bytes; i++)
        if (ends_token(text[i]))
            return false;
    return true;
}

/* Can a stretch of many elements begin at p? */
static bool may_run(const struct tensor_reader *reader, const char *p)
{
    return (reader->rank == reader->depth || reader->rank < 0) &&
           reader->depth > 0 && reader->token_bytes == 0 &&
           (reader->expect == TENSOR_READER_VALUE ||
            reader->expect == TENSOR_READER_FIRST) &&
           reader->buffer.tensor->type != TENSOR_BOOL && *p != '[' && *p != ']';
}

/* Scan a copy of the block at p, which is too near to an end of its slice. What
 * the block lacks is filled up with digits: they make its last token longer, or
 * are a token, and the scan takes no token that does not end. */
static void scan_copy(const char *p, const char *end, struct stretch *stretch)
{
    char copy[SCAN_BEFORE + SCAN_BLOCK], *text = copy + SCAN_BEFORE;
    size_t bytes = (size_t)(end - p);
    memset(copy, '1', sizeof copy);
    memcpy(text, p, bytes < SCAN_BLOCK ? bytes : SCAN_BLOCK);
    scan_get()->read(text, SCAN_BLOCK, stretch);
}

/**
 * Take elements of the innermost row, many at once.
 * @return where it stopped, p where it takes none; NULL: a problem is set at
 *         *bad.
 */
static const char *run(struct tensor_reader *reader, const char *p,
                       const char *begin, const char *end, const char **bad,
                       struct problem *problem)
{
    struct stretch stretch;
    if (p - begin >= SCAN_BEFORE && end - p >= SCAN_BLOCK)
        scan_get()->read(p, (size_t)(end - p), &stretch);
    else
        scan_copy(p, end, &stretch);
    for (size_t i = 0; i < stretch.count;) {
        const char *text = p + stretch.edges[2 * i];
        size_t bytes = stretch.edges[2 * i + 1] - stretch.edges[2 * i];
        *bad = text;
        if (stretch.plain) {
            size_t done = element_buffer_append_stretch(&reader->buffer,
                                                        &stretch, i, problem);
            if (problem->status)
                return NULL;
            i += done;
            if (done > 0) {
                reader->rank = reader->depth;
                reader->counts[reader->depth - 1] += done;
                continue;
            }
        }
        if (!is_whole(text, bytes)) {
            if (i > 0)
                reader->expect = TENSOR_READER_VALUE;
            return text;
        }
        if (!element(reader, text, bytes, problem))
            return NULL;
        i++;
    }
    if (stretch.count > 0)
        reader->expect =
            stretch.after_value ? TENSOR_READER_NEXT : TENSOR_READER_VALUE;
    return stretch.count > 0 ? p + stretch.bytes : p;
}

const char *tensor_reader_feed(struct tensor_reader *reader, const char *p,
                               const char *end, const char **bad,
                               struct problem *problem)
{
    const char *begin = p;
    while (p < end && reader->expect != TENSOR_READER_DONE) {
        *bad = reader->token_bytes > 0 ? NULL : p;
        const char *from = p;
        if (reader->token_bytes > 0) {
            p = take_token(reader, p, end, problem);
        } else if (token_is_space(*p)) {
            /* a blank here, as run expects a token in what it is given */
            p++;
        } else {
            if (may_run(reader, p))
                p = run(reader, p, begin, end, bad, problem);
            if (p == from)
                p = step(reader, p, end, problem);
        }
        if (!p)
            return NULL;
    }
    if (reader->expect == TENSOR_READER_DONE && !finish(reader, problem))
        return NULL;
    return p;
}
