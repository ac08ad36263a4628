// SPDX-License-Identifier: MIT
/*
 * The grammar of a document, with one stack. A value that the client does not
 * take as a tensor becomes a node of the tree, or is only checked. A token is
 * read where it lies in its slice; only one that began in an earlier slice is
 * copied.
 */
#include "reader.h"

#include <string.h>

#include "../freelist.h"
#include "reader_state.h"

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
    reader->encoded.depth = 0;
    reader->buffers.count = 0;
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
        tensor_reader_free(&reader->tensor);
    small_text_free(&reader->text);
    nesting_free(&reader->nesting);
    tree_free(&reader->tree);
    freelist_give(reader);
}

/* ---- values ----------------------------------------------------------- */

static const char *open_container(struct reader *reader, const char *p,
                                  struct problem *problem)
{
    int level = reader->nesting.depth;
    bool object = *p == '{';
    struct tree_place place = reader_place(reader);
    if (!reader_count_token(reader, 1, problem) ||
        !nesting_open(&reader->nesting, object, problem) ||
        (!reader->ignored && !tree_open(&reader->tree, place, object, problem)))
        return NULL;
    if (reader->ignored && reader->ignored_depth == 0)
        reader->ignored_depth = level + 1;
    reader->state = object ? EXPECT_MEMBER : EXPECT_ELEMENT;
    return p + 1;
}

static const char *begin_tensor(struct reader *reader,
                                const struct reader_destination *destination,
                                const char *p, struct problem *problem)
{
    const struct reader_path *path = nesting_path(&reader->nesting);
    if (destination->tensor->type != TENSOR_NONE) {
        reader_refuse_twice(reader, problem);
        return NULL;
    }
    if (destination->encoded && *p == '{') {
        encoded_begin(&reader->encoded, destination, path,
                      reader->nesting.depth + 1, reader->client.isa);
        return open_container(reader, p, problem);
    }
    tensor_reader_begin(&reader->tensor, destination, path, &reader->source,
                        reader->client.jobs);
    reader->state = IN_TENSOR;
    return p;
}

/* A value begins at p: no tensor, but maybe a member of an encoded one. */
static const char *begin_other(struct reader *reader, const char *p,
                               struct problem *problem)
{
    bool text = false;
    if (reader->nesting.depth == reader->encoded.depth &&
        reader->encoded.depth > 0 &&
        !encoded_member(&reader->encoded, reader->nesting.name, *p, &text,
                        problem))
        return NULL;
    if (*p == '[' || *p == '{')
        return open_container(reader, p, problem);
    reader_begin_token(reader, *p == '"' ? IN_STRING : IN_SCALAR, p);
    if (text)
        reader->state = IN_BASE64;
    return p + 1;
}

/* A value begins at p: ask the client where it goes, or find out what it is. */
static const char *begin_value(struct reader *reader, const char *p,
                               struct problem *problem)
{
    if (!token_begins_scalar(*p) && *p != '"' && *p != '[' && *p != '{') {
        token_unexpected(*p, reader_rule(reader), problem);
        return NULL;
    }
    const struct reader_path *path = nesting_path(&reader->nesting);
    struct reader_destination destination = {0};
    destination.ignored = reader->ignored_depth > 0;
    if (path && reader->client.begin && !destination.ignored &&
        reader->encoded.depth == 0) {
        if (!reader->client.begin(reader->client.cls, path, &destination,
                                  problem))
            return NULL;
    }
    reader->ignored = destination.ignored;
    return destination.tensor ? begin_tensor(reader, &destination, p, problem)
                              : begin_other(reader, p, problem);
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
    reader_pop(reader);
    return true;
}

/* The object of an encoded tensor is closed. */
static bool encoded_ended(struct reader *reader, struct problem *problem)
{
    struct element_buffer buffer;
    const struct value *object = reader->tree.open[reader->encoded.depth - 1];
    if (!encoded_finish(&reader->encoded, object, &buffer, problem))
        return false;
    return element_buffers_add(&reader->buffers, &buffer) ||
           problem_memory(problem);
}

static const char *feed_structure(struct reader *reader, const char *p,
                                  struct problem *problem)
{
    enum reader_state state = reader->state;
    if (token_is_space(*p))
        return p + 1;
    if (state == EXPECT_VALUE || (state == EXPECT_ELEMENT && *p != ']'))
        return begin_value(reader, p, problem);
    if (*p == '"' && (state == EXPECT_MEMBER || state == EXPECT_NAME))
        return reader_begin_token(reader, IN_NAME, p);
    if (!structure(reader, *p)) {
        reader->state = state;
        token_unexpected(*p, reader_rule(reader), problem);
        return NULL;
    }
    if (!reader_count_token(reader, 1, problem) ||
        (reader->nesting.depth < reader->encoded.depth &&
         !encoded_ended(reader, problem)))
        return NULL;
    return p + 1;
}

/* ---- tensors ------------------------------------------------------------ */

static bool tensor_ended(struct reader *reader, struct problem *problem)
{
    bool absent = reader->tensor.buffer.tensor->type == TENSOR_NONE;
    if (!element_buffers_add(&reader->buffers, &reader->tensor.buffer))
        return problem_memory(problem);
    reader_value_ended(reader);
    /* null leaves no tensor behind */
    return !absent || reader_remember_name(reader, problem);
}

static const char *feed_tensor(struct reader *reader, const char *p,
                               const char *end, struct problem *problem)
{
    size_t slice = (size_t)(end - p);
    const char *bad = p;
    p = tensor_reader_feed(&reader->tensor, p, end, &bad, problem);
    if (!p) {
        reader->token = bad;
        reader_fail_in_token(reader, reader->tensor.buffer.bad_bytes, problem);
        return NULL;
    }
    if (reader->tensor.state.expect == TENSOR_READER_DONE)
        return tensor_ended(reader, problem) ? p : NULL;
    size_t kept = reader->tensor.token_bytes;
    if (kept > 0 && kept <= slice) /* it began in this slice */
        reader->token_place = source_place(&reader->source, end - kept);
    return p;
}

static const char *feed_base64(struct reader *reader, const char *p,
                               const char *end, struct problem *problem)
{
    const char *bad;
    p = encoded_feed(&reader->encoded, p, end, &bad, problem);
    if (!p) {
        reader_fail_at(reader, bad, problem);
        return NULL;
    }
    if (!reader->encoded.ended)
        return p;
    reader_value_ended(reader);
    return reader_remember_name(reader, problem) ? p : NULL;
}

/* ---- the reader ------------------------------------------------------- */

static const char *feed(struct reader *reader, const char *p, const char *end,
                        struct problem *problem)
{
    switch (reader->state) {
    case IN_TENSOR:
        return feed_tensor(reader, p, end, problem);
    case IN_BASE64:
        return feed_base64(reader, p, end, problem);
    case IN_NAME:
    case IN_STRING:
    case IN_SCALAR:
        return reader_feed_token(reader, p, end, problem);
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
            return reader_fail_at(reader, p, problem);
        p = next;
    }
    if (!p || !reader_carry_token(reader, end, problem))
        return reader_fail_at(reader, end, problem);
    source_end(&reader->source, end);
    return true;
}

/* The body ended: is the document whole? */
static bool finish_document(struct reader *reader, struct problem *problem)
{
    if (reader->state == IN_SCALAR && reader->nesting.depth == 0 &&
        !reader_scalar_ended(reader, reader->text.data, reader->text.bytes,
                             problem))
        return false;
    if (reader->state == EXPECT_END)
        return true;
    if (reader->state == IN_TENSOR &&
        !tensor_reader_flush(&reader->tensor, problem))
        return false;
    const char *rule = reader_rule(reader);
    if (reader->state == EXPECT_NEXT)
        rule = nesting_in_object(&reader->nesting) ? "'}'" : "']'";
    problem_set(problem, 400, NULL, "body: got end of file, must be %s", rule);
    return reader_fail(reader, reader->source.place, 0, problem);
}

struct value *reader_finish(struct reader *reader, struct problem *problem)
{
    char got[64];
    if (reader->failed || !finish_document(reader, problem))
        return NULL;
    struct value *root = tree_take(&reader->tree, problem);
    const char *rule = reader->client.document;
    if (root && rule && value_kind(root) != VALUE_OBJECT) {
        value_print(root, got, sizeof got);
        value_free(root);
        root = NULL;
        problem_set(problem, 422, NULL, "body: got %s, must be %s", got, rule);
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

bool reader_settle_whole(const struct reader_destination *destination,
                         enum tensor_type type, const char *member,
                         struct problem *problem)
{
    struct element_buffer buffer;
    element_buffer_init_whole(&buffer, destination);
    return element_buffer_settle(&buffer, type, member, problem);
}

bool reader_was_encoded(struct reader *reader, const struct tensor *tensor)
{
    const struct element_buffer *buffer =
        element_buffers_find(&reader->buffers, tensor);
    return buffer && buffer->encoded;
}
