/* SPDX-License-Identifier: MIT */
/** Undo a body's Content-Encoding, slice by slice. */
#ifndef INFLATE_H
#define INFLATE_H

#include <stdbool.h>
#include <stddef.h>

#include "../budget.h"
#include "../problem.h"
#include "negotiate.h"

struct inflater;

/** gzip or deflate (zlib); NULL: out of memory or budget. */
struct inflater *inflater_create(enum coding coding, struct budget *budget);

/** Where decoded bytes go; false: a problem is set, no more are wanted. */
typedef bool inflater_sink(void *cls, const char *bytes, size_t count,
                           struct problem *problem);

/** Decode the next slice; false: a problem is set (400: not of that coding). */
bool inflater_feed(struct inflater *inflater, const char *bytes, size_t count,
                   inflater_sink *sink, void *cls, struct problem *problem);

/** The body ended: did the encoded stream too? */
bool inflater_finish(const struct inflater *inflater, struct problem *problem);

/** NULL is ignored. */
void inflater_free(struct inflater *inflater);

#endif
