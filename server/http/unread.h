/* SPDX-License-Identifier: MIT */
/**
 * Requests that libmicrohttpd itself refuses: no HTTP, or larger than what a
 * connection may hold. It answers them in HTML and asks nobody. But it queues
 * these answers by the function that everybody calls, MHD_queue_response, and
 * finds it as every shared library finds its functions: in the program first.
 * So one of that name stands here, which answers by hand (see refuse.h) in the
 * form of all other errors, and libmicrohttpd closes the connection.
 */
#ifndef UNREAD_H
#define UNREAD_H

#include <microhttpd.h>

/** Queue an answer of ours: libmicrohttpd's own MHD_queue_response. */
enum MHD_Result unread_queue(struct MHD_Connection *connection, int status,
                             struct MHD_Response *response);

#endif
