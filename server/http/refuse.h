/* SPDX-License-Identifier: MIT */
/**
 * Answers written to the socket by hand, for two moments in which
 * libmicrohttpd cannot answer: while a body that nobody wants is still
 * arriving, and when nothing arrives any more.
 *
 * To close a socket with unread bytes resets it, and the reset destroys the
 * answer on its way. So after such an answer only the sending side is shut
 * down, and what the client still sends is thrown away for a moment.
 */
#ifndef REFUSE_H
#define REFUSE_H

#include "client.h"

/** Send the exchange's problem now and linger. From the event loop. */
void refuse_now(struct client *client);

/** Send 408 to a client that was in that phase. From the keeper. */
void refuse_late(struct client *client, enum phase phase);

#endif
