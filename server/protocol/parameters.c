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

/* "logsumexp, argmax" as the array that the option is; NULL: not a list. */
static struct value *list_parse(const struct value *text)
{
    char json[256] = "[\"";
    size_t used = 2;
    if (value_kind(text) != VALUE_STRING)
        return NULL;
    for (const char *at = value_string(text); *at; at++) {
        if (*at == '"' || *at == '\\' || used + 5 > sizeof json)
            return NULL;
        if (*at == ',') {
            memcpy(json + used, "\",\"", 3);
            used += 3;
        } else if (*at != ' ') {
            json[used++] = *at;
        }
    }
    memcpy(json + used, "\"]", 2);
    struct problem ignored = {0};
    return value_parse(json, used + 2, &ignored);
}

struct setting {
    struct request *request;
    struct problem *problem;
};

static bool option_set(void *cls, const char *name, const struct value *value)
{
    struct setting *setting = cls;
    if (is_foreign(name))
        return true;
    if (strcmp(name, "log") == 0)
        return problem_set(setting->problem, 400, NULL,
                           "log: got a parameter, must be left to the model, "
                           "softmax or log_softmax");
    struct value *list =
        strcmp(name, "include") == 0 ? list_parse(value) : NULL;
    bool good = request_set(setting->request, name, list ? list : value,
                            setting->problem);
    value_free(list);
    return good;
}

bool parameters_apply(const struct message *message, struct request *request,
                      struct problem *problem)
{
    const struct value *parameters =
        value_member(message->document, "parameters");
    struct setting setting = {request, problem};
    if (parameters && !value_each(parameters, option_set, &setting))
        return false;
    for (size_t i = 0; i < message->output_count; i++)
        request->include |=
            model_output(message->model, message->output[i].name)->include;
    return true;
}
