// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "mhd.h"

#include <limits.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "../clock.h"
#include "framing.h"
#include "server.h"
#include "tls.h"

enum { BLOCK_BYTES = 32 * 1024 }; /* for an answer of known length */

/* 0.9.75 refuses a blank before the colon, of a trailer too, only at -1, the
 * level that it calls lenient; framing.h checks the rest of a head. Later ones
 * refuse at 1 all that RFC 9112 wants refused. One soname has both: the library
 * at hand tells. */
static _Atomic bool is_old;

/** --request-timeout after that clock_ns. */
static uint64_t deadline_ms(const struct connection *connection, uint64_t ns)
{
    return ns / 1000000 + connection_timeout_ms(connection);
}

/* ---- the answer ------------------------------------------------------- */

static ssize_t send_slice(void *cls, uint64_t position, char *buffer,
                          size_t room)
{
    struct connection *connection = cls;
    struct exchange *x = &connection->exchange;
    (void)position;
    /* When a client takes a slice, the time for the next one starts anew;
     * pace.h limits the time of all together. */
    if (!connection_enter(connection, PHASE_WRITING,
                          deadline_ms(connection, clock_ns())))
        return MHD_CONTENT_READER_END_WITH_ERROR;
    ssize_t bytes = stream_next(x->stream, buffer, room);
    if (bytes < 0)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    x->sent += (size_t)bytes;
    pace_move(connection, x->sent);
    return bytes > 0 ? bytes : MHD_CONTENT_READER_END_OF_STREAM;
}

static ssize_t no_body(void *cls, uint64_t position, char *buffer, size_t room)
{
    (void)cls, (void)position, (void)buffer, (void)room;
    return MHD_CONTENT_READER_END_OF_STREAM;
}

/** Have the kernel give up a client that takes nothing for too long: of a
 *  response without a callback, nobody here sees how much went out. false: the
 *  socket is not one of TCP. */
static bool kernel_times(const struct connection *connection)
{
    uint64_t timeout = connection_timeout_ms(connection);
    unsigned ms = timeout < INT_MAX ? (unsigned)timeout : INT_MAX;
    return setsockopt(connection->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms,
                      sizeof ms) == 0;
}

/** Text and tensors leave from where they lie, until the exchange ends. */
static struct MHD_Response *tensors_response(const struct response *response)
{
    const struct reply *reply = &response->reply;
    struct MHD_IoVec part[1 + REPLY_MAX_TENSORS];
    unsigned count = 1;
    part[0] = (struct MHD_IoVec){response->text, response->text_bytes};
    for (size_t i = 0; i < reply->tensor_count; i++)
        part[count++] = (struct MHD_IoVec){
            reply->tensors[i]->data,
            reply->tensors[i]->count *
                tensor_element_bytes(reply->tensors[i]->type)};
    return MHD_create_response_from_iovec(part, count, NULL, NULL);
}

static struct MHD_Response *make_response(struct connection *connection,
                                          struct response *response)
{
    struct exchange *x = &connection->exchange;
    /* The answer to a HEAD is never chunked, even where its length is not
     * known: libmicrohttpd would leave out the body, but send the empty chunk
     * that ends it. */
    if (exchange_is_head(x))
        return MHD_create_response_from_callback(response->length, 1, no_body,
                                                 NULL, NULL);
    if (!x->stream && response->reply.tensor_count == 0)
        return MHD_create_response_from_buffer(
            response->text_bytes, (void *)(uintptr_t)response->text,
            MHD_RESPMEM_PERSISTENT);
    if (!x->stream && kernel_times(connection))
        return tensors_response(response);
    if (!x->stream && !exchange_stream(x, response, CODING_IDENTITY))
        return NULL;
    x->sent = 0;
    return MHD_create_response_from_callback(response->length, BLOCK_BYTES,
                                             send_slice, connection, NULL);
}

static enum MHD_Result queue(struct connection *connection,
                             const struct response *response,
                             struct MHD_Response *made)
{
    struct exchange *x = &connection->exchange;
    for (size_t i = 0; i < response->header_count; i++)
        if (MHD_add_response_header(made, response->header[i].name,
                                    response->header[i].value) != MHD_YES) {
            x->status = 503; /* there is no memory for it */
            return MHD_NO;
        }
    pace_begin(connection, response->reply.held);
    /* Until it has left or send_slice is called; where tensors leave from where
     * they lie, the kernel keeps the time. */
    bool timed = !x->stream && response->reply.tensor_count > 0;
    connection->queued = connection_enter(
        connection, PHASE_WRITING,
        timed ? UINT64_MAX : deadline_ms(connection, x->computed));
    if (!connection->queued) {
        x->status = 0; /* the keeper says which */
        return MHD_NO;
    }
    return MHD_queue_response(connection->mhd, (unsigned)response->reply.status,
                              made);
}

static enum MHD_Result respond(struct connection *connection)
{
    struct response response;
    enum MHD_Result result = MHD_NO;
    if (!exchange_respond(&connection->exchange, &response))
        return MHD_NO;
    struct MHD_Response *made = make_response(connection, &response);
    if (made) {
        result = queue(connection, &response, made);
        MHD_destroy_response(made);
    } else {
        connection->exchange.status = 503;
    }
    response_deinit(&response);
    return result;
}

/* ---- the request ------------------------------------------------------ */

struct head_reader {
    struct headers *headers;
    struct framing framing;
};

static enum MHD_Result visit(void *cls, enum MHD_ValueKind kind,
                             const char *name, size_t name_bytes,
                             const char *value, size_t value_bytes)
{
    struct head_reader *reader = cls;
    if (kind == MHD_GET_ARGUMENT_KIND) {
        headers_argument(reader->headers, name, value);
    } else {
        enum field field =
            headers_field(reader->headers, name, name_bytes, value);
        framing_field(&reader->framing, field, name, name_bytes, value,
                      value_bytes);
    }
    return MHD_YES;
}

/** false: the exchange's problem or fault is set. */
static bool read_head(struct connection *connection, const char *url,
                      const char *method, const char *version)
{
    struct exchange *x = &connection->exchange;
    struct head_reader reader = {.headers = &x->headers};
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(
        connection->mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    framing_begin(&reader.framing, version, is_old);
    framing_line(&reader.framing, method, url, connection->target_end, version);
    MHD_get_connection_values_n(connection->mhd,
                                MHD_HEADER_KIND | MHD_GET_ARGUMENT_KIND, visit,
                                &reader);
    headers_finish(&x->headers);
    if (info)
        x->headers.bytes = info->header_size;
    if (x->headers.cookie_bytes)
        x->headers.records += (size_t)MHD_get_connection_values_n(
            connection->mhd, MHD_COOKIE_KIND, NULL, NULL);
    framing_finish(&reader.framing, method + x->headers.bytes);
    x->fault = reader.framing.fault;
    return headers_check_size(&x->headers, &x->problem);
}

/** Say the exchange's problem by hand, where it takes no response. */
static void refuse_request(struct connection *connection)
{
    connection_refuse(connection);
    if (connection->sent)
        exchange_end(&connection->exchange, false);
}

static enum MHD_Result begin(struct connection *connection, const char *url,
                             const char *method, const char *version)
{
    struct exchange *x = &connection->exchange;
    if (!read_head(connection, url, method, version)) {
        x->method = method;
        x->head.path = url;
        refuse_request(connection);
        return MHD_NO;
    }
    enum exchange_next next = exchange_begin(x, method, url);
    pace_begin(connection, x->head.body_bytes);
    if (!connection_enter(connection, PHASE_READING,
                          deadline_ms(connection, x->started)))
        return MHD_NO;
    if (next == EXCHANGE_READ)
        return MHD_YES;
    connection->lingers = true;
    return respond(connection);
}

/** A job (jobs.h). */
static void compute(void *argument)
{
    struct connection *connection = argument;
    struct exchange *x = &connection->exchange;
    if (connection->gone)
        problem_set(&x->problem, 499, NULL, "client: left before its turn");
    exchange_run(x);
    /* From here on the event loop may have the connection already. */
    MHD_resume_connection(connection->mhd);
}

static enum MHD_Result submit(struct connection *connection)
{
    struct exchange *x = &connection->exchange;
    if (x->server->stopping ||
        !connection_enter(connection, PHASE_COMPUTING, UINT64_MAX))
        return MHD_NO;
    MHD_suspend_connection(connection->mhd);
    if (!jobs_submit(x->server->service.jobs, compute, connection)) {
        problem_memory(&x->problem);
        compute(connection);
    }
    return MHD_YES;
}

/** The body, or with 0 bytes its end. */
static enum MHD_Result read_body(struct connection *connection,
                                 const char *data, size_t bytes)
{
    struct exchange *x = &connection->exchange;
    if (bytes == 0)
        pace_end(connection);
    else
        pace_move(connection, x->received + bytes);
    switch (bytes ? exchange_feed(x, data, bytes) : exchange_finish(x)) {
    case EXCHANGE_READ:
        return MHD_YES;
    case EXCHANGE_COMPUTE:
        return submit(connection);
    case EXCHANGE_RESPOND:
        break;
    }
    if (bytes == 0)
        return respond(connection);
    connection_refuse(connection); /* it takes no response in mid-body */
    return MHD_NO;
}

static enum MHD_Result handle(void *cls, struct MHD_Connection *mhd,
                              const char *url, const char *method,
                              const char *version, const char *data,
                              size_t *data_bytes, void **state)
{
    struct connection *connection = *state;
    size_t bytes = *data_bytes;
    (void)cls, (void)mhd;
    if (!connection)
        return MHD_NO; /* there was no memory for it */
    switch (connection->exchange.stage) {
    case STAGE_HEAD:
        return begin(connection, url, method, version);
    case STAGE_BODY:
    case STAGE_DISCARD:
        *data_bytes = 0;
        return read_body(connection, data, bytes);
    case STAGE_COMPUTED:
        return respond(connection);
    case STAGE_RESPONDED:
        break;
    }
    return MHD_NO;
}

/** The request line is here; what it returns is the request's state. */
static void *notify_line(void *cls, const char *uri, struct MHD_Connection *mhd)
{
    struct connection_list *list = cls;
    struct connection *connection =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT)
            ->socket_context;
    if (!connection)
        return NULL;
    struct exchange *x = &connection->exchange;
    exchange_init(x, list->server);
    if (!connection_enter(connection, PHASE_HEADERS,
                          deadline_ms(connection, x->started)))
        return NULL;
    x->over = connection->over && connection_is_over(list);
    x->local = connection->local;
    x->admin = list->admin;
    connection->queued = connection->sent = false;
    connection->target_end = uri + strlen(uri);
    if (!headers_check_line(uri, connection->target_end, &x->problem)) {
        refuse_request(connection);
        /* Whatever libmicrohttpd has to say of the rest stays here. */
        shutdown(connection->fd, SHUT_WR);
    }
    return connection;
}

/* ---- the end ---------------------------------------------------------- */

/** The status to count a request with: that of its answer, or what tells why
 *  none left: 408 (late: the keeper has given it up), 499 (the client left, or
 *  did not take all of the answer), 400 (libmicrohttpd could not read the
 *  body). */
static int status_of(const struct connection *connection, bool late,
                     enum MHD_RequestTerminationCode why)
{
    int status = connection->exchange.status;
    if (status != 0 &&
        (why == MHD_REQUEST_TERMINATED_COMPLETED_OK || !connection->queued))
        return status;
    if (status != 0)
        return 499;
    if (late && connection->gone)
        return 499;
    if (late)
        return connection->refused_with ? connection->refused_with : 408;
    return why == MHD_REQUEST_TERMINATED_WITH_ERROR &&
                   !connection_has_left(connection)
               ? 400
               : 499;
}

static void end_exchange(struct connection *connection,
                         enum MHD_RequestTerminationCode why)
{
    struct exchange *x = &connection->exchange;
    const struct options *options = x->server->options;
    bool late = !connection_enter(connection, PHASE_IDLE,
                                  clock_ms() + options->idle_timeout * 1000);
    pace_end(connection);
    x->status = status_of(connection, late, why);
    connection->lingers |= why == MHD_REQUEST_TERMINATED_WITH_ERROR;
    exchange_end(x, why != MHD_REQUEST_TERMINATED_COMPLETED_OK &&
                        !connection->sent);
}

static void notify_completed(void *cls, struct MHD_Connection *mhd,
                             void **state, enum MHD_RequestTerminationCode why)
{
    struct connection *connection = *state;
    (void)cls, (void)mhd;
    if (connection && connection->exchange.counted)
        end_exchange(connection, why);
    *state = NULL;
}

/* ---- the connection --------------------------------------------------- */

static void close_connection(struct connection *connection)
{
    if (!connection)
        return; /* there was no memory for it */
    struct exchange *x = &connection->exchange;
    /* Where libmicrohttpd refuses one request twice, it closes without having
     * told that the request ended. */
    if (x->counted) {
        x->method = x->head.path = ""; /* they lay in its memory */
        end_exchange(connection, MHD_REQUEST_TERMINATED_WITH_ERROR);
    }
    tls_detach(connection->identity);
    connection_free(connection);
}

static struct connection *open_connection(struct connection_list *list,
                                          struct MHD_Connection *mhd)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct connection *connection =
        connection_create(list, mhd, info->connect_fd);
    if (!connection)
        return NULL;
    info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    if (list->tls && info && info->tls_session) {
        connection->tls = info->tls_session;
        connection->identity = tls_attach(list->tls, connection->tls);
    }
    return connection;
}

static void notify_connection(void *cls, struct MHD_Connection *mhd,
                              void **socket_context,
                              enum MHD_ConnectionNotificationCode code)
{
    struct connection_list *list = cls;
    size_t one = list->admin ? 0 : 1; /* nobody waits for those to end */
    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
        close_connection(*socket_context);
        atomic_fetch_sub(&list->server->connections, one);
        return;
    }
    atomic_fetch_add(&list->server->connections, one);
    *socket_context = open_connection(list, mhd);
}

static enum MHD_Result accept_connection(void *cls, const struct sockaddr *from,
                                         socklen_t bytes)
{
    (void)from, (void)bytes;
    return connection_may_open(cls) ? MHD_YES : MHD_NO;
}

/* ---- the event loops -------------------------------------------------- */

/** A NUL, which a C string cannot hold, stays escaped; no route has such a
 *  path. */
static size_t unescape(void *cls, struct MHD_Connection *mhd, char *text)
{
    (void)cls, (void)mhd;
    return !strchr(text, '%') || strstr(text, "%00") ? strlen(text)
                                                     : MHD_http_unescape(text);
}

__attribute__((format(printf, 2, 0))) static void
note(void *cls, const char *format, va_list arguments)
{
    const struct connection_list *list = cls;
    char text[256];
    vsnprintf(text, sizeof text, format, arguments);
    log_event(list->server->log, LOG_DEBUG, "%s", text);
}

struct MHD_Daemon *mhd_start(struct connection_list *list, int fd, bool tls)
{
    const struct server *server = list->server;
    unsigned threads = list->admin ? 1 : (unsigned)server->options->io_threads;
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME |
                     MHD_USE_ERROR_LOG | (tls ? MHD_USE_TLS : 0);
    /* libmicrohttpd gives each thread an equal share of the limit, whichever
     * threads the connections go to. */
    const struct capacity *capacity = &list->capacity;
    unsigned limit = (unsigned)(capacity->connections + capacity->spare +
                                capacity->evicted + threads) *
                     threads;
    struct MHD_OptionItem more[] = {
        {MHD_OPTION_THREAD_POOL_SIZE, threads > 1 ? threads : 0, NULL},
        {tls ? MHD_OPTION_HTTPS_CERT_CALLBACK : MHD_OPTION_END, 0,
         (void *)(intptr_t)tls_retrieve},
        {MHD_OPTION_END, 0, NULL},
    };
    is_old = mhd_is_old(MHD_get_version());
    return MHD_start_daemon(
        flags, 0, accept_connection, list, handle, list,
        MHD_OPTION_EXTERNAL_LOGGER, note, list, MHD_OPTION_LISTEN_SOCKET, fd,
        MHD_OPTION_NOTIFY_CONNECTION, notify_connection, list,
        MHD_OPTION_NOTIFY_COMPLETED, notify_completed, list,
        MHD_OPTION_URI_LOG_CALLBACK, notify_line, list,
        MHD_OPTION_UNESCAPE_CALLBACK, unescape, NULL,
        MHD_OPTION_CONNECTION_LIMIT, limit, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)HEADERS_CONNECTION_BYTES, MHD_OPTION_STRICT_FOR_CLIENT,
        is_old ? -1 : 1, MHD_OPTION_ARRAY, more, MHD_OPTION_END);
}

void mhd_quiesce(struct MHD_Daemon *mhd)
{
    if (mhd)
        MHD_quiesce_daemon(mhd);
}

void mhd_stop(struct MHD_Daemon *mhd)
{
    mhd_quiesce(mhd);
    MHD_stop_daemon(mhd);
}
