/* SPDX-License-Identifier: MIT */
/** A client of the reader for tests: it lifts by member name at any path. */
#ifndef READING_H
#define READING_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../server/json/reader.h"

enum {
    READING_LOGITS, /* READER_FLOAT, infinity */
    READING_F32,
    READING_F64,
    READING_LABELS,
    READING_MASK,
    READING_ANY,
    READING_TENSORS
};

static const char *const reading_names[READING_TENSORS] = {
    "logits", "f32", "f64", "labels", "mask", "any"};

/** Whose threads help with large tensors; NULL: none. */
static struct jobs *reading_jobs;

struct reading {
    struct reader *reader;
    struct problem problem;
    struct budget budget;
    struct tensor tensor[READING_TENSORS];
    struct value *document;
    char scalars[512]; /* "path=text;" of each call */
};

static inline bool reading_offer(void *cls, const struct reader_path *path,
                                 struct reader_destination *destination,
                                 struct problem *problem)
{
    static const enum reader_element elements[READING_TENSORS] = {
        READER_FLOAT, READER_FLOAT32, READER_FLOAT64,
        READER_INT64, READER_BOOL,    READER_ANY};
    struct reading *reading = cls;
    const char *name = path->step[path->depth - 1].name;
    if (name && strcmp(name, "refused") == 0)
        return problem_set(problem, 422, "/x/refused", "refused: unknown");
    for (int i = 0; name && i < READING_TENSORS; i++)
        if (path->depth == 1 && strcmp(name, reading_names[i]) == 0) {
            destination->tensor = &reading->tensor[i];
            destination->element = elements[i];
            destination->max_rank = 4;
            destination->infinity = i == READING_LOGITS;
            destination->encoded = true;
        }
    return true;
}

static inline void reading_scalar(void *cls, const struct reader_path *path,
                                  const char *text, size_t bytes)
{
    struct reading *reading = cls;
    size_t used = strlen(reading->scalars);
    const char *name = path->step[path->depth - 1].name;
    snprintf(reading->scalars + used, sizeof reading->scalars - used,
             "%s=%.*s;", name ? name : "", (int)bytes, text);
}

static inline void reading_begin_within(struct reading *reading, size_t limit)
{
    *reading = (struct reading){.budget = {.limit = limit}};
    for (int i = 0; i < READING_TENSORS; i++)
        reading->tensor[i].budget = &reading->budget;
    struct reader_client client = {.begin = reading_offer,
                                   .scalar = reading_scalar,
                                   .cls = reading,
                                   .document = "an object",
                                   .jobs = reading_jobs};
    reading->reader = reader_create(&client, &reading->budget);
}

static inline void reading_begin(struct reading *reading)
{
    reading_begin_within(reading, SIZE_MAX);
}

static inline bool reading_feed(struct reading *reading, const char *text)
{
    return reader_feed(reading->reader, text, strlen(text), &reading->problem);
}

/** Feed a copy without a byte to spare, so that overreads are seen. */
static inline bool reading_feed_exact(struct reading *reading,
                                      const char *bytes, size_t count)
{
    char *copy = malloc(count ? count : 1);
    memcpy(copy, bytes, count);
    bool fed = reader_feed(reading->reader, copy, count, &reading->problem);
    free(copy);
    return fed;
}

static inline bool reading_end(struct reading *reading)
{
    reading->document = reader_finish(reading->reader, &reading->problem);
    return reading->document != NULL;
}

/** The body in slices of that many bytes. */
static inline bool reading_slices(struct reading *reading, const char *body,
                                  size_t bytes, size_t slice)
{
    reading_begin(reading);
    for (size_t i = 0; i < bytes; i += slice) {
        size_t n = bytes - i < slice ? bytes - i : slice;
        if (!reading_feed_exact(reading, body + i, n))
            return false;
    }
    return reading_end(reading);
}

/** The body in two slices, the first of that many bytes. */
static inline bool reading_text(struct reading *reading, const char *body,
                                size_t first)
{
    size_t bytes = strlen(body);
    first = first < bytes ? first : bytes;
    reading_begin(reading);
    return reading_feed_exact(reading, body, first) &&
           reading_feed_exact(reading, body + first, bytes - first) &&
           reading_end(reading);
}

static inline bool reading_settle(struct reading *reading, int tensor,
                                  enum tensor_type type)
{
    return reader_settle(reading->reader, &reading->tensor[tensor], type,
                         reading_names[tensor], &reading->problem);
}

static inline bool reading_equal(const struct reading *a,
                                 const struct reading *b)
{
    char text_a[1024], text_b[1024];
    value_print(a->document, text_a, sizeof text_a);
    value_print(b->document, text_b, sizeof text_b);
    if (strcmp(text_a, text_b) != 0 || strcmp(a->scalars, b->scalars) != 0)
        return false;
    for (int i = 0; i < READING_TENSORS; i++) {
        const struct tensor *s = &a->tensor[i], *t = &b->tensor[i];
        if (s->type != t->type || s->rank != t->rank || s->count != t->count ||
            memcmp(s->shape, t->shape, sizeof s->shape) != 0)
            return false;
        size_t bytes = s->count * tensor_element_bytes(s->type);
        if (bytes && memcmp(s->data, t->data, bytes) != 0)
            return false;
    }
    return true;
}

static inline void reading_free(struct reading *reading)
{
    reader_free(reading->reader);
    value_free(reading->document);
    for (int i = 0; i < READING_TENSORS; i++)
        tensor_free(&reading->tensor[i]);
}

#endif
