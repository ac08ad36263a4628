// SPDX-License-Identifier: MIT
#include "endpoints.h"

#include <string.h>

#include "../observe/metrics.h"
#include "../datatype.h"
#include "../region.h"

/* Opens the object that the caller closes. */
static void write_name(struct writer *writer, const struct model *model)
{
    writer_format(writer, "{\"name\":%s", model->name);
}

static void write_server(struct writer *writer, const struct service *service)
{
    writer_text(writer,
                "{\"name\":\"softmaxd\",\"version\":\"" SMX_VERSION "\","
                "\"extensions\":[\"binary_tensor_data\",\"parameters\","
                "\"statistics\",\"model_configuration\"");
    writer_text(writer,
                service->regions ? ",\"system_shared_memory\"]}" : "]}");
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

/* ---- inputs and outputs ------------------------------------------------- */

/* An input or an output of a model; type stands for all that are accepted. */
struct description {
    const char *name;
    enum tensor_type type;
    int rank;
    bool plain; /* part of a plain request or of every answer to it */
    bool optional;
};

static bool describe_input(const struct model *model, const struct member *from,
                           const struct request *plain,
                           struct description *description)
{
    *description = (struct description){
        .name = from->name,
        .type = from->element == READER_INT64  ? TENSOR_INT64
                : from->element == READER_BOOL ? TENSOR_BOOL
                                               : TENSOR_FLOAT32,
        .rank = shape_usual_rank(from->shape),
        .plain = from->usual && (from->tasks & request_task(plain)),
        .optional = !from->usual || from->criterion,
    };
    return model_takes(model, from);
}

/* As large as the logits, and there only when asked for. */
static bool is_extra(const struct output_kind *output,
                     const struct model *model)
{
    return output->shape == SHAPE_VALUES && output->included & model->tasks;
}

static bool describe_output(const struct model *model,
                            const struct output_kind *from,
                            const struct request *plain,
                            struct description *description)
{
    *description = (struct description){
        .name = from->name,
        .type = output_usual_type(from),
        .rank = shape_usual_rank(from->shape),
        .plain = output_possible(from, plain) && !is_extra(from, model),
    };
    return model_gives(model, from);
}

/* METADATA is the protocol's own form, CONFIG_... that of Triton. */
enum form { METADATA, CONFIG_INPUT, CONFIG_OUTPUT, NAME_ALONE };

static void write_description(struct writer *writer,
                              const struct description *from, enum form form)
{
    if (form == NAME_ALONE) {
        writer_text(writer, from->name);
        return;
    }
    writer_format(writer, "{\"name\":%s", from->name);
    writer_text(writer, form == METADATA ? ",\"datatype\":\""
                                         : ",\"data_type\":\"TYPE_");
    writer_text(writer, datatype_of(from->type)->name);
    writer_text(writer, form == METADATA ? "\",\"shape\":" : "\",\"dims\":");
    write_dimensions(writer, from->rank);
    if (form == CONFIG_INPUT)
        writer_text(writer, from->optional ? ",\"optional\":true"
                                           : ",\"optional\":false");
    writer_text(writer, "}");
}

enum side { INPUTS, OUTPUTS };

/* Readers of the lists send every input and ask for every output: they hold
 * what a plain request has and gets. The rest is named for people to read. */
static void write_tensors(struct writer *writer, const struct model *model,
                          enum side side, bool plain, enum form form)
{
    struct request request;
    struct description from;
    size_t count = side == INPUTS ? member_count : OUTPUT_COUNT;
    const char *comma = "";
    model_request(model, &request, NULL);
    for (size_t i = 0; i < count; i++) {
        bool has =
            side == INPUTS
                ? describe_input(model, &members[i], &request, &from)
                : describe_output(model, &output_kinds[i], &request, &from);
        if (!has || from.plain != plain)
            continue;
        writer_text(writer, comma);
        write_description(writer, &from, form);
        comma = ",";
    }
}

static void write_metadata(struct writer *writer, const struct model *model)
{
    write_name(writer, model);
    writer_text(writer, ",\"versions\":[\"" MODEL_VERSION "\"],"
                        "\"platform\":\"softmaxd_native\",\"inputs\":[");
    write_tensors(writer, model, INPUTS, true, METADATA);
    writer_text(writer, "],\"outputs\":[");
    write_tensors(writer, model, OUTPUTS, true, METADATA);
    writer_text(writer, "]}");
}

static void write_config(struct writer *writer, const struct model *model)
{
    write_name(writer, model);
    writer_text(writer, ",\"platform\":\"softmaxd_native\","
                        "\"backend\":\"softmaxd\",\"max_batch_size\":0,"
                        "\"input\":[");
    write_tensors(writer, model, INPUTS, true, CONFIG_INPUT);
    writer_text(writer, "],\"output\":[");
    write_tensors(writer, model, OUTPUTS, true, CONFIG_OUTPUT);
    writer_text(writer, "],\"parameters\":{\"optional_inputs\":"
                        "{\"string_value\":\"");
    write_tensors(writer, model, INPUTS, false, NAME_ALONE);
    writer_text(writer, "\"},\"optional_outputs\":{\"string_value\":\"");
    write_tensors(writer, model, OUTPUTS, false, NAME_ALONE);
    writer_text(writer, "\"}}}");
}

/* ---- statistics --------------------------------------------------------- */

_Static_assert((int)MODEL_COUNT <= (int)METRICS_MODELS,
               "the metrics count every model");

static void write_model_statistics(struct writer *writer,
                                   const struct metrics *metrics,
                                   const struct model *model)
{
    static const char *const phases[INFERENCE_PHASES] = {
        [INFERENCE_SUCCESS] = "success",
        [INFERENCE_FAIL] = "fail",
        [INFERENCE_QUEUE] = "queue",
        [INFERENCE_INPUT] = "compute_input",
        [INFERENCE_COMPUTE] = "compute_infer",
        [INFERENCE_OUTPUT] = "compute_output"};
    const struct metrics_inference all =
        metrics_inferences(metrics, (size_t)(model - models));
    writer_format(writer,
                  "{\"name\":%s,\"version\":\"" MODEL_VERSION "\","
                  "\"last_inference\":%zu,\"inference_count\":%zu,"
                  "\"execution_count\":%zu,\"inference_stats\":{",
                  model->name, (size_t)all.last_ms, (size_t)all.rows,
                  (size_t)all.executions);
    for (int i = 0; i < INFERENCE_PHASES; i++) {
        writer_text(writer, i ? "," : "");
        writer_format(writer, "%s:{\"count\":%zu,\"ns\":%zu}", phases[i],
                      (size_t)all.count[i], (size_t)all.ns[i]);
    }
    writer_text(writer, "},\"batch_stats\":[]}");
}

/* Of one model, or of all where it is NULL. */
static void write_statistics(struct writer *writer,
                             const struct metrics *metrics,
                             const struct model *model)
{
    const char *comma = "";
    writer_text(writer, "{\"model_stats\":[");
    for (size_t i = 0; i < MODEL_COUNT; i++) {
        if (model && model != &models[i])
            continue;
        writer_text(writer, comma);
        write_model_statistics(writer, metrics, &models[i]);
        comma = ",";
    }
    writer_text(writer, "]}");
}

/* ---- regions of shared memory ------------------------------------------- */

/* Is there a region of the name that the path of a status has, if it has one?
 * 404 where not; true for all other resources. */
static bool region_is_known(const struct target *target,
                            struct service *service, struct problem *problem)
{
    char name[REGION_NAME_BYTES] = "";
    struct region *region = NULL;
    if (target->resource != RESOURCE_REGIONS || !target->region)
        return true;
    if (!target->cuda && service->regions && target_region(target, name))
        region = regions_find(service->regions, name);
    region_release(region);
    return region ||
           problem_set(problem, 404, NULL,
                       "Unable to find %s shared memory region: '%.60s'",
                       target->cuda ? "cuda" : "system", name);
}

struct listing {
    struct writer *writer;
    const char *name; /* of the one that is wanted; NULL: all are */
    const char *comma;
};

static void write_region(void *cls, const struct region_status *status)
{
    struct listing *listing = cls;
    struct writer *writer = listing->writer;
    if (listing->name && strcmp(listing->name, status->name) != 0)
        return;
    writer_text(writer, listing->comma);
    writer_format(writer,
                  "{\"name\":%s,\"key\":%s,\"offset\":%zu,\"byte_size\":%zu}",
                  status->name, status->key, status->offset, status->bytes);
    listing->comma = ",";
}

/* Of that region, or of all. */
static void write_regions(struct writer *writer, const struct service *service,
                          const struct target *target)
{
    char name[REGION_NAME_BYTES];
    struct listing listing = {writer, target_region(target, name) ? name : NULL,
                              ""};
    writer_text(writer, "[");
    if (service->regions && !target->cuda)
        regions_each(service->regions, write_region, &listing);
    writer_text(writer, "]");
}

/* ---- the rest ----------------------------------------------------------- */

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

static void write_resource(const struct target *target,
                           const struct service *service, struct reply *reply)
{
    struct writer *writer = reply->writer;
    switch (target->resource) {
    case RESOURCE_SERVER:
        write_server(writer, service);
        return;
    case RESOURCE_LIVE:
        writer_text(writer, "{\"live\":true}");
        return;
    case RESOURCE_READY:
    case RESOURCE_MODEL_READY:
        write_ready(reply, target->model, service->is_ready(service));
        return;
    case RESOURCE_MODELS:
        write_models(writer);
        return;
    case RESOURCE_STATISTICS:
    case RESOURCE_MODEL_STATISTICS:
        write_statistics(writer, service->metrics, target->model);
        return;
    case RESOURCE_MODEL:
        write_metadata(writer, target->model);
        return;
    case RESOURCE_MODEL_CONFIG:
        write_config(writer, target->model);
        return;
    case RESOURCE_REGIONS:
        write_regions(writer, service, target);
        return;
    case RESOURCE_REPOSITORY: /* these are POSTed */
    case RESOURCE_REGISTER:
    case RESOURCE_UNREGISTER:
    case RESOURCE_MODEL_INFER:
        return;
    }
}

static bool metadata_get(struct service *service, const struct head *head,
                         struct reply *reply, struct problem *problem)
{
    struct target target;
    if (!target_parse(&target, head->path, "GET", problem) ||
        !region_is_known(&target, service, problem))
        return false;
    reply->content_type = "application/json";
    write_resource(&target, service, reply);
    return true;
}

const struct page metadata_page = {.get = metadata_get};
