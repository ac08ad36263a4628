// SPDX-License-Identifier: MIT
#include "metadata.h"

#include <stdio.h>

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

static void write_metadata_tensors(struct writer *writer, const char *member,
                                   const struct model_tensor *list)
{
    writer_text(writer, member);
    for (const struct model_tensor *t = list; t->name; t++) {
        writer_text(writer, t == list ? "[{\"name\":" : ",{\"name\":");
        writer_string(writer, t->name);
        writer_text(writer, ",\"datatype\":");
        writer_string(writer, t->datatype);
        writer_text(writer, ",\"shape\":");
        write_dimensions(writer, t->rank);
        writer_text(writer, "}");
    }
    writer_text(writer, "]");
}

static void write_metadata(struct writer *writer, const struct model *model)
{
    write_name(writer, model);
    writer_text(writer, ",\"versions\":[\"" MODEL_VERSION "\"],"
                        "\"platform\":\"softmaxd_native\"");
    write_metadata_tensors(writer, ",\"inputs\":", model->inputs);
    write_metadata_tensors(writer, ",\"outputs\":", model->outputs);
    writer_text(writer, "}");
}

static void write_config_tensors(struct writer *writer, const char *member,
                                 const struct model_tensor *list, bool inputs)
{
    writer_text(writer, member);
    for (const struct model_tensor *t = list; t->name; t++) {
        writer_text(writer, t == list ? "[{\"name\":" : ",{\"name\":");
        writer_string(writer, t->name);
        writer_text(writer, ",\"data_type\":\"TYPE_");
        writer_text(writer, t->datatype);
        writer_text(writer, "\",\"dims\":");
        write_dimensions(writer, t->rank);
        if (inputs)
            writer_text(writer, t->optional ? ",\"optional\":true"
                                            : ",\"optional\":false");
        writer_text(writer, "}");
    }
    writer_text(writer, "]");
}

static void write_config(struct writer *writer, const struct model *model)
{
    write_name(writer, model);
    writer_text(writer, ",\"platform\":\"softmaxd_native\","
                        "\"backend\":\"softmaxd\",\"max_batch_size\":0");
    write_config_tensors(writer, ",\"input\":", model->inputs, true);
    write_config_tensors(writer, ",\"output\":", model->outputs, false);
    writer_text(writer, "}");
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
    if (!ready) {
        reply->status = 503;
        reply->header[0].name = "Retry-After";
        snprintf(reply->header[0].value, sizeof reply->header[0].value, "1");
        reply->header_count = 1;
    }
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
