/* SPDX-License-Identifier: MIT */
/** What the metrics and the log say of a request that has ended. */
#ifndef ACCOUNT_H
#define ACCOUNT_H

#include <microhttpd.h>
#include <stdbool.h>

struct client;

/**
 * The status to count a request with: that of its answer, or what tells why
 * none left: 408 (late: the keeper has given it up), 499 (the client left, or
 * did not take all of the answer), 400 (libmicrohttpd could not read the body).
 */
int account_status(const struct client *client, bool late,
                   enum MHD_RequestTerminationCode why);

/** Count the request and log it. */
void account_request(struct client *client, bool aborted);

#endif
