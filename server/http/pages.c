// SPDX-License-Identifier: MIT
#include "pages.h"

#include <stdio.h>
#include <string.h>

#include "../region.h"
#include "server.h"

/* The specification as it stands, and the NUL that makes it a string;
 * http.mk makes this file depend on it. */
__asm__(".section .rodata\n"
        "pages_yaml:\n"
        ".incbin \"openapi.yaml\"\n"
        ".byte 0\n"
        "pages_json:\n"
        ".incbin \"" OPENAPI_JSON "\"\n"
        ".byte 0\n"
        ".previous\n");
extern const char pages_yaml[] __attribute__((visibility("hidden")));
extern const char pages_json[] __attribute__((visibility("hidden")));

bool pages_is_ready(const struct service *service)
{
    enum life life = server_life((const struct server *)service);
    return life == LIFE_SERVING && budget_has_room(&service->budget);
}

static bool finish_page(struct reply *reply, const char *type,
                        struct problem *problem)
{
    reply->content_type = type;
    return !writer_failed(reply->writer) || problem_memory(problem);
}

static bool get_text(struct reply *reply, const char *text, const char *type,
                     struct problem *problem)
{
    reply->writer = writer_create();
    if (!reply->writer)
        return problem_memory(problem);
    writer_text(reply->writer, text);
    reply->text_bytes = strlen(text);
    return finish_page(reply, type, problem);
}

static bool get_health(struct service *service, const struct head *head,
                       struct reply *reply, struct problem *problem)
{
    (void)service;
    (void)head;
    return get_text(reply, "{\"status\":\"ok\"}\n", "application/json",
                    problem);
}

static bool get_ready(struct service *service, const struct head *head,
                      struct reply *reply, struct problem *problem)
{
    (void)head;
    if (service->is_ready(service))
        return get_text(reply, "{\"status\":\"ready\"}\n", "application/json",
                        problem);
    return problem_set(problem, 503, NULL, "readiness: %s",
                       server_life(server_of(service)) == LIFE_SERVING
                           ? "out of memory budget"
                           : "draining");
}

static void write_limit(struct writer *writer, const char *name, uint64_t value)
{
    writer_text(writer, ",\"");
    writer_text(writer, name);
    writer_text(writer, "\":");
    writer_int64(writer, (int64_t)value);
}

static bool get_version(struct service *service, const struct head *head,
                        struct reply *reply, struct problem *problem)
{
    const struct server *server = server_of(service);
    const struct options *options = server->options;
    struct writer *writer = reply->writer = writer_create();
    (void)head;
    if (!writer)
        return problem_memory(problem);
    writer_text(writer, "{\"name\":\"softmaxd\",\"version\":\"" SMX_VERSION
                        "\",\"isa\":");
    writer_string(writer, smx_isa_name(smx_context_isa(service->compute)));
    write_limit(writer, "io_threads", options->io_threads);
    write_limit(writer, "compute_threads",
                smx_context_threads(service->compute));
    writer_text(writer, ",\"limits\":{\"max_body\":");
    writer_int64(writer, (int64_t)service->max_body);
    write_limit(writer, "memory_limit", service->budget.limit);
    write_limit(writer, "max_connections", server->max_connections);
    write_limit(writer, "max_in_flight", options->max_in_flight);
    write_limit(writer, "idle_timeout", options->idle_timeout);
    write_limit(writer, "request_timeout", options->request_timeout);
    writer_text(writer, "}}\n");
    return finish_page(reply, "application/json", problem);
}

static void count_region(void *cls, const struct region_status *status)
{
    struct metrics_gauges *gauges = cls;
    gauges->regions++;
    gauges->region_bytes += status->bytes;
}

static bool get_metrics(struct service *service, const struct head *head,
                        struct reply *reply, struct problem *problem)
{
    struct server *server = server_of(service);
    struct metrics_gauges gauges = {
        .in_flight = server->in_flight,
        .connections = server->connections,
        .tensor_bytes = service->budget.taken,
        .tensor_limit_bytes = service->budget.limit,
        .pool_queue = jobs_queued(server->service.jobs),
        .log_dropped = log_dropped(server->log),
        .ready = service->is_ready(service),
        .version = SMX_VERSION,
        .isa = smx_isa_name(smx_context_isa(service->compute)),
    };
    (void)head;
    if (service->regions)
        regions_each(service->regions, count_region, &gauges);
    reply->writer = writer_create();
    if (!reply->writer ||
        !metrics_write(service->metrics, &gauges, reply->writer))
        return problem_memory(problem);
    reply->content_type = "text/plain; version=0.0.4; charset=utf-8";
    return true;
}

static bool get_yaml(struct service *service, const struct head *head,
                     struct reply *reply, struct problem *problem)
{
    (void)service;
    (void)head;
    return get_text(reply, pages_yaml, "application/yaml", problem);
}

static bool get_json(struct service *service, const struct head *head,
                     struct reply *reply, struct problem *problem)
{
    (void)service;
    (void)head;
    return get_text(reply, pages_json, "application/json", problem);
}

#define PAGE(path_, name_, get_, ...)                                          \
    {                                                                          \
        .method = "GET", .path = path_, .name = name_,                         \
        .page = &(const struct page){get_}, .compressible = true, __VA_ARGS__  \
    }

/* Probes must work without a token and when all is full. */
const struct route pages_routes[] = {
    PAGE("/healthz", "healthz", get_health, .open = true, .quiet = true,
         .admin = true),
    PAGE("/readyz", "readyz", get_ready, .open = true, .quiet = true,
         .admin = true),
    PAGE("/metrics", "metrics", get_metrics, .always = true, .quiet = true,
         .admin = true),
    PAGE("/version", "version", get_version, .admin = true),
    PAGE("/openapi.yaml", "openapi", get_yaml),
    PAGE("/openapi.json", "openapi", get_json),
};
const size_t pages_route_count = sizeof pages_routes / sizeof pages_routes[0];
