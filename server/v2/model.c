// SPDX-License-Identifier: MIT
#include "model.h"

#include <stdio.h>
#include <string.h>

const struct model models[MODEL_COUNT] = {
#define MODEL_ROW(...) {__VA_ARGS__},
    MODELS(MODEL_ROW)
#undef MODEL_ROW
};

const struct model *model_find(const char *name, size_t bytes)
{
    for (size_t i = 0; i < MODEL_COUNT; i++)
        if (strlen(models[i].name) == bytes &&
            memcmp(models[i].name, name, bytes) == 0)
            return &models[i];
    return NULL;
}

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

const char *model_list(char text[static MODEL_LIST])
{
    size_t used = 0;
    for (size_t i = 0; i < MODEL_COUNT; i++)
        used = list_name_of(text, used, models[i].name);
    return text;
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
