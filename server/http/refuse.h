/* SPDX-License-Identifier: MIT */
/**
 * Answers written to the socket by hand, for three moments in which
 * libmicrohttpd takes no response: before it has read the headers, while a
 * body that nobody wants is still arriving, and when nothing arrives any more.
 */
#ifndef REFUSE_H
#define REFUSE_H

#include "connection.h"

/** Send the exchange's problem now; the connection has to be closed. From the
 *  event loop. */
void refuse_now(struct client *client);

/** Send 408 to a client that was in that phase. From the keeper. */
void refuse_late(struct client *client, enum phase phase);

#endif
