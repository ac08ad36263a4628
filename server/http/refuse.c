// SPDX-License-Identifier: MIT
#include "refuse.h"

#include <gnutls/gnutls.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "response.h"
#include "../clock.h"
#include "server.h"

enum { HEAD_BYTES = 2048, TEXT_BYTES = 4096 };

/** All of it fits into an empty socket buffer; where the buffer is not empty
 *  the client does not listen anyway. */
static void send_all(struct client *client, const char *bytes, size_t count)
{
    if (client->tls)
        gnutls_record_send(client->tls, bytes, count);
    else if (send(client->fd, bytes, count, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
        return; /* then the close that follows must do */
}

static size_t format_head(const struct exchange *x, const struct reply *reply,
                          size_t text_bytes, char *head)
{
    struct answer_header headers[ANSWER_MAX_HEADERS];
    size_t count = answer_headers(x, reply, headers);
    size_t used = (size_t)snprintf(
        head, HEAD_BYTES, "HTTP/1.1 %d %s\r\nContent-Length: %zu\r\n",
        reply->status, problem_title(reply->status), text_bytes);
    for (size_t i = 0; i < count && used < HEAD_BYTES; i++)
        used += (size_t)snprintf(head + used, HEAD_BYTES - used, "%s: %s\r\n",
                                 headers[i].name, headers[i].value);
    if (used < HEAD_BYTES)
        used += (size_t)snprintf(head + used, HEAD_BYTES - used, "\r\n");
    return used < HEAD_BYTES ? used : 0;
}

/** @return bytes of its text. */
static size_t send_problem(struct client *client, const struct exchange *x)
{
    char message[HEAD_BYTES + TEXT_BYTES], text[TEXT_BYTES];
    struct reply reply;
    const char *fallback;
    size_t bytes = 0, more = 1;
    answer_problem(client->daemon, x, &reply, &fallback);
    if (fallback) {
        bytes = strlen(fallback);
        memcpy(text, fallback, bytes);
    }
    while (reply.writer && more > 0 && sizeof text - bytes >= 64) {
        more = writer_next(reply.writer, text + bytes, sizeof text - bytes);
        bytes += more;
    }
    writer_free(reply.writer);
    size_t head = format_head(x, &reply, bytes, message);
    memcpy(message + head, text, bytes);
    if (head > 0)
        send_all(client, message, head + bytes);
    return bytes;
}

void refuse_now(struct client *client)
{
    struct exchange *x = &client->exchange;
    x->stage = STAGE_REFUSED;
    x->close = true;
    client->lingers = true;
    if (!client_enter(client, PHASE_REFUSED, LINGER_MS))
        return;
    x->read_done = clock_ns();
    x->status = x->problem.status;
    x->sent = send_problem(client, x);
}

void refuse_late(struct client *client, enum phase phase)
{
    struct exchange view = {.close = true};
    metrics_reject(client->daemon->metrics, REJECT_TIMEOUT);
    /* Before the first request a session may not have shaken hands yet. */
    if (client->tls && phase != PHASE_READING)
        return;
    /* The event loop may be at work on the exchange; its id and its route
     * stand since it went to PHASE_READING, its path is libmicrohttpd's. */
    if (phase == PHASE_READING) {
        memcpy(view.id, client->exchange.id, sizeof view.id);
        view.route = client->exchange.route;
    }
    problem_set(&view.problem, 408, NULL,
                "request: got a part of it, must arrive within %lu seconds "
                "(--request-timeout)",
                (unsigned long)client->daemon->options->request_timeout);
    send_problem(client, &view);
}
