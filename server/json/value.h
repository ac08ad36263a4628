/* SPDX-License-Identifier: MIT */
/**
 * What a JSON document holds beside its tensors, as a tree that is read-only
 * once it is built. Jansson stays behind this page and tree.h.
 */
#ifndef VALUE_H
#define VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../problem.h"
#include "token.h"

struct value; /* a node; borrowed from its document */

enum value_kind {
    VALUE_NULL,
    VALUE_BOOL,
    VALUE_INTEGER, /* written without fraction and exponent, fits int64_t */
    VALUE_REAL,    /* any other number */
    VALUE_STRING,
    VALUE_OTHER, /* a string with U+0000, which nothing here may be */
    VALUE_ARRAY,
    VALUE_OBJECT
};

/** A whole token that token_check has found to be a string; NULL: out of
 *  memory. */
struct value *value_new_string(const char *text, size_t bytes);

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

/** A member that is a number of bytes, 0 where it is absent; false: it is
 *  something else, 400. */
bool value_member_bytes(const struct value *object, const char *name,
                        size_t *bytes, struct problem *problem);

/** Call visit for each member that is not null, in document order, until it
 *  returns false. */
bool value_each(const struct value *object,
                bool (*visit)(void *cls, const char *name,
                              const struct value *value),
                void *cls);

/** The value as a client wrote it, cut to fit: for "got VALUE". */
void value_print(const struct value *value, char *text, size_t text_bytes);

/** 400, "name: got VALUE, must be RULE"; value NULL: it is absent. */
bool value_refuse(const struct value *value, const char *name, const char *rule,
                  struct problem *problem);

#endif
