/* SPDX-License-Identifier: MIT */
/**
 * The outputs of all answers: one table that says which task gives each, when,
 * in which type and shape. Its order is that of every answer.
 */
#ifndef OUTPUTS_H
#define OUTPUTS_H

#include "request.h"
#include "shapes.h"
#include "task.h"

struct output_kind {
    const char *name;
    unsigned tasks;        /* bits of enum task: who gives it */
    enum tensor_type type; /* TENSOR_NONE: the one that dtype names */
    enum shape_kind shape;
    unsigned included; /* bits likewise: only where "include" names it */
    unsigned in_place; /* likewise: computed where the logits are, unless only
                          some classes are answered */
    bool (*given)(const struct request *request); /* NULL: always */
};

extern const struct output_kind output_kinds[OUTPUT_COUNT];

/** NULL: no such output. */
const struct output_kind *output_find(const char *name);

/** Its place in the table. */
static inline enum output_id output_id(const struct output_kind *kind)
{
    return (enum output_id)(kind - output_kinds);
}

/** What an answer's elements are under the default dtype. */
enum tensor_type output_usual_type(const struct output_kind *kind);

/** What its elements are in the answer to this request. */
enum tensor_type output_type(const struct output_kind *kind,
                             const struct request *request);

/** The outputs that the answer to this request will have, a bit each. */
unsigned outputs_given(const struct request *request);

/** Could it, if it were included? */
bool output_possible(const struct output_kind *kind,
                     const struct request *request);

#endif
