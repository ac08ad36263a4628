// SPDX-License-Identifier: MIT
#include "large_echo.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <microhttpd.h>

enum { CONNECTION_BYTES = 256 * 1024 /* as softmaxd has */ };

struct upload {
    size_t used, room;
    char body[];
};

static enum MHD_Result echo_end(struct MHD_Connection *connection,
                                struct upload *upload)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(
        upload->used, upload->body, MHD_RESPMEM_PERSISTENT);
    enum MHD_Result done = MHD_queue_response(connection, 200, response);
    MHD_destroy_response(response);
    return done;
}

static enum MHD_Result echo(void *cls, struct MHD_Connection *connection,
                            const char *url, const char *method,
                            const char *version, const char *data,
                            size_t *bytes, void **state)
{
    (void)cls, (void)url, (void)method, (void)version;
    struct upload *upload = *state;
    if (!upload) {
        const char *length = MHD_lookup_connection_value(
            connection, MHD_HEADER_KIND, "Content-Length");
        size_t room = length ? strtoul(length, NULL, 10) : 0;
        *state = upload = malloc(sizeof *upload + room);
        if (!upload)
            return MHD_NO;
        *upload = (struct upload){.room = room};
        return MHD_YES;
    }
    if (*bytes == 0)
        return echo_end(connection, upload);
    if (*bytes > upload->room - upload->used)
        return MHD_NO;
    memcpy(upload->body + upload->used, data, *bytes);
    upload->used += *bytes;
    *bytes = 0;
    return MHD_YES;
}

static void echo_done(void *cls, struct MHD_Connection *connection,
                      void **state, enum MHD_RequestTerminationCode why)
{
    (void)cls, (void)connection, (void)why;
    free(*state);
    *state = NULL;
}

struct MHD_Daemon *large_echo_start(char *address, size_t bytes)
{
    struct MHD_Daemon *daemon =
        MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD, 0, NULL, NULL, echo,
                         NULL, MHD_OPTION_NOTIFY_COMPLETED, echo_done, NULL,
                         MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                         (size_t)CONNECTION_BYTES, MHD_OPTION_END);
    if (!daemon)
        return NULL;
    const union MHD_DaemonInfo *info =
        MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT);
    snprintf(address, bytes, "http://127.0.0.1:%d", (int)info->port);
    return daemon;
}

void large_echo_stop(struct MHD_Daemon *daemon)
{
    MHD_stop_daemon(daemon);
}
