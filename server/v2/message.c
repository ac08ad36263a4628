// SPDX-License-Identifier: MIT
#include "message.h"

#include <stdio.h>
#include <string.h>

enum { PRINT_BYTES = 96 };

/* ---- while the text arrives ------------------------------------------- */

static const char inputs_list[] = "inputs", outputs_list[] = "outputs";

/* The list in which the member of that name of a tensor stands at path; NULL:
 * it is another place. */
static const char *list_at(const struct reader_path *path, const char *member)
{
    if (path->depth != 3 || !path->step[0].name || path->step[1].name ||
        !path->step[2].name || strcmp(path->step[2].name, member) != 0 ||
        path->step[1].index >= MESSAGE_MAX_INPUTS)
        return NULL;
    if (strcmp(path->step[0].name, inputs_list) == 0)
        return inputs_list;
    return strcmp(path->step[0].name, outputs_list) == 0 ? outputs_list : NULL;
}

/* The tensor there, of the list that has them; NULL: the other has. */
static struct message_input *input_at(struct message *message, const char *list,
                                      const struct reader_path *path)
{
    if (message->list != list) {
        if (message->has_data)
            return NULL;
        for (size_t i = 0; i < MESSAGE_MAX_INPUTS; i++)
            message->input[i].seen = NULL, message->input[i].unknown = false;
        message->list = list;
    }
    return &message->input[path->step[1].index];
}

static bool refuse_two_lists(struct problem *problem)
{
    return problem_set(problem, 400, NULL,
                       "outputs: got data beside inputs, must be one of the "
                       "two that has tensors");
}

static bool is_one_of(const char *name, const char *const *names)
{
    while (*names && strcmp(name, *names) != 0)
        names++;
    return *names;
}

/* Has the value at path a meaning here? Others may be any JSON. */
static bool is_known(const struct reader_path *path)
{
    static const char *const of_request[] = {"id", "parameters", inputs_list,
                                             outputs_list, NULL};
    static const char *const of_tensor[] = {"name",       "shape", "datatype",
                                            "parameters", "data",  NULL};
    if (path->depth == 1)
        return is_one_of(path->step[0].name, of_request);
    if (path->depth == 3 && !path->step[1].name && path->step[2].name)
        return is_one_of(path->step[2].name, of_tensor);
    return true;
}

/* Any nesting is welcome: only the number of elements has to be right. */
static bool value_begins(void *cls, const struct reader_path *path,
                         struct reader_destination *destination,
                         struct problem *problem)
{
    struct message *message = cls;
    const char *list = list_at(path, "data");
    *destination = (struct reader_destination){.ignored = !is_known(path)};
    if (!list)
        return true;
    struct message_input *input = input_at(message, list, path);
    if (!input)
        return refuse_two_lists(problem);
    message->has_data = true;
    if (input->unknown && list == outputs_list) {
        destination->ignored = true; /* such as strings: small, and unused */
        return true;
    }
    destination->tensor = &input->data;
    destination->element = input->seen ? input->seen->element : READER_ANY;
    destination->max_rank = TENSOR_MAX_RANK;
    destination->infinity = true; /* request_run refuses it where wrong */
    return true;
}

static void scalar_ends(void *cls, const struct reader_path *path,
                        const char *text, size_t bytes)
{
    const char *list = list_at(path, "datatype");
    struct message_input *input = list ? input_at(cls, list, path) : NULL;
    if (!input || text[0] != '"')
        return;
    input->seen = datatype_find(text + 1, bytes - 2);
    input->unknown = !input->seen;
}

static const char message_rule[] =
    "an object such as {\"inputs\":[{\"name\":\"logits\",\"shape\":[3],"
    "\"datatype\":\"FP32\",\"data\":[1,2,3]}]}";

bool message_init(struct message *message, const struct model *model,
                  const struct service *service, struct budget *budget,
                  struct problem *problem)
{
    *message = (struct message){
        .model = model, .regions = service->regions, .list = inputs_list};
    for (size_t i = 0; i < MESSAGE_MAX_INPUTS; i++)
        message->input[i].data.budget = budget;
    const struct reader_client client = {.begin = value_begins,
                                         .scalar = scalar_ends,
                                         .cls = message,
                                         .document = message_rule,
                                         .jobs = service->jobs};
    message->reader = reader_create(&client, budget);
    return message->reader || problem_memory(problem);
}

void message_free(struct message *message)
{
    reader_free(message->reader);
    for (size_t i = 0; i < MESSAGE_MAX_INPUTS; i++) {
        tensor_free(&message->input[i].data);
        region_release(message->input[i].shared.region);
    }
    for (size_t i = 0; i < OUTPUT_COUNT; i++)
        region_release(message->output[i].shared.region);
    value_free(message->document);
}

/* ---- the whole -------------------------------------------------------- */

static bool scalar_parameter(void *cls, const char *name,
                             const struct value *value)
{
    char member[PRINT_BYTES];
    enum value_kind kind = value_kind(value);
    snprintf(member, sizeof member, "parameters.%.60s", name);
    return (kind != VALUE_ARRAY && kind != VALUE_OBJECT) ||
           value_refuse(value, member, "a string, a number, true or false",
                        cls);
}

/* The parameters of an object, NULL where it has none, in *parameters. */
static bool parameters_of(const struct value *object,
                          const struct value **parameters,
                          struct problem *problem)
{
    *parameters = value_member(object, "parameters");
    if (!*parameters)
        return true;
    if (value_kind(*parameters) != VALUE_OBJECT)
        return value_refuse(*parameters, "parameters", "an object", problem);
    return value_each(*parameters, scalar_parameter, problem);
}

/* A parameter that is true or false; *flag stands where it is absent. */
static bool flag_of(const struct value *parameters, const char *name,
                    bool *flag, struct problem *problem)
{
    const struct value *value = value_member(parameters, name);
    if (!value)
        return true;
    if (value_kind(value) != VALUE_BOOL)
        return value_refuse(value, name, "true or false", problem);
    *flag = value_boolean(value);
    return true;
}

static bool name_of(const struct value *object, const char *list, size_t index,
                    const char **name, struct problem *problem)
{
    char member[PRINT_BYTES];
    snprintf(member, sizeof member, "%s[%zu]", list, index);
    if (value_kind(object) != VALUE_OBJECT)
        return value_refuse(object, member, "an object", problem);
    const struct value *value = value_member(object, "name");
    snprintf(member, sizeof member, "%s[%zu].name", list, index);
    if (!value || value_kind(value) != VALUE_STRING)
        return value_refuse(value, member, "a string", problem);
    *name = value_string(value);
    return true;
}

/* Where a tensor lies in shared memory: nowhere without a region. what, name:
 * "input", and its own, for messages. */
static bool place_parse(struct shared_place *place, struct regions *regions,
                        const struct value *parameters, const char *what,
                        const char *name, struct problem *problem)
{
    static const char region_name[] = "shared_memory_region",
                      offset[] = "shared_memory_offset",
                      size[] = "shared_memory_byte_size";
    const struct value *region = value_member(parameters, region_name);
    if (!region)
        return true;
    if (!regions)
        return problem_set(problem, 400, NULL,
                           "%s '%.60s': got a shared_memory_region, must be "
                           "without, as --shared-memory is off",
                           what, name);
    if (value_kind(region) != VALUE_STRING)
        return value_refuse(region, region_name, "a string", problem);
    if (!value_member(parameters, size))
        return value_refuse(NULL, size, "a number of bytes", problem);
    if (!value_member_bytes(parameters, offset, &place->offset, problem) ||
        !value_member_bytes(parameters, size, &place->bytes, problem))
        return false;
    place->region = regions_find(regions, value_string(region));
    return place->region ? shared_place_data(place, problem) != NULL
                         : problem_set(problem, 404, NULL,
                                       "Unable to find shared memory region: "
                                       "'%.60s'",
                                       value_string(region));
}

static bool dimension_parse(struct message_input *input, int i,
                            const struct value *value, struct problem *problem)
{
    char text[PRINT_BYTES];
    int64_t size;
    if (value_to_integer(value, &size) && size >= 0) {
        input->shape[i] = (size_t)size;
        return true;
    }
    value_print(value, text, sizeof text);
    return problem_set(problem, 400, NULL,
                       "input '%.60s': shape got %s at index %d, must be an "
                       "integer of at least 0",
                       input->wire.name, text, i);
}

static bool shape_parse(struct message_input *input, const struct value *shape,
                        struct problem *problem)
{
    char member[PRINT_BYTES];
    snprintf(member, sizeof member, "input '%.60s': shape", input->wire.name);
    if (!shape || value_kind(shape) != VALUE_ARRAY)
        return value_refuse(shape, member, "an array of integers", problem);
    if (value_size(shape) > LOGITS_MAX_RANK)
        return problem_set(problem, 400, NULL,
                           "%s got %zu dimensions, must be at most %d", member,
                           value_size(shape), LOGITS_MAX_RANK);
    input->rank = (int)value_size(shape);
    size_t bytes = input->wire.datatype->bytes;
    for (int i = 0; i < input->rank; i++) {
        if (!dimension_parse(input, i, value_at(shape, (size_t)i), problem))
            return false;
        if (__builtin_mul_overflow(bytes, input->shape[i], &bytes))
            return value_refuse(shape, member,
                                "of fewer elements than overflow a size",
                                problem);
    }
    input->wire.bytes = bytes;
    return true;
}

static bool datatype_parse(struct message_input *input,
                           const struct value *datatype,
                           struct problem *problem)
{
    char member[PRINT_BYTES];
    if (datatype && value_kind(datatype) == VALUE_STRING) {
        const char *text = value_string(datatype);
        input->wire.datatype = datatype_find(text, strlen(text));
    }
    if (input->wire.datatype)
        return true;
    snprintf(member, sizeof member, "input '%.60s': datatype",
             input->wire.name);
    return value_refuse(datatype, member,
                        "FP32, FP64, FP16, BF16, INT64, INT32 or BOOL",
                        problem);
}

/* How an input says its bytes: by data, by binary_data_size, by a region. */
static bool source_parse(struct message_input *input, const struct value *size,
                         struct problem *problem)
{
    static const char *const counts[] = {"neither", "one", "both", "all"};
    bool data = input->data.type != TENSOR_NONE;
    int sources = data + (size != NULL) + (input->shared.region != NULL);
    if (sources != 1)
        return problem_set(problem, 400, NULL,
                           "input '%.60s': got %s, must be exactly one of "
                           "data, parameters.binary_data_size and "
                           "parameters.shared_memory_region",
                           input->wire.name, counts[sources]);
    if (data)
        return true;
    if (input->shared.region)
        return input->shared.bytes == input->wire.bytes ||
               problem_set(problem, 400, NULL,
                           "input '%.60s': shared_memory_byte_size got %zu, "
                           "must be %zu by its shape and datatype",
                           input->wire.name, input->shared.bytes,
                           input->wire.bytes);
    input->binary = true;
    if (value_kind(size) == VALUE_INTEGER && value_integer(size) >= 0 &&
        (uint64_t)value_integer(size) == input->wire.bytes)
        return true;
    char text[PRINT_BYTES];
    value_print(size, text, sizeof text);
    return problem_set(problem, 400, NULL,
                       "input '%.60s': binary_data_size got %s, must be %zu by "
                       "its shape and datatype",
                       input->wire.name, text, input->wire.bytes);
}

/* The JSON data as a tensor of the shape and datatype declared. */
static bool data_settle(struct message *message, size_t index,
                        struct problem *problem)
{
    struct message_input *input = &message->input[index];
    struct tensor *data = &input->data;
    size_t count = input->wire.bytes / input->wire.datatype->bytes;
    char member[PRINT_BYTES];
    if (!input->wire.datatype->json)
        return problem_set(problem, 400, NULL,
                           "input '%.60s': got %s as JSON, must be binary",
                           input->wire.name, input->wire.datatype->name);
    snprintf(member, sizeof member, "%s/%zu/data", message->list, index);
    if (!reader_settle(message->reader, data, input->wire.datatype->tensor,
                       member, problem))
        return false;
    if (data->rank == 0)
        return problem_set(problem, 400, NULL,
                           "input '%.60s': data got a single value, must be an "
                           "array",
                           input->wire.name);
    if (data->count != count)
        return problem_set(problem, 400, NULL,
                           "input '%.60s': data got %zu elements, must be %zu "
                           "by its shape",
                           input->wire.name, data->count, count);
    data->rank = input->rank;
    memcpy(data->shape, input->shape, sizeof data->shape);
    return true;
}

/* Is a tensor of another model's answer an input here? Not where the input
 * chooses what to answer, as classes does: there the name tells what that model
 * was asked for. */
static bool is_operand(const struct model *model, const char *name)
{
    const struct member *member = model_input(model, name);
    return member && !member->chooses;
}

static bool input_parse(struct message *message, const struct value *object,
                        size_t index, struct problem *problem)
{
    struct message_input *input = &message->input[index];
    const struct value *parameters;
    if (!name_of(object, message->list, index, &input->wire.name, problem))
        return false;
    input->unused = message_is_answer(message) && message->input_count > 1 &&
                    !is_operand(message->model, input->wire.name);
    if (input->unused)
        return true;
    if (!datatype_parse(input, value_member(object, "datatype"), problem) ||
        !shape_parse(input, value_member(object, "shape"), problem) ||
        !parameters_of(object, &parameters, problem))
        return false;
    if (!place_parse(&input->shared, message->regions, parameters, "input",
                     input->wire.name, problem) ||
        !source_parse(input, value_member(parameters, "binary_data_size"),
                      problem))
        return false;
    return input->binary || input->shared.region ||
           data_settle(message, index, problem);
}

static bool inputs_parse(struct message *message, struct problem *problem)
{
    const struct value *inputs = value_member(message->document, message->list);
    if (!inputs || value_kind(inputs) != VALUE_ARRAY)
        return value_refuse(inputs, message->list, "an array", problem);
    if (value_size(inputs) > MESSAGE_MAX_INPUTS)
        return problem_set(problem, 400, NULL,
                           "%s: got %zu, must be at most %d", message->list,
                           value_size(inputs), MESSAGE_MAX_INPUTS);
    message->input_count = value_size(inputs);
    for (size_t i = 0; i < message->input_count; i++)
        if (!input_parse(message, value_at(inputs, i), i, problem))
            return false;
    return true;
}

static bool output_parse(struct message *message, const struct value *object,
                         size_t index, struct problem *problem)
{
    struct message_output *output = &message->output[index];
    const struct value *parameters;
    if (!name_of(object, "outputs", index, &output->name, problem))
        return false;
    output->kind = output_find(output->name);
    if (!output->kind || !model_gives(message->model, output->kind)) {
        char names[MODEL_LIST];
        return problem_set(problem, 400, NULL,
                           "outputs[%zu].name: got \"%.60s\", must be one of "
                           "%s, which model %s gives",
                           index, output->name,
                           model_list_outputs(message->model, NULL, names),
                           message->model->name);
    }
    for (size_t i = 0; i < index; i++)
        if (strcmp(message->output[i].name, output->name) == 0)
            return problem_set(problem, 400, NULL,
                               "output '%s': got it twice, must be once",
                               output->name);
    if (!parameters_of(object, &parameters, problem))
        return false;
    if (value_member(parameters, "classification"))
        return problem_set(problem, 400, NULL,
                           "output '%s': got classification, must be the "
                           "request parameter top_k",
                           output->name);
    if (!place_parse(&output->shared, message->regions, parameters, "output",
                     output->name, problem))
        return false;
    output->binary = message->binary && !output->shared.region;
    if (!flag_of(parameters, "binary_data", &output->binary, problem))
        return false;
    return !output->shared.region || !output->binary ||
           problem_set(problem, 400, NULL,
                       "output '%s': got both shared_memory_region and "
                       "binary_data, must be one of the two",
                       output->name);
}

static bool outputs_parse(struct message *message, struct problem *problem)
{
    const struct value *outputs = value_member(message->document, "outputs");
    if (!outputs)
        return true;
    if (value_kind(outputs) != VALUE_ARRAY)
        return value_refuse(outputs, "outputs", "an array", problem);
    if (value_size(outputs) > OUTPUT_COUNT)
        return problem_set(problem, 400, NULL,
                           "outputs: got %zu, must be at most %d",
                           value_size(outputs), OUTPUT_COUNT);
    message->output_count = value_size(outputs);
    for (size_t i = 0; i < message->output_count; i++)
        if (!output_parse(message, value_at(outputs, i), i, problem))
            return false;
    return true;
}

static bool document_parse(struct message *message, struct problem *problem)
{
    const struct value *document = message->document, *parameters;
    if (value_kind(document) != VALUE_OBJECT)
        return value_refuse(document, "body", "an object", problem);
    const struct value *id = value_member(document, "id");
    if (id && value_kind(id) != VALUE_STRING)
        return value_refuse(id, "id", "a string", problem);
    message->id = id ? value_string(id) : NULL;
    if (message_is_answer(message))
        return value_member(document, inputs_list)
                   ? refuse_two_lists(problem)
                   : inputs_parse(message, problem);
    message->list = inputs_list;
    return parameters_of(document, &parameters, problem) &&
           flag_of(parameters, "binary_data_output", &message->binary,
                   problem) &&
           outputs_parse(message, problem) && inputs_parse(message, problem);
}

bool message_is_answer(const struct message *message)
{
    return message->has_data && message->list == outputs_list;
}

bool message_finish(struct message *message, struct problem *problem)
{
    message->document = reader_finish(message->reader, problem);
    bool good = message->document && document_parse(message, problem);
    reader_free(message->reader);
    message->reader = NULL;
    return good;
}
