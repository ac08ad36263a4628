/* SPDX-License-Identifier: MIT */
/** How much the head of a request may take of its connection's memory, which
 *  has to hold the head of the answer, too. */
#ifndef HEAD_LIMITS_H
#define HEAD_LIMITS_H

#include <stdbool.h>
#include <stddef.h>

#include "../problem.h"

/** The memory of each connection, which libmicrohttpd clears for each request;
 *  half of it is a slice of a body. Half as much would make a small request a
 *  twentieth cheaper and a million logits a tenth dearer, and not hold every
 *  head that is allowed. */
enum { HEAD_LIMITS_CONNECTION_BYTES = 32 * 1024 };

/** What libmicrohttpd keeps of a head. */
struct head_size {
    size_t bytes;        /* as sent */
    size_t records;      /* fields, cookies and arguments of the query */
    size_t cookie_bytes; /* of the last Cookie field; 0: there is none */
};

/** A field of the head, or an argument. */
void head_size_add(struct head_size *size, const char *name, size_t name_bytes,
                   size_t value_bytes);

/** Could the path and query of a request line break the rest of its head?
 *  false: they could, and the problem is set. */
bool head_limits_line(const char *uri, struct problem *problem);

/** Does the head leave room for an answer? false: the problem is set. */
bool head_limits_size(const struct head_size *size, struct problem *problem);

#endif
