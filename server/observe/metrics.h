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
#include "log.h"

struct metrics;

/** What is true now; gathered by whoever asks for the text. */
struct metrics_gauge {
    const char *name, *type, *help;
    uint64_t value;
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

/** One request that is over; route: its index in those of metrics_create. */
void metrics_count(struct metrics *metrics, size_t route,
                   const struct log_request *request);

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

/** The text; isa: what is computed with. false: out of memory. */
bool metrics_write(const struct metrics *metrics,
                   const struct metrics_gauge *gauges, size_t count,
                   const char *isa, struct writer *writer);

/** NULL is ignored. */
void metrics_free(struct metrics *metrics);

#endif
