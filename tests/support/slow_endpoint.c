// SPDX-License-Identifier: MIT
#include "slow_endpoint.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../../server/endpoint.h"

atomic_uint slow_runs;

enum { NUMBER_BYTES = 16, ON_THE_POOL = 1 << 20 };

struct call {
    char text[NUMBER_BYTES];
    size_t used;
    struct tensor answer;
};

static void *call_begin(struct service *service, const struct head *head,
                        struct problem *problem)
{
    (void)head;
    struct call *call = calloc(1, sizeof *call);
    if (call)
        call->answer.budget = &service->budget;
    else
        problem_memory(problem);
    return call;
}

static bool call_feed(void *cls, const char *bytes, size_t count,
                      struct problem *problem)
{
    struct call *call = cls;
    (void)problem;
    for (size_t i = 0; i < count && call->used < NUMBER_BYTES - 1; i++)
        call->text[call->used++] = bytes[i];
    return true;
}

static bool slow_ready(void *cls, struct work *work, struct problem *problem)
{
    (void)cls;
    (void)problem;
    *work = (struct work){1, 1, ON_THE_POOL};
    return true;
}

static bool slow_run(void *cls, struct problem *problem)
{
    long ms = strtol(((struct call *)cls)->text, NULL, 10);
    const struct timespec pause = {ms / 1000, ms % 1000 * 1000000L};
    (void)problem;
    atomic_fetch_add(&slow_runs, 1);
    nanosleep(&pause, NULL);
    return true;
}

static bool big_ready(void *cls, struct work *work, struct problem *problem)
{
    struct call *call = cls;
    size_t bytes = strtoul(call->text, NULL, 10);
    *work = (struct work){1, bytes, 0};
    if (!tensor_shape(&call->answer, TENSOR_BOOL, 1, &bytes, problem))
        return false;
    memset(call->answer.data, 'x', bytes);
    return true;
}

static bool big_run(void *cls, struct problem *problem)
{
    (void)cls;
    (void)problem;
    return true;
}

static bool call_answer(void *cls, struct reply *reply, struct problem *problem)
{
    struct call *call = cls;
    reply->content_type = "text/plain";
    (void)problem;
    if (call->answer.count > 0) {
        reply->held = call->answer.count;
        reply->tensors[reply->tensor_count++] = &call->answer;
    } else {
        writer_text(reply->writer, "done");
    }
    return true;
}

static void call_end(void *cls)
{
    struct call *call = cls;
    if (!call)
        return;
    tensor_free(&call->answer);
    free(call);
}

static const struct route routes[] = {
    {.method = "POST",
     .path = "/test/slow",
     .name = "slow",
     .endpoint = &(const struct endpoint){.begin = call_begin,
                                          .feed = call_feed,
                                          .ready = slow_ready,
                                          .run = slow_run,
                                          .answer = call_answer,
                                          .end = call_end}},
    {.method = "POST",
     .path = "/test/big",
     .name = "big",
     .endpoint = &(const struct endpoint){.begin = call_begin,
                                          .feed = call_feed,
                                          .ready = big_ready,
                                          .run = big_run,
                                          .answer = call_answer,
                                          .end = call_end}},
};

const struct route_table slow_routes = {routes,
                                        sizeof routes / sizeof routes[0]};
