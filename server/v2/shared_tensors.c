// SPDX-License-Identifier: MIT
#include "shared_tensors.h"

#include <stdint.h>
#include <string.h>

#include "../binary_tensor.h"

/* Smaller tensors are copied, as that costs less than touching a mapping for
 * the first time. */
enum { IN_PLACE_BYTES = 64 * 1024 };

static void *data_at(const struct shared_place *place, struct problem *problem)
{
    return region_at(place->region, place->offset, place->bytes, problem);
}

/* May numbers be used where they lie: as wide, aligned, in this byte order? */
static bool fits(const struct shared_place *place, size_t wire, size_t element,
                 const void *data)
{
    return __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ && wire == element &&
           place->bytes >= IN_PLACE_BYTES && (uintptr_t)data % element == 0;
}

/* ---- inputs ------------------------------------------------------------- */

void shared_input_shape(struct message_input *input)
{
    struct tensor *tensor = input->tensor;
    tensor->type = input->datatype->tensor;
    tensor->rank = input->rank;
    memcpy(tensor->shape, input->shape, sizeof tensor->shape);
    tensor->count = input->bytes / input->datatype->bytes;
}

static bool copy_in(struct message_input *input, const void *data,
                    enum smx_isa isa, struct problem *problem)
{
    struct binary_tensor binary = {.tensor = input->tensor,
                                   .name = input->name,
                                   .datatype = input->datatype,
                                   .bytes = input->bytes,
                                   .isa = isa};
    size_t element = tensor_element_bytes(input->tensor->type);
    if (!tensor_reserve(input->tensor, input->tensor->count * element, problem))
        return false;
    binary_tensor_feed(&binary, data, input->bytes);
    return region_check(input->shared.region, problem);
}

/* Ordering the largest reads a logit more than once, which goes wrong if its
 * client changes it in between: such logits are copied. */
static bool may_stay(const struct message_input *input,
                     const struct request *request, const void *data)
{
    return input->datatype->kind == DATATYPE_REAL && !shape_picked(request) &&
           fits(&input->shared, input->datatype->bytes,
                tensor_element_bytes(input->datatype->tensor), data);
}

static bool read_input(struct message_input *input,
                       const struct request *request, enum smx_isa isa,
                       struct problem *problem)
{
    void *data = data_at(&input->shared, problem);
    if (!data)
        return false;
    if (input->tensor->type == TENSOR_NONE)
        return true; /* an empty one is none */
    if (!may_stay(input, request, data))
        return copy_in(input, data, isa, problem);
    input->tensor->data = data;
    return true;
}

/* ---- outputs ------------------------------------------------------------ */

static size_t bytes_of_output(const struct request *request,
                              const struct output_kind *kind)
{
    size_t shape[TENSOR_MAX_RANK];
    int rank = request_shape(request, kind->shape, shape);
    size_t bytes = tensor_element_bytes(output_type(kind, request));
    for (int i = 0; i < rank; i++)
        if (__builtin_mul_overflow(bytes, shape[i], &bytes))
            return SIZE_MAX;
    return bytes;
}

bool shared_outputs_check(const struct message *message,
                          const struct request *request,
                          struct problem *problem)
{
    for (size_t i = 0; i < message->output_count; i++) {
        const struct message_output *output = &message->output[i];
        size_t bytes = bytes_of_output(request, output->kind);
        if (output->shared.region && bytes > output->shared.bytes)
            return problem_set(problem, 400, NULL,
                               "shared memory size specified with the request "
                               "for output '%s' (%zu bytes) should be at least "
                               "%zu bytes to hold the results",
                               output->name, output->shared.bytes, bytes);
    }
    return true;
}

/* Does the place have bytes in common with an input that stays where it is? */
static bool is_read(const struct message *message,
                    const struct shared_place *place)
{
    for (size_t i = 0; i < message->input_count; i++) {
        const struct message_input *input = &message->input[i];
        if (input->shared.region && input->tensor &&
            tensor_is_borrowed(input->tensor) &&
            region_overlaps(input->shared.region, input->shared.offset,
                            input->shared.bytes, place->region, place->offset,
                            place->bytes))
            return true;
    }
    return false;
}

/* Only an output as large as the logits is written in place, so that no two
 * such places overlap. Its pages are charged like any memory that is written.
 * */
static bool place_output(struct message *message, struct message_output *output,
                         struct request *request, struct problem *problem)
{
    const struct output_kind *kind = output->kind;
    size_t element = tensor_element_bytes(output_type(kind, request));
    void *data = data_at(&output->shared, problem);
    if (!data)
        return false;
    if (!(kind->in_place & request_task(request)) || shape_picked(request) ||
        !fits(&output->shared, element, element, data) ||
        is_read(message, &output->shared))
        return true;
    size_t bytes = bytes_of_output(request, kind);
    if (!budget_charge(request->budget, bytes, problem))
        return false;
    output->charged = bytes;
    request->places[output_id(kind)] = data;
    return true;
}

bool shared_inputs_read(struct message *message, struct request *request,
                        enum smx_isa isa, struct problem *problem)
{
    for (size_t i = 0; i < message->input_count; i++)
        if (message->input[i].shared.region && !message->input[i].unused &&
            !read_input(&message->input[i], request, isa, problem))
            return false;
    for (size_t i = 0; i < message->output_count; i++)
        if (message->output[i].shared.region &&
            !place_output(message, &message->output[i], request, problem))
            return false;
    return true;
}

static struct tensor *tensor_of(struct answer *answer,
                                const struct message_output *output)
{
    for (size_t i = 0; i < answer->count; i++)
        if (strcmp(answer->output[i].name, output->name) == 0)
            return &answer->output[i].tensor;
    return NULL; /* never: each output that was asked for is given */
}

static bool copy_out(const struct message_output *output, struct tensor *tensor,
                     struct problem *problem)
{
    void *data = data_at(&output->shared, problem);
    size_t bytes = tensor->count * tensor_element_bytes(tensor->type);
    if (!data)
        return false;
    tensor_to_little_endian(tensor);
    if (bytes > 0)
        memcpy(data, tensor->data, bytes);
    return true;
}

bool shared_outputs_write(struct message *message, struct answer *answer,
                          struct problem *problem)
{
    for (size_t i = 0; i < message->output_count; i++) {
        struct message_output *output = &message->output[i];
        struct tensor *tensor = tensor_of(answer, output);
        if (!output->shared.region || !tensor)
            continue;
        if (!tensor_is_borrowed(tensor) && !copy_out(output, tensor, problem))
            return false;
        if (!region_check(output->shared.region, problem))
            return false;
    }
    for (size_t i = 0; i < message->input_count; i++)
        if (message->input[i].shared.region &&
            !region_check(message->input[i].shared.region, problem))
            return false;
    return true;
}

void shared_outputs_end(struct message *message, struct budget *budget)
{
    for (size_t i = 0; i < message->output_count; i++)
        if (message->output[i].charged)
            budget_give(budget, message->output[i].charged);
}
