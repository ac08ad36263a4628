/* SPDX-License-Identifier: MIT */
/**
 * Counts and times of the models since the start, as Triton's statistics
 * extension has them. Safe from every thread.
 */
#ifndef STATISTICS_H
#define STATISTICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../json/writer.h"
#include "model.h"

/** Nanoseconds of one request; what was not reached stays 0. */
struct timing {
    uint64_t total;  /* from the first header to the answer or the error */
    uint64_t queue;  /* from the end of the body to the computation */
    uint64_t input;  /* reading: JSON, or copying binary tensors */
    uint64_t infer;  /* computing */
    uint64_t output; /* laying out the answer; its text is written later, as
                        the socket takes it, and not counted */
};

/** A monotonic clock, in nanoseconds. */
uint64_t statistics_clock(void);

/** A request ended; rows is what inference_count counts. */
void statistics_count(const struct model *model, bool success, size_t rows,
                      const struct timing *timing);

/** {"model_stats":[...]}: of one model, or of all where it is NULL. */
void statistics_write(const struct model *model, struct writer *writer);

#endif
