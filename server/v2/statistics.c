// SPDX-License-Identifier: MIT
#include "statistics.h"

#include <stdatomic.h>
#include <time.h>

enum phase { SUCCESS, FAIL, QUEUE, INPUT, INFER, OUTPUT, PHASE_COUNT };

static const char *const phase_names[PHASE_COUNT] = {
    "success",       "fail",          "queue",
    "compute_input", "compute_infer", "compute_output"};

static struct counters {
    atomic_uint_fast64_t last; /* milliseconds since 1970 */
    atomic_uint_fast64_t rows, executions;
    struct {
        atomic_uint_fast64_t count, ns;
    } phase[PHASE_COUNT];
} counters[MODEL_COUNT];

static uint64_t nanoseconds(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t statistics_clock(void)
{
    return nanoseconds(CLOCK_MONOTONIC);
}

static void add(atomic_uint_fast64_t *counter, uint64_t amount)
{
    atomic_fetch_add_explicit(counter, amount, memory_order_relaxed);
}

static uint64_t get(atomic_uint_fast64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

void statistics_count(const struct model *model, bool success, size_t rows,
                      const struct timing *timing)
{
    struct counters *c = &counters[model - models];
    const uint64_t ns[PHASE_COUNT] = {timing->total, timing->total,
                                      timing->queue, timing->input,
                                      timing->infer, timing->output};
    for (int i = 0; i < PHASE_COUNT; i++)
        if (success == (i != FAIL)) { /* an error counts as one alone */
            add(&c->phase[i].count, 1);
            add(&c->phase[i].ns, ns[i]);
        }
    if (!success)
        return;
    add(&c->rows, rows);
    add(&c->executions, 1);
    atomic_store_explicit(&c->last, nanoseconds(CLOCK_REALTIME) / 1000000u,
                          memory_order_relaxed);
}

static void write_number(struct writer *writer, const char *before,
                         uint64_t value)
{
    writer_text(writer, before);
    writer_int64(writer, (int64_t)value);
}

static void write_model(struct writer *writer, size_t index)
{
    struct counters *c = &counters[index];
    writer_text(writer, "{\"name\":");
    writer_string(writer, models[index].name);
    writer_text(writer, ",\"version\":\"" MODEL_VERSION "\"");
    write_number(writer, ",\"last_inference\":", get(&c->last));
    write_number(writer, ",\"inference_count\":", get(&c->rows));
    write_number(writer, ",\"execution_count\":", get(&c->executions));
    writer_text(writer, ",\"inference_stats\":{");
    for (int i = 0; i < PHASE_COUNT; i++) {
        writer_text(writer, i ? "," : "");
        writer_string(writer, phase_names[i]);
        write_number(writer, ":{\"count\":", get(&c->phase[i].count));
        write_number(writer, ",\"ns\":", get(&c->phase[i].ns));
        writer_text(writer, "}");
    }
    writer_text(writer, "},\"batch_stats\":[]}");
}

void statistics_write(const struct model *model, struct writer *writer)
{
    writer_text(writer, "{\"model_stats\":[");
    for (size_t i = 0, n = 0; i < MODEL_COUNT; i++) {
        if (model && model != &models[i])
            continue;
        writer_text(writer, n++ ? "," : "");
        write_model(writer, i);
    }
    writer_text(writer, "]}");
}
