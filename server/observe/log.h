/* SPDX-License-Identifier: MIT */
/**
 * The log. Lines are put into memory and written by a thread of its own, so
 * that a slow pipe or a full disk costs a request nothing: what does not fit
 * is dropped and counted.
 */
#ifndef LOG_H
#define LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../options.h"

struct log;

/** What one line says about a request. Text may be "". */
struct log_request {
    const char *id, *trace, *method, *path, *endpoint;
    bool aborted; /* the client did not get all of it */
    uint64_t status, rows, classes, body_bytes, answer_bytes;
    uint64_t read_ns, compute_ns, write_ns, total_ns;
};

/** fd is borrowed. NULL: out of memory or of threads. */
struct log *log_create(int fd, enum log_format format, enum log_level level);

/** One line of something that is no request. */
void log_event(struct log *log, enum log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/** One line of a request, LOG_INFO. log NULL: nobody reads it. */
void log_request(struct log *log, const struct log_request *request);

/** Lines lost so far. */
uint64_t log_dropped(const struct log *log);

/** Write what is there and end. NULL is ignored. */
void log_free(struct log *log);

#endif
