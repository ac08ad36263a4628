/* SPDX-License-Identifier: MIT */
/** Counters and histograms, told in the Prometheus text format 0.0.4. */
#ifndef METRICS_H
#define METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../endpoint.h"
#include "../json/writer.h"
#include "../problem.h"

struct metrics;

/** What is true now; gathered by whoever asks for the text. */
struct metrics_gauges {
    size_t in_flight, connections;
    size_t tensor_bytes, tensor_limit_bytes;
    size_t pool_queue;
    size_t regions, region_bytes; /* of shared memory */
    uint64_t log_dropped;
    bool ready;
    const char *version, *isa;
};

/** The parts of a request's time, as the log has them. */
enum metrics_stage {
    METRICS_READ,
    METRICS_COMPUTE,
    METRICS_WRITE,
    METRICS_STAGES
};

/** One request that is over. */
struct metrics_request {
    size_t endpoint; /* index into the routes given to metrics_create */
    int status;
    uint64_t ns[METRICS_STAGES];
    uint64_t body_bytes, answer_bytes;
    uint64_t rows, logits;
};

/** What Triton's statistics count of a model, and for how long. */
enum inference_phase {
    INFERENCE_SUCCESS, /* from the first header to the answer */
    INFERENCE_FAIL,    /* or to the error */
    INFERENCE_QUEUE,   /* from the end of the body to the computation */
    INFERENCE_INPUT,   /* reading: JSON, or copying binary tensors */
    INFERENCE_COMPUTE,
    INFERENCE_OUTPUT, /* laying out the answer; its text is written later, as
                         the socket takes it, and not counted */
    INFERENCE_PHASES
};

/** One inference that is over, or the sum of many. */
struct metrics_inference {
    uint64_t last_ms; /* since 1970; 0: none was */
    uint64_t rows, executions;
    uint64_t count[INFERENCE_PHASES], ns[INFERENCE_PHASES];
};

enum { METRICS_MODELS = 4 };

/** routes is borrowed; rows of one name are counted together. Index count
 *  stands for requests without a route, "other". NULL: out of memory. */
struct metrics *metrics_create(const struct route *const *routes, size_t count);

/* In what follows metrics may be NULL: then nothing is counted. */

void metrics_count(struct metrics *metrics,
                   const struct metrics_request *request);

/** A request or a connection was turned away; CAUSE_REQUEST: it was not. */
void metrics_reject(struct metrics *metrics, enum cause cause);

/** An inference ended: a failed one counts as that alone. ns: of its phases,
 *  0 where one was not reached. */
void metrics_count_inference(struct metrics *metrics, size_t model,
                             bool success, size_t rows,
                             const uint64_t ns[static INFERENCE_PHASES]);

/** All inferences of a model since the start. */
struct metrics_inference metrics_inferences(const struct metrics *metrics,
                                            size_t model);

/** The text; false: out of memory. */
bool metrics_write(const struct metrics *metrics,
                   const struct metrics_gauges *gauges, struct writer *writer);

/** NULL is ignored. */
void metrics_free(struct metrics *metrics);

#endif
