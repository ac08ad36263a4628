// SPDX-License-Identifier: MIT
#include "lift.h"

#include <stdio.h>
#include <string.h>

void lift_begin(struct lift *lift, const struct reader_lift *request,
                const char *name)
{
    stage_init(&lift->stage, request);
    size_t bytes = strnlen(name, sizeof lift->name - 1);
    memcpy(lift->name, name, bytes);
    lift->name[bytes] = '\0';
    lift->max_rank = request->max_rank;
    lift->required = request->required;
    lift->depth = 0;
    lift->rank = -1;
    memset(lift->shaped, 0, sizeof lift->shaped);
    lift->expect = LIFT_VALUE;
    lift->token_bytes = 0;
    lift->quoted = lift->escaped = false;
}

/* The pointer of the element or row that is being read, levels deep. */
static void point(const struct lift *lift, int levels, char *pointer,
                  size_t pointer_bytes)
{
    size_t used = (size_t)snprintf(pointer, pointer_bytes, "/%s", lift->name);
    for (int i = 0; i < levels && used < pointer_bytes; i++)
        used += (size_t)snprintf(pointer + used, pointer_bytes - used, "/%zu",
                                 lift->counts[i]);
}

static bool misplaced(const struct lift *lift, const char *got,
                      const char *rule, struct problem *problem)
{
    char pointer[sizeof problem->pointer];
    point(lift, lift->depth, pointer, sizeof pointer);
    return problem_set(problem, 422, pointer, "%s: got %s, must be %s",
                       lift->name, got, rule);
}

static bool unexpected(const struct lift *lift, char c, struct problem *problem)
{
    static const char *const rules[] = {
        [LIFT_FIRST] = "a value or ']'",
        [LIFT_VALUE] = "a value",
        [LIFT_NEXT] = "',' or ']'",
        [LIFT_DONE] = "nothing",
    };
    unsigned char byte = (unsigned char)c;
    const char *rule = rules[lift->expect];
    if (byte > 0x20 && byte < 0x7f)
        return problem_set(problem, 400, NULL, "body: got '%c', must be %s", c,
                           rule);
    return problem_set(problem, 400, NULL, "body: got byte 0x%02x, must be %s",
                       byte, rule);
}

static bool open_row(struct lift *lift, struct problem *problem)
{
    if (lift->expect == LIFT_NEXT)
        return unexpected(lift, '[', problem);
    if (lift->rank >= 0 && lift->depth == lift->rank)
        return misplaced(lift, "an array", stage_rule(&lift->stage), problem);
    if (lift->depth == lift->max_rank) {
        char rule[64];
        snprintf(rule, sizeof rule, "nested at most %d deep", lift->max_rank);
        return misplaced(lift, "an array", rule, problem);
    }
    lift->counts[lift->depth++] = 0;
    lift->stage.nested = true;
    lift->expect = LIFT_FIRST;
    return true;
}

static bool close_row(struct lift *lift, struct problem *problem)
{
    if (lift->depth == 0 ||
        (lift->expect != LIFT_NEXT && lift->expect != LIFT_FIRST))
        return unexpected(lift, ']', problem);
    if (lift->rank < 0)
        lift->rank = lift->depth;
    int level = --lift->depth;
    if (!lift->shaped[level]) {
        lift->shaped[level] = true;
        lift->shape[level] = lift->counts[level];
    } else if (lift->shape[level] != lift->counts[level]) {
        char got[64], rule[64];
        snprintf(got, sizeof got, "a row of %zu", lift->counts[level]);
        snprintf(rule, sizeof rule, "%zu like the rows before it",
                 lift->shape[level]);
        return misplaced(lift, got, rule, problem);
    }
    if (level > 0)
        lift->counts[level - 1]++;
    lift->expect = level > 0 ? LIFT_NEXT : LIFT_DONE;
    return true;
}

/* What is known of the shape so far, for pointers. */
static void describe(struct lift *lift)
{
    struct tensor *tensor = lift->stage.tensor;
    tensor->rank = lift->rank;
    for (int i = 0; i < lift->rank; i++)
        tensor->shape[i] =
            lift->shaped[i] ? lift->shape[i] : lift->counts[i] + 1;
}

static bool is_null(const char *text, size_t bytes)
{
    return bytes == 4 && memcmp(text, "null", 4) == 0;
}

static bool element(struct lift *lift, const char *text, size_t bytes,
                    struct problem *problem)
{
    if (lift->rank < 0 && lift->depth == 0 && !lift->required &&
        is_null(text, bytes)) {
        tensor_free(lift->stage.tensor);
        lift->expect = LIFT_DONE;
        return true;
    }
    if (lift->rank < 0)
        lift->rank = lift->depth;
    if (lift->depth < lift->rank) {
        char got[72];
        snprintf(got, sizeof got, "%.*s", bytes > 64 ? 64 : (int)bytes, text);
        return misplaced(lift, got, "an array like those before it", problem);
    }
    if (stage_is_full(&lift->stage)) {
        describe(lift);
        if (!stage_narrow(&lift->stage, lift->name, problem))
            return false;
    }
    if (!stage_element(&lift->stage, text, bytes, lift->name, problem)) {
        if (problem->status == 422 && !problem->pointer[0])
            point(lift, lift->depth, problem->pointer, sizeof problem->pointer);
        return false;
    }
    if (lift->depth > 0)
        lift->counts[lift->depth - 1]++;
    lift->expect = lift->depth > 0 ? LIFT_NEXT : LIFT_DONE;
    return true;
}

static bool finish(struct lift *lift, struct problem *problem)
{
    struct tensor *tensor = lift->stage.tensor;
    if (tensor->type == TENSOR_NONE)
        return true;
    tensor->rank = lift->rank;
    tensor->count = lift->stage.count;
    memcpy(tensor->shape, lift->shape,
           (size_t)lift->rank * sizeof *lift->shape);
    return stage_finish(&lift->stage, problem);
}

static bool ends_token(char c)
{
    return c == ',' || c == ']' || c == '[' || c == '{' || c == '}' ||
           c == ':' || c == '"' || is_space(c);
}

static bool keep(struct lift *lift, const char *from, const char *to,
                 struct problem *problem)
{
    size_t bytes = (size_t)(to - from);
    if (bytes > sizeof lift->token - lift->token_bytes) {
        char rule[64];
        snprintf(rule, sizeof rule, "at most %zu bytes", sizeof lift->token);
        return misplaced(lift, "a longer element", rule, problem);
    }
    memcpy(lift->token + lift->token_bytes, from, bytes);
    lift->token_bytes += bytes;
    return true;
}

/* The end of a string whose opening quote is behind p. NULL: not here. */
static const char *string_end(struct lift *lift, const char *p, const char *end)
{
    for (; p < end; p++) {
        if (lift->escaped)
            lift->escaped = false;
        else if (*p == '\\')
            lift->escaped = true;
        else if (*p == '"')
            return p + 1;
    }
    return NULL;
}

static const char *token_end(struct lift *lift, const char *p, const char *end)
{
    if (lift->quoted)
        return string_end(lift, p, end);
    while (p < end && !ends_token(*p))
        p++;
    return p < end ? p : NULL;
}

/* A token begins at p or, when some of it is kept, goes on there. */
static const char *take_token(struct lift *lift, const char *p, const char *end,
                              struct problem *problem)
{
    const char *from = p;
    if (lift->token_bytes == 0) {
        lift->quoted = *p == '"';
        lift->escaped = false;
        p += lift->quoted;
    }
    const char *stop = token_end(lift, p, end);
    if (!stop)
        return keep(lift, from, end, problem) ? end : NULL;
    const char *text = from;
    size_t bytes = (size_t)(stop - from);
    if (lift->token_bytes > 0 || bytes > sizeof lift->token) {
        if (!keep(lift, from, stop, problem))
            return NULL;
        text = lift->token;
        bytes = lift->token_bytes;
    }
    if (!element(lift, text, bytes, problem))
        return NULL;
    lift->token_bytes = 0;
    return stop;
}

/* One byte of structure, or a token that begins with it. */
static const char *step(struct lift *lift, const char *p, const char *end,
                        struct problem *problem)
{
    switch (*p) {
    case '[':
        return open_row(lift, problem) ? p + 1 : NULL;
    case ']':
        return close_row(lift, problem) ? p + 1 : NULL;
    case ',':
        if (lift->expect != LIFT_NEXT)
            break;
        lift->expect = LIFT_VALUE;
        return p + 1;
    case '{':
        if (lift->expect == LIFT_NEXT)
            break;
        misplaced(lift, "an object", stage_rule(&lift->stage), problem);
        return NULL;
    case '}':
    case ':':
        break;
    default:
        if (lift->expect == LIFT_NEXT)
            break;
        return take_token(lift, p, end, problem);
    }
    unexpected(lift, *p, problem);
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
static bool may_run(const struct lift *lift, const char *p)
{
    return (lift->rank == lift->depth || lift->rank < 0) && lift->depth > 0 &&
           lift->token_bytes == 0 &&
           (lift->expect == LIFT_VALUE || lift->expect == LIFT_FIRST) &&
           lift->stage.tensor->type != TENSOR_BOOL && *p != '[' && *p != ']';
}

/* Scan the block at p, too near to an end of its slice, in a copy. What it
 * lacks is filled up with digits: they lengthen its last token, or are one,
 * and a token that does not end is not taken. */
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
static const char *run(struct lift *lift, const char *p, const char *begin,
                       const char *end, const char **bad,
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
        if (stretch.plain && !stage_is_full(&lift->stage)) {
            size_t done = stage_plain(&lift->stage, &stretch, i, problem);
            if (problem->status)
                return NULL;
            i += done;
            if (done > 0) {
                lift->rank = lift->depth;
                lift->counts[lift->depth - 1] += done;
                continue;
            }
        }
        if (!is_whole(text, bytes)) {
            if (i > 0)
                lift->expect = LIFT_VALUE;
            return text;
        }
        if (!element(lift, text, bytes, problem))
            return NULL;
        i++;
    }
    if (stretch.count > 0)
        lift->expect = stretch.after_value ? LIFT_NEXT : LIFT_VALUE;
    return stretch.count > 0 ? p + stretch.bytes : p;
}

const char *lift_feed(struct lift *lift, const char *p, const char *end,
                      const char **bad, struct problem *problem)
{
    const char *begin = p;
    while (p < end && lift->expect != LIFT_DONE) {
        *bad = lift->token_bytes > 0 ? NULL : p;
        const char *from = p;
        if (lift->token_bytes > 0) {
            p = take_token(lift, p, end, problem);
        } else if (is_space(*p)) {
            /* not for run, which looks for a token in all that is here */
            p++;
        } else {
            if (may_run(lift, p))
                p = run(lift, p, begin, end, bad, problem);
            if (p == from)
                p = step(lift, p, end, problem);
        }
        if (!p)
            return NULL;
    }
    if (lift->expect == LIFT_DONE && !finish(lift, problem))
        return NULL;
    return p;
}
