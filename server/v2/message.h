/* SPDX-License-Identifier: MIT */
/**
 * The JSON part of an inference request: its inputs, with those tensors that
 * came as JSON, and the outputs it asks for.
 *
 * Where the tensors stand under "outputs", it is the answer of another model,
 * as a KServe InferenceGraph passes it on: they are the inputs, all outputs are
 * wanted, and its parameters, which were not meant for this model, count for
 * nothing.
 */
#ifndef MESSAGE_H
#define MESSAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "../api/request.h"
#include "../json/reader.h"
#include "../json/value.h"
#include "../binary_tensor.h"
#include "model.h"
#include "../region.h"

enum { MESSAGE_MAX_INPUTS = 16 };

/** Where a tensor lies in shared memory. */
struct shared_place {
    struct region *region; /* in use until it is released; NULL: none */
    size_t offset, bytes;
};

static inline void *shared_place_data(const struct shared_place *place,
                                      struct problem *problem)
{
    return region_at(place->region, place->offset, place->bytes, problem);
}

struct message_input {
    /* Its name is borrowed from the document, as all names here, its bytes
     * follow from shape and datatype, its tensor is the request's, once it has
     * one. */
    struct binary_tensor wire;
    int rank;
    size_t shape[TENSOR_MAX_RANK];
    bool binary;                 /* its bytes follow the JSON part */
    struct shared_place shared;  /* its bytes lie there */
    const struct datatype *seen; /* told before the data; NULL: not */
    struct tensor data;          /* read from JSON */
    bool unknown;                /* seen was told, and is none of ours */
    bool unused; /* of another model's answer, beside what this one takes */
};

struct message_output {
    const char *name;
    const struct output_kind *kind;
    bool binary;
    struct shared_place shared; /* it is to be put there */
    size_t charged;             /* bytes of it, of the request's budget */
};

struct message {
    const struct model *model;
    struct regions *regions; /* of shared memory; NULL: disabled */
    struct reader *reader;   /* of the JSON part; NULL once finished */
    struct value *document;  /* NULL until finished */
    const char *list;        /* where the tensors are: "inputs", "outputs" */
    bool has_data;           /* a tensor of that list has begun */
    const char *id;          /* NULL: none */
    struct message_input input[MESSAGE_MAX_INPUTS];
    size_t input_count;
    struct message_output output[OUTPUT_COUNT];
    size_t output_count; /* 0: the default ones are wanted */
    bool binary;         /* what outputs are that do not say it */
};

/** false: out of memory (503). message_free releases it either way. */
bool message_init(struct message *message, const struct model *model,
                  const struct service *service, struct budget *budget,
                  struct problem *problem);

void message_free(struct message *message);

/** Is it the answer of another model, its tensors under "outputs"? */
bool message_is_answer(const struct message *message);

/**
 * The JSON part ended: check it as far as the protocol alone can. Each input
 * then has a name, a datatype, a shape and either data of as many elements and
 * of that shape, or is binary, or lies in shared memory.
 */
bool message_finish(struct message *message, struct problem *problem);

#endif
