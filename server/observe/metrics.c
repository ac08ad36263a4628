// SPDX-License-Identifier: MIT
#include "metrics.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "../machine.h"

/* A thread counts in the shard it was given when it first counted, so that
 * event loops do not fight for cache lines; the reader adds the shards up. The
 * first OWNED threads have theirs to themselves and count without locked
 * instructions, of which a request would take seven; the others share. */
enum { OWNED = 16, SHARDS = 2 * OWNED, BUCKETS = 12, LINE = 64, STAGES = 3 };

static const int statuses[] = {200, 204, 400, 401, 404, 405, 406, 408, 413, 414,
                               415, 422, 431, 499, 500, 501, 503, 505, 0};
enum { STATUSES = sizeof statuses / sizeof statuses[0] };

static const uint64_t duration_us[BUCKETS] = {50,    100,    250,     500,
                                              1000,  2500,   5000,    10000,
                                              50000, 250000, 1000000, 5000000};
static const uint64_t size_bytes[BUCKETS] = {
    256,     1024,    4096,     16384,    65536,     262144,
    1048576, 4194304, 16777216, 67108864, 268435456, 1073741824};

struct histogram {
    _Atomic uint64_t count[BUCKETS + 1]; /* not cumulative; the last: +Inf */
    _Atomic uint64_t sum;
};

struct endpoint_counts {
    _Atomic uint64_t requests[STATUSES];
    /* From here on only of those that compute. */
    _Atomic uint64_t rows, logits;
    _Atomic uint64_t stage_ns[STAGES];
    struct histogram duration; /* sum in ns */
    struct histogram body, answer;
};

struct model_counts {
    _Atomic uint64_t last_ms, rows, executions;
    _Atomic uint64_t count[INFERENCE_PHASES], ns[INFERENCE_PHASES];
};

struct shard {
    _Alignas(LINE) _Atomic uint64_t rejected[CAUSES];
    struct model_counts models[METRICS_MODELS];
    struct endpoint_counts *endpoints;
};

struct metrics {
    struct {
        const char *name;
        bool computes;
    } * endpoints; /* those of one name are one */
    size_t endpoint_count;
    size_t *index;  /* of a route in endpoints */
    double started; /* seconds since 1970 */
    struct shard shards[SHARDS];
};

/** The thread's shard; from OWNED on it is not its alone. */
static unsigned own_shard(void)
{
    static atomic_uint next;
    static _Thread_local unsigned own = SHARDS; /* not given yet */
    if (own == SHARDS) {
        own = atomic_fetch_add(&next, 1);
        if (own >= OWNED)
            own = OWNED + own % (SHARDS - OWNED);
    }
    return own;
}

static void add_to(_Atomic uint64_t *counter, uint64_t n, bool shared)
{
    if (shared)
        atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
    else
        atomic_store_explicit(
            counter, n + atomic_load_explicit(counter, memory_order_relaxed),
            memory_order_relaxed);
}

static void observe(struct histogram *histogram, const uint64_t *bounds,
                    uint64_t value, uint64_t addend, bool shared)
{
    size_t i = 0;
    while (i < BUCKETS && value > bounds[i])
        i++;
    add_to(&histogram->count[i], 1, shared);
    add_to(&histogram->sum, addend, shared);
}

static size_t endpoint_index(struct metrics *metrics, const char *name,
                             bool computes)
{
    size_t i = 0;
    while (i < metrics->endpoint_count &&
           strcmp(metrics->endpoints[i].name, name) != 0)
        i++;
    if (i == metrics->endpoint_count)
        metrics->endpoints[metrics->endpoint_count++].name = name;
    metrics->endpoints[i].computes |= computes;
    return i;
}

struct metrics *metrics_create(const struct route *const *routes, size_t count)
{
    struct metrics *metrics = aligned_alloc(LINE, sizeof *metrics);
    if (!metrics)
        return NULL;
    memset(metrics, 0, sizeof *metrics);
    /* Once: a start that moved whenever the clock is set would look like a
     * restart. */
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    metrics->started = (double)now.tv_sec + (double)now.tv_nsec / 1e9;
    metrics->endpoints = calloc(count + 1, sizeof *metrics->endpoints);
    metrics->index = calloc(count + 1, sizeof *metrics->index);
    bool ok = metrics->endpoints && metrics->index;
    for (size_t i = 0; ok && i < count; i++)
        metrics->index[i] = endpoint_index(metrics, routes[i]->name,
                                           routes[i]->endpoint &&
                                               routes[i]->endpoint->computes);
    if (ok)
        metrics->index[count] = endpoint_index(metrics, "other", false);
    for (size_t i = 0; ok && i < SHARDS; i++) {
        metrics->shards[i].endpoints =
            calloc(metrics->endpoint_count, sizeof(struct endpoint_counts));
        ok = metrics->shards[i].endpoints;
    }
    if (!ok) {
        metrics_free(metrics);
        return NULL;
    }
    return metrics;
}

void metrics_count(struct metrics *metrics, size_t route,
                   const struct log_request *request)
{
    if (!metrics)
        return;
    unsigned own = own_shard();
    bool shared = own >= OWNED;
    size_t endpoint = metrics->index[route];
    struct endpoint_counts *counts = &metrics->shards[own].endpoints[endpoint];
    const uint64_t stage_ns[STAGES] = {request->read_ns, request->compute_ns,
                                       request->write_ns};
    size_t i = 0;
    while (i < STATUSES - 1 && statuses[i] != (int)request->status)
        i++;
    add_to(&counts->requests[i], 1, shared);
    if (!metrics->endpoints[endpoint].computes)
        return;
    if (request->status == 200) {
        add_to(&counts->rows, request->rows, shared);
        add_to(&counts->logits, request->rows * request->classes, shared);
    }
    for (i = 0; i < STAGES; i++)
        add_to(&counts->stage_ns[i], stage_ns[i], shared);
    observe(&counts->duration, duration_us, request->total_ns / 1000,
            request->total_ns, shared);
    observe(&counts->body, size_bytes, request->body_bytes, request->body_bytes,
            shared);
    observe(&counts->answer, size_bytes, request->answer_bytes,
            request->answer_bytes, shared);
}

void metrics_reject(struct metrics *metrics, enum cause cause)
{
    if (!metrics || cause == CAUSE_REQUEST)
        return;
    unsigned own = own_shard();
    add_to(&metrics->shards[own].rejected[cause], 1, own >= OWNED);
}

/* ---- inferences ------------------------------------------------------- */

void metrics_count_inference(struct metrics *metrics, size_t model,
                             bool success, size_t rows,
                             const uint64_t ns[static INFERENCE_PHASES])
{
    if (!metrics)
        return;
    unsigned own = own_shard();
    bool shared = own >= OWNED;
    struct model_counts *counts = &metrics->shards[own].models[model];
    for (int i = 0; i < INFERENCE_PHASES; i++)
        if (success == (i != INFERENCE_FAIL)) {
            add_to(&counts->count[i], 1, shared);
            add_to(&counts->ns[i], ns[i], shared);
        }
    if (!success)
        return;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    add_to(&counts->rows, rows, shared);
    add_to(&counts->executions, 1, shared);
    atomic_store_explicit(&counts->last_ms,
                          (uint64_t)now.tv_sec * 1000u +
                              (uint64_t)now.tv_nsec / 1000000u,
                          memory_order_relaxed);
}

struct metrics_inference metrics_inferences(const struct metrics *metrics,
                                            size_t model)
{
    struct metrics_inference all = {0};
    for (size_t s = 0; metrics && s < SHARDS; s++) {
        const struct model_counts *counts = &metrics->shards[s].models[model];
        uint64_t last = counts->last_ms;
        all.last_ms = last > all.last_ms ? last : all.last_ms;
        all.rows += counts->rows;
        all.executions += counts->executions;
        for (int i = 0; i < INFERENCE_PHASES; i++) {
            all.count[i] += counts->count[i];
            all.ns[i] += counts->ns[i];
        }
    }
    return all;
}

/* ---- the text --------------------------------------------------------- */

/** The counters of each endpoint, of all shards together; NULL: out of memory.
 */
static struct endpoint_counts *add_up(const struct metrics *metrics)
{
    size_t words = metrics->endpoint_count * sizeof(struct endpoint_counts) /
                   sizeof(uint64_t);
    uint64_t *sums = calloc(words, sizeof *sums);
    for (size_t s = 0; sums && s < SHARDS; s++) {
        const _Atomic uint64_t *counts = (void *)metrics->shards[s].endpoints;
        for (size_t i = 0; i < words; i++)
            sums[i] += counts[i];
    }
    return (void *)sums;
}

static void head(FILE *out, const char *name, const char *type,
                 const char *help)
{
    fprintf(out, "# HELP softmaxd_%s %s\n# TYPE softmaxd_%s %s\n", name, help,
            name, type);
}

static void write_requests(const struct metrics *metrics,
                           const struct endpoint_counts *all, FILE *out)
{
    head(out, "requests_total", "counter",
         "Requests answered; 499: the client left before its answer.");
    for (size_t n = 0; n < metrics->endpoint_count; n++)
        for (size_t i = 0; i < STATUSES; i++) {
            unsigned long count = all[n].requests[i];
            if (count > 0)
                fprintf(out,
                        "softmaxd_requests_total{endpoint=\"%s\",status="
                        "\"%d\"} %lu\n",
                        metrics->endpoints[n].name, statuses[i], count);
        }
}

static void write_counter(const struct metrics *metrics,
                          const struct endpoint_counts *all, FILE *out,
                          const char *name, const char *help, size_t offset)
{
    head(out, name, "counter", help);
    for (size_t n = 0; n < metrics->endpoint_count; n++)
        if (metrics->endpoints[n].computes)
            fprintf(out, "softmaxd_%s{endpoint=\"%s\"} %lu\n", name,
                    metrics->endpoints[n].name,
                    (unsigned long)*(const uint64_t *)((const char *)&all[n] +
                                                       offset));
}

static void write_stages(const struct metrics *metrics,
                         const struct endpoint_counts *all, FILE *out)
{
    static const char *const stages[STAGES] = {"read", "compute", "write"};
    head(out, "stage_seconds_total", "counter",
         "Time that requests spent in their stages, as the log has them.");
    for (size_t n = 0; n < metrics->endpoint_count; n++)
        for (size_t i = 0; i < STAGES; i++)
            if (metrics->endpoints[n].computes)
                fprintf(out,
                        "softmaxd_stage_seconds_total{endpoint=\"%s\",stage="
                        "\"%s\"} %.9f\n",
                        metrics->endpoints[n].name, stages[i],
                        (double)all[n].stage_ns[i] / 1e9);
}

/** scale: what the bounds and the sum are divided by for the text's unit. */
static void write_histogram(const struct metrics *metrics,
                            const struct endpoint_counts *all, FILE *out,
                            const char *name, const char *help, size_t offset,
                            const uint64_t *bounds, double bound_scale,
                            double sum_scale)
{
    head(out, name, "histogram", help);
    for (size_t n = 0; n < metrics->endpoint_count; n++) {
        unsigned long total = 0;
        const char *label = metrics->endpoints[n].name;
        const struct histogram *histogram =
            (const void *)((const char *)&all[n] + offset);
        if (!metrics->endpoints[n].computes)
            continue;
        for (size_t i = 0; i <= BUCKETS; i++) {
            char bound[32] = "+Inf";
            total += histogram->count[i];
            if (i < BUCKETS)
                snprintf(bound, sizeof bound, "%.10g",
                         (double)bounds[i] / bound_scale);
            fprintf(out, "softmaxd_%s_bucket{endpoint=\"%s\",le=\"%s\"} %lu\n",
                    name, label, bound, total);
        }
        fprintf(out,
                "softmaxd_%s_sum{endpoint=\"%s\"} %.17g\n"
                "softmaxd_%s_count{endpoint=\"%s\"} %lu\n",
                name, label, (double)histogram->sum / sum_scale, name, label,
                total);
    }
}

static void write_rejected(const struct metrics *metrics, FILE *out)
{
    static const char *const labels[] = {
#define METRICS_LABEL(name, status, label) [name] = label,
        PROBLEM_REJECTIONS(METRICS_LABEL)
#undef METRICS_LABEL
    };
    head(out, "rejected_total", "counter",
         "Requests and connections turned away, by reason.");
    for (size_t i = CAUSE_REQUEST + 1; i < CAUSES; i++) {
        uint64_t total = 0;
        for (size_t s = 0; s < SHARDS; s++)
            total += metrics->shards[s].rejected[i];
        fprintf(out, "softmaxd_rejected_total{reason=\"%s\"} %lu\n", labels[i],
                (unsigned long)total);
    }
}

static void write_own(FILE *out, const char *name, const char *type,
                      const char *help, double value)
{
    fprintf(out,
            "# HELP process_%s %s\n# TYPE process_%s %s\nprocess_%s %.15g\n",
            name, help, name, type, name, value);
}

static double seconds(struct timeval time)
{
    return (double)time.tv_sec + (double)time.tv_usec / 1e6;
}

static void write_own_cpu(FILE *out)
{
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) == 0)
        write_own(out, "cpu_seconds_total", "counter",
                  "CPU time, user and system.",
                  seconds(usage.ru_utime) + seconds(usage.ru_stime));
}

static void write_own_memory(FILE *out)
{
    unsigned long pages, resident;
    FILE *in = fopen("/proc/self/statm", "re");
    if (!in)
        return;
    if (fscanf(in, "%lu %lu", &pages, &resident) == 2) {
        double page_bytes = (double)sysconf(_SC_PAGESIZE);
        write_own(out, "virtual_memory_bytes", "gauge",
                  "Size of the address space.", (double)pages * page_bytes);
        write_own(out, "resident_memory_bytes", "gauge",
                  "Memory of it that is in RAM.",
                  (double)resident * page_bytes);
    }
    fclose(in);
}

static void write_own_files(FILE *out)
{
    struct rlimit limit;
    size_t open = machine_open_files();
    if (open > 0)
        write_own(out, "open_fds", "gauge", "Open file descriptors.",
                  (double)open);
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0)
        write_own(out, "max_fds", "gauge", "File descriptors that may be open.",
                  (double)limit.rlim_cur);
}

/** What Prometheus' client libraries tell of every process, under their names;
 *  without what the system does not tell. */
static void write_process(FILE *out, double started)
{
    write_own_cpu(out);
    write_own_memory(out);
    write_own_files(out);
    write_own(out, "start_time_seconds", "gauge",
              "When it started, in seconds since 1970.", started);
}

bool metrics_write(const struct metrics *metrics,
                   const struct metrics_gauge *gauges, size_t count,
                   const char *isa, struct writer *writer)
{
    char *text = NULL;
    size_t bytes = 0;
    struct endpoint_counts *all = add_up(metrics);
    FILE *out = all ? open_memstream(&text, &bytes) : NULL;
    if (!out) {
        free(all);
        return false;
    }
    write_requests(metrics, all, out);
    write_counter(metrics, all, out, "rows_total",
                  "Rows answered with status 200.",
                  offsetof(struct endpoint_counts, rows));
    write_counter(metrics, all, out, "logits_total",
                  "Logits of the rows answered with status 200.",
                  offsetof(struct endpoint_counts, logits));
    write_stages(metrics, all, out);
    write_histogram(metrics, all, out, "request_duration_seconds",
                    "From the headers to the last byte of the answer.",
                    offsetof(struct endpoint_counts, duration), duration_us,
                    1e6, 1e9);
    write_histogram(metrics, all, out, "request_body_bytes",
                    "Bytes of request bodies as sent.",
                    offsetof(struct endpoint_counts, body), size_bytes, 1, 1);
    write_histogram(metrics, all, out, "answer_body_bytes",
                    "Bytes of answer bodies as sent.",
                    offsetof(struct endpoint_counts, answer), size_bytes, 1, 1);
    write_rejected(metrics, out);
    for (size_t i = 0; i < count; i++) {
        head(out, gauges[i].name, gauges[i].type, gauges[i].help);
        fprintf(out, "softmaxd_%s %lu\n", gauges[i].name,
                (unsigned long)gauges[i].value);
    }
    head(out, "build_info", "gauge", "What runs; always 1.");
    fprintf(out,
            "softmaxd_build_info{version=\"" SMX_VERSION "\",isa=\"%s\"} 1\n",
            isa);
    write_process(out, metrics->started);
    free(all);
    bool ok = !ferror(out);
    ok &= fclose(out) == 0 && text;
    if (ok)
        writer_text(writer, text);
    free(text);
    return ok && !writer_failed(writer);
}

void metrics_free(struct metrics *metrics)
{
    if (!metrics)
        return;
    for (size_t i = 0; i < SHARDS; i++)
        free(metrics->shards[i].endpoints);
    free(metrics->index);
    free(metrics->endpoints);
    free(metrics);
}
