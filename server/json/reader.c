// SPDX-License-Identifier: MIT
/*
 * The grammar of a document: one stack, on which a value that the client does
 * not take as a tensor becomes a node of the tree or is only checked. A token
 * that lies within a slice is read there; only one that begins in an earlier
 * slice is copied.
 */
#include "reader.h"

#include <string.h>

#include "../freelist.h"
#include "nesting.h"
#include "pointer.h"
#include "small_text.h"
#include "source.h"
#include "tensor_reader.h"
#include "token.h"
#include "tree.h"

enum { MAX_BYTES = 65536 }; /* of all tokens that are in no tensor */

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
    IN_TENSOR
};

struct reader {
    struct reader_client client;
    struct element_buffers buffers; /* of the tensors read so far */
    enum state state;
    bool escaped; /* after a backslash */
    bool ignored; /* the value being read is in no tree */
    bool failed;
    int ignored_depth;        /* below it nothing is kept; 0: all is */
    size_t token_bytes;       /* of all tokens that are in no tensor */
    const char *token;        /* where it begins; NULL: in an earlier slice */
    struct place token_place; /* then */
    struct source source;
    /* What follows is set before it is read; clearing it would cost a small
     * request as much as its arithmetic. */
    struct small_text text; /* of a token from an earlier slice */
    struct nesting nesting;
    struct tensor_reader tensor;
    struct tree tree;
};

struct reader *reader_create(const struct reader_client *client,
                             struct budget *budget)
{
    struct reader *reader = freelist_take(sizeof *reader);
    if (!reader)
        return NULL;
    memset(reader, 0, offsetof(struct reader, text));
    small_text_init(&reader->text, budget);
    nesting_init(&reader->nesting, budget);
    tree_init(&reader->tree, budget);
    if (client)
        reader->client = *client;
    source_init(&reader->source);
    return reader;
}

void reader_free(struct reader *reader)
{
    if (!reader)
        return;
    element_buffers_free(&reader->buffers);
    if (reader->state == IN_TENSOR)
        element_buffer_free(&reader->tensor.buffer);
    small_text_free(&reader->text);
    nesting_free(&reader->nesting);
    tree_free(&reader->tree);
    freelist_give(reader);
}

/* ---- problems ----------------------------------------------------------- */

static bool fail(struct reader *reader, struct place place, size_t bytes,
                 struct problem *problem)
{
    reader->failed = true;
    return place_problem(place, bytes, problem);
}

/* A problem was found at p. */
static bool fail_at(struct reader *reader, const char *p,
                    struct problem *problem)
{
    return fail(reader, source_place(&reader->source, p), 0, problem);
}

/* A problem was found that many bytes into the token. */
static bool fail_in_token(struct reader *reader, size_t bytes,
                          struct problem *problem)
{
    if (reader->token)
        return fail_at(reader, reader->token + bytes, problem);
    return fail(reader, reader->token_place, bytes, problem);
}

/* What may come next. */
static const char *rule_of(const struct reader *reader)
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
        [IN_TENSOR] = "the rest of an array",
    };
    return rules[reader->state];
}

/* ---- the tree ----------------------------------------------------------- */

static struct tree_place place_in_tree(const struct reader *reader)
{
    bool member = nesting_in_object(&reader->nesting);
    return (struct tree_place){.level = reader->nesting.depth - 1,
                               .name = member ? reader->nesting.name : NULL};
}

/* "name: got ..., must be RULE" for the value that is being read. */
static bool refuse_value(struct reader *reader, const char *got, size_t bytes,
                         const char *rule, struct problem *problem)
{
    char pointer[sizeof problem->pointer] = "/";
    const struct reader_path *path = nesting_path(&reader->nesting);
    if (path)
        pointer_text(path, pointer + 1, sizeof pointer - 1);
    return problem_set(problem, 422, path ? pointer : NULL,
                       "%s: got %.*s, must be %s",
                       path ? pointer + 1 : "a value",
                       bytes < 64 ? (int)bytes : 64, got, rule);
}

static bool keep_scalar(struct reader *reader, enum token token,
                        const char *text, size_t bytes, struct problem *problem)
{
    bool out_of_range = false;
    struct value *value =
        token == TOKEN_NUMBER   ? value_new_number(text, bytes, &out_of_range)
        : token == TOKEN_STRING ? value_new_string(text, bytes)
                                : value_new_literal(token);
    if (out_of_range)
        return refuse_value(reader, text, bytes, "between -1.8e308 and 1.8e308",
                            problem);
    return tree_add(&reader->tree, place_in_tree(reader), value, bytes,
                    problem);
}

/* ---- tokens that are in no tensor --------------------------------------- */

/* A value ended: what may follow it? */
static void value_ended(struct reader *reader)
{
    reader->state = reader->nesting.depth > 0 ? EXPECT_NEXT : EXPECT_END;
}

static void pop(struct reader *reader)
{
    if (--reader->nesting.depth < reader->ignored_depth)
        reader->ignored_depth = 0;
    value_ended(reader);
}

static bool count_token(struct reader *reader, size_t bytes,
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
        return fail_in_token(reader, bad, problem);
    if (reader->ignored_depth > 0)
        return true;
    if (!nesting_name(&reader->nesting, text, bytes, literal, problem))
        return fail_in_token(reader, 0, problem);
    if (!tree_has(&reader->tree, place_in_tree(reader)))
        return true;
    refuse_value(reader, "it twice", 8, "given once", problem);
    return fail_in_token(reader, bytes - 1, problem);
}

static bool scalar_ended(struct reader *reader, const char *text, size_t bytes,
                         struct problem *problem)
{
    enum token token;
    size_t bad;
    value_ended(reader);
    if (!token_check(text, bytes, rule_of(reader), &token, &bad, problem))
        return fail_in_token(reader, bad, problem);
    if (reader->ignored)
        return true;
    if (!keep_scalar(reader, token, text, bytes, problem))
        return fail_in_token(reader, 0, problem);
    const struct reader_path *path = nesting_path(&reader->nesting);
    if (reader->client.scalar && path && token <= TOKEN_STRING)
        reader->client.scalar(reader->client.cls, path, text, bytes);
    return true;
}

static const char *feed_token(struct reader *reader, const char *p,
                              const char *end, struct problem *problem)
{
    const char *stop = reader->state == IN_SCALAR
                           ? token_scalar_end(p, end)
                           : token_string_end(p, end, &reader->escaped);
    if (!count_token(reader, (size_t)((stop ? stop : end) - p), problem))
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
        reader->state == IN_NAME ? name_ended : scalar_ended;
    return ended(reader, text, bytes, problem) ? stop : NULL;
}

/* The slice ends at end: copy what it has of a token that is not whole. */
static bool carry_token(struct reader *reader, const char *end,
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

/* A token begins at p; it goes on after its first byte. */
static const char *begin_token(struct reader *reader, enum state state,
                               const char *p)
{
    reader->state = state;
    reader->token = p;
    reader->escaped = false;
    small_text_clear(&reader->text);
    return p + 1;
}

/* ---- values ----------------------------------------------------------- */

static bool begin_tensor(struct reader *reader,
                         const struct reader_destination *destination,
                         struct problem *problem)
{
    char name[sizeof reader->tensor.name - 1];
    pointer_text(nesting_path(&reader->nesting), name, sizeof name);
    if (destination->tensor->type != TENSOR_NONE)
        return refuse_value(reader, "it twice", 8, "given once", problem);
    tensor_reader_begin(&reader->tensor, destination, name);
    reader->state = IN_TENSOR;
    return true;
}

static bool open_container(struct reader *reader, bool object,
                           struct problem *problem)
{
    int level = reader->nesting.depth;
    if (!reader->ignored &&
        !tree_open(&reader->tree, place_in_tree(reader), object, problem))
        return false;
    if (!nesting_open(&reader->nesting, object, problem))
        return false;
    if (reader->ignored && reader->ignored_depth == 0)
        reader->ignored_depth = level + 1;
    reader->state = object ? EXPECT_MEMBER : EXPECT_ELEMENT;
    return true;
}

/* A value begins at p: offer it, or look what it is. */
static const char *begin_value(struct reader *reader, const char *p,
                               struct problem *problem)
{
    bool scalar = token_begins_scalar(*p) || *p == '"';
    if (!scalar && *p != '[' && *p != '{') {
        token_unexpected(*p, rule_of(reader), problem);
        return NULL;
    }
    const struct reader_path *path = nesting_path(&reader->nesting);
    struct reader_destination destination = {0};
    destination.ignored = reader->ignored_depth > 0;
    if (path && reader->client.begin && !destination.ignored) {
        if (!reader->client.begin(reader->client.cls, path, &destination,
                                  problem))
            return NULL;
        if (destination.tensor)
            return begin_tensor(reader, &destination, problem) ? p : NULL;
    }
    reader->ignored = destination.ignored;
    if (scalar)
        return begin_token(reader, *p == '"' ? IN_STRING : IN_SCALAR, p);
    if (!count_token(reader, 1, problem) ||
        !open_container(reader, *p == '{', problem))
        return NULL;
    return p + 1;
}

/* Does c, which begins no value, fit here? */
static bool structure(struct reader *reader, char c)
{
    bool object = nesting_in_object(&reader->nesting);
    switch (reader->state) {
    case EXPECT_COLON:
        reader->state = EXPECT_VALUE;
        return c == ':';
    case EXPECT_NEXT:
        if (c != ',')
            break;
        if (!object)
            nesting_count(&reader->nesting);
        reader->state = object ? EXPECT_NAME : EXPECT_VALUE;
        return true;
    case EXPECT_MEMBER:
    case EXPECT_ELEMENT:
        break;
    default:
        return false;
    }
    if (c != (object ? '}' : ']'))
        return false;
    pop(reader);
    return true;
}

static const char *feed_structure(struct reader *reader, const char *p,
                                  struct problem *problem)
{
    enum state state = reader->state;
    if (token_is_space(*p))
        return p + 1;
    if (state == EXPECT_VALUE || (state == EXPECT_ELEMENT && *p != ']'))
        return begin_value(reader, p, problem);
    if (*p == '"' && (state == EXPECT_MEMBER || state == EXPECT_NAME))
        return begin_token(reader, IN_NAME, p);
    if (!structure(reader, *p)) {
        reader->state = state;
        token_unexpected(*p, rule_of(reader), problem);
        return NULL;
    }
    return count_token(reader, 1, problem) ? p + 1 : NULL;
}

/* ---- tensors ------------------------------------------------------------ */

static bool tensor_ended(struct reader *reader, struct problem *problem)
{
    bool absent = reader->tensor.buffer.tensor->type == TENSOR_NONE;
    if (!element_buffers_add(&reader->buffers, &reader->tensor.buffer))
        return problem_memory(problem);
    value_ended(reader);
    /* null: no tensor tells that the name must not come again */
    return !absent || keep_scalar(reader, TOKEN_NULL, "null", 4, problem);
}

static const char *feed_tensor(struct reader *reader, const char *p,
                               const char *end, struct problem *problem)
{
    size_t slice = (size_t)(end - p);
    const char *bad = p;
    p = tensor_reader_feed(&reader->tensor, p, end, &bad, problem);
    if (!p) {
        reader->token = bad;
        fail_in_token(reader, reader->tensor.buffer.bad_bytes, problem);
        return NULL;
    }
    if (reader->tensor.expect == TENSOR_READER_DONE)
        return tensor_ended(reader, problem) ? p : NULL;
    size_t kept = reader->tensor.token_bytes;
    if (kept > 0 && kept <= slice) /* it began in this slice */
        reader->token_place = source_place(&reader->source, end - kept);
    return p;
}

/* ---- the reader ------------------------------------------------------- */

static const char *feed(struct reader *reader, const char *p, const char *end,
                        struct problem *problem)
{
    switch (reader->state) {
    case IN_TENSOR:
        return feed_tensor(reader, p, end, problem);
    case IN_NAME:
    case IN_STRING:
    case IN_SCALAR:
        return feed_token(reader, p, end, problem);
    default:
        return feed_structure(reader, p, problem);
    }
}

bool reader_feed(struct reader *reader, const char *bytes, size_t count,
                 struct problem *problem)
{
    if (reader->failed || count == 0)
        return !reader->failed;
    const char *end = bytes + count;
    source_begin(&reader->source, bytes);
    const char *p = source_skip_mark(&reader->source, bytes, end, problem);
    while (p && p < end) {
        const char *next = feed(reader, p, end, problem);
        if (!next)
            return fail_at(reader, p, problem);
        p = next;
    }
    if (!p || !carry_token(reader, end, problem))
        return fail_at(reader, end, problem);
    source_end(&reader->source, end);
    return true;
}

/* The body ended: is the document whole? */
static bool finish_document(struct reader *reader, struct problem *problem)
{
    if (reader->state == IN_SCALAR && reader->nesting.depth == 0 &&
        !scalar_ended(reader, reader->text.data, reader->text.bytes, problem))
        return false;
    if (reader->state == EXPECT_END)
        return true;
    const char *rule = rule_of(reader);
    if (reader->state == EXPECT_NEXT)
        rule = nesting_in_object(&reader->nesting) ? "'}'" : "']'";
    problem_set(problem, 400, NULL, "body: got end of file, must be %s", rule);
    return fail(reader, reader->source.place, 0, problem);
}

struct value *reader_finish(struct reader *reader, struct problem *problem)
{
    char got[64];
    if (reader->failed || !finish_document(reader, problem))
        return NULL;
    struct value *root = tree_take(&reader->tree, problem);
    if (root && reader->client.begin && value_kind(root) != VALUE_OBJECT) {
        value_print(root, got, sizeof got);
        value_free(root);
        root = NULL;
        problem_set(problem, 422, NULL, "body: got %s, must be an object", got);
    }
    return root;
}

struct value *reader_parse(const char *text, size_t bytes,
                           struct problem *problem)
{
    struct reader *reader = reader_create(NULL, NULL);
    struct value *document = NULL;
    if (!reader)
        problem_memory(problem);
    else if (reader_feed(reader, text, bytes, problem))
        document = reader_finish(reader, problem);
    reader_free(reader);
    return document;
}

bool reader_settle(struct reader *reader, struct tensor *tensor,
                   enum tensor_type type, const char *member,
                   struct problem *problem)
{
    struct element_buffer *buffer =
        element_buffers_find(&reader->buffers, tensor);
    return !buffer || element_buffer_settle(buffer, type, member, problem);
}
