// SPDX-License-Identifier: MIT
#include "result.h"

#include <stdio.h>
#include <string.h>

#include "datatype.h"
#include "intake.h"

struct result {
    const struct message *message;
    const struct output *output[ANSWER_MAX_OUTPUTS];
    bool binary[ANSWER_MAX_OUTPUTS];
    size_t count;
};

static struct output *find(struct answer *answer, const char *name)
{
    for (size_t i = 0; i < answer->count; i++)
        if (strcmp(answer->output[i].name, name) == 0)
            return &answer->output[i];
    return NULL;
}

static bool choose(struct result *result, struct answer *answer,
                   struct problem *problem)
{
    const struct message *message = result->message;
    result->count =
        message->output_count ? message->output_count : answer->count;
    for (size_t i = 0; i < result->count; i++) {
        bool listed = message->output_count > 0;
        struct output *output =
            listed ? find(answer, message->output[i].name) : &answer->output[i];
        if (!output)
            return problem_set(problem, 400, NULL,
                               "output '%s': must be one that these parameters "
                               "and inputs give",
                               message->output[i].name);
        if (output->tensor.rank == 0) { /* the protocol has no scalars */
            output->tensor.rank = 1;
            output->tensor.shape[0] = 1;
        }
        result->output[i] = output;
        result->binary[i] =
            listed ? message->output[i].binary : message->binary;
        if (result->binary[i])
            tensor_to_little_endian(&output->tensor);
    }
    return true;
}

static size_t wire_bytes(const struct tensor *tensor)
{
    return tensor->count * tensor_element_bytes(tensor->type);
}

static void write_output(struct writer *writer, const struct output *output,
                         bool binary)
{
    const struct tensor *tensor = &output->tensor;
    writer_text(writer, "{\"name\":");
    writer_string(writer, output->name);
    writer_text(writer, ",\"shape\":[");
    for (int i = 0; i < tensor->rank; i++) {
        writer_text(writer, i ? "," : "");
        writer_int64(writer, (int64_t)tensor->shape[i]);
    }
    writer_text(writer, "],\"datatype\":");
    writer_string(writer, datatype_of(tensor->type)->name);
    if (binary) {
        writer_text(writer, ",\"parameters\":{\"binary_data_size\":");
        writer_int64(writer, (int64_t)wire_bytes(tensor));
        writer_text(writer, "}}");
    } else {
        writer_text(writer, ",\"data\":");
        writer_tensor(writer, tensor, false);
        writer_text(writer, "}");
    }
}

/* NULL: out of memory. */
static struct writer *write_result(const struct result *result)
{
    struct writer *writer = writer_create();
    if (!writer)
        return NULL;
    writer_text(writer, "{\"model_name\":");
    writer_string(writer, result->message->model->name);
    writer_text(writer, ",\"model_version\":\"" MODEL_VERSION "\"");
    if (result->message->id) {
        writer_text(writer, ",\"id\":");
        writer_string(writer, result->message->id);
    }
    writer_text(writer, ",\"outputs\":[");
    for (size_t i = 0; i < result->count; i++) {
        writer_text(writer, i ? "," : "");
        write_output(writer, result->output[i], result->binary[i]);
    }
    writer_text(writer, "]}");
    if (!writer_failed(writer))
        return writer;
    writer_free(writer);
    return NULL;
}

/*
 * Its length has to be told before its first byte: write it once for the
 * count. Only a JSON tensor beside a binary one makes that long.
 */
static bool measure(const struct result *result, size_t *bytes)
{
    char buffer[4096];
    struct writer *writer = write_result(result);
    if (!writer)
        return false;
    *bytes = 0;
    for (size_t n; (n = writer_next(writer, buffer, sizeof buffer)) > 0;)
        *bytes += n;
    writer_free(writer);
    return true;
}

static bool describe_binary(const struct result *result, struct reply *reply)
{
    if (!measure(result, &reply->text_bytes))
        return false;
    reply->content_type = "application/octet-stream";
    reply->header[0].name = "Inference-Header-Content-Length";
    snprintf(reply->header[0].value, sizeof reply->header[0].value, "%zu",
             reply->text_bytes);
    reply->header_count = 1;
    for (size_t i = 0; i < result->count; i++)
        if (result->binary[i])
            reply->tensors[reply->tensor_count++] = &result->output[i]->tensor;
    return true;
}

bool result_describe(const struct message *message, struct answer *answer,
                     struct reply *reply, struct problem *problem)
{
    struct result result = {.message = message};
    bool binary = false;
    if (!choose(&result, answer, problem))
        return false;
    for (size_t i = 0; i < result.count; i++)
        binary |= result.binary[i];
    reply->status = 200;
    reply->content_type = "application/json";
    reply->text_bytes = SIZE_MAX;
    if (binary && !describe_binary(&result, reply))
        return problem_memory(problem);
    reply->writer = write_result(&result);
    return reply->writer || problem_memory(problem);
}
