// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "vectors.h"

#include <stdio.h>
#include <stdlib.h>

#include "answer.h"

static bool agrees(const json_t *vector, enum smx_dtype dtype,
                   int (*try)(const struct test_case *c, char **text,
                              size_t *bytes))
{
    json_t *request = json_deep_copy(json_object_get(vector, "request"));
    json_object_set_new(
        request, "dtype",
        json_string(dtype == SMX_FLOAT32 ? "float32" : "float64"));
    char *body = json_dumps(request, 0), *text = NULL, why[1024] = "";
    size_t bytes = 0;
    struct test_case c = {
        .path = json_string_value(json_object_get(vector, "path")),
        .body = body};
    int status = try(&c, &text, &bytes);
    json_t *got =
        json_loadb(text ? text : "", bytes, JSON_REJECT_DUPLICATES, NULL);
    bool good =
        status == 200 &&
        answer_agrees(got, json_object_get(vector, "answer"),
                      json_object_get(vector, "scale"), dtype, why, sizeof why);
    if (!good)
        printf("%s %.1000s\n  %d %s\n", c.path, body, status, why);
    json_decref(got);
    json_decref(request);
    free(body);
    free(text);
    return good;
}

size_t vectors_run(int (*try)(const struct test_case *c, char **text,
                              size_t *bytes),
                   size_t *count)
{
    FILE *file = fopen("tests/vectors/vectors.jsonl", "r");
    char *line = NULL;
    size_t room = 0, misfits = 0;
    *count = 0;
    while (file && getline(&line, &room, file) > 0) {
        json_t *vector = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
        misfits += !agrees(vector, SMX_FLOAT32, try);
        misfits += !agrees(vector, SMX_FLOAT64, try);
        *count += 2;
        json_decref(vector);
    }
    free(line);
    if (file)
        fclose(file);
    return misfits;
}
