// SPDX-License-Identifier: MIT
/* The ceiling of libmicrohttpd: echo a small body. usage: peer_echo THREADS.
 * Prints its port; ends when its input does. */
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BODY_BYTES = 4096, CONNECTIONS = 4096 };

struct request {
    char body[BODY_BYTES];
    size_t bytes;
};

static enum MHD_Result answer(void *cls, struct MHD_Connection *connection,
                              const char *url, const char *method,
                              const char *version, const char *data,
                              size_t *bytes, void **state)
{
    struct request *request = *state;
    (void)cls, (void)url, (void)method, (void)version;
    if (!request)
        return (*state = calloc(1, sizeof *request)) ? MHD_YES : MHD_NO;
    if (*bytes > 0) {
        if (*bytes > BODY_BYTES - request->bytes)
            return MHD_NO;
        memcpy(request->body + request->bytes, data, *bytes);
        request->bytes += *bytes;
        *bytes = 0;
        return MHD_YES;
    }
    struct MHD_Response *response = MHD_create_response_from_buffer(
        request->bytes, request->body, MHD_RESPMEM_MUST_COPY);
    if (!response)
        return MHD_NO;
    MHD_add_response_header(response, "Content-Type", "application/json");
    enum MHD_Result result = MHD_queue_response(connection, 200, response);
    MHD_destroy_response(response);
    return result;
}

static void completed(void *cls, struct MHD_Connection *connection,
                      void **state, enum MHD_RequestTerminationCode why)
{
    (void)cls, (void)connection, (void)why;
    free(*state);
    *state = NULL;
}

int main(int argc, char **argv)
{
    unsigned threads = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 1;
    struct MHD_Daemon *daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD, 0, NULL, NULL, answer, NULL,
        MHD_OPTION_NOTIFY_COMPLETED, completed, NULL,
        MHD_OPTION_THREAD_POOL_SIZE, threads > 1 ? threads : 0,
        MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS, MHD_OPTION_END);
    if (!daemon) {
        perror("peer_echo");
        return EXIT_FAILURE;
    }
    printf("%u\n",
           MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT)->port);
    fflush(stdout);
    while (getchar() != EOF)
        continue;
    MHD_stop_daemon(daemon);
    return EXIT_SUCCESS;
}
