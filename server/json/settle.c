// SPDX-License-Identifier: MIT
/* The type of a tensor that was read before it was known. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "../number/number.h"
#include "element_buffer.h"

static bool refuse_at(struct element_buffer *buffer, const char *member,
                      size_t index, struct problem *problem, const char *rule)
{
    char pointer[sizeof problem->pointer], value[NUMBER_MAX_TEXT];
    const double *values = buffer->tensor->data;
    int bytes = (int)number_write_float64(value, values[index]);
    tensor_pointer(buffer->tensor, member, index, pointer, sizeof pointer);
    return problem_set(problem, 422, pointer, "%s: got %.*s, must be %s",
                       member, bytes, value, rule);
}

/* Round the exceptions in [first, last), whose doubles do not tell their
 * floats. */
static void round_exceptions(const struct element_buffer *buffer, size_t first,
                             size_t last, float *block, size_t *next)
{
    for (; *next < buffer->exception_count &&
           buffer->exceptions[*next].index < last;
         ++*next) {
        const struct exception *exception = &buffer->exceptions[*next];
        uint32_t bits = (uint32_t)exception->value;
        if (!exception->integer)
            memcpy(&block[exception->index - first], &bits, sizeof bits);
    }
}

/* Are all finite? Then exceptions are, too, which lie nearer to 0 or to the
 * same float. A constant count makes vectors of it. */
static inline bool narrow_block(const double *doubles, float *block,
                                size_t count)
{
    int beyond = 0;
    for (size_t i = 0; i < count; i++) {
        block[i] = (float)doubles[i];
        beyond |= !(fabsf(block[i]) <= FLT_MAX);
    }
    return !beyond;
}

/* Doubles to floats in place: a float never lies after its double. */
static bool narrow(struct element_buffer *buffer, const char *member,
                   struct problem *problem)
{
    enum { BLOCK = 512 };
    float *floats = buffer->tensor->data;
    const double *doubles = buffer->tensor->data;
    size_t next = 0;
    for (size_t first = 0, count; first < buffer->count; first += count) {
        float block[BLOCK];
        bool whole = buffer->count - first >= BLOCK;
        count = whole ? BLOCK : buffer->count - first;
        bool finite = whole ? narrow_block(doubles + first, block, BLOCK)
                            : narrow_block(doubles + first, block, count);
        round_exceptions(buffer, first, first + count, block, &next);
        for (size_t i = 0; i < count && !finite; i++)
            if (isfinite(doubles[first + i]) &&
                !element_buffer_allows(buffer, block[i]))
                return refuse_at(buffer, member, first + i, problem,
                                 "within the range of float32");
        memcpy(floats + first, block, count * sizeof *block);
    }
    buffer->tensor->type = TENSOR_FLOAT32;
    element_buffer_drop_exceptions(buffer);
    return true;
}

static bool settle_int64(struct element_buffer *buffer, const char *member,
                         struct problem *problem)
{
    int64_t *integers = buffer->tensor->data;
    const double *wide = buffer->tensor->data;
    size_t next = 0;
    for (size_t i = 0; i < buffer->count; i++) {
        bool found = false;
        for (; next < buffer->exception_count &&
               buffer->exceptions[next].index <= i;
             next++)
            if (buffer->exceptions[next].integer) {
                integers[i] = buffer->exceptions[next].value;
                found = true;
            }
        if (found)
            continue;
        double value = wide[i];
        if (value != trunc(value))
            return refuse_at(buffer, member, i, problem, "an integer");
        if (fabs(value) >= 0x1p53)
            return refuse_at(buffer, member, i, problem,
                             "within the range of int64");
        integers[i] = (int64_t)value;
    }
    buffer->tensor->type = TENSOR_INT64;
    element_buffer_drop_exceptions(buffer);
    return true;
}

static bool settle_other(struct element_buffer *buffer, enum tensor_type type,
                         const char *member, struct problem *problem)
{
    struct tensor *tensor = buffer->tensor;
    if (buffer->count == 0) {
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
        return refuse_at(buffer, member, 0, problem, "true or false");
    if (tensor->type == TENSOR_FLOAT64 && type == TENSOR_INT64)
        return settle_int64(buffer, member, problem);
    return true; /* request_check refuses it */
}

/* Floats to doubles in place, from the last on: a double never lies before its
 * float. */
static bool widen_floats(struct element_buffer *buffer, struct problem *problem)
{
    struct tensor *tensor = buffer->tensor;
    if (!tensor_reserve(tensor, buffer->count * sizeof(double), problem))
        return false;
    const float *floats = tensor->data;
    double *doubles = tensor->data;
    for (size_t i = buffer->count; i-- > 0;) {
        float value;
        memcpy(&value, floats + i, sizeof value);
        double wide = (double)value;
        memcpy(doubles + i, &wide, sizeof wide);
    }
    tensor->type = TENSOR_FLOAT64;
    return true;
}

bool element_buffer_settle(struct element_buffer *buffer, enum tensor_type type,
                           const char *member, struct problem *problem)
{
    if (buffer->tensor->type == type)
        return true;
    if (type == TENSOR_FLOAT64 && buffer->tensor->type == TENSOR_FLOAT32)
        return widen_floats(buffer, problem);
    if (type != TENSOR_FLOAT32 || buffer->tensor->type != TENSOR_FLOAT64)
        return settle_other(buffer, type, member, problem);
    return narrow(buffer, member, problem) &&
           element_buffer_finish(buffer, problem);
}
