// SPDX-License-Identifier: MIT
#include "model.h"

#include <stdio.h>
#include <string.h>

const struct model models[MODEL_COUNT] = {
#define MODEL_ROW(...) {__VA_ARGS__},
    MODELS(MODEL_ROW)
#undef MODEL_ROW
};

void model_request(const struct model *model, struct request *request,
                   struct budget *budget)
{
    request_init(request, model->operation, budget);
    request->log = model->log;
    request->one_is_scalar = true;
}

bool model_takes(const struct model *model, const struct member *member)
{
    return member->kind == MEMBER_TENSOR && (member->tasks & model->tasks);
}

const struct member *model_input(const struct model *model, const char *name)
{
    const struct member *member = member_find(model->tasks, name);
    return member && member->kind == MEMBER_TENSOR ? member : NULL;
}

bool model_gives(const struct model *model, const struct output_kind *output)
{
    return output->tasks & model->tasks;
}

static size_t list_name_of(char *text, size_t used, const char *name)
{
    if (used >= MODEL_LIST)
        return used;
    return used + (size_t)snprintf(text + used, MODEL_LIST - used, "%s%s",
                                   used ? ", " : "", name);
}

const char *model_list_inputs(const struct model *model,
                              char text[static MODEL_LIST])
{
    size_t used = 0;
    for (size_t i = 0; i < member_count; i++)
        if (model_takes(model, &members[i]))
            used = list_name_of(text, used, members[i].name);
    return text;
}

const char *model_list_outputs(const struct model *model,
                               const struct request *request,
                               char text[static MODEL_LIST])
{
    size_t used = 0;
    for (size_t i = 0; i < OUTPUT_COUNT; i++)
        if (request ? output_possible(&output_kinds[i], request)
                    : model_gives(model, &output_kinds[i]))
            used = list_name_of(text, used, output_kinds[i].name);
    return text;
}

/* ---- what a path names -------------------------------------------------- */

/* Behind what a path names in its beginning: nothing, a model and maybe its
 * version, a region of shared memory or all. */
enum beginning { SERVER, A_MODEL, REGION };

static const struct {
    enum beginning beginning;
    const char *path; /* behind it */
    enum resource resource;
    const char *method;
} resources[] = {
    {SERVER, "/v2", RESOURCE_SERVER, "GET"},
    {SERVER, "/v2/", RESOURCE_SERVER, "GET"},
    {SERVER, "/v2/health/live", RESOURCE_LIVE, "GET"},
    {SERVER, "/v2/health/ready", RESOURCE_READY, "GET"},
    {SERVER, "/v2/models", RESOURCE_MODELS, "GET"},
    {SERVER, "/v2/models/stats", RESOURCE_STATISTICS, "GET"},
    {SERVER, "/v2/repository/index", RESOURCE_REPOSITORY, "POST"},
    {A_MODEL, "", RESOURCE_MODEL, "GET"},
    {A_MODEL, "/ready", RESOURCE_MODEL_READY, "GET"},
    {A_MODEL, "/config", RESOURCE_MODEL_CONFIG, "GET"},
    {A_MODEL, "/stats", RESOURCE_MODEL_STATISTICS, "GET"},
    {A_MODEL, "/infer", RESOURCE_MODEL_INFER, "POST"},
    {REGION, "/status", RESOURCE_REGIONS, "GET"},
    {REGION, "/register", RESOURCE_REGISTER, "POST"},
    {REGION, "/unregister", RESOURCE_UNREGISTER, "POST"},
};

static bool find_resource(struct target *target, enum beginning beginning,
                          const char *path)
{
    for (size_t i = 0; i < sizeof resources / sizeof resources[0]; i++)
        if (resources[i].beginning == beginning &&
            strcmp(resources[i].path, path) == 0) {
            target->resource = resources[i].resource;
            target->method = resources[i].method;
            return true;
        }
    return false;
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

static const struct model *find_model(const char *name, size_t bytes)
{
    for (size_t i = 0; i < MODEL_COUNT; i++)
        if (strlen(models[i].name) == bytes &&
            memcmp(models[i].name, name, bytes) == 0)
            return &models[i];
    return NULL;
}

static bool model_parse(struct target *target, const char **at,
                        struct problem *problem)
{
    size_t bytes = strcspn(*at, "/");
    target->model = find_model(*at, bytes);
    if (!target->model) {
        char list[MODEL_LIST];
        size_t used = 0;
        for (size_t i = 0; i < MODEL_COUNT; i++)
            used = list_name_of(list, used, models[i].name);
        return problem_set(problem, 404, NULL,
                           "model: got \"%.*s\", must be one of %s",
                           (int)(bytes < 100 ? bytes : 100), *at, list);
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
    bool named = skip(&at, "/region/");
    const char *end = strrchr(at, '/');
    if (named ? !end || end == at : end != at)
        return false;
    if (named) {
        target->region = at;
        target->region_bytes = (size_t)(end - at);
    }
    return find_resource(target, REGION, end);
}

bool target_parse(struct target *target, const char *path, const char *method,
                  struct problem *problem)
{
    const char *at = path;
    *target = (struct target){0};
    bool found = find_resource(target, SERVER, path);
    target->cuda = skip(&at, "/v2/cudasharedmemory");
    if (target->cuda || skip(&at, "/v2/systemsharedmemory")) {
        found = region_parse(target, at);
    } else if (!found && skip(&at, "/v2/models/")) {
        if (!model_parse(target, &at, problem))
            return false;
        found = find_resource(target, A_MODEL, at);
    }
    if (!found)
        return problem_set(problem, 404, NULL,
                           "path: got %.200s, must be one that GET "
                           "/openapi.json lists",
                           path);
    return !method || strcmp(target->method, method) == 0 ||
           problem_set(problem, 405, NULL, "method: got %s, must be %s", method,
                       target->method);
}

bool target_region(const struct target *target,
                   char name[static REGION_NAME_BYTES])
{
    if (!target->region || target->region_bytes >= REGION_NAME_BYTES)
        return false;
    memcpy(name, target->region, target->region_bytes);
    name[target->region_bytes] = '\0';
    return true;
}
