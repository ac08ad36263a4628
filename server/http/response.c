// SPDX-License-Identifier: MIT
#include "response.h"

#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "../address.h"
#include "../clock.h"
#include "server.h"
#include "stream.h"

enum {
    BYTES_A_MS = 1049,       /* 1 MiB a second */
    BLOCK_BYTES = 32 * 1024, /* libmicrohttpd's buffer for a known length */
    COMPRESS_FROM = 1024     /* below, the header costs what it saves */
};

struct reply answer_reply(void)
{
    return (struct reply){.status = 200, .text_bytes = SIZE_MAX};
}

/* ---- problems --------------------------------------------------------- */

static void write_member(struct writer *writer, const char *name, size_t value)
{
    writer_text(writer, name);
    writer_int64(writer, (int64_t)value);
}

/** RFC 9457; the extra members only where they apply. */
static struct writer *problem_writer(const struct problem *problem)
{
    struct writer *writer = writer_create();
    if (!writer)
        return NULL;
    writer_text(writer, "{\"type\":\"about:blank\",\"title\":");
    writer_string(writer, problem_title(problem->status));
    write_member(writer, ",\"status\":", (size_t)problem->status);
    writer_text(writer, ",\"detail\":");
    writer_string(writer, problem->detail);
    if (problem->pointer[0]) {
        writer_text(writer, ",\"pointer\":");
        writer_string(writer, problem->pointer);
    }
    if (problem->located) {
        write_member(writer, ",\"offset\":", problem->offset);
        write_member(writer, ",\"line\":", problem->line);
        write_member(writer, ",\"column\":", problem->column);
    }
    writer_text(writer, "}\n");
    if (!writer_failed(writer))
        return writer;
    writer_free(writer);
    return NULL;
}

void answer_problem(const struct daemon *daemon, const struct exchange *x,
                    struct reply *reply, const char **fallback)
{
    *reply = answer_reply();
    *fallback = NULL;
    reply->status = x->problem.status;
    if (x->head.path
            ? routes_fail(&daemon->routes, x->head.path, &x->problem, reply)
            : x->route && x->route->fail && x->route->fail(&x->problem, reply))
        return;
    reply->content_type = "application/problem+json";
    reply->writer = problem_writer(&x->problem);
    if (!reply->writer)
        *fallback = "{\"type\":\"about:blank\",\"title\":\"Service "
                    "Unavailable\",\"status\":503,\"detail\":\"memory: too "
                    "little is free now, try again later\"}\n";
    if (*fallback)
        reply->status = 503;
}

/* ---- headers ---------------------------------------------------------- */

size_t answer_headers(const struct exchange *x, const struct reply *reply,
                      struct answer_header *headers)
{
    size_t n = 0;
    if (reply->content_type)
        headers[n++] =
            (struct answer_header){"Content-Type", reply->content_type};
    if (x->id[0])
        headers[n++] = (struct answer_header){"X-Request-Id", x->id};
    for (size_t i = 0; i < reply->header_count; i++)
        headers[n++] = (struct answer_header){reply->header[i].name,
                                              reply->header[i].fixed
                                                  ? reply->header[i].fixed
                                                  : reply->header[i].value};
    if (x->allow && (reply->status == 405 || x->options))
        headers[n++] = (struct answer_header){"Allow", x->allow};
    if (reply->status == 401)
        headers[n++] = (struct answer_header){"WWW-Authenticate", "Bearer"};
    if (reply->status == 503)
        headers[n++] = (struct answer_header){"Retry-After", "1"};
    if (reply->status == 415)
        headers[n++] =
            (struct answer_header){"Accept-Encoding", "gzip, deflate"};
    if (x->close)
        headers[n++] = (struct answer_header){"Connection", "close"};
    return n;
}

/* ---- sending ---------------------------------------------------------- */

static uint64_t timeout_ms(const struct client *client)
{
    return client->daemon->options->request_timeout * 1000;
}

/** How long the next slice may take. Each that was taken buys the time for the
 *  next, but all of them together leave at BYTES_A_MS once the first timeout is
 *  over: an answer holds its tensors until its reader has it. 0: too slow. */
static uint64_t slice_timeout_ms(const struct client *client)
{
    const struct exchange *x = &client->exchange;
    uint64_t most = timeout_ms(client);
    uint64_t passed = (clock_ns() - x->answered) / 1000000;
    uint64_t allowed = most + x->sent / BYTES_A_MS;
    if (passed >= allowed)
        return 0;
    return allowed - passed < most ? allowed - passed : most;
}

static ssize_t send_slice(void *cls, uint64_t position, char *buffer,
                          size_t room)
{
    struct client *client = cls;
    struct exchange *x = &client->exchange;
    uint64_t timeout = slice_timeout_ms(client);
    (void)position;
    if (!timeout || !client_enter(client, PHASE_WRITING, timeout))
        return MHD_CONTENT_READER_END_WITH_ERROR;
    ssize_t bytes = stream_next(x->stream, buffer, room);
    if (bytes < 0)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    x->sent += (size_t)bytes;
    return bytes > 0 ? bytes : MHD_CONTENT_READER_END_OF_STREAM;
}

static size_t tensor_bytes(const struct reply *reply)
{
    size_t bytes = 0;
    for (size_t i = 0; i < reply->tensor_count; i++)
        bytes += reply->tensors[i]->count *
                 tensor_element_bytes(reply->tensors[i]->type);
    return bytes;
}

static size_t write_small(struct writer *writer, char *text)
{
    size_t bytes = 0, more = 1;
    while (writer && more > 0 && ANSWER_SMALL_BYTES - bytes >= 64) {
        more = writer_next(writer, text + bytes, ANSWER_SMALL_BYTES - bytes);
        bytes += more;
    }
    return bytes;
}

/** Does its request come over loopback or a Unix socket, where compressing
 *  costs more time than it saves? */
static bool is_local(const struct client *client)
{
    struct sockaddr_storage peer = {0};
    socklen_t bytes = sizeof peer;
    return getpeername(client->fd, (struct sockaddr *)&peer, &bytes) == 0 &&
           address_is_local((const struct sockaddr *)&peer);
}

/** Does it depend on Accept-Encoding how this reply leaves? Numbers in binary
 *  do not get smaller, short texts not by more than the header costs. */
static bool may_compress(const struct client *client, const struct reply *reply,
                         bool whole, size_t bytes)
{
    const struct route *route = client->exchange.route;
    return client->daemon->options->compress && route && route->compressible &&
           (!whole || bytes >= COMPRESS_FROM) &&
           strcmp(reply->content_type, "application/octet-stream") != 0 &&
           !is_local(client);
}

static ssize_t no_body(void *cls, uint64_t position, char *buffer, size_t room)
{
    (void)cls;
    (void)position;
    (void)buffer;
    (void)room;
    return MHD_CONTENT_READER_END_OF_STREAM;
}

/** The length that GET would have. Never chunked: libmicrohttpd ends what it
 *  does not send with an empty chunk, which it does send. */
static struct MHD_Response *head_response(const struct reply *reply, char *text,
                                          size_t bytes)
{
    size_t length = bytes + tensor_bytes(reply), more;
    while (reply->writer &&
           (more = writer_next(reply->writer, text, ANSWER_SMALL_BYTES)) > 0)
        length += more;
    return MHD_create_response_from_callback(length, 1, no_body, NULL, NULL);
}

/** An answer that does not fit into text or shall be compressed. */
static struct MHD_Response *stream_response(struct client *client,
                                            struct reply *reply,
                                            const char *text, size_t bytes,
                                            enum coding coding)
{
    struct exchange *x = &client->exchange;
    /* What tells how full the budget is must not need room in it. */
    struct budget *budget =
        x->route && x->route->endpoint ? &client->daemon->service.budget : NULL;
    x->stream = stream_create(reply, text, bytes, coding, budget);
    if (!x->stream && coding != CODING_IDENTITY) {
        coding = CODING_IDENTITY;
        x->stream = stream_create(reply, text, bytes, coding, budget);
    }
    if (!x->stream)
        return NULL;
    uint64_t length = MHD_SIZE_UNKNOWN;
    if (coding == CODING_IDENTITY && writer_done(reply->writer))
        length = bytes + tensor_bytes(reply);
    else if (coding == CODING_IDENTITY && reply->text_bytes != SIZE_MAX)
        length = reply->text_bytes + tensor_bytes(reply);
    reply->writer = NULL; /* the stream's now */
    struct MHD_Response *response = MHD_create_response_from_callback(
        length, BLOCK_BYTES, send_slice, client, NULL);
    if (response && coding != CODING_IDENTITY &&
        MHD_add_response_header(response, "Content-Encoding",
                                coding_name(coding)) != MHD_YES) {
        MHD_destroy_response(response);
        return NULL;
    }
    return response;
}

/** Have the kernel give up a client that takes nothing for too long: nobody
 *  here sees how much of a response without a callback went out.
 *  false: the socket is not one of TCP. */
static bool kernel_times(const struct client *client)
{
    uint64_t timeout = timeout_ms(client);
    unsigned ms = timeout < INT_MAX ? (unsigned)timeout : INT_MAX;
    return setsockopt(client->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms,
                      sizeof ms) == 0;
}

/** Tensors leave from where they lie, behind a copy of the text. */
static struct MHD_Response *tensors_response(struct client *client,
                                             const struct reply *reply,
                                             const char *text, size_t bytes)
{
    struct MHD_IoVec part[1 + REPLY_MAX_TENSORS];
    unsigned count = 1;
    char *copy = malloc(bytes);
    if (!copy)
        return NULL;
    memcpy(copy, text, bytes);
    part[0] = (struct MHD_IoVec){copy, bytes};
    for (size_t i = 0; i < reply->tensor_count; i++)
        part[count++] = (struct MHD_IoVec){
            reply->tensors[i]->data,
            reply->tensors[i]->count *
                tensor_element_bytes(reply->tensors[i]->type)};
    client->exchange.sent = bytes + tensor_bytes(reply);
    struct MHD_Response *response =
        MHD_create_response_from_iovec(part, count, free, copy);
    if (!response)
        free(copy);
    return response;
}

/** Compressing depends on the request, and caches have to know. */
static bool add_headers(struct client *client, const struct reply *reply,
                        struct MHD_Response *response, bool varies)
{
    struct answer_header headers[ANSWER_MAX_HEADERS];
    size_t count = answer_headers(&client->exchange, reply, headers);
    for (size_t i = 0; i < count; i++)
        if (MHD_add_response_header(response, headers[i].name,
                                    headers[i].value) != MHD_YES)
            return false;
    return !varies || MHD_add_response_header(response, "Vary",
                                              "Accept-Encoding") == MHD_YES;
}

/** timeout: in ms, until the answer has left or send_slice is called;
 *  0: none. */
static enum MHD_Result queue(struct client *client, const struct reply *reply,
                             struct MHD_Response *response, bool varies,
                             uint64_t timeout)
{
    struct exchange *x = &client->exchange;
    enum MHD_Result result = MHD_NO;
    x->status = 503; /* where there is no memory for an answer */
    if (!response)
        return MHD_NO;
    x->close |= daemon_life(client->daemon) >= LIFE_CLOSING;
    if (add_headers(client, reply, response, varies) &&
        client_enter(client, PHASE_WRITING, timeout)) {
        x->stage = STAGE_ANSWERED;
        x->answered = clock_ns();
        x->status = reply->status;
        result = MHD_queue_response(client->connection, (unsigned)reply->status,
                                    response);
    }
    MHD_destroy_response(response);
    return result;
}

enum MHD_Result answer_queue(struct client *client, struct reply *reply)
{
    static _Thread_local char text[ANSWER_SMALL_BYTES];
    uint64_t timeout = timeout_ms(client);
    struct MHD_Response *response;
    size_t bytes = write_small(reply->writer, text);
    bool whole = !reply->writer || writer_done(reply->writer);
    bool varies = may_compress(client, reply, whole, bytes);
    bool head = strcmp(client->exchange.method, "HEAD") == 0;
    enum coding coding = CODING_IDENTITY;
    if (varies && !head)
        coding = accepted_coding(&client->exchange.headers.accept_encoding);
    bool plain = whole && coding == CODING_IDENTITY;
    if (head) {
        response = head_response(reply, text, bytes);
    } else if (plain && reply->tensor_count == 0) {
        response =
            MHD_create_response_from_buffer(bytes, text, MHD_RESPMEM_MUST_COPY);
        client->exchange.sent = bytes;
    } else if (plain && kernel_times(client)) {
        response = tensors_response(client, reply, text, bytes);
        timeout = 0;
    } else {
        response = stream_response(client, reply, text, bytes, coding);
    }
    writer_free(reply->writer);
    reply->writer = NULL;
    return queue(client, reply, response, varies, timeout);
}

enum MHD_Result answer_queue_problem(struct client *client)
{
    struct reply reply;
    const char *fallback;
    answer_problem(client->daemon, &client->exchange, &reply, &fallback);
    if (!fallback)
        return answer_queue(client, &reply);
    client->exchange.sent = strlen(fallback);
    return queue(client, &reply,
                 MHD_create_response_from_buffer(strlen(fallback),
                                                 (void *)(uintptr_t)fallback,
                                                 MHD_RESPMEM_PERSISTENT),
                 false, timeout_ms(client));
}
