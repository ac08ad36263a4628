// SPDX-License-Identifier: MIT
#include "repository.h"

#include <stdlib.h>
#include <string.h>

#include "../json/value.h"
#include "model.h"

enum { QUESTION_BYTES = 1024 };

struct repository {
    struct service *service;
    char question[QUESTION_BYTES]; /* {"ready":bool}, or nothing */
    size_t bytes;
    bool ready_only;
};

static void *repository_begin(struct service *service, const struct head *head,
                              struct problem *problem)
{
    (void)head;
    struct repository *repository = calloc(1, sizeof *repository);
    if (repository)
        repository->service = service;
    else
        problem_memory(problem);
    return repository;
}

static bool repository_feed(void *call, const char *bytes, size_t count,
                            struct problem *problem)
{
    struct repository *repository = call;
    if (count > QUESTION_BYTES - repository->bytes)
        return problem_set(problem, 413, NULL,
                           "body: got more, must be at most %d bytes",
                           QUESTION_BYTES);
    memcpy(repository->question + repository->bytes, bytes, count);
    repository->bytes += count;
    return true;
}

static bool take_question(struct repository *repository,
                          const struct value *question, struct problem *problem)
{
    char got[64];
    if (value_kind(question) != VALUE_OBJECT) {
        value_print(question, got, sizeof got);
        return problem_set(problem, 400, NULL,
                           "body: got %s, must be an object", got);
    }
    const struct value *ready = value_member(question, "ready");
    if (ready && value_kind(ready) != VALUE_BOOL) {
        value_print(ready, got, sizeof got);
        return problem_set(problem, 400, NULL,
                           "ready: got %s, must be true or false", got);
    }
    repository->ready_only = ready && value_boolean(ready);
    return true;
}

static bool repository_ready(void *call, struct work *work,
                             struct problem *problem)
{
    struct repository *repository = call;
    *work = (struct work){0};
    if (repository->bytes == 0)
        return true;
    struct value *question =
        value_parse(repository->question, repository->bytes, problem);
    if (!question)
        return false;
    bool good = take_question(repository, question, problem);
    value_free(question);
    return good;
}

static bool repository_run(void *call, struct problem *problem)
{
    (void)call;
    (void)problem;
    return true;
}

static bool repository_answer(void *call, struct reply *reply,
                              struct problem *problem)
{
    struct repository *repository = call;
    bool ready = repository->service->is_ready(repository->service);
    struct writer *writer = writer_create();
    reply->status = 200;
    reply->content_type = "application/json";
    reply->text_bytes = SIZE_MAX;
    reply->writer = writer;
    if (!writer)
        return problem_memory(problem);
    writer_text(writer, "[");
    for (size_t i = 0; i < MODEL_COUNT && (ready || !repository->ready_only);
         i++) {
        writer_text(writer, i ? ",{\"name\":" : "{\"name\":");
        writer_string(writer, models[i].name);
        writer_text(writer, ",\"version\":\"" MODEL_VERSION "\",\"state\":");
        writer_string(writer, ready ? "READY" : "UNAVAILABLE");
        writer_text(writer, ",\"reason\":\"\"}");
    }
    writer_text(writer, "]");
    return !writer_failed(writer) || problem_memory(problem);
}

const struct endpoint repository_endpoint = {.name = "v2_repository",
                                             .any_type = true,
                                             .begin = repository_begin,
                                             .feed = repository_feed,
                                             .ready = repository_ready,
                                             .run = repository_run,
                                             .answer = repository_answer,
                                             .end = free};
