// SPDX-License-Identifier: MIT
/*
 * The state machine of the envelope. It knows JSON's structure, so that it
 * always knows which value begins where; what strings, numbers and literals
 * look like inside is left to Jansson, which reads the envelope at the end.
 */
#include "reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../spare.h"
#include "envelope.h"
#include "lift.h"
#include "nesting.h"
#include "path.h"

enum state {
    EXPECT_VALUE,
    EXPECT_ELEMENT, /* or ']' */
    EXPECT_MEMBER,  /* a name or '}' */
    EXPECT_NAME,
    EXPECT_COLON,
    EXPECT_NEXT, /* ',' or the closing bracket */
    EXPECT_END,  /* of the body */
    IN_NAME,
    IN_STRING,
    IN_SCALAR, /* number or literal */
    IN_LIFT
};

struct reader {
    struct reader_client client;
    struct stage *stages; /* of every value lifted so far */
    size_t stage_count;
    enum state state;
    size_t token;   /* in the envelope: where the string or scalar begins */
    size_t checked; /* bytes of the envelope that are known to be JSON */
    bool escaped;   /* behind a backslash */
    bool plain;     /* all so far: an object whose members were lifted */
    bool failed;
    int mark;                 /* bytes of a byte order mark; 3: it is over */
    struct place token_place; /* of a lifted token from earlier slices */
    struct place place;       /* line is that of counted */
    const char *counted;      /* lines are counted up to here in this slice */
    const char *slice;        /* the slice being read */
    size_t before;            /* bytes of the slices before it */
    /* What follows is set before it is read; clearing it would cost a small
     * request as much as its arithmetic. */
    struct envelope envelope;
    struct nesting nesting;
    struct lift lift;
};

struct reader *reader_create(const struct reader_client *client,
                             struct budget *budget)
{
    struct reader *reader = spare_take(sizeof *reader);
    if (!reader)
        return NULL;
    memset(reader, 0, offsetof(struct reader, envelope));
    envelope_init(&reader->envelope, budget);
    reader->nesting.depth = 0;
    reader->client = *client;
    reader->place.line = 1;
    reader->plain = true;
    return reader;
}

void reader_free(struct reader *reader)
{
    if (!reader)
        return;
    for (size_t i = 0; i < reader->stage_count; i++)
        stage_free(&reader->stages[i]);
    free(reader->stages);
    if (reader->state == IN_LIFT)
        stage_free(&reader->lift.stage);
    envelope_free(&reader->envelope);
    spare_give(reader);
}

/* ---- places ----------------------------------------------------------- */

static struct place place_at(struct reader *reader, const char *p)
{
    while (reader->counted < p) {
        size_t rest = (size_t)(p - reader->counted);
        const char *line = memchr(reader->counted, '\n', rest);
        reader->counted = line ? line + 1 : p;
        if (line) {
            reader->place.line++;
            reader->place.line_start =
                reader->before + (size_t)(line + 1 - reader->slice);
        }
    }
    reader->place.offset = reader->before + (size_t)(p - reader->slice);
    return reader->place;
}

/* A problem was found at p. */
static bool located(struct reader *reader, const char *p,
                    struct problem *problem)
{
    struct place place = place_at(reader, p);
    reader->failed = true;
    if (!problem->located && problem->status != 503)
        place_problem(problem, place, place.offset);
    return false;
}

static bool unexpected(struct reader *reader, const char *p,
                       struct problem *problem)
{
    static const char *const rules[] = {
        [EXPECT_VALUE] = "a value",
        [EXPECT_ELEMENT] = "a value or ']'",
        [EXPECT_MEMBER] = "a member name or '}'",
        [EXPECT_NAME] = "a member name",
        [EXPECT_COLON] = "':'",
        [EXPECT_NEXT] = "',' or the closing bracket",
        [EXPECT_END] = "the end of the body",
    };
    unsigned char byte = (unsigned char)*p;
    if (byte > 0x20 && byte < 0x7f)
        problem_set(problem, 400, NULL, "body: got '%c', must be %s", *p,
                    rules[reader->state]);
    else
        problem_set(problem, 400, NULL, "body: got byte 0x%02x, must be %s",
                    byte, rules[reader->state]);
    return located(reader, p, problem);
}

/* ---- tokens of the envelope ------------------------------------------- */

/* A value ended: what may follow it? */
static void value_ended(struct reader *reader)
{
    reader->state = reader->nesting.depth > 0 ? EXPECT_NEXT : EXPECT_END;
}

static void pop(struct reader *reader)
{
    reader->nesting.depth--;
    value_ended(reader);
}

static bool copy(struct reader *reader, const char *from, const char *to,
                 struct problem *problem)
{
    return envelope_append(&reader->envelope, from, (size_t)(to - from),
                           problem);
}

static bool name_ended(struct reader *reader, struct problem *problem)
{
    const char *text = reader->envelope.text + reader->token;
    size_t bytes = reader->envelope.bytes - reader->token;
    reader->state = EXPECT_COLON;
    if (nesting_name(&reader->nesting, text, bytes, &reader->plain, problem))
        return true;
    problem->offset += reader->token;
    if (problem->located)
        envelope_relocate(&reader->envelope, problem);
    return false;
}

static void scalar_ended(struct reader *reader)
{
    const char *text = reader->envelope.text + reader->token;
    size_t bytes = reader->envelope.bytes - reader->token;
    value_ended(reader);
    bool literal = text[0] >= 'a' && text[0] <= 'z';
    const struct reader_path *path = nesting_path(&reader->nesting);
    if (reader->client.scalar && path && !literal)
        reader->client.scalar(reader->client.cls, path, text, bytes);
}

static const char *feed_string(struct reader *reader, const char *p,
                               const char *end, struct problem *problem)
{
    const char *from = p;
    bool closed = false;
    while (p < end && !closed) {
        if (reader->escaped)
            reader->escaped = false;
        else if (*p == '\\')
            reader->escaped = true;
        else
            closed = *p == '"';
        p++;
    }
    if (!copy(reader, from, p, problem))
        return NULL;
    if (!closed)
        return p;
    if (reader->state == IN_NAME)
        return name_ended(reader, problem) ? p : NULL;
    scalar_ended(reader);
    return p;
}

static bool is_scalar_byte(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
           (c >= 'A' && c <= 'Z') || c == '-' || c == '+' || c == '.';
}

static const char *feed_scalar(struct reader *reader, const char *p,
                               const char *end, struct problem *problem)
{
    const char *from = p;
    while (p < end && is_scalar_byte(*p))
        p++;
    if (!copy(reader, from, p, problem))
        return NULL;
    if (p < end)
        scalar_ended(reader);
    return p;
}

/* ---- values ----------------------------------------------------------- */

/**
 * A tensor may be long, so what is wrong before it is said before it: parse
 * the envelope as if the document ended with this value. Many tensors do not
 * make that slow: next time it must have doubled.
 */
static bool check_envelope(struct reader *reader, struct problem *problem)
{
    struct envelope *envelope = &reader->envelope;
    size_t bytes = envelope->bytes;
    if (reader->plain || bytes < 2 * reader->checked)
        return true;
    if (!envelope_append(envelope, "0", 1, problem))
        return false;
    for (int level = reader->nesting.depth - 1; level >= 0; level--) {
        bool object = nesting_is_object(&reader->nesting, level);
        if (!envelope_append(envelope, object ? "}" : "]", 1, problem))
            return false;
    }
    struct value *document =
        value_parse(envelope->text, envelope->bytes, problem);
    value_free(document);
    reader->checked = envelope->bytes = bytes;
    if (!document && problem->located)
        envelope_relocate(envelope, problem);
    return document;
}

static bool lift_value(struct reader *reader, const struct reader_lift *lift,
                       struct problem *problem)
{
    char name[sizeof reader->lift.name - 1];
    path_text(&reader->nesting.path, name, sizeof name);
    if (lift->tensor->type != TENSOR_NONE) {
        char pointer[sizeof problem->pointer];
        snprintf(pointer, sizeof pointer, "/%s", name);
        return problem_set(problem, 422, pointer,
                           "%s: got it twice, must be given once", name);
    }
    if (!check_envelope(reader, problem))
        return false;
    lift_begin(&reader->lift, lift, name);
    reader->state = IN_LIFT;
    return true;
}

/* A value begins at p: offer it, or look what it is. */
static const char *begin_value(struct reader *reader, const char *p,
                               struct problem *problem)
{
    if (!is_scalar_byte(*p) && *p != '"' && *p != '[' && *p != '{') {
        unexpected(reader, p, problem);
        return NULL;
    }
    const struct reader_path *path = nesting_path(&reader->nesting);
    if (path) {
        struct reader_lift lift = {0};
        if (!reader->client.begin(reader->client.cls, path, &lift, problem))
            return NULL;
        if (lift.tensor)
            return lift_value(reader, &lift, problem) ? p : NULL;
    }
    reader->token = reader->envelope.bytes;
    reader->plain &= reader->nesting.depth == 0 && *p == '{';
    if (!copy(reader, p, p + 1, problem))
        return NULL;
    reader->escaped = false;
    bool object = *p == '{';
    if (*p == '"')
        reader->state = IN_STRING;
    else if (!object && *p != '[')
        reader->state = IN_SCALAR;
    else if (nesting_open(&reader->nesting, object, problem))
        reader->state = object ? EXPECT_MEMBER : EXPECT_ELEMENT;
    else
        return NULL;
    return p + 1;
}

static void next_value(struct reader *reader)
{
    bool object = nesting_in_object(&reader->nesting);
    if (!object)
        nesting_count(&reader->nesting);
    reader->state = object ? EXPECT_NAME : EXPECT_VALUE;
}

/* Does c, which is no value, fit here? */
static bool structure(struct reader *reader, char c)
{
    switch (reader->state) {
    case EXPECT_MEMBER:
    case EXPECT_NAME:
        if (c == '"') {
            reader->state = IN_NAME;
            reader->token = reader->envelope.bytes;
            reader->escaped = false;
            return true;
        }
        if (c != '}' || reader->state == EXPECT_NAME)
            return false;
        pop(reader);
        return true;
    case EXPECT_COLON:
        reader->state = EXPECT_VALUE;
        return c == ':';
    case EXPECT_ELEMENT:
        if (c == ']')
            pop(reader);
        return c == ']';
    case EXPECT_NEXT:
        if (c == ',')
            next_value(reader);
        else if (c != (nesting_in_object(&reader->nesting) ? '}' : ']'))
            return false;
        else
            pop(reader);
        return true;
    default:
        return false;
    }
}

static const char *feed_structure(struct reader *reader, const char *p,
                                  struct problem *problem)
{
    bool value = reader->state == EXPECT_VALUE ||
                 (reader->state == EXPECT_ELEMENT && *p != ']');
    if (is_space(*p))
        return copy(reader, p, p + 1, problem) ? p + 1 : NULL;
    if (value)
        return begin_value(reader, p, problem);
    enum state state = reader->state;
    size_t at = reader->envelope.bytes;
    if (!structure(reader, *p)) {
        reader->state = state;
        unexpected(reader, p, problem);
        return NULL;
    }
    if (!copy(reader, p, p + 1, problem))
        return NULL;
    reader->token = at;
    return p + 1;
}

/* ---- lifted values ---------------------------------------------------- */

static bool lift_ended(struct reader *reader, const char *p,
                       struct problem *problem)
{
    struct stage *stages =
        realloc(reader->stages, (reader->stage_count + 1) * sizeof *stages);
    if (!stages)
        return problem_memory(problem);
    reader->stages = stages;
    stages[reader->stage_count++] = reader->lift.stage;
    value_ended(reader);
    bool absent = reader->lift.stage.tensor->type == TENSOR_NONE;
    reader->plain &= !absent; /* the name, in no tensor, may come again */
    return envelope_append(&reader->envelope, absent ? "null" : "0",
                           absent ? 4 : 1, problem) &&
           envelope_seam(&reader->envelope, place_at(reader, p), problem);
}

static const char *feed_lift(struct reader *reader, const char *p,
                             const char *end, struct problem *problem)
{
    size_t slice = (size_t)(end - p);
    const char *bad = p;
    p = lift_feed(&reader->lift, p, end, &bad, problem);
    if (!p) {
        if (!bad && problem->status != 503)
            place_problem(problem, reader->token_place,
                          reader->token_place.offset);
        located(reader, bad ? bad : end, problem);
        return NULL;
    }
    if (reader->lift.expect == LIFT_DONE)
        return lift_ended(reader, p, problem) ? p : NULL;
    size_t kept = reader->lift.token_bytes;
    if (kept > 0 && kept <= slice) /* it began in this slice */
        reader->token_place = place_at(reader, end - kept);
    return p;
}

/* ---- the reader ------------------------------------------------------- */

static const char *feed(struct reader *reader, const char *p, const char *end,
                        struct problem *problem)
{
    switch (reader->state) {
    case IN_LIFT:
        return feed_lift(reader, p, end, problem);
    case IN_NAME:
    case IN_STRING:
        return feed_string(reader, p, end, problem);
    case IN_SCALAR:
        return feed_scalar(reader, p, end, problem);
    default:
        return feed_structure(reader, p, problem);
    }
}

/* RFC 8259, 8.1: a byte order mark in front may be ignored. */
static const char *feed_mark(struct reader *reader, const char *p,
                             const char *end, struct problem *problem)
{
    static const char mark[] = "\xef\xbb\xbf";
    while (p < end && reader->mark < 3 && *p == mark[reader->mark]) {
        reader->mark++;
        p++;
    }
    if (p < end && reader->mark % 3 > 0) {
        problem_set(problem, 400, NULL, "body: got byte 0xef, must be a value");
        place_problem(problem, reader->place, 0);
        return NULL;
    }
    reader->mark = p < end ? 3 : reader->mark;
    return p;
}

bool reader_feed(struct reader *reader, const char *bytes, size_t count,
                 struct problem *problem)
{
    if (reader->failed)
        return false;
    const char *end = bytes + count;
    reader->slice = reader->counted = bytes;
    const char *p = feed_mark(reader, bytes, end, problem);
    while (p && p < end) {
        const char *next = feed(reader, p, end, problem);
        if (!next)
            return located(reader, p, problem);
        p = next;
    }
    if (!p)
        return located(reader, bytes, problem);
    place_at(reader, end);
    reader->before += count;
    return true;
}

struct value *reader_finish(struct reader *reader, struct problem *problem)
{
    if (reader->failed)
        return NULL;
    reader->slice = reader->counted = NULL;
    if (reader->plain && reader->state == EXPECT_END)
        return value_empty_object(problem);
    struct value *document =
        value_parse(reader->envelope.text, reader->envelope.bytes, problem);
    if (document && value_kind(document) == VALUE_OBJECT)
        return document;
    if (document) {
        char got[64];
        value_print(document, got, sizeof got);
        value_free(document);
        problem_set(problem, 422, NULL, "body: got %s, must be an object", got);
    } else if (problem->located && problem->offset == reader->envelope.bytes) {
        place_problem(problem, reader->place, reader->before);
    } else if (problem->located) {
        envelope_relocate(&reader->envelope, problem);
    }
    return NULL;
}

bool reader_settle(struct reader *reader, struct tensor *tensor,
                   enum tensor_type type, const char *member,
                   struct problem *problem)
{
    for (size_t i = 0; i < reader->stage_count; i++)
        if (reader->stages[i].tensor == tensor)
            return stage_settle(&reader->stages[i], type, member, problem);
    return true;
}
