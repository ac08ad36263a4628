// SPDX-License-Identifier: MIT
#include "element_buffer.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "../datatype.h"
#include "../number/number.h"
#include "../number/read.h"
#include "nesting.h"
#include "token.h"

static bool is(const char *text, size_t bytes, const char *word)
{
    return bytes == strlen(word) && memcmp(text, word, bytes) == 0;
}

const char *element_buffer_rule(const struct element_buffer *buffer)
{
    /* what an element must be, what an array, what either */
    static const char *const rules[][3] = {
        [DATATYPE_REAL] = {"a number", "an array of numbers",
                           "a number or an array of numbers"},
        [DATATYPE_INTEGER] = {"an integer", "an array of integers",
                              "an integer or an array of integers"},
        [DATATYPE_TRUTH] = {"true or false", "an array of true and false",
                            "true, false or an array of them"}};
    int which = buffer->nested ? 0 : buffer->bare ? 2 : 1;
    return rules[datatype_kind_of(buffer->element)][which];
}

static void set_destination(struct element_buffer *buffer,
                            const struct reader_destination *destination)
{
    *buffer = (struct element_buffer){.tensor = destination->tensor,
                                      .budget = destination->tensor->budget,
                                      .element = destination->element,
                                      .infinity = destination->infinity,
                                      .bare = destination->bare};
}

void element_buffer_init(struct element_buffer *buffer,
                         const struct reader_destination *destination,
                         const struct reader_path *path)
{
    static const enum tensor_type types[] = {
        [READER_FLOAT32] = TENSOR_FLOAT32, [READER_FLOAT64] = TENSOR_FLOAT64,
        [READER_FLOAT] = TENSOR_FLOAT64,   [READER_INT64] = TENSOR_INT64,
        [READER_BOOL] = TENSOR_BOOL,       [READER_ANY] = TENSOR_FLOAT64,
    };
    set_destination(buffer, destination);
    buffer->path = path;
    buffer->tensor->type = types[destination->element];
}

void element_buffer_init_whole(struct element_buffer *buffer,
                               const struct reader_destination *destination)
{
    set_destination(buffer, destination);
    buffer->encoded = true;
    buffer->count = destination->tensor->count;
}

static bool undecided(const struct element_buffer *buffer)
{
    return (buffer->element == READER_FLOAT || buffer->element == READER_ANY) &&
           buffer->tensor->type == TENSOR_FLOAT64;
}

bool element_buffer_except(struct element_buffer *buffer,
                           struct exception exception, struct problem *problem)
{
    struct budget *budget = buffer->budget;
    size_t room = buffer->exception_room;
    if (buffer->exception_count == room) {
        size_t after = room ? room * 2 : 64;
        size_t more = (after - room) * sizeof exception;
        if (!budget_charge(budget, more, problem))
            return false;
        struct exception *moved =
            realloc(buffer->exceptions, after * sizeof exception);
        if (!moved) {
            budget_give(budget, more);
            return problem_memory(problem);
        }
        buffer->exceptions = moved;
        buffer->exception_room = after;
    }
    buffer->exceptions[buffer->exception_count++] = exception;
    return true;
}

void element_buffer_drop_exceptions(struct element_buffer *buffer)
{
    if (!buffer->exceptions)
        return;
    budget_give(buffer->budget,
                buffer->exception_room * sizeof *buffer->exceptions);
    free(buffer->exceptions);
    buffer->exceptions = NULL;
    buffer->exception_count = buffer->exception_room = 0;
}

size_t element_buffer_room(size_t needed)
{
    size_t room = needed + needed / 4 + 256;
    if (room >= TENSOR_HUGE_PAGE)
        room =
            (room + TENSOR_HUGE_PAGE - 1) / TENSOR_HUGE_PAGE * TENSOR_HUGE_PAGE;
    return room;
}

bool element_buffer_make_room(struct element_buffer *buffer, size_t elements,
                              struct problem *problem)
{
    struct tensor *tensor = buffer->tensor;
    size_t unit = tensor_element_bytes(tensor->type);
    size_t needed = (buffer->count + elements) * unit;
    if (needed <= tensor->bytes)
        return true;
    return tensor_reserve(tensor, element_buffer_room(needed), problem);
}

static bool refuse(const struct element_buffer *buffer, const char *text,
                   size_t bytes, const char *rule, struct problem *problem)
{
    char name[sizeof problem->pointer];
    int shown = bytes > 64 ? 64 : (int)bytes;
    nesting_pointer(buffer->path, name, sizeof name);
    return problem_set(problem, 422, NULL, "%s: got %.*s%s, must be %s", name,
                       shown, text, bytes > 64 ? "..." : "", rule);
}

/* A token that is no element here: JSON of another kind, or not JSON? */
static bool refuse_token(struct element_buffer *buffer, const char *text,
                         size_t bytes, struct problem *problem)
{
    enum token token;
    const char *next = buffer->nested ? "',' or ']'" : "',' or '}'";
    if (!token_check(text, bytes, next, &token, &buffer->bad_bytes, problem))
        return false;
    bool hint = token == TOKEN_NULL && buffer->infinity && buffer->nested;
    return refuse(buffer, text, bytes,
                  hint ? "a number or \"-Infinity\""
                       : element_buffer_rule(buffer),
                  problem);
}

static bool store_boolean(struct element_buffer *buffer, const char *text,
                          size_t bytes)
{
    uint8_t *data = buffer->tensor->data;
    bool yes = is(text, bytes, "true");
    if (!yes && !is(text, bytes, "false"))
        return false;
    data[buffer->count++] = yes;
    return true;
}

/* Keep what the double at index cannot tell about its text. */
static bool note_exceptions(struct element_buffer *buffer, const char *text,
                            size_t bytes, double wide, struct problem *problem)
{
    uint64_t bits;
    float single;
    int64_t integer;
    struct exception exception = {.index = buffer->count};
    memcpy(&bits, &wide, sizeof bits);
    if (number_is_midpoint(bits) || (wide != 0 && fabs(wide) < FLT_MIN)) {
        number_read_float32(text, bytes, &single);
        float twice = (float)wide;
        if (memcmp(&single, &twice, sizeof single) != 0) {
            uint32_t word;
            memcpy(&word, &single, sizeof word);
            exception.value = word;
            if (!element_buffer_except(buffer, exception, problem))
                return false;
        }
    }
    if (buffer->element == READER_ANY && fabs(wide) >= 0x1p53 &&
        number_read_int64(text, bytes, &integer) == NUMBER_INTEGER) {
        exception.integer = true;
        exception.value = integer;
        return element_buffer_except(buffer, exception, problem);
    }
    return true;
}

static bool is_word(const char *text, size_t bytes, const char *word)
{
    return bytes == strlen(word) && strncasecmp(text, word, bytes) == 0;
}

static bool read_word(const char *text, size_t bytes, double *value)
{
    bool negative = bytes > 0 && text[0] == '-';
    text += negative;
    bytes -= negative;
    if (is_word(text, bytes, "Infinity") || is_word(text, bytes, "Inf"))
        *value = negative ? -INFINITY : INFINITY;
    else if (is_word(text, bytes, "NaN"))
        *value = NAN;
    else
        return false;
    return true;
}

/* A whole token, a string with its quotes or a bare word, that names a number
 * which JSON cannot write, as encoders do: Infinity, Inf or NaN in any case,
 * with a minus or, in a string, a plus; a string may have escapes. false: it is
 * none of them; *value is untouched. */
static bool read_nonfinite(const char *text, size_t bytes, double *value)
{
    if (text[0] != '"')
        return read_word(text, bytes, value);
    if (!memchr(text, '\\', bytes))
        return read_word(text + 1, bytes - 2, value) ||
               (text[1] == '+' && read_word(text + 2, bytes - 3, value));
    struct value *string = value_new_string(text, bytes);
    bool known = false;
    if (string && value_kind(string) == VALUE_STRING) { /* without NULs */
        const char *word = value_string(string);
        known = read_word(word, strlen(word), value);
    }
    value_free(string);
    return known;
}

static bool store_float(struct element_buffer *buffer, const char *text,
                        size_t bytes, struct problem *problem)
{
    bool wide = buffer->tensor->type == TENSOR_FLOAT64;
    double value;
    float single = 0;
    bool number = wide ? number_read_float64(text, bytes, &value)
                       : number_read_float32(text, bytes, &single);
    if (number && !wide)
        value = (double)single;
    if (!number && !read_nonfinite(text, bytes, &value))
        return refuse_token(buffer, text, bytes, problem);
    if (!element_buffer_allows(buffer, value))
        return refuse(buffer, text, bytes,
                      number && wide     ? "within the range of float64"
                      : number           ? "within the range of float32"
                      : buffer->infinity ? "finite or -Infinity"
                                         : "finite",
                      problem);
    if (number && undecided(buffer) &&
        !note_exceptions(buffer, text, bytes, value, problem))
        return false;
    if (wide)
        ((double *)buffer->tensor->data)[buffer->count++] = value;
    else
        ((float *)buffer->tensor->data)[buffer->count++] = (float)value;
    return true;
}

static bool store_int64(struct element_buffer *buffer, const char *text,
                        size_t bytes, struct problem *problem)
{
    int64_t *data = buffer->tensor->data;
    switch (number_read_int64(text, bytes, &data[buffer->count])) {
    case NUMBER_INTEGER:
        buffer->count++;
        return true;
    case NUMBER_NOT_INTEGER:
        return refuse(buffer, text, bytes, "an integer", problem);
    case NUMBER_OUT_OF_RANGE:
        return refuse(buffer, text, bytes, "within the range of int64",
                      problem);
    case NUMBER_NOT_NUMBER:
        break;
    }
    return refuse_token(buffer, text, bytes, problem);
}

bool element_buffer_append(struct element_buffer *buffer, const char *text,
                           size_t bytes, struct problem *problem)
{
    struct tensor *tensor = buffer->tensor;
    if (buffer->element == READER_ANY && buffer->count == 0 &&
        (text[0] == 't' || text[0] == 'f'))
        tensor->type = TENSOR_BOOL;
    if (!element_buffer_make_room(buffer, 1, problem))
        return false;
    switch (tensor->type) {
    case TENSOR_FLOAT64:
    case TENSOR_FLOAT32:
        return store_float(buffer, text, bytes, problem);
    case TENSOR_INT64:
        return store_int64(buffer, text, bytes, problem);
    case TENSOR_BOOL:
        return store_boolean(buffer, text, bytes) ||
               refuse_token(buffer, text, bytes, problem);
    case TENSOR_NONE:
        break;
    }
    return false;
}

bool element_buffer_append_list(struct element_buffer *buffer,
                                const struct short_list *list,
                                struct problem *problem)
{
    enum tensor_type type = buffer->tensor->type;
    size_t count = list->count;
    if (count == 0 || type == TENSOR_BOOL ||
        (type == TENSOR_INT64 && !list->integers) ||
        !element_buffer_make_room(buffer, count, problem))
        return false;
    float *floats = buffer->tensor->data;
    double *doubles = buffer->tensor->data;
    int64_t *integers = buffer->tensor->data;
    size_t first = buffer->count;
    if (type == TENSOR_FLOAT64)
        memcpy(doubles + first, list->value, count * sizeof *doubles);
    for (size_t i = 0; type == TENSOR_FLOAT32 && i < count; i++)
        floats[first + i] = (float)list->value[i];
    for (size_t i = 0; type == TENSOR_INT64 && i < count; i++)
        integers[first + i] = (int64_t)list->value[i];
    buffer->count += count;
    return true;
}

/* How many come before the first whose double may not tell the integer that was
 * written. */
static size_t below_long_integers(const double *values, size_t count)
{
    size_t i = 0;
    while (i < count && fabs(values[i]) < 0x1p53)
        i++;
    return i;
}

/* Integers of a stretch: no decimals, and in range. */
static size_t plain_int64s(const struct stretch *stretch, size_t first,
                           int64_t *out)
{
    size_t i = first;
    for (; i < stretch->count; i++) {
        uint64_t digits = stretch->digits[i];
        if (stretch->decimals[i] || digits > INT64_MAX)
            break;
        *out++ = (int64_t)(stretch->first[i] == '-' ? -digits : digits);
    }
    return i;
}

/* Append tokens [first, count) of a plain stretch, up to one that needs
 * element_buffer_append. @return how many; 0 with a problem: no memory. */
static size_t append_plain(struct element_buffer *buffer,
                           const struct stretch *stretch, size_t first,
                           struct problem *problem)
{
    const struct scanner *scanner = scan_get();
    size_t last = first;
    if (!element_buffer_make_room(buffer, stretch->count - first, problem))
        return 0;
    void *data = buffer->tensor->data;
    size_t at = buffer->count;
    switch (buffer->tensor->type) {
    case TENSOR_FLOAT64:
        last = scanner->float64s(stretch, first, (double *)data + at);
        break;
    case TENSOR_FLOAT32:
        last = scanner->float32s(stretch, first, (float *)data + at);
        break;
    case TENSOR_INT64:
        last = plain_int64s(stretch, first, (int64_t *)data + at);
        break;
    case TENSOR_BOOL:
    case TENSOR_NONE:
        break;
    }
    size_t done = last - first;
    if (buffer->element == READER_ANY && undecided(buffer))
        done = below_long_integers((double *)data + at, done);
    buffer->count += done;
    return done;
}

/* May a token that was split at commas and spaces be taken as a whole? */
static bool is_whole(const char *text, size_t bytes)
{
    if (text[0] == '"') /* a string, to its second quote */
        return bytes > 1 && !memchr(text, '\\', bytes) &&
               memchr(text + 1, '"', bytes - 1) == text + bytes - 1;
    for (size_t i = 0; i < bytes; i++)
        if (token_ends_element(text[i]))
            return false;
    return true;
}

bool element_buffer_take(struct element_buffer *buffer, const char *text,
                         const struct stretch *stretch, size_t *taken,
                         struct problem *problem)
{
    size_t i = 0;
    bool good = true;
    while (good && i < stretch->count) {
        const char *token = text + stretch->edges[2 * i];
        size_t bytes = stretch->edges[2 * i + 1] - stretch->edges[2 * i];
        size_t done =
            stretch->plain ? append_plain(buffer, stretch, i, problem) : 0;
        i += done;
        if (problem->status)
            good = false;
        else if (done == 0 && !is_whole(token, bytes))
            break;
        else if (done == 0)
            i += good = element_buffer_append(buffer, token, bytes, problem);
    }
    *taken = i;
    return good;
}

bool element_buffer_finish(struct element_buffer *buffer,
                           struct problem *problem)
{
    struct tensor *tensor = buffer->tensor;
    size_t needed = buffer->count * tensor_element_bytes(tensor->type);
    if (tensor->bytes < 65536)
        return true;
    return tensor_reserve(tensor, needed, problem);
}

bool element_buffers_add(struct element_buffers *buffers,
                         const struct element_buffer *buffer)
{
    bool fits = buffers->count < ELEMENT_BUFFERS_MAX;
    if (fits)
        buffers->buffer[buffers->count++] = *buffer;
    return fits;
}

struct element_buffer *element_buffers_find(struct element_buffers *buffers,
                                            const struct tensor *tensor)
{
    for (size_t i = 0; i < buffers->count; i++)
        if (buffers->buffer[i].tensor == tensor)
            return &buffers->buffer[i];
    return NULL;
}

void element_buffers_free(struct element_buffers *buffers)
{
    for (size_t i = 0; i < buffers->count; i++)
        element_buffer_drop_exceptions(&buffers->buffer[i]);
}
