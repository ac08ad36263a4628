/* SPDX-License-Identifier: MIT */
/**
 * A parsed JSON document without its tensors (the "envelope"), read-only.
 * Jansson stays behind this page: no other room includes it.
 */
#ifndef VALUE_H
#define VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../problem.h"

struct value; /* a node; borrowed from its document */

enum value_kind {
    VALUE_NULL,
    VALUE_BOOL,
    VALUE_INTEGER, /* written without fraction and exponent, fits int64_t */
    VALUE_REAL,    /* any other number */
    VALUE_STRING,
    VALUE_ARRAY,
    VALUE_OBJECT
};

/**
 * Parse strict RFC 8259 JSON (bytes long, no NUL needed).
 *
 * @return a new document, to be freed with value_free; NULL with a 400
 *         problem (offset, line, column), or 422 for a duplicate member.
 */
struct value *value_parse(const char *text, size_t bytes,
                          struct problem *problem);

/** What value_parse makes of "{}", for less; NULL: out of memory. */
struct value *value_empty_object(struct problem *problem);

/** NULL is ignored. */
void value_free(struct value *document);

enum value_kind value_kind(const struct value *value);

bool value_boolean(const struct value *value);    /* VALUE_BOOL */
int64_t value_integer(const struct value *value); /* VALUE_INTEGER */
bool value_to_integer(const struct value *value,
                      int64_t *integer); /* 3, 3.0 and 3e0; false: another */
double value_number(const struct value *value);      /* INTEGER or REAL */
const char *value_string(const struct value *value); /* UTF-8; VALUE_STRING */

/** Elements of an array or members of an object; else 0. */
size_t value_size(const struct value *value);

/** Element of an array; NULL beyond its end. */
const struct value *value_at(const struct value *array, size_t index);

/** Member of an object; NULL where absent or null, which are the same here,
 *  or not an object. */
const struct value *value_member(const struct value *object, const char *name);

/** Call visit for each member that is not null, in document order, until it
 *  returns false. */
bool value_each(const struct value *object,
                bool (*visit)(void *cls, const char *name,
                              const struct value *value),
                void *cls);

/** The value as a client wrote it, cut to fit: for "got VALUE". */
void value_print(const struct value *value, char *text, size_t text_bytes);

#endif
