// SPDX-License-Identifier: MIT
#include "metadata.h"

#include "statistics.h"
#include "target.h"

/* Opens the object that the caller closes. */
static void write_name(struct writer *writer, const struct model *model)
{
    writer_text(writer, "{\"name\":");
    writer_string(writer, model->name);
}

static void write_server(struct writer *writer)
{
    writer_text(writer,
                "{\"name\":\"softmaxd\",\"version\":\"" SMX_VERSION "\","
                "\"extensions\":[\"binary_tensor_data\",\"parameters\","
                "\"statistics\",\"model_configuration\"]}");
}

static void write_models(struct writer *writer)
{
    writer_text(writer, "{\"models\":[");
    for (size_t i = 0; i < MODEL_COUNT; i++) {
        writer_text(writer, i ? "," : "");
        writer_string(writer, models[i].name);
    }
    writer_text(writer, "]}");
}

/* Sizes vary: each dimension is -1. */
static void write_dimensions(struct writer *writer, int rank)
{
    writer_text(writer, "[");
    for (int i = 0; i < rank; i++)
        writer_text(writer, i ? ",-1" : "-1");
    writer_text(writer, "]");
}

/* The tensors of a list that metadata names, each by write; comma-separated. */
static void write_listed(struct writer *writer, const char *member,
                         const struct model_tensor *list,
                         void (*write)(struct writer *,
                                       const struct model_tensor *))
{
    bool first = true;
    writer_text(writer, member);
    for (const struct model_tensor *t = list; t->name; t++) {
        if (!t->listed)
            continue;
        writer_text(writer, first ? "[{\"name\":" : ",{\"name\":");
        writer_string(writer, t->name);
        write(writer, t);
        writer_text(writer, "}");
        first = false;
    }
    writer_text(writer, "]");
}

static void write_metadata_tensor(struct writer *writer,
                                  const struct model_tensor *tensor)
{
    writer_text(writer, ",\"datatype\":");
    writer_string(writer, tensor->datatype);
    writer_text(writer, ",\"shape\":");
    write_dimensions(writer, tensor->rank);
}

static void write_metadata(struct writer *writer, const struct model *model)
{
    write_name(writer, model);
    writer_text(writer, ",\"versions\":[\"" MODEL_VERSION "\"],"
                        "\"platform\":\"softmaxd_native\"");
    write_listed(writer, ",\"inputs\":", model->inputs, write_metadata_tensor);
    write_listed(writer, ",\"outputs\":", model->outputs,
                 write_metadata_tensor);
    writer_text(writer, "}");
}

static void write_config_output(struct writer *writer,
                                const struct model_tensor *tensor)
{
    writer_text(writer, ",\"data_type\":\"TYPE_");
    writer_text(writer, tensor->datatype);
    writer_text(writer, "\",\"dims\":");
    write_dimensions(writer, tensor->rank);
}

static void write_config_input(struct writer *writer,
                               const struct model_tensor *tensor)
{
    write_config_output(writer, tensor);
    writer_text(writer, tensor->optional ? ",\"optional\":true"
                                         : ",\"optional\":false");
}

/* What the lists leave out, for people: "mask" or "indices,jacobian". */
static void write_unlisted(struct writer *writer, const char *member,
                           const struct model_tensor *list)
{
    const char *comma = "";
    writer_text(writer, member);
    writer_text(writer, ":{\"string_value\":\"");
    for (const struct model_tensor *t = list; t->name; t++) {
        if (t->listed)
            continue;
        writer_text(writer, comma);
        writer_text(writer, t->name);
        comma = ",";
    }
    writer_text(writer, "\"}");
}

static void write_config(struct writer *writer, const struct model *model)
{
    write_name(writer, model);
    writer_text(writer, ",\"platform\":\"softmaxd_native\","
                        "\"backend\":\"softmaxd\",\"max_batch_size\":0");
    write_listed(writer, ",\"input\":", model->inputs, write_config_input);
    write_listed(writer, ",\"output\":", model->outputs, write_config_output);
    write_unlisted(writer, ",\"parameters\":{\"optional_inputs\"",
                   model->inputs);
    write_unlisted(writer, ",\"optional_outputs\"", model->outputs);
    writer_text(writer, "}}");
}

/* 200 or 503, with what makes readers of each dialect of the protocol happy. */
static void write_ready(struct reply *reply, const struct model *model,
                        bool ready)
{
    struct writer *writer = reply->writer;
    if (model) {
        write_name(writer, model);
        writer_text(writer, ",\"ready\":");
    } else {
        writer_text(writer, "{\"live\":true,\"ready\":");
    }
    writer_text(writer, ready ? "true}" : "false,\"error\":\"not ready\"}");
    if (!ready)
        reply->status = 503;
}

static void write_resource(const struct target *target, bool ready,
                           struct reply *reply)
{
    struct writer *writer = reply->writer;
    switch (target->resource) {
    case RESOURCE_SERVER:
        write_server(writer);
        return;
    case RESOURCE_LIVE:
        writer_text(writer, "{\"live\":true}");
        return;
    case RESOURCE_READY:
    case RESOURCE_MODEL_READY:
        write_ready(reply, target->model, ready);
        return;
    case RESOURCE_MODELS:
        write_models(writer);
        return;
    case RESOURCE_STATISTICS:
    case RESOURCE_MODEL_STATISTICS:
        statistics_write(target->model, writer);
        return;
    case RESOURCE_MODEL:
        write_metadata(writer, target->model);
        return;
    case RESOURCE_MODEL_CONFIG:
        write_config(writer, target->model);
        return;
    case RESOURCE_REPOSITORY: /* both are POSTed */
    case RESOURCE_MODEL_INFER:
        return;
    }
}

static bool reply_open(struct reply *reply, struct problem *problem)
{
    reply->status = 200;
    reply->content_type = "application/json";
    reply->text_bytes = SIZE_MAX;
    reply->writer = writer_create();
    return reply->writer || problem_memory(problem);
}

static bool metadata_get(struct service *service, const struct head *head,
                         struct reply *reply, struct problem *problem)
{
    struct target target;
    if (!target_parse(&target, head->path, problem) ||
        !target_takes(&target, false, problem) || !reply_open(reply, problem))
        return false;
    write_resource(&target, service->is_ready(service), reply);
    return !writer_failed(reply->writer) || problem_memory(problem);
}

const struct page metadata_page = {.get = metadata_get};
