// SPDX-License-Identifier: MIT
#include "target.h"

#include <stdbool.h>
#include <string.h>

static const struct {
    const char *path;
    enum resource resource;
} fixed[] = {
    {"/v2", RESOURCE_SERVER},
    {"/v2/", RESOURCE_SERVER},
    {"/v2/health/live", RESOURCE_LIVE},
    {"/v2/health/ready", RESOURCE_READY},
    {"/v2/models", RESOURCE_MODELS},
    {"/v2/models/stats", RESOURCE_STATISTICS},
    {"/v2/repository/index", RESOURCE_REPOSITORY},
};

static const struct {
    const char *path; /* behind model and version */
    enum resource resource;
} below[] = {
    {"", RESOURCE_MODEL},
    {"/ready", RESOURCE_MODEL_READY},
    {"/config", RESOURCE_MODEL_CONFIG},
    {"/stats", RESOURCE_MODEL_STATISTICS},
    {"/infer", RESOURCE_MODEL_INFER},
};

static bool unknown_path(const char *path, struct problem *problem)
{
    return problem_set(problem, 404, NULL,
                       "path: got %.200s, must be one that GET /openapi.json "
                       "lists",
                       path);
}

/* If *at starts with prefix, move it behind. */
static bool skip(const char **at, const char *prefix)
{
    size_t bytes = strlen(prefix);
    if (strncmp(*at, prefix, bytes) != 0)
        return false;
    *at += bytes;
    return true;
}

static bool model_parse(struct target *target, const char **at,
                        struct problem *problem)
{
    size_t bytes = strcspn(*at, "/");
    target->model = model_find(*at, bytes);
    if (!target->model) {
        char list[MODEL_LIST];
        return problem_set(
            problem, 404, NULL, "model: got \"%.*s\", must be one of %s",
            (int)(bytes < 100 ? bytes : 100), *at, model_list(list));
    }
    *at += bytes;
    if (!skip(at, "/versions/"))
        return true;
    bytes = strcspn(*at, "/");
    if (bytes != strlen(MODEL_VERSION) || memcmp(*at, MODEL_VERSION, bytes))
        return problem_set(problem, 404, NULL,
                           "model %s: got version \"%.*s\", must be "
                           "\"" MODEL_VERSION "\"",
                           target->model->name,
                           (int)(bytes < 100 ? bytes : 100), *at);
    *at += bytes;
    return true;
}

/* PREFIX[/region/{name}]/{status,register,unregister} */
static bool region_parse(struct target *target, const char *at)
{
    static const struct {
        const char *path;
        enum resource resource;
    } ends[] = {{"/status", RESOURCE_REGIONS},
                {"/register", RESOURCE_REGISTER},
                {"/unregister", RESOURCE_UNREGISTER}};
    bool named = skip(&at, "/region/");
    const char *end = strrchr(at, '/');
    if (named ? !end || end == at : end != at)
        return false;
    if (named) {
        target->region = at;
        target->region_bytes = (size_t)(end - at);
    }
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
        if (strcmp(end, ends[i].path) == 0) {
            target->resource = ends[i].resource;
            return true;
        }
    return false;
}

bool target_parse(struct target *target, const char *path,
                  struct problem *problem)
{
    *target = (struct target){0};
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++)
        if (strcmp(path, fixed[i].path) == 0) {
            target->resource = fixed[i].resource;
            return true;
        }
    const char *at = path;
    target->cuda = skip(&at, "/v2/cudasharedmemory");
    if (target->cuda || skip(&at, "/v2/systemsharedmemory"))
        return region_parse(target, at) || unknown_path(path, problem);
    if (!skip(&at, "/v2/models/"))
        return unknown_path(path, problem);
    if (!model_parse(target, &at, problem))
        return false;
    for (size_t i = 0; i < sizeof below / sizeof below[0]; i++)
        if (strcmp(at, below[i].path) == 0) {
            target->resource = below[i].resource;
            return true;
        }
    return unknown_path(path, problem);
}

static bool takes_post(enum resource resource)
{
    return resource == RESOURCE_MODEL_INFER ||
           resource == RESOURCE_REPOSITORY || resource == RESOURCE_REGISTER ||
           resource == RESOURCE_UNREGISTER;
}

const char *target_method(enum resource resource)
{
    return takes_post(resource) ? "POST" : "GET";
}

bool target_takes(const struct target *target, bool post,
                  struct problem *problem)
{
    return takes_post(target->resource) == post ||
           problem_set(problem, 405, NULL, "method: got %s, must be %s",
                       post ? "POST" : "GET", post ? "GET" : "POST");
}
