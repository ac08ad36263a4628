// SPDX-License-Identifier: MIT
#include "stage.h"

#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../number/number.h"
#include "../number/number_read.h"
#include "nonfinite.h"
#include "value.h"

static bool is(const char *text, size_t bytes, const char *word)
{
    return bytes == strlen(word) && memcmp(text, word, bytes) == 0;
}

const char *stage_rule(const struct stage *stage)
{
    /* of an element, of an array, of either */
    static const char *const numbers[] = {"a number", "an array of numbers",
                                          "a number or an array of numbers"};
    static const char *const integers[] = {
        "an integer", "an array of integers",
        "an integer or an array of integers"};
    static const char *const booleans[] = {"true or false",
                                           "an array of true and false",
                                           "true, false or an array of them"};
    int which = stage->nested ? 0 : stage->bare ? 2 : 1;
    switch (stage->element) {
    case READER_BOOL:
        return booleans[which];
    case READER_INT64:
        return integers[which];
    case READER_FLOAT32:
    case READER_FLOAT64:
    case READER_FLOAT:
    case READER_ANY:
        break;
    }
    return numbers[which];
}

void stage_init(struct stage *stage, const struct reader_lift *lift)
{
    static const enum tensor_type types[] = {
        [READER_FLOAT32] = TENSOR_FLOAT32, [READER_FLOAT64] = TENSOR_FLOAT64,
        [READER_FLOAT] = TENSOR_FLOAT64,   [READER_INT64] = TENSOR_INT64,
        [READER_BOOL] = TENSOR_BOOL,       [READER_ANY] = TENSOR_FLOAT64,
    };
    *stage = (struct stage){.tensor = lift->tensor,
                            .budget = lift->tensor->budget,
                            .element = lift->element,
                            .infinity = lift->infinity,
                            .bare = lift->bare};
    stage->tensor->type = types[lift->element];
}

static bool undecided(const struct stage *stage)
{
    return (stage->element == READER_FLOAT || stage->element == READER_ANY) &&
           stage->tensor->type == TENSOR_FLOAT64;
}

static bool add_exception(struct stage *stage, struct exception exception,
                          struct problem *problem)
{
    struct budget *budget = stage->budget;
    size_t room = stage->exception_room;
    if (stage->exception_count == room) {
        size_t after = room ? room * 2 : 64;
        size_t more = (after - room) * sizeof exception;
        if (budget && !budget_take(budget, more))
            return problem_memory(problem);
        struct exception *moved =
            realloc(stage->exceptions, after * sizeof exception);
        if (!moved) {
            if (budget)
                budget_give(budget, more);
            return problem_memory(problem);
        }
        stage->exceptions = moved;
        stage->exception_room = after;
    }
    stage->exceptions[stage->exception_count++] = exception;
    return true;
}

static void drop_exceptions(struct stage *stage)
{
    if (stage->budget)
        budget_give(stage->budget,
                    stage->exception_room * sizeof *stage->exceptions);
    free(stage->exceptions);
    stage->exceptions = NULL;
    stage->exception_count = stage->exception_room = 0;
}

static bool at_element(struct stage *stage, const char *member, size_t index,
                       struct problem *problem, const char *rule)
{
    char pointer[sizeof problem->pointer], value[NUMBER_MAX_TEXT];
    const double *values = stage->tensor->data;
    int bytes = (int)number_write_float64(value, values[index]);
    tensor_pointer(stage->tensor, member, index, pointer, sizeof pointer);
    return problem_set(problem, 422, pointer, "%s: got %.*s, must be %s",
                       member, bytes, value, rule);
}

/* Finite, or the one infinity that may be welcome. */
static bool is_allowed(const struct stage *stage, double value)
{
    return isfinite(value) || (stage->infinity && value == -INFINITY);
}

/* Doubles to floats in place: a float never lies behind its double. */
bool stage_narrow(struct stage *stage, const char *member,
                  struct problem *problem)
{
    char *data = stage->tensor->data;
    size_t next = 0;
    for (size_t i = 0; i < stage->count; i++) {
        double wide;
        memcpy(&wide, data + i * sizeof wide, sizeof wide);
        float single = (float)wide;
        for (; next < stage->exception_count &&
               stage->exceptions[next].index <= i;
             next++)
            if (!stage->exceptions[next].integer) {
                uint32_t bits = (uint32_t)stage->exceptions[next].value;
                memcpy(&single, &bits, sizeof single);
            }
        if (!isinf(wide) && !is_allowed(stage, single))
            return at_element(stage, member, i, problem,
                              "within the range of float32");
        memcpy(data + i * sizeof single, &single, sizeof single);
    }
    stage->tensor->type = TENSOR_FLOAT32;
    drop_exceptions(stage);
    return true;
}

/* A quarter more than needed, in whole huge pages. */
static size_t room_for(const struct stage *stage, size_t needed)
{
    size_t room = needed + needed / 4 + 256;
    size_t most = (STAGE_MAX_ELEMENTS + SCAN_AHEAD) * sizeof(double);
    if (room >= TENSOR_HUGE_PAGE)
        room =
            (room + TENSOR_HUGE_PAGE - 1) / TENSOR_HUGE_PAGE * TENSOR_HUGE_PAGE;
    return undecided(stage) && needed <= most && room > most ? most : room;
}

static bool make_room(struct stage *stage, size_t elements,
                      struct problem *problem)
{
    struct tensor *tensor = stage->tensor;
    size_t unit = tensor_element_bytes(tensor->type);
    size_t needed = (stage->count + elements) * unit;
    if (needed <= tensor->bytes)
        return true;
    return tensor_reserve(tensor, room_for(stage, needed), problem);
}

static bool refuse(const char *text, size_t bytes, const char *name,
                   const char *rule, struct problem *problem)
{
    int shown = bytes > 64 ? 64 : (int)bytes;
    return problem_set(problem, 422, NULL, "%s: got %.*s%s, must be %s", name,
                       shown, text, bytes > 64 ? "..." : "", rule);
}

/* A token that is no element here: JSON of another kind, or not JSON? */
static bool refuse_token(const struct stage *stage, const char *text,
                         size_t bytes, const char *name,
                         struct problem *problem)
{
    struct problem found = {0};
    if (stage->infinity && stage->nested && is(text, bytes, "null"))
        return refuse(text, bytes, name, "a number or \"-Infinity\"", problem);
    struct value *value = value_parse(text, bytes, &found);
    value_free(value);
    if (value || found.status == 422)
        return refuse(text, bytes, name, stage_rule(stage), problem);
    if (found.status == 503)
        return problem_memory(problem);
    return problem_set(problem, 400, NULL, "%s", found.detail);
}

static bool put_boolean(struct stage *stage, const char *text, size_t bytes)
{
    uint8_t *data = stage->tensor->data;
    bool yes = is(text, bytes, "true");
    if (!yes && !is(text, bytes, "false"))
        return false;
    data[stage->count++] = yes;
    return true;
}

/* Keep what the double at index cannot tell about its text. */
static bool note_exceptions(struct stage *stage, const char *text, size_t bytes,
                            double wide, struct problem *problem)
{
    uint64_t bits;
    float single;
    int64_t integer;
    struct exception exception = {.index = stage->count};
    memcpy(&bits, &wide, sizeof bits);
    bool midpoint = (bits & 0x1fffffff) == 0x10000000;
    if (midpoint || (wide != 0 && fabs(wide) < FLT_MIN)) {
        number_read_float32(text, bytes, &single);
        float twice = (float)wide;
        if (memcmp(&single, &twice, sizeof single) != 0) {
            uint32_t word;
            memcpy(&word, &single, sizeof word);
            exception.value = word;
            if (!add_exception(stage, exception, problem))
                return false;
        }
    }
    if (stage->element == READER_ANY && fabs(wide) >= 0x1p53 &&
        number_read_int64(text, bytes, &integer) == NUMBER_INTEGER) {
        exception.integer = true;
        exception.value = integer;
        return add_exception(stage, exception, problem);
    }
    return true;
}

static bool refuse_nonfinite(const struct stage *stage, const char *text,
                             size_t bytes, const char *name,
                             struct problem *problem)
{
    return refuse(text, bytes, name,
                  stage->infinity ? "finite or -Infinity" : "finite", problem);
}

static bool put_float64(struct stage *stage, const char *text, size_t bytes,
                        const char *name, struct problem *problem)
{
    double wide;
    double *data = stage->tensor->data;
    if (!number_read_float64(text, bytes, &wide)) {
        if (!nonfinite_read(text, bytes, &wide))
            return refuse_token(stage, text, bytes, name, problem);
        if (!is_allowed(stage, wide))
            return refuse_nonfinite(stage, text, bytes, name, problem);
    } else if (!is_allowed(stage, wide)) {
        return refuse(text, bytes, name, "within the range of float64",
                      problem);
    } else if (undecided(stage) &&
               !note_exceptions(stage, text, bytes, wide, problem)) {
        return false;
    }
    data[stage->count++] = wide;
    return true;
}

static bool put_float32(struct stage *stage, const char *text, size_t bytes,
                        const char *name, struct problem *problem)
{
    double wide;
    float single;
    float *data = stage->tensor->data;
    if (!number_read_float32(text, bytes, &single)) {
        if (!nonfinite_read(text, bytes, &wide))
            return refuse_token(stage, text, bytes, name, problem);
        if (!is_allowed(stage, wide))
            return refuse_nonfinite(stage, text, bytes, name, problem);
        single = -INFINITY;
    } else if (!is_allowed(stage, single)) {
        return refuse(text, bytes, name, "within the range of float32",
                      problem);
    }
    data[stage->count++] = single;
    return true;
}

static bool put_int64(struct stage *stage, const char *text, size_t bytes,
                      const char *name, struct problem *problem)
{
    int64_t *data = stage->tensor->data;
    switch (number_read_int64(text, bytes, &data[stage->count])) {
    case NUMBER_INTEGER:
        stage->count++;
        return true;
    case NUMBER_NOT_INTEGER:
        return refuse(text, bytes, name, "an integer", problem);
    case NUMBER_OUT_OF_RANGE:
        return refuse(text, bytes, name, "within the range of int64", problem);
    case NUMBER_NOT_NUMBER:
        break;
    }
    return refuse_token(stage, text, bytes, name, problem);
}

bool stage_is_full(const struct stage *stage)
{
    return undecided(stage) && (stage->count >= STAGE_MAX_ELEMENTS ||
                                stage->exception_count > STAGE_MAX_EXCEPTIONS);
}

bool stage_element(struct stage *stage, const char *text, size_t bytes,
                   const char *name, struct problem *problem)
{
    struct tensor *tensor = stage->tensor;
    if (stage->element == READER_ANY && stage->count == 0 && bytes > 0 &&
        (text[0] == 't' || text[0] == 'f'))
        tensor->type = TENSOR_BOOL;
    if (!make_room(stage, 1, problem))
        return false;
    switch (tensor->type) {
    case TENSOR_FLOAT64:
        return put_float64(stage, text, bytes, name, problem);
    case TENSOR_FLOAT32:
        return put_float32(stage, text, bytes, name, problem);
    case TENSOR_INT64:
        return put_int64(stage, text, bytes, name, problem);
    case TENSOR_BOOL:
        return put_boolean(stage, text, bytes) ||
               refuse_token(stage, text, bytes, name, problem);
    case TENSOR_NONE:
        break;
    }
    return false;
}

/* How many come before one whose double may not tell the integer it was. */
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

size_t stage_plain(struct stage *stage, const struct stretch *stretch,
                   size_t first, struct problem *problem)
{
    const struct scanner *scanner = scan_get();
    size_t left = stretch->count - first, last = first;
    if (!make_room(stage, left + SCAN_AHEAD, problem))
        return 0;
    void *data = stage->tensor->data;
    size_t at = stage->count;
    switch (stage->tensor->type) {
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
    if (stage->element == READER_ANY && undecided(stage))
        done = below_long_integers((double *)data + at, done);
    if (undecided(stage) && done > STAGE_MAX_ELEMENTS - at)
        done = STAGE_MAX_ELEMENTS - at;
    stage->count += done;
    return done;
}

bool stage_finish(struct stage *stage, struct problem *problem)
{
    struct tensor *tensor = stage->tensor;
    size_t needed = stage->count * tensor_element_bytes(tensor->type);
    if (tensor->bytes < 65536)
        return true;
    return tensor_reserve(tensor, needed, problem);
}

static bool settle_int64(struct stage *stage, const char *member,
                         struct problem *problem)
{
    int64_t *integers = stage->tensor->data;
    const double *wide = stage->tensor->data;
    size_t next = 0;
    for (size_t i = 0; i < stage->count; i++) {
        bool found = false;
        for (; next < stage->exception_count &&
               stage->exceptions[next].index <= i;
             next++)
            if (stage->exceptions[next].integer) {
                integers[i] = stage->exceptions[next].value;
                found = true;
            }
        if (found)
            continue;
        double value = wide[i];
        if (value != trunc(value))
            return at_element(stage, member, i, problem, "an integer");
        if (fabs(value) >= 0x1p53)
            return at_element(stage, member, i, problem,
                              "within the range of int64");
        integers[i] = (int64_t)value;
    }
    stage->tensor->type = TENSOR_INT64;
    drop_exceptions(stage);
    return true;
}

/* It became float32, and why. */
static bool refuse_late(const struct stage *stage, const char *member,
                        struct problem *problem)
{
    char pointer[sizeof problem->pointer], got[64], most[32] = "fewer";
    snprintf(pointer, sizeof pointer, "/%s", member);
    if (stage->count > STAGE_MAX_ELEMENTS) {
        snprintf(got, sizeof got, "%zu elements", stage->count);
        snprintf(most, sizeof most, "at most %d", STAGE_MAX_ELEMENTS);
    } else {
        snprintf(got, sizeof got, "more than %d elements of many digits",
                 STAGE_MAX_EXCEPTIONS);
    }
    return problem_set(problem, 422, pointer,
                       "%s: got %s before their type, must be %s unless "
                       "\"dtype\" (in /v2 \"datatype\") stands before them",
                       member, got, most);
}

static bool settle_other(struct stage *stage, enum tensor_type type,
                         const char *member, struct problem *problem)
{
    struct tensor *tensor = stage->tensor;
    if (stage->count == 0) {
        tensor->type = type;
        return true;
    }
    char pointer[sizeof problem->pointer];
    if (tensor->type == TENSOR_BOOL) {
        tensor_pointer(tensor, member, 0, pointer, sizeof pointer);
        return problem_set(problem, 422, pointer, "%s: got %s, must be %s",
                           member, *(uint8_t *)tensor->data ? "true" : "false",
                           type == TENSOR_INT64 ? "an integer" : "a number");
    }
    if (type == TENSOR_BOOL && tensor->type == TENSOR_FLOAT64)
        return at_element(stage, member, 0, problem, "true or false");
    if (tensor->type == TENSOR_FLOAT64 && type == TENSOR_INT64)
        return settle_int64(stage, member, problem);
    return refuse_late(stage, member, problem);
}

bool stage_settle(struct stage *stage, enum tensor_type type,
                  const char *member, struct problem *problem)
{
    if (stage->tensor->type == type)
        return true;
    if (type != TENSOR_FLOAT32 || stage->tensor->type != TENSOR_FLOAT64)
        return settle_other(stage, type, member, problem);
    return stage_narrow(stage, member, problem) && stage_finish(stage, problem);
}

void stage_free(struct stage *stage)
{
    drop_exceptions(stage);
}
