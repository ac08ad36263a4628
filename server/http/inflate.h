/* SPDX-License-Identifier: MIT */
/** Undo a body's Content-Encoding, slice by slice. */
#ifndef INFLATE_H
#define INFLATE_H

#include <stdbool.h>
#include <stddef.h>

#include "../budget.h"
#include "../problem.h"
#include "negotiate.h"

struct body;

/** gzip or deflate (zlib); NULL: out of memory or budget. */
struct body *body_create(enum coding coding, struct budget *budget);

/** Where decoded bytes go; false: a problem is set, no more are wanted. */
typedef bool body_sink(void *cls, const char *bytes, size_t count,
                       struct problem *problem);

/** Decode the next slice; false: a problem is set (400: not of that coding). */
bool body_feed(struct body *body, const char *bytes, size_t count,
               body_sink *sink, void *cls, struct problem *problem);

/** The body ended: did the encoded stream too? */
bool body_finish(const struct body *body, struct problem *problem);

/** NULL is ignored. */
void body_free(struct body *body);

#endif
