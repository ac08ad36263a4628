// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "cases.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "answer.h"

bool case_fits(const struct test_case *c, int status, const char *text,
               size_t bytes, char *why, size_t why_bytes)
{
    json_t *got = json_loadb(text, bytes, JSON_REJECT_DUPLICATES, NULL);
    json_t *want = json_loads(c->answer, JSON_REJECT_DUPLICATES, NULL);
    json_t *scale = json_pack("{s:i, s:i}", "gradient", 1, "jacobian", 1);
    enum smx_dtype dtype =
        strstr(c->body, "\"float64\"") ? SMX_FLOAT64 : SMX_FLOAT32;
    bool fits = false;
    if (!want)
        snprintf(why, why_bytes, "the case has no answer: %s", c->answer);
    else if (status != c->status || !got)
        snprintf(why, why_bytes, "got %d %.*s, want %d", status,
                 (int)(bytes < 300 ? bytes : 300), text, c->status);
    else if (status == 200)
        fits = answer_agrees(got, want, scale, dtype, why, why_bytes);
    else
        fits = answer_is_problem(got, want, status, why, why_bytes);
    if (fits && status == 200 && !answer_in_order(got, want)) {
        snprintf(why, why_bytes, "the members are not in order: %.*s",
                 (int)bytes, text);
        fits = false;
    }
    json_decref(got);
    json_decref(want);
    json_decref(scale);
    return fits;
}

/* The next line without its end; NULL at the end of the file. */
static char *line(FILE *file)
{
    char *text = NULL;
    size_t room = 0;
    ssize_t n = getline(&text, &room, file);
    if (n <= 0) {
        free(text);
        return NULL;
    }
    if (text[n - 1] == '\n')
        text[n - 1] = '\0';
    return text;
}

/* Cut a line at its first space; what stands behind it. */
static char *cut(char *text)
{
    char *space = strchr(text, ' ');
    if (!space)
        return text + strlen(text);
    *space = '\0';
    return space + 1;
}

static bool fits(const char *file, const struct test_case *c,
                 int (*try)(const struct test_case *c, char **text,
                            size_t *bytes))
{
    char *text = NULL, why[1024] = "";
    size_t bytes = 0;
    int status = try(c, &text, &bytes);
    bool good = case_fits(c, status, text ? text : "", bytes, why, sizeof why);
    if (!good)
        printf("%s: %s\n  %s %s\n  %s\n", file, c->name, c->path, c->body, why);
    free(text);
    return good;
}

size_t cases_run(const char *file,
                 int (*try)(const struct test_case *c, char **text,
                            size_t *bytes),
                 size_t *count)
{
    FILE *stream = fopen(file, "r");
    size_t misfits = 0;
    *count = 0;
    for (char *name; stream && (name = line(stream)); ++*count) {
        char *request = line(stream), *answer = line(stream);
        if (!request || !answer) {
            printf("%s: %s is cut short\n", file, name);
            misfits++;
        } else {
            struct test_case c = {.name = name, .path = request};
            c.body = cut(request);
            c.answer = cut(answer);
            c.status = (int)strtol(answer, NULL, 10);
            misfits += !fits(file, &c, try);
        }
        free(name);
        free(request);
        free(answer);
    }
    if (stream)
        fclose(stream);
    return misfits;
}
