// SPDX-License-Identifier: MIT
/*
 * A mutator that knows JSON: it works on whole values and members, so that most
 * of what it makes is still JSON and reaches the checks behind the parser.
 * libFuzzer's own mutations, which know bytes, take every second turn.
 *
 * An input may begin with a byte that chooses how it is asked, and end with
 * binary tensors behind a NUL; those stay where they are.
 */
#include "fuzz.h"

#include <stdbool.h>
#include <string.h>

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size,
                               unsigned seed);

enum { MAX_VALUES = 512, MAX_INPUT = 1 << 16 };

/** Values, members' names among them, in the order in which they begin. */
struct values {
    size_t count;
    struct {
        uint32_t begin, end;
    } at[MAX_VALUES];
};

static unsigned draw(unsigned *state, size_t limit)
{
    *state = *state * 1664525 + 1013904223;
    return limit ? (*state >> 8) % (unsigned)limit : 0;
}

static size_t string_end(const char *text, size_t at, size_t size)
{
    for (at++; at < size && text[at] != '"'; at++)
        at += text[at] == '\\';
    return at < size ? at + 1 : size;
}

static bool is_scalar_byte(char c)
{
    return c && strchr("+-.0123456789abcdefghijklmnopqrstuvwxyzEINT", c);
}

static void find_values(const char *text, size_t size, struct values *values)
{
    size_t open[64], depth = 0;
    values->count = 0;
    for (size_t at = 0; at < size && values->count < MAX_VALUES;) {
        size_t begin = at, index = values->count;
        char c = text[at];
        if (c == '"') {
            at = string_end(text, at, size);
        } else if (is_scalar_byte(c)) {
            while (at < size && is_scalar_byte(text[at]))
                at++;
        } else {
            at++;
            if ((c == ']' || c == '}') && depth > 0)
                values->at[open[--depth]].end = (uint32_t)at;
            if ((c != '[' && c != '{') || depth == 64)
                continue;
            open[depth++] = index;
        }
        values->at[index].begin = (uint32_t)begin;
        values->at[index].end = (uint32_t)at;
        values->count++;
    }
}

/** Put so many bytes in the place of [begin, end); size: as it was if there is
 *  no room. */
static size_t splice(char *text, size_t size, size_t max_size, size_t begin,
                     size_t end, const char *with, size_t bytes)
{
    static char copy[MAX_INPUT];
    size_t wanted = size - (end - begin) + bytes;
    if (wanted > max_size || bytes > sizeof copy)
        return size;
    memcpy(copy, with, bytes); /* it may lie in text */
    memmove(text + begin + bytes, text + end, size - end);
    memcpy(text + begin, copy, bytes);
    return wanted;
}

static const char *const edges[] = {"0",
                                    "-0",
                                    "1",
                                    "-1",
                                    "1e38",
                                    "3.4028236e38",
                                    "1e-45",
                                    "1e308",
                                    "1e309",
                                    "-1e999",
                                    "0.1",
                                    "9007199254740993",
                                    "2147483648",
                                    "-100",
                                    "9223372036854775808",
                                    "16777217",
                                    "\"-Infinity\"",
                                    "-Infinity",
                                    "NaN",
                                    "null",
                                    "true",
                                    "false",
                                    "[]",
                                    "{}",
                                    "\"\"",
                                    "[[]]",
                                    "\"\\u0000\"",
                                    "7.038531e-26"};

static size_t change_value(char *text, size_t size, size_t max_size,
                           const struct values *values, unsigned *state)
{
    static char wrapped[MAX_INPUT];
    size_t one = draw(state, values->count), other = draw(state, values->count);
    size_t begin = values->at[one].begin, end = values->at[one].end;
    const char *with = text + values->at[other].begin;
    size_t bytes = values->at[other].end - values->at[other].begin;
    switch (draw(state, 6)) {
    case 0: /* another value of this input */
        break;
    case 1: /* nothing, with the comma behind it */
        bytes = 0;
        end += end < size && text[end] == ',';
        break;
    case 2: /* twice */
        if (end - begin > sizeof wrapped / 2 - 1)
            return size;
        bytes = end - begin;
        memcpy(wrapped, text + begin, bytes);
        wrapped[bytes] = ',';
        memcpy(wrapped + bytes + 1, text + begin, bytes);
        with = wrapped;
        bytes = 2 * bytes + 1;
        break;
    case 3: /* one level deeper */
        if (end - begin > sizeof wrapped - 2)
            return size;
        bytes = end - begin + 2;
        wrapped[0] = '[';
        memcpy(wrapped + 1, text + begin, end - begin);
        wrapped[bytes - 1] = ']';
        with = wrapped;
        break;
    default:
        with = edges[draw(state, sizeof edges / sizeof edges[0])];
        bytes = strlen(with);
    }
    return splice(text, size, max_size, begin, end, with, bytes);
}

/** Make the last "binary_data_size" that of the bytes behind the NUL. */
static size_t right_size(char *text, size_t size, size_t max_size, size_t tail)
{
    static const char name[] = "\"binary_data_size\":";
    char digits[24];
    size_t begin = 0;
    for (size_t i = 0; i + sizeof name - 1 < size; i++)
        if (memcmp(text + i, name, sizeof name - 1) == 0)
            begin = i + sizeof name - 1;
    size_t end = begin;
    while (end < size && text[end] >= '0' && text[end] <= '9')
        end++;
    if (begin == end)
        return size;
    int bytes = snprintf(digits, sizeof digits, "%zu", tail);
    return splice(text, size, max_size, begin, end, digits, (size_t)bytes);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size,
                               unsigned seed)
{
    static char text[MAX_INPUT];
    struct values values;
    unsigned state = seed;
    size_t first = size > 0 && data[0] != '{' && data[0] != '[';
    const uint8_t *nul =
        size > first ? memchr(data + first, 0, size - first) : NULL;
    size_t end = nul ? (size_t)(nul - data) : size, tail = size - end;
    size_t room = max_size - first - tail;
    if (draw(&state, 2) || size > sizeof text || max_size < first + tail)
        return LLVMFuzzerMutate(data, size, max_size);
    size_t bytes = end - first;
    if (room > sizeof text)
        room = sizeof text;
    memcpy(text, data + first, bytes);
    for (unsigned turns = 1 + draw(&state, 3); turns > 0; turns--) {
        find_values(text, bytes, &values);
        if (values.count == 0)
            return LLVMFuzzerMutate(data, size, max_size);
        bytes = change_value(text, bytes, room, &values, &state);
    }
    if (tail > 0 && draw(&state, 4) == 0)
        bytes = right_size(text, bytes, room, tail - 1);
    memmove(data + first + bytes, data + end, tail);
    memcpy(data + first, text, bytes);
    return first + bytes + tail;
}
