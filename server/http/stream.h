/* SPDX-License-Identifier: MIT */
/**
 * An answer that leaves slice by slice: text from a writer, then tensors as
 * raw bytes, compressed on the way where that was asked for.
 */
#ifndef STREAM_H
#define STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "../budget.h"
#include "../endpoint.h"
#include "negotiate.h"

struct stream;

enum { STREAM_SLICE_BYTES = 16 * 1024 };

/**
 * slice: STREAM_SLICE_BYTES to work in, borrowed; they begin with text that the
 * reply's writer has given already. Takes the writer over, the tensors are
 * borrowed. NULL: out of memory or budget; the writer is still the caller's.
 */
struct stream *stream_create(const struct reply *reply, char *slice,
                             size_t begun_bytes, enum coding coding,
                             struct budget *budget);

/** Next bytes, at most room (1 or more); 0: the answer is complete;
 *  -1: out of memory. */
ssize_t stream_next(struct stream *stream, char *buffer, size_t room);

/** NULL is ignored. */
void stream_free(struct stream *stream);

#endif
