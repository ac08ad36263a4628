// SPDX-License-Identifier: MIT
#include "inputs.h"

#include <string.h>

/* The tensor that an input is for; NULL: a problem is set. A lone tensor of any
 * name is the logits: whoever computed them has a name of his own for them. */
static struct tensor *tensor_for(const struct message *message, size_t index,
                                 struct request *request,
                                 struct problem *problem)
{
    const struct message_input *input = &message->input[index];
    struct reader_destination destination = {0};
    if (!request_tensor(request, input->wire.name, &destination) &&
        (message->input_count > 1 ||
         !request_tensor(request, "logits", &destination))) {
        char names[MODEL_LIST];
        problem_set(problem, 400, NULL,
                    "inputs[%zu].name: got \"%.60s\", must be one of %s, which "
                    "model %s takes",
                    index, input->wire.name,
                    model_list_inputs(message->model, names),
                    message->model->name);
        return NULL;
    }
    for (size_t i = 0; i < index; i++)
        if (strcmp(message->input[i].wire.name, input->wire.name) == 0) {
            problem_set(problem, 400, NULL,
                        "input '%s': got it twice, must be once",
                        input->wire.name);
            return NULL;
        }
    enum datatype_kind kind = datatype_kind_of(destination.element);
    if (input->wire.datatype->kind != kind) {
        problem_set(problem, 400, NULL,
                    "input '%s': datatype got %s, must be %s", input->wire.name,
                    input->wire.datatype->name, datatype_names(kind, false));
        return NULL;
    }
    return destination.tensor;
}

/* One precision a request: that of the logits. */
static bool precision_check(const struct message *message,
                            const struct request *request,
                            struct problem *problem)
{
    enum tensor_type type = request->logits.type;
    for (size_t i = 0; type != TENSOR_NONE && i < message->input_count; i++) {
        const struct datatype *datatype = message->input[i].wire.datatype;
        if (!message->input[i].unused && datatype->kind == DATATYPE_REAL &&
            datatype->tensor != type)
            return problem_set(problem, 400, NULL,
                               "input '%s': datatype got %s, must be %s, as "
                               "input 'logits' is",
                               message->input[i].wire.name, datatype->name,
                               type == TENSOR_FLOAT64 ? "FP64"
                                                      : "FP32, FP16 or BF16");
    }
    return true;
}

static bool size_check(const struct message *message, size_t *bytes,
                       size_t room, struct problem *problem)
{
    *bytes = 0;
    for (size_t i = 0; i < message->input_count; i++) {
        const struct message_input *input = &message->input[i];
        if (!input->binary)
            continue;
        if (input->wire.bytes > room - *bytes)
            return problem_set(problem, 413, NULL,
                               "input '%.60s': got %zu bytes, must be at most "
                               "%zu, which is what the body may still hold",
                               input->wire.name, input->wire.bytes,
                               room - *bytes);
        *bytes += input->wire.bytes;
    }
    return true;
}

/* Of what lies in shared memory the data come later. */
static void shape_shared_input(struct message_input *input)
{
    struct tensor *tensor = input->wire.tensor;
    tensor->type = input->wire.datatype->tensor;
    tensor->rank = input->rank;
    memcpy(tensor->shape, input->shape, sizeof tensor->shape);
    tensor->count = input->wire.bytes / input->wire.datatype->bytes;
}

bool inputs_bind(struct message *message, struct request *request,
                 size_t *bytes, size_t room, enum smx_isa isa,
                 struct problem *problem)
{
    if (!size_check(message, bytes, room, problem))
        return false;
    for (size_t i = 0; i < message->input_count; i++) {
        struct message_input *input = &message->input[i];
        if (input->unused)
            continue;
        struct tensor *tensor = tensor_for(message, i, request, problem);
        if (!tensor)
            return false;
        input->wire.tensor = tensor;
        input->wire.isa = isa;
        if (input->shared.region) {
            shape_shared_input(input);
        } else if (!input->binary) {
            *tensor = input->data;
            tensor_clear(&input->data);
        } else if (!tensor_shape(tensor, input->wire.datatype->tensor,
                                 input->rank, input->shape, problem)) {
            return false;
        }
    }
    if (request->dtype_given && !inputs_check_dtype(request, problem))
        return false;
    request->dtype =
        request->logits.type == TENSOR_FLOAT64 ? SMX_FLOAT64 : SMX_FLOAT32;
    request->dtype_given = true;
    return precision_check(message, request, problem);
}

bool inputs_check_dtype(const struct request *request, struct problem *problem)
{
    bool wide = request->logits.type == TENSOR_FLOAT64;
    if (request->logits.type == TENSOR_NONE ||
        wide == (request->dtype == SMX_FLOAT64))
        return true;
    return problem_set(problem, 400, NULL,
                       "dtype: got \"%s\", must be \"%s\" by the datatype of "
                       "input 'logits'",
                       wide ? "float32" : "float64",
                       wide ? "float64" : "float32");
}

/* ---- shared memory ------------------------------------------------------ */

static bool copy_in(struct message_input *input, const void *data,
                    struct problem *problem)
{
    struct tensor *tensor = input->wire.tensor;
    size_t element = tensor_element_bytes(tensor->type);
    if (!tensor_reserve(tensor, tensor->count * element, problem))
        return false;
    binary_tensor_feed(&input->wire, data, input->wire.bytes);
    return region_check(input->shared.region, problem);
}

/* Ordering the largest reads a logit more than once, which goes wrong if its
 * client changes it in between: such logits are copied. */
static bool may_stay(const struct message_input *input,
                     const struct request *request, const void *data)
{
    return input->wire.datatype->kind == DATATYPE_REAL &&
           !shape_picked(request) &&
           input->wire.datatype->bytes ==
               tensor_element_bytes(input->wire.datatype->tensor) &&
           region_suits(data, input->shared.bytes, input->wire.datatype->bytes);
}

static bool read_input(struct message_input *input,
                       const struct request *request, struct problem *problem)
{
    void *data = shared_place_data(&input->shared, problem);
    if (!data)
        return false;
    if (input->wire.tensor->type == TENSOR_NONE)
        return true; /* an empty one is none */
    if (!may_stay(input, request, data))
        return copy_in(input, data, problem);
    input->wire.tensor->data = data;
    return true;
}

bool inputs_read_shared(struct message *message, const struct request *request,
                        struct problem *problem)
{
    for (size_t i = 0; i < message->input_count; i++)
        if (message->input[i].shared.region && !message->input[i].unused &&
            !read_input(&message->input[i], request, problem))
            return false;
    return true;
}

bool inputs_check_shared(const struct message *message, struct problem *problem)
{
    for (size_t i = 0; i < message->input_count; i++)
        if (message->input[i].shared.region &&
            !region_check(message->input[i].shared.region, problem))
            return false;
    return true;
}

/* ---- parameters --------------------------------------------------------- */

static bool is_foreign(const char *name)
{
    static const char *const names[] = {
        "sequence_id", "sequence_start", "sequence_end", "priority",
        "timeout",     "headers",        "content_type", "binary_data_output"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

struct setting {
    struct request *request;
    struct problem *problem;
};

/* The protocol has no arrays of names: "logsumexp,argmax". */
static bool include_set(struct setting *setting, const char *name,
                        const struct value *value)
{
    if (value_kind(value) == VALUE_STRING)
        return request_set_text(setting->request, name, value_string(value),
                                setting->problem);
    return value_refuse(value, name,
                        "a string of names with commas between them",
                        setting->problem);
}

static bool option_set(void *cls, const char *name, const struct value *value)
{
    struct setting *setting = cls;
    if (is_foreign(name))
        return true;
    if (strcmp(name, "include") == 0)
        return include_set(setting, name, value);
    return request_set(setting->request, name, value, setting->problem);
}

/* Where only statistics are asked for by name, no more is computed. */
static void settle_statistics(const struct message *message,
                              struct request *request)
{
    bool statistics = message->output_count && request->include &&
                      message->model->operation == OPERATION_SOFTMAX &&
                      !shape_picked(request);
    for (size_t i = 0; i < message->output_count; i++)
        statistics &=
            (message->output[i].kind->included & message->model->tasks) != 0;
    request->statistics_only |= statistics;
}

bool inputs_apply_parameters(const struct message *message,
                             struct request *request, struct problem *problem)
{
    const struct value *parameters =
        value_member(message->document, "parameters");
    struct setting setting = {request, problem};
    if (parameters && !message_is_answer(message) &&
        !value_each(parameters, option_set, &setting))
        return false;
    for (size_t i = 0; i < message->output_count; i++)
        if (message->output[i].kind->included & message->model->tasks)
            request->include |= 1u << output_id(message->output[i].kind);
    settle_statistics(message, request);
    return !message->model->log || request->log ||
           problem_set(problem, 400, NULL,
                       "log: got false, must be true for model %s",
                       message->model->name);
}
