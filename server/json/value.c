// SPDX-License-Identifier: MIT
#include "value.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "nesting.h"
#include "path.h"

/* struct value is never defined: a pointer to one is a json_t of Jansson's. */
static const json_t *node(const struct value *value)
{
    return (const json_t *)value;
}

/* Jansson calls some failed allocations "invalid token", and with others it
 * goes on, short of what it had no room for. */
static _Thread_local bool out_of_memory;

static void *allocate(size_t bytes)
{
    void *block = malloc(bytes);
    if (!block)
        out_of_memory = true;
    return block;
}

static json_t *empty_object; /* NULL: there was no memory for it */

/* Seeding on first use is a race between threads, so it is done once. */
static void prepare_once(void)
{
    json_set_alloc_funcs(allocate, free);
    json_object_seed(0);
    empty_object = json_object();
    if (empty_object) /* as Jansson marks its constants: it is never freed */
        empty_object->refcount = (size_t)-1;
}

static void prepare(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, prepare_once);
}

static void locate(struct problem *problem, const char *text, size_t offset)
{
    size_t line = 1, line_start = 0;
    for (size_t i = 0; i < offset; i++)
        if (text[i] == '\n') {
            line++;
            line_start = i + 1;
        }
    problem->located = true;
    problem->offset = offset;
    problem->line = line;
    problem->column = offset - line_start + 1;
}

static bool is_number_byte(char c)
{
    return (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.' ||
           c == 'e' || c == 'E';
}

/* Does the integer at text not fit into int64_t? */
static bool is_long_integer(const char *text, size_t bytes)
{
    char digits[24];
    if (bytes < 19 || memchr(text, '.', bytes) || memchr(text, 'e', bytes) ||
        memchr(text, 'E', bytes))
        return false;
    if (bytes >= sizeof digits)
        return true;
    memcpy(digits, text, bytes);
    digits[bytes] = '\0';
    errno = 0;
    strtoll(digits, NULL, 10);
    return errno == ERANGE;
}

/* Bytes of the number that begins at text, or of what else does. */
static size_t token_bytes(const char *text, size_t bytes, bool *quoted)
{
    size_t n = 1;
    if (*quoted && text[0] == '\\' && bytes > 1)
        return 2;
    if (text[0] == '"')
        *quoted = !*quoted;
    while (!*quoted && is_number_byte(text[0]) && n < bytes &&
           is_number_byte(text[n]))
        n++;
    return n;
}

/**
 * Jansson refuses integers beyond int64_t; JSON does not. The same text with
 * ".0" behind each of them, which is the real that it means.
 * @return bytes of the result; copy may be NULL to measure.
 */
static size_t widen_integers(const char *text, size_t bytes, char *copy)
{
    size_t used = 0;
    bool quoted = false;
    for (size_t i = 0, n; i < bytes; i += n) {
        n = token_bytes(text + i, bytes - i, &quoted);
        if (copy)
            memcpy(copy + used, text + i, n);
        used += n;
        if (!quoted && is_long_integer(text + i, n)) {
            if (copy)
                memcpy(copy + used, ".0", 2);
            used += 2;
        }
    }
    return used;
}

/* The place in text of a place in its widened copy. */
static size_t narrow_offset(const char *text, size_t bytes, size_t wide)
{
    size_t used = 0;
    bool quoted = false;
    for (size_t i = 0, n; i < bytes; i += n) {
        n = token_bytes(text + i, bytes - i, &quoted);
        if (wide <= used + n)
            return i + (wide - used);
        used += n;
        used += !quoted && is_long_integer(text + i, n) ? 2 : 0;
        if (wide <= used)
            return i + n;
    }
    return bytes;
}

static json_t *load(const char *text, size_t bytes, json_error_t *error)
{
    return json_loadb(text, bytes, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY,
                      error);
}

static json_t *load_widened(const char *text, size_t bytes, json_error_t *error)
{
    size_t wide = widen_integers(text, bytes, NULL);
    if (wide == bytes)
        return NULL;
    char *copy = allocate(wide);
    if (!copy)
        return NULL;
    widen_integers(text, bytes, copy);
    json_t *document = load(copy, wide, error);
    free(copy);
    if (!document && error->position > 0)
        error->position =
            (int)narrow_offset(text, bytes, (size_t)error->position);
    return document;
}

/* A 422 about the value whose name or number ends behind bytes of text. */
static void refuse_value(struct problem *problem, const char *text,
                         size_t bytes, const char *got, int got_bytes,
                         const char *rule)
{
    char pointer[sizeof problem->pointer] = "/";
    struct nesting nesting = {.depth = 0};
    if (!nesting_walk(&nesting, text, bytes, problem))
        return;
    const struct reader_path *path = nesting_path(&nesting);
    if (path)
        path_text(path, pointer + 1, sizeof pointer - 1);
    problem_set(problem, 422, path ? pointer : NULL, "%s: got %.*s, must be %s",
                path ? pointer + 1 : "a value", got_bytes, got, rule);
}

/* The number that ends behind bytes of text. */
static size_t refuse_number(struct problem *problem, const char *text,
                            size_t bytes)
{
    size_t begin = bytes;
    while (begin > 0 && is_number_byte(text[begin - 1]))
        begin--;
    size_t shown = bytes - begin < 64 ? bytes - begin : 64;
    refuse_value(problem, text, begin, text + begin, (int)shown,
                 "between -1.8e308 and 1.8e308");
    return begin;
}

/* Jansson says "WHAT expected near TOKEN", or what it is that it read. */
static void explain_syntax(struct problem *problem, const char *text)
{
    static const char expected[] = " expected near ";
    static const char unexpected[] = "unexpected token near ";
    const char *near = strstr(text, expected);
    if (near)
        problem_set(problem, 400, NULL, "body: got %s, must be %.*s",
                    near + strlen(expected), (int)(near - text), text);
    else if (strncmp(text, unexpected, strlen(unexpected)) == 0)
        problem_set(problem, 400, NULL, "body: got %s, must be a value",
                    text + strlen(unexpected));
    else
        problem_set(problem, 400, NULL, "body: got %s, must be JSON", text);
}

static void explain(struct problem *problem, const json_error_t *error,
                    const char *text, size_t bytes)
{
    enum json_error_code code = json_error_code(error);
    size_t read = error->position > 0 ? (size_t)error->position : 0;
    read = read < bytes ? read : bytes;
    size_t at = read > 0 ? read - 1 : 0;
    if (code == json_error_duplicate_key) {
        refuse_value(problem, text, read, "it twice", 8, "given once");
    } else if (code == json_error_numeric_overflow) {
        at = refuse_number(problem, text, read);
    } else if (code == json_error_null_character ||
               code == json_error_null_byte_in_key) {
        problem_set(problem, 400, NULL,
                    "body: got \\u0000 in a string, must be one without");
    } else if (code == json_error_stack_overflow) {
        problem_set(problem, 422, NULL,
                    "body: got nesting deeper than %d, must be less",
                    NESTING_MAX_DEPTH);
    } else {
        explain_syntax(problem, error->text);
    }
    if (problem->status != 503)
        locate(problem, text,
               code == json_error_premature_end_of_input ? bytes : at);
}

/* Jansson passes over one behind a number. */
static void refuse_nul(struct problem *problem, const char *text, size_t bytes)
{
    const char *nul = memchr(text, '\0', bytes);
    problem_set(problem, 400, NULL, "body: got byte 0x00, must be JSON");
    locate(problem, text, (size_t)(nul - text));
}

struct value *value_parse(const char *text, size_t bytes,
                          struct problem *problem)
{
    prepare();
    out_of_memory = false;
    json_error_t error;
    json_t *document = load(text, bytes, &error);
    if (!document && json_error_code(&error) == json_error_numeric_overflow)
        document = load_widened(text, bytes, &error);
    if (out_of_memory) {
        json_decref(document);
        document = NULL;
        problem_memory(problem);
    } else if (!document) {
        explain(problem, &error, text, bytes);
    } else if (memchr(text, '\0', bytes)) {
        json_decref(document);
        document = NULL;
        refuse_nul(problem, text, bytes);
    }
    return (struct value *)document;
}

struct value *value_empty_object(struct problem *problem)
{
    prepare();
    json_t *object = empty_object ? empty_object : json_object();
    if (!object)
        problem_memory(problem);
    return (struct value *)object;
}

void value_free(struct value *document)
{
    json_decref((json_t *)document);
}

enum value_kind value_kind(const struct value *value)
{
    switch (json_typeof(node(value))) {
    case JSON_OBJECT:
        return VALUE_OBJECT;
    case JSON_ARRAY:
        return VALUE_ARRAY;
    case JSON_STRING:
        return VALUE_STRING;
    case JSON_INTEGER:
        return VALUE_INTEGER;
    case JSON_REAL:
        return VALUE_REAL;
    case JSON_TRUE:
    case JSON_FALSE:
        return VALUE_BOOL;
    case JSON_NULL:
        break;
    }
    return VALUE_NULL;
}

bool value_boolean(const struct value *value)
{
    return json_is_true(node(value));
}

int64_t value_integer(const struct value *value)
{
    return json_integer_value(node(value));
}

/* Beyond 2^53 only an integer that is written as one is exact. */
bool value_to_integer(const struct value *value, int64_t *integer)
{
    if (json_is_integer(node(value))) {
        *integer = value_integer(value);
        return true;
    }
    double number = json_real_value(node(value));
    if (!json_is_real(node(value)) || !(fabs(number) <= 0x1p53) ||
        number != trunc(number))
        return false;
    *integer = (int64_t)number;
    return true;
}

double value_number(const struct value *value)
{
    return json_number_value(node(value));
}

const char *value_string(const struct value *value)
{
    return json_string_value(node(value));
}

size_t value_size(const struct value *value)
{
    return json_is_object(node(value)) ? json_object_size(node(value))
                                       : json_array_size(node(value));
}

const struct value *value_at(const struct value *array, size_t index)
{
    return (const struct value *)json_array_get(node(array), index);
}

const struct value *value_member(const struct value *object, const char *name)
{
    const json_t *member = json_object_get(node(object), name);
    return json_is_null(member) ? NULL : (const struct value *)member;
}

bool value_each(const struct value *object,
                bool (*visit)(void *cls, const char *name,
                              const struct value *value),
                void *cls)
{
    json_t *members = (json_t *)object;
    for (void *i = json_object_iter(members); i;
         i = json_object_iter_next(members, i))
        if (!json_is_null(json_object_iter_value(i)) &&
            !visit(cls, json_object_iter_key(i),
                   (const struct value *)json_object_iter_value(i)))
            return false;
    return true;
}

struct cut {
    char *text;
    size_t room, used;
    bool full;
};

static int cut_append(const char *bytes, size_t count, void *cls)
{
    struct cut *cut = cls;
    size_t n = cut->room - cut->used;
    n = count < n ? count : n;
    memcpy(cut->text + cut->used, bytes, n);
    cut->used += n;
    cut->full |= n < count;
    return cut->full ? -1 : 0;
}

/* Fewest digits that read back the same: 0.1, not 0.10000000000000001. */
static void print_real(double real, char *text, size_t text_bytes)
{
    char digits[32];
    for (int precision = 15; precision <= 17; precision++) {
        snprintf(digits, sizeof digits, "%.*g", precision, real);
        if (strtod(digits, NULL) == real)
            break;
    }
    snprintf(text, text_bytes, "%s%s", digits,
             strpbrk(digits, ".en") ? "" : ".0");
}

void value_print(const struct value *value, char *text, size_t text_bytes)
{
    static const char more[] = "...";
    if (text_bytes < sizeof more)
        return;
    if (json_is_real(node(value))) {
        print_real(json_real_value(node(value)), text, text_bytes);
        return;
    }
    struct cut cut = {.text = text, .room = text_bytes - sizeof more};
    json_dump_callback(node(value), cut_append, &cut,
                       JSON_ENCODE_ANY | JSON_COMPACT |
                           JSON_REAL_PRECISION(15));
    size_t used = cut.used;
    if (cut.full) { /* back to a whole character */
        while (used > 0 && ((unsigned char)text[used - 1] & 0xc0) == 0x80)
            used--;
        used -= used > 0 && (unsigned char)text[used - 1] >= 0xc0;
    }
    snprintf(text + used, text_bytes - used, "%s", cut.full ? more : "");
}
