// SPDX-License-Identifier: MIT
#include "value.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

/* struct value is never defined: a pointer to one is a json_t of Jansson's. */
static const json_t *node(const struct value *value)
{
    return (const json_t *)value;
}

/* Jansson decodes a string that has escapes or bytes beyond ASCII. */
struct value *value_new_string(const char *text, size_t bytes)
{
    json_t *string =
        token_is_literal(text, bytes)
            ? json_stringn_nocheck(text + 1, bytes - 2)
            : json_loadb(text, bytes, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    return (struct value *)string;
}

void value_free(struct value *document)
{
    json_decref((json_t *)document);
}

enum value_kind value_kind(const struct value *value)
{
    static const enum value_kind kinds[] = {
        [JSON_OBJECT] = VALUE_OBJECT, [JSON_ARRAY] = VALUE_ARRAY,
        [JSON_STRING] = VALUE_STRING, [JSON_INTEGER] = VALUE_INTEGER,
        [JSON_REAL] = VALUE_REAL,     [JSON_TRUE] = VALUE_BOOL,
        [JSON_FALSE] = VALUE_BOOL,    [JSON_NULL] = VALUE_NULL};
    bool has_nul =
        json_is_string(node(value)) &&
        strlen(value_string(value)) < json_string_length(node(value));
    return has_nul ? VALUE_OTHER : kinds[json_typeof(node(value))];
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

bool value_member_bytes(const struct value *object, const char *name,
                        size_t *bytes, struct problem *problem)
{
    const struct value *value = value_member(object, name);
    int64_t integer = 0;
    if (value && (!value_to_integer(value, &integer) || integer < 0))
        return value_refuse(value, name, "a number of bytes", problem);
    *bytes = (size_t)integer;
    return true;
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
    json_t *whole = (json_t *)object;
    for (void *i = json_object_iter(whole); i;
         i = json_object_iter_next(whole, i))
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
    cut->full = count > n;
    if (!cut->full)
        n = count;
    while (cut->full && (bytes[n] & 0xc0) == 0x80) /* to whole characters */
        n--;
    memcpy(cut->text + cut->used, bytes, n);
    cut->used += n;
    return -cut->full;
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
    snprintf(text + cut.used, sizeof more, "%s", cut.full ? more : "");
}

bool value_refuse(const struct value *value, const char *name, const char *rule,
                  struct problem *problem)
{
    char got[96] = "nothing";
    if (value)
        value_print(value, got, sizeof got);
    return problem_set(problem, 400, NULL, "%s: got %s, must be %s", name, got,
                       rule);
}
