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

/* "logsumexp, argmax" as the JSON array that the option is; 0: no list. */
static size_t list_write(const char *text, char *json, size_t room)
{
    size_t used = 2;
    memcpy(json, "[\"", 2);
    for (; *text; text++) {
        if (*text == '"' || *text == '\\' || (unsigned char)*text < ' ' ||
            used + 5 > room)
            return 0;
        if (*text == ',') {
            memcpy(json + used, "\",\"", 3);
            used += 3;
        } else if (*text != ' ') {
            json[used++] = *text;
        }
    }
    if (used == 2) /* no name at all */
        used = 1;
    else
        json[used++] = '"';
    json[used++] = ']';
    return used;
}

struct setting {
    struct request *request;
    struct problem *problem;
};

static bool include_set(struct setting *setting, const struct value *text)
{
    char json[256], got[96];
    size_t bytes = value_kind(text) == VALUE_STRING
                       ? list_write(value_string(text), json, sizeof json)
                       : 0;
    if (bytes == 0) {
        value_print(text, got, sizeof got);
        return problem_set(setting->problem, 400, NULL,
                           "include: got %s, must be a string of names with "
                           "commas between them",
                           got);
    }
    struct value *list = value_parse(json, bytes, setting->problem);
    bool good = list && request_set(setting->request, "include", list,
                                    setting->problem);
    setting->problem->pointer[0] = '\0'; /* there is no such array */
    value_free(list);
    return good;
}

static bool option_set(void *cls, const char *name, const struct value *value)
{
    struct setting *setting = cls;
    if (is_foreign(name))
        return true;
    if (strcmp(name, "log") == 0 && request_has_option(setting->request, name))
        return problem_set(setting->problem, 400, NULL,
                           "log: got a parameter, must be left to the model, "
                           "softmax or log_softmax");
    if (strcmp(name, "include") == 0)
        return include_set(setting, value);
    return request_set(setting->request, name, value, setting->problem);
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
