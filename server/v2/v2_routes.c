// SPDX-License-Identifier: MIT
#include "v2_routes.h"

#include <stdio.h>
#include <string.h>

#include "endpoints.h"

/* The detail, which names the member, and which element if it does not. */
static void sentence(const struct problem *problem, char *text, size_t bytes)
{
    const char *detail =
        problem->detail[0] ? problem->detail : problem_title(problem->status);
    bool pointed = problem->pointer[0] && strchr(problem->pointer + 1, '/') &&
                   !strstr(detail, problem->pointer + 1);
    int used = snprintf(text, bytes, "%s%s%s", detail, pointed ? ", at " : "",
                        pointed ? problem->pointer : "");
    if (problem->located && used > 0 && (size_t)used < bytes)
        snprintf(text + used, bytes - (size_t)used,
                 ", at byte %zu (line %zu, column %zu)", problem->offset,
                 problem->line, problem->column);
}

static const char *method_of(const char *path)
{
    struct target target;
    struct problem unknown = {0};
    return target_parse(&target, path, NULL, &unknown) ? target.method : NULL;
}

/* The protocol knows no 422: a request that makes no sense is a 400 there. */
static void v2_fail(const struct problem *problem, struct reply *reply)
{
    char text[1024];
    sentence(problem, text, sizeof text);
    writer_format(reply->writer, "{\"error\":%s}", text);
    reply->status = problem->status == 422 ? 400 : problem->status;
    reply->content_type = "application/json";
}

#define ROW(method_, path_, name_, ...)                                        \
    {                                                                          \
        .method = method_, .path = path_, .name = name_,                       \
        .method_of = method_of, .fail = v2_fail, __VA_ARGS__                   \
    }
#define PAGE(path, name) ROW("GET", path, name, .page = &metadata_page)
#define HEALTH(path, name)                                                     \
    ROW("GET", path, name, .page = &metadata_page, .open = true, .quiet = true)
/* Probes have no token, as with /v2/health/ready. */
#define MODEL_READY(model, ...)                                                \
    HEALTH("/v2/models/" model "/ready", "v2_ready"),                          \
        HEALTH("/v2/models/" model "/versions/" MODEL_VERSION "/ready",        \
               "v2_ready"),
#define POSTED(path, name, endpoint_, compressible_)                           \
    ROW("POST", path, name, .endpoint = endpoint_,                             \
        .compressible = compressible_)

/* Of what stands here, Triton's clients inflate only the answers of infer. */
const struct route v2_routes[] = {
    POSTED("/v2/models/*", "v2_infer", &infer_endpoint, true),
    HEALTH("/v2/health/live", "v2_live"),
    HEALTH("/v2/health/ready", "v2_ready"),
    MODELS(MODEL_READY) PAGE("/v2", "v2_server"),
    PAGE("/v2/", "v2_server"),
    PAGE("/v2/models", "v2_models"),
    PAGE("/v2/models/*", "v2_model"),
    POSTED("/v2/repository/index", "v2_repository", &control_endpoint, false),
    PAGE("/v2/systemsharedmemory/*", "v2_regions"),
    POSTED("/v2/systemsharedmemory/*", "v2_region", &control_endpoint, false),
    PAGE("/v2/cudasharedmemory/*", "v2_regions"),
    POSTED("/v2/cudasharedmemory/*", "v2_region", &control_endpoint, false),
    {.path = "/v2/*", .name = "v2", .fail = v2_fail},
};

const size_t v2_route_count = sizeof v2_routes / sizeof v2_routes[0];
