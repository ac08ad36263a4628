// SPDX-License-Identifier: MIT
/*
 * What clients have the server do beside inferences: list its repository, and
 * register regions of the extension "system shared memory", where tensors lie.
 * Of CUDA's it is what a server without CUDA says.
 */
#include "endpoints.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../json/reader.h"
#include "../region.h"

enum { QUESTION_BYTES = 1024, REGISTER_BYTES = 4096 };

struct control {
    struct service *service;
    enum resource resource;
    bool named, cuda;
    char name[REGION_NAME_BYTES];
    size_t bytes, limit; /* of the body */
    char body[REGISTER_BYTES];
    struct value *document; /* NULL: no body, or none that matters */
    bool ready_only;        /* the repository: only models that are ready */
};

static bool is_allowed(const struct target *target,
                       const struct service *service, struct problem *problem)
{
    if (target->resource == RESOURCE_REPOSITORY)
        return true;
    if (target->cuda)
        return target->resource == RESOURCE_UNREGISTER ||
               problem_set(problem, 501, NULL,
                           "CUDA shared memory is not supported, there is no "
                           "GPU here");
    return service->regions ||
           problem_set(problem, 501, NULL,
                       "shared memory is disabled, start softmaxd with "
                       "--shared-memory to enable it");
}

static void *control_begin(struct service *service, const struct head *head,
                           struct problem *problem)
{
    struct target target;
    if (!target_parse(&target, head->path, "POST", problem) ||
        !is_allowed(&target, service, problem))
        return NULL;
    if (target.region_bytes >= REGION_NAME_BYTES) {
        problem_set(problem, 400, NULL,
                    "region: got a name of %zu bytes, must be at most %d",
                    target.region_bytes, REGION_NAME_BYTES - 1);
        return NULL;
    }
    struct control *control = calloc(1, sizeof *control);
    if (!control) {
        problem_memory(problem);
        return NULL;
    }
    control->service = service;
    control->resource = target.resource;
    control->cuda = target.cuda;
    control->named = target_region(&target, control->name);
    control->limit = target.resource == RESOURCE_REPOSITORY ? QUESTION_BYTES
                                                            : REGISTER_BYTES;
    return control;
}

static bool control_feed(void *call, const char *bytes, size_t count,
                         struct problem *problem)
{
    struct control *control = call;
    if (count > control->limit - control->bytes)
        return problem_set(problem, 413, NULL,
                           "body: got more, must be at most %zu bytes",
                           control->limit);
    memcpy(control->body + control->bytes, bytes, count);
    control->bytes += count;
    return true;
}

static bool parse_body(struct control *control, struct problem *problem)
{
    control->document = reader_parse(control->body, control->bytes, problem);
    return control->document &&
           (value_kind(control->document) == VALUE_OBJECT ||
            value_refuse(control->document, "body", "an object", problem));
}

/* {"ready": bool}, or nothing. */
static bool ready_to_list(struct control *control, struct problem *problem)
{
    if (control->bytes == 0)
        return true;
    if (!parse_body(control, problem))
        return false;
    const struct value *ready = value_member(control->document, "ready");
    if (ready && value_kind(ready) != VALUE_BOOL)
        return value_refuse(ready, "ready", "true or false", problem);
    control->ready_only = ready && value_boolean(ready);
    return true;
}

static bool control_ready(void *call, struct work *work,
                          struct problem *problem)
{
    struct control *control = call;
    *work = (struct work){0};
    if (control->resource == RESOURCE_UNREGISTER)
        return true; /* whatever its body is */
    if (control->resource == RESOURCE_REPOSITORY)
        return ready_to_list(control, problem);
    if (!control->named)
        return problem_set(problem, 400, NULL,
                           "'region name' is necessary to register system "
                           "shared memory region");
    return parse_body(control, problem);
}

static bool lacks(const char *member, struct problem *problem)
{
    return problem_set(problem, 400, NULL,
                       "Shared memory register request has no '%s' field",
                       member);
}

static bool register_region(struct control *control, struct problem *problem)
{
    const struct value *document = control->document;
    const struct value *key = value_member(document, "key");
    size_t offset, bytes;
    if (!key)
        return lacks("key", problem);
    if (value_kind(key) != VALUE_STRING)
        return value_refuse(key, "key", "a string", problem);
    if (!value_member(document, "byte_size"))
        return lacks("byte_size", problem);
    return value_member_bytes(document, "offset", &offset, problem) &&
           value_member_bytes(document, "byte_size", &bytes, problem) &&
           regions_add(control->service->regions, control->name,
                       value_string(key), offset, bytes, problem);
}

static bool control_run(void *call, struct problem *problem)
{
    struct control *control = call;
    if (control->resource == RESOURCE_REGISTER)
        return register_region(control, problem);
    if (control->resource == RESOURCE_UNREGISTER && !control->cuda)
        regions_remove(control->service->regions,
                       control->named ? control->name : NULL);
    return true;
}

/* Of the regions nothing: 200 says it all. */
static bool control_answer(void *call, struct reply *reply,
                           struct problem *problem)
{
    struct control *control = call;
    (void)problem;
    if (control->resource != RESOURCE_REPOSITORY)
        return true;
    bool ready = control->service->is_ready(control->service);
    reply->content_type = "application/json";
    writer_text(reply->writer, "[");
    for (size_t i = 0; i < MODEL_COUNT && (ready || !control->ready_only);
         i++) {
        writer_text(reply->writer, i ? "," : "");
        writer_format(reply->writer,
                      "{\"name\":%s,\"version\":\"" MODEL_VERSION
                      "\",\"state\":%s,\"reason\":\"\"}",
                      models[i].name, ready ? "READY" : "UNAVAILABLE");
    }
    writer_text(reply->writer, "]");
    return true;
}

static void control_end(void *call)
{
    struct control *control = call;
    if (control)
        value_free(control->document);
    free(control);
}

const struct endpoint control_endpoint = {.any_type = true,
                                          .begin = control_begin,
                                          .feed = control_feed,
                                          .ready = control_ready,
                                          .run = control_run,
                                          .answer = control_answer,
                                          .end = control_end};
