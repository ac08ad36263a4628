// SPDX-License-Identifier: MIT
#include "pages.h"

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

static bool get_ready(struct service *service, const struct head *head,
                      struct reply *reply, struct problem *problem)
{
    (void)head;
    reply->content_type = "application/json";
    writer_text(reply->writer, "{\"status\":\"ready\"}\n");
    return service->is_ready(service) ||
           problem_set(problem, 503, NULL, "readiness: %s",
                       server_life(server_of(service)) == LIFE_SERVING
                           ? "out of memory budget"
                           : "draining");
}

static bool get_version(struct service *service, const struct head *head,
                        struct reply *reply, struct problem *problem)
{
    const struct server *server = server_of(service);
    const struct options *options = server->options;
    (void)head;
    (void)problem;
    reply->content_type = "application/json";
    writer_format(
        reply->writer,
        "{\"name\":\"softmaxd\",\"version\":\"" SMX_VERSION "\",\"isa\":%s,"
        "\"io_threads\":%zu,\"compute_threads\":%zu,\"limits\":{"
        "\"max_body\":%zu,\"memory_limit\":%zu,\"max_connections\":%zu,"
        "\"max_in_flight\":%zu,\"idle_timeout\":%zu,\"request_timeout\":%zu}}"
        "\n",
        smx_isa_name(smx_context_isa(service->compute)),
        (size_t)options->io_threads, smx_context_threads(service->compute),
        service->max_body, service->budget.limit, server->max_connections,
        (size_t)options->max_in_flight, (size_t)options->idle_timeout,
        (size_t)options->request_timeout);
    return true;
}

static void count_region(void *cls, const struct region_status *status)
{
    uint64_t *sums = cls;
    sums[0]++;
    sums[1] += status->bytes;
}

static bool get_metrics(struct service *service, const struct head *head,
                        struct reply *reply, struct problem *problem)
{
    struct server *server = server_of(service);
    uint64_t regions[2] = {0}; /* how many, of how many bytes */
    (void)head;
    if (service->regions)
        regions_each(service->regions, count_region, regions);
    const struct metrics_gauge gauges[] = {
        {"in_flight_requests", "gauge", "Requests under way.",
         server->in_flight},
        {"open_connections", "gauge", "Connections open.", server->connections},
        {"tensor_bytes", "gauge", "Bytes of tensors that requests hold.",
         service->budget.taken},
        {"tensor_limit_bytes", "gauge",
         "Bytes of tensors that they may hold (--memory-limit).",
         service->budget.limit},
        {"pool_queue_jobs", "gauge", "Jobs that wait for a compute thread.",
         jobs_queued(service->jobs)},
        {"shared_memory_regions", "gauge",
         "Regions of shared memory that are registered.", regions[0]},
        {"shared_memory_bytes", "gauge", "Bytes of those regions.", regions[1]},
        {"ready", "gauge", "1 while /readyz says so.",
         service->is_ready(service)},
        {"log_lines_dropped_total", "counter", "Log lines that were lost.",
         log_dropped(server->log)},
    };
    reply->content_type = "text/plain; version=0.0.4; charset=utf-8";
    return metrics_write(service->metrics, gauges,
                         sizeof gauges / sizeof gauges[0],
                         smx_isa_name(smx_context_isa(service->compute)),
                         reply->writer) ||
           problem_memory(problem);
}

#define PAGE(path_, name_, ...)                                                \
    {                                                                          \
        .method = "GET", .path = path_, .name = name_, .compressible = true,   \
        __VA_ARGS__                                                            \
    }
#define GET(...)                                                               \
    .page = &(const struct page)                                               \
    {                                                                          \
        __VA_ARGS__                                                            \
    }
#define TEXT(text_, type_) GET(.text = text_, .type = type_)
#define PROBED .open = true, .quiet = true, .admin = true

/* Probes must work without a token and when all is full. */
const struct route pages_routes[] = {
    PAGE("/healthz", "healthz",
         TEXT("{\"status\":\"ok\"}\n", "application/json"), PROBED),
    PAGE("/readyz", "readyz", GET(.get = get_ready), PROBED),
    PAGE("/metrics", "metrics", GET(.get = get_metrics), .always = true,
         .quiet = true, .admin = true),
    PAGE("/version", "version", GET(.get = get_version), .admin = true),
    PAGE("/openapi.yaml", "openapi", TEXT(pages_yaml, "application/yaml")),
    PAGE("/openapi.json", "openapi", TEXT(pages_json, "application/json")),
};
const size_t pages_route_count = sizeof pages_routes / sizeof pages_routes[0];
