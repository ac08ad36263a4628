// SPDX-License-Identifier: MIT
#include "v2_response.h"

#include <stdio.h>
#include <string.h>

#include "../datatype.h"

/* How an output is answered. */
enum output_form { FORM_JSON, FORM_BINARY, FORM_SHARED };

/* The outputs of an answer, in the order in which they are wanted. */
struct outputs_view {
    const struct message *message;
    struct output *output[OUTPUT_COUNT];
    enum output_form form[OUTPUT_COUNT];
    size_t count;
};

_Static_assert((int)OUTPUT_COUNT <= (int)REPLY_MAX_TENSORS,
               "a reply has room for every output");

static struct output *find_output(struct answer *answer, const char *name)
{
    for (size_t i = 0; i < answer->count; i++)
        if (strcmp(answer->output[i].name, name) == 0)
            return &answer->output[i];
    return NULL;
}

static struct outputs_view choose_outputs(const struct message *message,
                                          struct answer *answer)
{
    struct outputs_view response = {.message = message, .count = answer->count};
    for (size_t i = 0; i < answer->count; i++) {
        response.output[i] = &answer->output[i];
        response.form[i] = message->binary ? FORM_BINARY : FORM_JSON;
    }
    if (message->output_count == 0)
        return response;
    response.count = message->output_count;
    for (size_t i = 0; i < message->output_count; i++) {
        response.output[i] = find_output(answer, message->output[i].name);
        response.form[i] = message->output[i].shared.region ? FORM_SHARED
                           : message->output[i].binary      ? FORM_BINARY
                                                            : FORM_JSON;
    }
    return response;
}

static size_t wire_bytes(const struct tensor *tensor)
{
    return tensor->count * tensor_element_bytes(tensor->type);
}

static void write_output(struct writer *writer, const struct output *output,
                         enum output_form form)
{
    const struct tensor *tensor = &output->tensor;
    writer_format(writer, "{\"name\":%s,\"shape\":[", output->name);
    if (tensor->rank == 0) /* the protocol has no scalars */
        writer_text(writer, "1");
    for (int i = 0; i < tensor->rank; i++) {
        writer_text(writer, i ? "," : "");
        writer_int64(writer, (int64_t)tensor->shape[i]);
    }
    writer_format(writer, "],\"datatype\":%s", datatype_of(tensor->type)->name);
    if (form == FORM_BINARY) {
        writer_format(writer, ",\"parameters\":{\"binary_data_size\":%zu}",
                      wire_bytes(tensor));
    } else if (form == FORM_JSON) {
        writer_text(writer, ",\"data\":");
        writer_tensor(writer, tensor, false);
    }
    writer_text(writer, "}");
}

static void write_response(struct writer *writer,
                           const struct outputs_view *response)
{
    writer_format(writer,
                  "{\"model_name\":%s,\"model_version\":\"" MODEL_VERSION "\"",
                  response->message->model->name);
    if (response->message->id)
        writer_format(writer, ",\"id\":%s", response->message->id);
    writer_text(writer, ",\"outputs\":[");
    for (size_t i = 0; i < response->count; i++) {
        writer_text(writer, i ? "," : "");
        write_output(writer, response->output[i], response->form[i]);
    }
    writer_text(writer, "]}");
}

/*
 * The length of the text has to be told before its first byte. Without a tensor
 * in it that is known; a tensor written as JSON beside a binary one is written
 * once more, to be counted.
 */
static bool text_length(const struct outputs_view *response,
                        const struct writer *writer, size_t *bytes)
{
    char buffer[4096];
    *bytes = writer_known_bytes(writer);
    if (*bytes != SIZE_MAX)
        return true;
    struct writer *counted = writer_create();
    if (!counted)
        return false;
    write_response(counted, response);
    *bytes = 0;
    for (size_t n; (n = writer_next(counted, buffer, sizeof buffer)) > 0;)
        *bytes += n;
    bool good = !writer_failed(counted);
    writer_free(counted);
    return good;
}

static bool add_tensors(const struct outputs_view *response,
                        struct reply *reply)
{
    if (!text_length(response, reply->writer, &reply->text_bytes))
        return false;
    reply->content_type = "application/octet-stream";
    reply->header = "Inference-Header-Content-Length";
    snprintf(reply->header_value, sizeof reply->header_value, "%zu",
             reply->text_bytes);
    for (size_t i = 0; i < response->count; i++)
        if (response->form[i] == FORM_BINARY)
            reply->tensors[reply->tensor_count++] =
                &response->output[i]->tensor;
    return true;
}

bool response_describe(const struct message *message, struct answer *answer,
                       struct reply *reply, struct problem *problem)
{
    const struct outputs_view response = choose_outputs(message, answer);
    bool binary = false;
    for (size_t i = 0; i < response.count; i++)
        if (response.form[i] == FORM_BINARY) {
            tensor_to_little_endian(&response.output[i]->tensor);
            binary = true;
        }
    reply->content_type = "application/json";
    write_response(reply->writer, &response);
    return !binary || add_tensors(&response, reply) || problem_memory(problem);
}

/* ---- shared memory ------------------------------------------------------ */

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

bool response_check_room(const struct message *message,
                         const struct request *request, struct problem *problem)
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
        if (input->shared.region && input->wire.tensor &&
            tensor_is_borrowed(input->wire.tensor) &&
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
    void *data = shared_place_data(&output->shared, problem);
    if (!data)
        return false;
    if (!(kind->in_place & request_task(request)) || shape_picked(request) ||
        !region_suits(data, output->shared.bytes, element) ||
        is_read(message, &output->shared))
        return true;
    size_t bytes = bytes_of_output(request, kind);
    if (!budget_charge(request->budget, bytes, problem))
        return false;
    output->charged = bytes;
    request->places[output_id(kind)] = data;
    return true;
}

bool response_place(struct message *message, struct request *request,
                    struct problem *problem)
{
    for (size_t i = 0; i < message->output_count; i++)
        if (message->output[i].shared.region &&
            !place_output(message, &message->output[i], request, problem))
            return false;
    return true;
}

static bool copy_out(const struct message_output *output, struct tensor *tensor,
                     struct problem *problem)
{
    void *data = shared_place_data(&output->shared, problem);
    if (!data)
        return false;
    tensor_to_little_endian(tensor);
    if (tensor->count > 0)
        memcpy(data, tensor->data, wire_bytes(tensor));
    return true;
}

bool response_store(const struct message *message, struct answer *answer,
                    struct problem *problem)
{
    for (size_t i = 0; i < message->output_count; i++) {
        const struct message_output *output = &message->output[i];
        struct output *found = find_output(answer, output->name);
        if (!output->shared.region || !found)
            continue;
        if (!output->charged && !copy_out(output, &found->tensor, problem))
            return false;
        if (!region_check(output->shared.region, problem))
            return false;
    }
    return true;
}

void response_release(const struct message *message, struct budget *budget)
{
    for (size_t i = 0; i < message->output_count; i++)
        if (message->output[i].charged)
            budget_give(budget, message->output[i].charged);
}
