// SPDX-License-Identifier: MIT
/* The tokens that are in no tensor: what they are, and where they go. */
#include "reader_state.h"

#include <string.h>

enum { MAX_BYTES = 65536 }; /* of all tokens that are in no tensor */

/* ---- problems ----------------------------------------------------------- */

bool reader_fail(struct reader *reader, struct place place, size_t bytes,
                 struct problem *problem)
{
    reader->failed = true;
    return place_problem(place, bytes, problem);
}

bool reader_fail_at(struct reader *reader, const char *p,
                    struct problem *problem)
{
    return reader_fail(reader, source_place(&reader->source, p), 0, problem);
}

bool reader_fail_in_token(struct reader *reader, size_t bytes,
                          struct problem *problem)
{
    if (reader->token)
        return reader_fail_at(reader, reader->token + bytes, problem);
    return reader_fail(reader, reader->token_place, bytes, problem);
}

const char *reader_rule(const struct reader *reader)
{
    static const char *const rules[] = {
        [EXPECT_VALUE] = "a value",
        [EXPECT_ELEMENT] = "a value or ']'",
        [EXPECT_MEMBER] = "a member name or '}'",
        [EXPECT_NAME] = "a member name",
        [EXPECT_COLON] = "':'",
        [EXPECT_NEXT] = "',' or the closing bracket",
        [EXPECT_END] = "the end of the body",
        [IN_NAME] = "'\"'",
        [IN_STRING] = "'\"'",
        [IN_SCALAR] = "the rest of a value",
        [IN_TENSOR] = "the rest of an array",
        [IN_BASE64] = "'\"'",
    };
    bool whole = reader->state == EXPECT_VALUE && reader->nesting.depth == 0;
    return whole && reader->client.document ? reader->client.document
                                            : rules[reader->state];
}

/* ---- the tree ----------------------------------------------------------- */

struct tree_place reader_place(const struct reader *reader)
{
    bool member = nesting_in_object(&reader->nesting);
    return (struct tree_place){.level = reader->nesting.depth - 1,
                               .name = member ? reader->nesting.name : NULL};
}

bool reader_refuse_value(struct reader *reader, const char *got, size_t bytes,
                         const char *rule, struct problem *problem)
{
    char pointer[sizeof problem->pointer] = "/";
    const struct reader_path *path = nesting_path(&reader->nesting);
    if (path)
        nesting_pointer(path, pointer + 1, sizeof pointer - 1);
    return problem_set(problem, 422, path ? pointer : NULL,
                       "%s: got %.*s, must be %s",
                       path ? pointer + 1 : "a value",
                       bytes < 64 ? (int)bytes : 64, got, rule);
}

bool reader_refuse_twice(struct reader *reader, struct problem *problem)
{
    static const char got[] = "it twice";
    return reader_refuse_value(reader, got, strlen(got), "given once", problem);
}

/* Hang a whole token in the tree. */
static bool keep_scalar(struct reader *reader, enum token token,
                        const char *text, size_t bytes, struct problem *problem)
{
    bool out_of_range;
    return tree_add(&reader->tree, reader_place(reader), token, text, bytes,
                    &out_of_range, problem) ||
           (out_of_range &&
            reader_refuse_value(reader, text, bytes,
                                "between -1.8e308 and 1.8e308", problem));
}

bool reader_remember_name(struct reader *reader, struct problem *problem)
{
    static const char nothing[] = "null";
    return keep_scalar(reader, TOKEN_NULL, nothing, strlen(nothing), problem);
}

/* ---- tokens that are in no tensor --------------------------------------- */

void reader_value_ended(struct reader *reader)
{
    reader->state = reader->nesting.depth > 0 ? EXPECT_NEXT : EXPECT_END;
}

void reader_pop(struct reader *reader)
{
    if (--reader->nesting.depth < reader->ignored_depth)
        reader->ignored_depth = 0;
    reader_value_ended(reader);
}

bool reader_count_token(struct reader *reader, size_t bytes,
                        struct problem *problem)
{
    reader->token_bytes += bytes;
    return reader->token_bytes <= MAX_BYTES ||
           problem_set(problem, 413, NULL,
                       "body: got more than %d bytes beside its tensors, must "
                       "be fewer",
                       MAX_BYTES);
}

/* The name of the next value. */
static bool name_ended(struct reader *reader, const char *text, size_t bytes,
                       struct problem *problem)
{
    enum token token;
    size_t bad;
    bool literal = token_is_literal(text, bytes);
    reader->state = EXPECT_COLON;
    if (!literal && !token_check(text, bytes, NULL, &token, &bad, problem))
        return reader_fail_in_token(reader, bad, problem);
    if (reader->ignored_depth > 0)
        return true;
    if (!nesting_name(&reader->nesting, text, bytes, literal, problem))
        return false;
    if (!tree_has(&reader->tree, reader_place(reader)))
        return true;
    reader_refuse_twice(reader, problem);
    return reader_fail_in_token(reader, bytes - 1, problem);
}

bool reader_scalar_ended(struct reader *reader, const char *text, size_t bytes,
                         struct problem *problem)
{
    enum token token;
    size_t bad;
    reader_value_ended(reader);
    if (!token_check(text, bytes, reader_rule(reader), &token, &bad, problem))
        return reader_fail_in_token(reader, bad, problem);
    if (reader->ignored)
        return true;
    if (!keep_scalar(reader, token, text, bytes, problem))
        return reader_fail_in_token(reader, 0, problem);
    const struct reader_path *path = nesting_path(&reader->nesting);
    if (reader->client.scalar && path && token <= TOKEN_STRING)
        reader->client.scalar(reader->client.cls, path, text, bytes);
    return true;
}

const char *reader_feed_token(struct reader *reader, const char *p,
                              const char *end, struct problem *problem)
{
    const char *stop = reader->state == IN_SCALAR
                           ? token_scalar_end(p, end)
                           : token_string_end(p, end, &reader->escaped);
    if (!reader_count_token(reader, (size_t)((stop ? stop : end) - p), problem))
        return NULL;
    if (!stop)
        return end;
    const char *text = reader->token;
    size_t bytes = (size_t)(stop - (text ? text : p));
    if (!text) {
        if (!small_text_append(&reader->text, p, bytes, problem))
            return NULL;
        text = reader->text.data;
        bytes = reader->text.bytes;
    }
    bool (*ended)(struct reader *, const char *, size_t, struct problem *) =
        reader->state == IN_NAME ? name_ended : reader_scalar_ended;
    return ended(reader, text, bytes, problem) ? stop : NULL;
}

bool reader_carry_token(struct reader *reader, const char *end,
                        struct problem *problem)
{
    if (reader->state < IN_NAME || reader->state > IN_SCALAR)
        return true;
    const char *from = reader->token ? reader->token : reader->source.slice;
    if (reader->token)
        reader->token_place = source_place(&reader->source, reader->token);
    reader->token = NULL;
    return small_text_append(&reader->text, from, (size_t)(end - from),
                             problem);
}

const char *reader_begin_token(struct reader *reader, enum reader_state state,
                               const char *p)
{
    reader->state = state;
    reader->token = p;
    small_text_clear(&reader->text);
    return p + 1;
}
