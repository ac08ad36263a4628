// SPDX-License-Identifier: MIT
#include "region_routes.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../json/reader.h"
#include "../region.h"

/* The name in the path; false: it has none, or a longer one than any. */
static bool name_in(const struct target *target, char *name)
{
    if (!target->region || target->region_bytes >= REGION_NAME_BYTES)
        return false;
    memcpy(name, target->region, target->region_bytes);
    name[target->region_bytes] = '\0';
    return true;
}

/* ---- status ------------------------------------------------------------- */

bool region_is_known(const struct target *target, struct service *service,
                     struct problem *problem)
{
    char name[REGION_NAME_BYTES] = "";
    struct region *region = NULL;
    if (target->resource != RESOURCE_REGIONS || !target->region)
        return true;
    if (!target->cuda && service->regions && name_in(target, name))
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
    writer_text(writer, "{\"name\":");
    writer_string(writer, status->name);
    writer_text(writer, ",\"key\":");
    writer_string(writer, status->key);
    writer_text(writer, ",\"offset\":");
    writer_int64(writer, (int64_t)status->offset);
    writer_text(writer, ",\"byte_size\":");
    writer_int64(writer, (int64_t)status->bytes);
    writer_text(writer, "}");
    listing->comma = ",";
}

void region_write_status(struct writer *writer, const struct service *service,
                         const struct target *target)
{
    char name[REGION_NAME_BYTES];
    struct listing listing = {writer, name_in(target, name) ? name : NULL, ""};
    writer_text(writer, "[");
    if (service->regions && !target->cuda)
        regions_each(service->regions, write_region, &listing);
    writer_text(writer, "]");
}

/* ---- register and unregister -------------------------------------------- */

enum { BODY_BYTES = 4096 };

struct registration {
    struct regions *regions;
    enum resource resource;
    bool named, cuda;
    char name[REGION_NAME_BYTES];
    size_t bytes; /* of the body */
    char body[BODY_BYTES];
    struct value *document;
};

static bool is_allowed(const struct target *target,
                       const struct service *service, struct problem *problem)
{
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

static void *registration_begin(struct service *service,
                                const struct head *head,
                                struct problem *problem)
{
    struct target target;
    if (!target_parse(&target, head->path, problem) ||
        !target_takes(&target, true, problem) ||
        !is_allowed(&target, service, problem))
        return NULL;
    struct registration *registration = calloc(1, sizeof *registration);
    if (!registration) {
        problem_memory(problem);
        return NULL;
    }
    registration->regions = service->regions;
    registration->resource = target.resource;
    registration->cuda = target.cuda;
    registration->named = name_in(&target, registration->name);
    if (!target.region || registration->named)
        return registration;
    problem_set(problem, 400, NULL,
                "region: got a name of %zu bytes, must be at most %d",
                target.region_bytes, REGION_NAME_BYTES - 1);
    free(registration);
    return NULL;
}

static bool registration_feed(void *call, const char *bytes, size_t count,
                              struct problem *problem)
{
    struct registration *registration = call;
    if (count > BODY_BYTES - registration->bytes)
        return problem_set(problem, 413, NULL,
                           "body: got more, must be at most %d bytes",
                           BODY_BYTES);
    memcpy(registration->body + registration->bytes, bytes, count);
    registration->bytes += count;
    return true;
}

/* A member of the body that is a number of bytes; required: it must be there,
 * else 0 stands for it. */
static bool size_of(const struct value *document, const char *name,
                    bool required, size_t *size, struct problem *problem)
{
    char got[64];
    int64_t integer;
    const struct value *value = value_member(document, name);
    *size = 0;
    if (!value)
        return !required ||
               problem_set(problem, 400, NULL,
                           "Shared memory register request has no '%s' field",
                           name);
    if (value_to_integer(value, &integer) && integer >= 0) {
        *size = (size_t)integer;
        return true;
    }
    value_print(value, got, sizeof got);
    return problem_set(problem, 400, NULL,
                       "%s: got %s, must be a number of bytes", name, got);
}

static bool register_region(struct registration *registration,
                            struct problem *problem)
{
    const struct value *document = registration->document;
    const struct value *key = value_member(document, "key");
    size_t offset, bytes;
    if (!key || value_kind(key) != VALUE_STRING)
        return problem_set(problem, 400, NULL,
                           key ? "key: got another value, must be a string"
                               : "Shared memory register request has no 'key' "
                                 "field");
    return size_of(document, "offset", false, &offset, problem) &&
           size_of(document, "byte_size", true, &bytes, problem) &&
           regions_add(registration->regions, registration->name,
                       value_string(key), offset, bytes, problem);
}

static bool registration_ready(void *call, struct work *work,
                               struct problem *problem)
{
    struct registration *registration = call;
    *work = (struct work){0};
    if (registration->resource == RESOURCE_UNREGISTER)
        return true; /* whatever its body is */
    if (!registration->named)
        return problem_set(problem, 400, NULL,
                           "'region name' is necessary to register system "
                           "shared memory region");
    registration->document =
        reader_parse(registration->body, registration->bytes, problem);
    if (!registration->document)
        return false;
    return value_kind(registration->document) == VALUE_OBJECT ||
           problem_set(problem, 400, NULL,
                       "body: got another value, must be an object");
}

static bool registration_run(void *call, struct problem *problem)
{
    struct registration *registration = call;
    if (registration->resource == RESOURCE_REGISTER)
        return register_region(registration, problem);
    if (!registration->cuda)
        regions_remove(registration->regions,
                       registration->named ? registration->name : NULL);
    return true;
}

/* Nothing: 200 says it all. */
static bool registration_answer(void *call, struct reply *reply,
                                struct problem *problem)
{
    (void)call;
    (void)reply;
    (void)problem;
    return true;
}

static void registration_end(void *call)
{
    struct registration *registration = call;
    if (registration)
        value_free(registration->document);
    free(registration);
}

const struct endpoint region_endpoint = {.name = "v2_region",
                                         .any_type = true,
                                         .begin = registration_begin,
                                         .feed = registration_feed,
                                         .ready = registration_ready,
                                         .run = registration_run,
                                         .answer = registration_answer,
                                         .end = registration_end};
