// SPDX-License-Identifier: MIT
#include "exchange.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "account.h"
#include "response.h"
#include "inflate.h"
#include "../clock.h"
#include "framing.h"
#include "refuse.h"
#include "server.h"
#include "stream.h"

enum {
    INLINE_ELEMENTS = 32 * 1024, /* computed in the event loop */
    DISCARD_BYTES = 64 * 1024,   /* of a refused body, to keep the connection */
    MAX_URI_BYTES = 8 * 1024,
    /* For each argument of a query, libmicrohttpd takes 64 bytes of the
     * connection's memory. Version 0.9.75 goes on where they do not fit, with
     * an answer queued that it never sends. */
    MAX_ARGUMENTS = 100
};

/* ---- request id and trace --------------------------------------------- */

/** Copy a header's value of printable characters; false: it is another one or
 *  does not fit. */
static bool copy_plain(const char *value, char *copy, size_t room)
{
    size_t bytes = value ? headers_value_bytes(value) : 0;
    if (bytes == 0 || bytes >= room)
        return false;
    for (size_t i = 0; i < bytes; i++)
        if (value[i] <= ' ' || value[i] > '~')
            return false;
    memcpy(copy, value, bytes);
    copy[bytes] = '\0';
    return true;
}

/** splitmix64 (Steele, Lea, Flood 2014), seeded once a thread. */
static uint64_t random_number(void)
{
    static _Thread_local uint64_t state;
    if (state == 0 && getrandom(&state, sizeof state, 0) != sizeof state)
        state = clock_ns();
    uint64_t z = state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static void take_id(struct exchange *x)
{
    if (!copy_plain(x->headers.request_id, x->id, sizeof x->id)) {
        uint64_t number = random_number();
        for (int i = 0; i < 16; i++, number >>= 4)
            x->id[i] = "0123456789abcdef"[number & 15];
        x->id[16] = '\0';
    }
    copy_plain(x->headers.traceparent, x->trace, sizeof x->trace);
}

/* ---- what the headers decide ------------------------------------------ */

/** The path of http://host/path (RFC 9112, 3.2.2), which is rarely sent. */
static const char *path_of(const char *url)
{
    static const char *const schemes[] = {"http://", "https://"};
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        size_t bytes = strlen(schemes[i]);
        if (strncasecmp(url, schemes[i], bytes) == 0) {
            url += bytes + strcspn(url + bytes, "/");
            return *url ? url : "/";
        }
    }
    return url;
}

static enum MHD_Result visit_field(void *cls, enum MHD_ValueKind kind,
                                   const char *name, size_t name_bytes,
                                   const char *value, size_t value_bytes)
{
    (void)kind;
    framing_field(cls, name, name_bytes, value, value_bytes);
    return MHD_YES;
}

/** What could make a proxy in front and us read different requests. */
static bool check_framing(struct client *client, const char *method,
                          const char *version)
{
    struct exchange *x = &client->exchange;
    struct framing framing;
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(
        client->connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    framing_begin(&framing, version, MHD_VERSION < 0x00097701);
    MHD_get_connection_values_n(client->connection, MHD_HEADER_KIND,
                                visit_field, &framing);
    framing_finish(&framing, method + (info ? info->header_size : 0));
    if (!framing.fault)
        return true;
    x->malformed = true;
    return problem_set(&x->problem, 400, NULL,
                       "headers: got %s, must be as RFC 9112 has them",
                       framing.fault);
}

static bool check_route(struct client *client, const char *url)
{
    struct exchange *x = &client->exchange;
    struct match match = routes_match(&client->daemon->routes, x->method, url);
    x->route = match.route;
    x->route_number = match.number;
    x->allow = match.allow;
    x->options = match.allow && strcmp(x->method, "OPTIONS") == 0;
    if (x->route || x->options)
        return true;
    if (!x->allow)
        return problem_set(&x->problem, 404, NULL,
                           "path: got %.200s, must be one that GET "
                           "/openapi.json lists",
                           url);
    return problem_set(&x->problem, 405, NULL,
                       "method: got %.32s, must be one of %s", x->method,
                       x->allow);
}

static bool check_token(struct client *client)
{
    struct daemon *daemon = client->daemon;
    struct exchange *x = &client->exchange;
    if (!daemon->tokens ||
        tokens_allow(daemon->tokens, x->headers.authorization))
        return true;
    metrics_reject(daemon->metrics, REJECT_TOKEN);
    return problem_set(&x->problem, 401, NULL,
                       "Authorization: got %s, must be Bearer and a token "
                       "that this server knows",
                       x->headers.authorization ? "something else" : "nothing");
}

/** Is there room for one more, and may it come in? */
static bool check_admission(struct client *client, size_t in_flight)
{
    struct daemon *daemon = client->daemon;
    struct exchange *x = &client->exchange;
    if (x->route && x->route->open)
        return true;
    if (x->route && x->route->always)
        return check_token(client);
    if (client->over) {
        metrics_reject(daemon->metrics, REJECT_CONNECTIONS);
        x->close = true;
        return problem_set(&x->problem, 503, NULL,
                           "connections: got one more than %zu "
                           "(--max-connections), try again later",
                           daemon->max_connections);
    }
    if (in_flight > daemon->options->max_in_flight) {
        metrics_reject(daemon->metrics, REJECT_IN_FLIGHT);
        return problem_set(&x->problem, 503, NULL,
                           "requests: got one more than %lu at once "
                           "(--max-in-flight), try again later",
                           (unsigned long)daemon->options->max_in_flight);
    }
    return check_token(client);
}

static bool too_large(struct client *client)
{
    struct exchange *x = &client->exchange;
    metrics_reject(client->daemon->metrics, REJECT_TOO_LARGE);
    return problem_set(&x->problem, 413, NULL,
                       "body: got more than it may have, must be at most %zu "
                       "bytes (--max-body)",
                       client->daemon->service.max_body);
}

static bool check_types(struct exchange *x)
{
    const struct headers *h = &x->headers;
    if (x->route->endpoint->any_type)
        return true;
    if (h->content_type && !type_is_json(h->content_type))
        return problem_set(&x->problem, 415, NULL,
                           "Content-Type: got %.100s, must be "
                           "application/json",
                           h->content_type);
    if (!accepts_json(&h->accept))
        return problem_set(&x->problem, 406, NULL,
                           "Accept: got %.200s, must allow application/json",
                           h->accept.line[0]);
    return true;
}

/** Set up what takes the body of a POST. */
static bool open_body(struct client *client)
{
    struct exchange *x = &client->exchange;
    struct service *service = &client->daemon->service;
    enum coding coding = coding_of_content(x->headers.content_encoding);
    if (coding == CODING_UNKNOWN)
        return problem_set(&x->problem, 415, NULL,
                           "Content-Encoding: got %.100s, must be gzip, "
                           "deflate or identity",
                           x->headers.content_encoding);
    if (!check_types(x))
        return false;
    if (x->headers.content_length != UINT64_MAX &&
        x->headers.content_length > service->max_body)
        return too_large(client);
    if (coding != CODING_IDENTITY) {
        x->body = body_create(coding, &service->budget);
        if (!x->body)
            return problem_memory(&x->problem);
    }
    if (coding == CODING_IDENTITY && x->headers.content_length != UINT64_MAX)
        x->head.body_bytes = (size_t)x->headers.content_length;
    x->endpoint = x->route->endpoint;
    x->call = x->endpoint->begin(service, &x->head, &x->problem);
    return x->call;
}

/* ---- the body --------------------------------------------------------- */

static bool feed_endpoint(void *cls, const char *bytes, size_t count,
                          struct problem *problem)
{
    struct client *client = cls;
    struct exchange *x = &client->exchange;
    if (count > client->daemon->service.max_body - x->decoded)
        return too_large(client);
    x->decoded += count;
    return x->endpoint->feed(x->call, bytes, count, problem);
}

/** A problem is set. Is so little left of the body that to drop it costs less
 *  than a new connection? */
static bool may_discard(const struct exchange *x)
{
    uint64_t left = x->headers.content_length;
    if (left == UINT64_MAX)
        return x->discarded <= DISCARD_BYTES;
    left = left > x->received ? left - x->received : 0;
    return left <= DISCARD_BYTES && x->discarded <= DISCARD_BYTES;
}

/** MHD_NO: the body is refused, close the connection. */
static enum MHD_Result take_slice(struct client *client, const char *data,
                                  size_t bytes)
{
    struct exchange *x = &client->exchange;
    x->received += bytes;
    if (x->stage == STAGE_DISCARD)
        x->discarded += bytes;
    else if (x->endpoint &&
             !(x->body ? body_feed(x->body, data, bytes, feed_endpoint, client,
                                   &x->problem)
                       : feed_endpoint(client, data, bytes, &x->problem)))
        x->stage = STAGE_DISCARD;
    if (x->stage == STAGE_BODY || may_discard(x))
        return MHD_YES;
    refuse_now(client); /* no response can be queued in the middle of a body */
    return MHD_NO;
}

/* ---- the stages ------------------------------------------------------- */

static enum MHD_Result begin(struct client *client, const char *url,
                             const char *method, const char *version)
{
    struct daemon *daemon = client->daemon;
    struct exchange *x = &client->exchange;
    x->started = clock_ns();
    x->method = method;
    x->stage = STAGE_BODY;
    headers_read(&x->headers, client->connection);
    url = path_of(url);
    x->head = (struct head){.path = url,
                            .inference_header_length =
                                x->headers.inference_header_length,
                            .query = x->headers.query,
                            .query_count = x->headers.query_count};
    take_id(x);
    size_t in_flight = 1 + atomic_fetch_add_explicit(&daemon->in_flight, 1,
                                                     memory_order_relaxed);
    x->counted = true;
    bool ok = check_framing(client, method, version) &&
              check_route(client, url) && check_admission(client, in_flight) &&
              (!x->route || !x->route->endpoint || open_body(client));
    if (!client_enter(client, PHASE_READING,
                      daemon->options->request_timeout * 1000))
        return MHD_NO;
    if (ok)
        return MHD_YES;
    x->stage = STAGE_DISCARD;
    bool waits = x->headers.expects_continue && x->headers.has_body;
    if (!waits && !x->malformed && may_discard(x))
        return MHD_YES;
    /* A client that shall not continue may have begun to send all the same. */
    client->lingers = true;
    x->close = true;
    x->read_done = clock_ns();
    return answer_queue_problem(client);
}

static enum MHD_Result answer_page(struct client *client)
{
    struct exchange *x = &client->exchange;
    struct reply reply = answer_reply();
    if (x->options)
        reply.status = 204;
    else if (!x->route->page->get(&client->daemon->service, &x->head, &reply,
                                  &x->problem))
        return answer_queue_problem(client);
    return answer_queue(client, &reply);
}

static enum MHD_Result answer(struct client *client)
{
    struct exchange *x = &client->exchange;
    struct reply reply = answer_reply();
    x->computed = clock_ns();
    if (x->problem.status ||
        !x->endpoint->answer(x->call, &reply, &x->problem)) {
        writer_free(reply.writer);
        return answer_queue_problem(client);
    }
    return answer_queue(client, &reply);
}

/** A job (jobs.h). */
static void compute(void *argument)
{
    struct client *client = argument;
    struct exchange *x = &client->exchange;
    x->stage = STAGE_COMPUTED;
    if (client->gone)
        problem_set(&x->problem, 499, NULL, "client: left before its turn");
    else
        x->endpoint->run(x->call, &x->problem);
    /* From here on the event loop may have the client already. */
    MHD_resume_connection(client->connection);
}

static enum MHD_Result run(struct client *client)
{
    struct exchange *x = &client->exchange;
    struct daemon *daemon = client->daemon;
    if (x->work.elements < INLINE_ELEMENTS) {
        x->endpoint->run(x->call, &x->problem);
        return answer(client);
    }
    if (daemon->stopping || !client_enter(client, PHASE_COMPUTING, 0))
        return MHD_NO;
    MHD_suspend_connection(client->connection);
    if (!jobs_submit(daemon->jobs, compute, client)) {
        problem_memory(&x->problem);
        x->stage = STAGE_COMPUTED;
        MHD_resume_connection(client->connection);
    }
    return MHD_YES;
}

/** The body is here, all of it. */
static enum MHD_Result finish(struct client *client)
{
    struct exchange *x = &client->exchange;
    x->read_done = clock_ns();
    if (x->stage == STAGE_DISCARD)
        return answer_queue_problem(client);
    if (!x->endpoint)
        return answer_page(client);
    if ((x->body && !body_finish(x->body, &x->problem)) ||
        !x->endpoint->ready(x->call, &x->work, &x->problem))
        return answer_queue_problem(client);
    return run(client);
}

enum MHD_Result exchange_handle(void *cls, struct MHD_Connection *connection,
                                const char *url, const char *method,
                                const char *version, const char *data,
                                size_t *data_bytes, void **state)
{
    struct client *client = *state;
    size_t bytes;
    (void)cls;
    (void)connection;
    if (!client)
        return MHD_NO; /* there was no memory for it */
    switch (client->exchange.stage) {
    case STAGE_NEW:
        return begin(client, url, method, version);
    case STAGE_COMPUTED:
        return answer(client);
    case STAGE_BODY:
    case STAGE_DISCARD:
        if (*data_bytes == 0)
            return finish(client);
        bytes = *data_bytes;
        *data_bytes = 0;
        return take_slice(client, data, bytes);
    case STAGE_REFUSED:
    case STAGE_ANSWERED:
        break;
    }
    return MHD_NO;
}

/* ---- the end ---------------------------------------------------------- */

void exchange_request_line(struct client *client, const char *uri)
{
    struct exchange *x = &client->exchange;
    size_t bytes = strlen(uri), arguments = 0;
    for (const char *at = strchr(uri, '?'); at; at = strchr(at + 1, '&'))
        arguments++;
    if (bytes <= MAX_URI_BYTES && arguments <= MAX_ARGUMENTS)
        return;
    x->started = clock_ns();
    x->route_number = client->daemon->routes.count;
    x->method = x->head.path = "";
    take_id(x);
    problem_set(&x->problem, 414, NULL,
                "path: got %zu bytes and %zu arguments, must be at most %d "
                "and %d",
                bytes, arguments, MAX_URI_BYTES, MAX_ARGUMENTS);
    refuse_now(client);
    shutdown(client->fd, SHUT_WR); /* whatever else is said of the rest */
    if (x->status)
        account_request(client, false);
}

/** Account for a request and give back what it holds. */
static void end(struct client *client, enum MHD_RequestTerminationCode why)
{
    struct exchange *x = &client->exchange;
    bool late = !client_enter(client, PHASE_IDLE,
                              client->daemon->options->idle_timeout * 1000);
    bool broken =
        why != MHD_REQUEST_TERMINATED_COMPLETED_OK && x->stage != STAGE_REFUSED;
    x->status = account_status(client, late, why);
    client->lingers |= why == MHD_REQUEST_TERMINATED_WITH_ERROR;
    account_request(client, broken);
    if (x->endpoint)
        x->endpoint->end(x->call);
    body_free(x->body);
    stream_free(x->stream);
    atomic_fetch_sub_explicit(&client->daemon->in_flight, 1,
                              memory_order_relaxed);
    x->counted = false;
    if (!late) /* else the keeper may be reading the id */
        memset(x, 0, sizeof *x);
}

void exchange_completed(void *cls, struct MHD_Connection *connection,
                        void **state, enum MHD_RequestTerminationCode why)
{
    struct client *client = *state;
    (void)cls;
    (void)connection;
    if (client && client->exchange.counted)
        end(client, why);
    *state = NULL;
}

void exchange_closed(struct client *client)
{
    if (!client->exchange.counted)
        return;
    /* they lay in the memory of the connection, which is gone */
    client->exchange.method = client->exchange.head.path = "";
    end(client, MHD_REQUEST_TERMINATED_WITH_ERROR);
}
