// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "unread.h"

#include <dlfcn.h>
#include <pthread.h>

#include "server.h"

typedef enum MHD_Result queue(struct MHD_Connection *connection,
                              unsigned status, struct MHD_Response *response);

static queue *queue_of_library;

static void find(void)
{
    *(void **)&queue_of_library = dlsym(RTLD_NEXT, "MHD_queue_response");
}

enum MHD_Result unread_queue(struct MHD_Connection *connection, int status,
                             struct MHD_Response *response)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, find);
    return queue_of_library(connection, (unsigned)status, response);
}

/** What is wrong with a request whose headers did not come to an end. */
static void blame_head(int status, struct problem *problem)
{
    switch (status) {
    case 413:
        problem_set(problem, 413, NULL,
                    "Content-Length: got a number beyond 64 bits, must be at "
                    "most --max-body");
        break;
    case 414:
        problem_set(problem, 414, NULL,
                    "path: got more than a connection holds, must fit with "
                    "the headers into %d bytes",
                    CONNECTION_BYTES);
        break;
    case 431:
        problem_set(problem, 431, NULL,
                    "headers: got more than a connection holds, must fit into "
                    "%d bytes",
                    CONNECTION_BYTES);
        break;
    case 505:
        problem_set(problem, 505, NULL,
                    "version: got another one, must be HTTP/1.1 or HTTP/1.0");
        break;
    default:
        problem_set(problem, status, NULL,
                    "request: got a line or a Content-Length that cannot be "
                    "read, must be HTTP/1.1 (RFC 9112)");
    }
}

static void blame_body(int status, struct problem *problem)
{
    if (status == 413)
        problem_set(problem, 413, NULL,
                    "body: got a chunk's size beyond 64 bits, must be at most "
                    "--max-body in all");
    else
        problem_set(problem, status, NULL,
                    "body: got something else, must be chunks (RFC 9112, "
                    "section 7.1)");
}

/** For libmicrohttpd only, which gives up the connection when it fails. */
enum MHD_Result MHD_queue_response(struct MHD_Connection *connection,
                                   unsigned status,
                                   struct MHD_Response *response)
{
    struct client *client =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)
            ->socket_context;
    (void)response;
    if (!client)
        return MHD_NO; /* there was no memory for it */
    struct problem *problem = &client->exchange.problem;
    if (client->exchange.counted)
        blame_body((int)status, problem);
    else
        blame_head((int)status, problem);
    exchange_refuse(client);
    return MHD_NO;
}
