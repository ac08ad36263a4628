// SPDX-License-Identifier: MIT
#include "parameters.h"

#include <string.h>

static bool is_foreign(const char *name)
{
    static const char *const names[] = {
        "sequence_id", "sequence_start", "sequence_end", "priority",
        "timeout",     "headers",        "content_type", "binary_data_output"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    return false;
}

struct setting {
    struct request *request;
    struct problem *problem;
};

/* The protocol has no arrays of names: "logsumexp,argmax". */
static bool include_set(struct setting *setting, const char *name,
                        const struct value *value)
{
    char got[96];
    if (value_kind(value) == VALUE_STRING)
        return request_set_text(setting->request, name, value_string(value),
                                setting->problem);
    value_print(value, got, sizeof got);
    return problem_set(setting->problem, 400, NULL,
                       "%s: got %s, must be a string of names with commas "
                       "between them",
                       name, got);
}

static bool option_set(void *cls, const char *name, const struct value *value)
{
    struct setting *setting = cls;
    if (is_foreign(name))
        return true;
    if (strcmp(name, "include") == 0)
        return include_set(setting, name, value);
    return request_set(setting->request, name, value, setting->problem);
}

bool parameters_apply(const struct message *message, struct request *request,
                      struct problem *problem)
{
    const struct value *parameters =
        value_member(message->document, "parameters");
    struct setting setting = {request, problem};
    if (parameters && !message_is_answer(message) &&
        !value_each(parameters, option_set, &setting))
        return false;
    for (size_t i = 0; i < message->output_count; i++)
        if (message->output[i].kind->included)
            request->include |= 1u << output_id(message->output[i].kind);
    return !message->model->log || request->log ||
           problem_set(problem, 400, NULL,
                       "log: got false, must be true for model %s",
                       message->model->name);
}
