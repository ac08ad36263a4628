/* SPDX-License-Identifier: MIT */
/** What goes out: an answer or a problem, its headers, in one piece or many. */
#ifndef RESPONSE_H
#define RESPONSE_H

#include <microhttpd.h>
#include <stdbool.h>
#include <stddef.h>

#include "connection.h"

enum { ANSWER_MAX_HEADERS = 12, ANSWER_SMALL_BYTES = 16 * 1024 };

struct answer_header {
    const char *name, *value;
};

/** An empty reply, as endpoint.h promises it. */
struct reply answer_reply(void);

/**
 * Describe the exchange's problem: as its path's protocol does, or as RFC
 * 9457 problem details. Where memory is short, *fallback is a text to send.
 */
void answer_problem(const struct daemon *daemon, const struct exchange *x,
                    struct reply *reply, const char **fallback);

/** The headers that go with the reply, Content-Length left out; how many. */
size_t answer_headers(const struct exchange *x, const struct reply *reply,
                      struct answer_header *headers);

/** Queue the reply, whose writer it takes over; MHD_NO: out of memory. */
enum MHD_Result answer_queue(struct client *client, struct reply *reply);

/** Queue the exchange's problem. */
enum MHD_Result answer_queue_problem(struct client *client);

#endif
