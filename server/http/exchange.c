// SPDX-License-Identifier: MIT
#include "exchange.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "../clock.h"
#include "../freelist.h"
#include "inflate.h"
#include "request_id.h"
#include "server.h"
#include "tokens.h"

enum {
    INLINE_ELEMENTS = 32 * 1024, /* computed in the event loop */
    DISCARD_BYTES = 64 * 1024,   /* dropped of a refused body, to keep the
                                    connection */
    COMPRESS_FROM = 1024         /* shorter, a text saves less than the headers
                                    cost */
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

static void take_id(struct exchange *x)
{
    if (!copy_plain(x->headers.request_id, x->id, sizeof x->id))
        request_id_make(x->id);
    copy_plain(x->headers.traceparent, x->trace, sizeof x->trace);
}

/* ---- what the headers decide ------------------------------------------ */

/** The path of http://host/path (RFC 9112, 3.2.2), which is rarely sent. */
static const char *path_of(const char *url)
{
    static const char *const schemes[] = {"http://", "https://"};
    if (*url == '/')
        return url;
    for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++) {
        size_t bytes = strlen(schemes[i]);
        if (strncasecmp(url, schemes[i], bytes) == 0) {
            url += bytes + strcspn(url + bytes, "/");
            return *url ? url : "/";
        }
    }
    return url;
}

/** What could make a proxy in front and us read different requests. */
static bool check_framing(struct exchange *x)
{
    return !x->fault ||
           problem_set(&x->problem, 400, NULL,
                       "headers: got %s, must be as RFC 9112 has them",
                       x->fault);
}

static bool check_route(struct exchange *x)
{
    struct match match =
        routes_match(&x->server->routes, x->admin, x->method, x->head.path);
    x->route = match.route;
    x->route_number = match.number;
    x->allow = match.allow;
    if (x->route)
        return true;
    x->options = x->allow && strcmp(x->method, "OPTIONS") == 0;
    if (x->options)
        return true;
    if (!x->allow)
        return problem_set(&x->problem, 404, NULL,
                           "path: got %.200s, must be %s", x->head.path,
                           x->admin ? "/healthz, /readyz, /metrics or /version"
                                    : "one that GET /openapi.json lists");
    return problem_set(&x->problem, 405, NULL,
                       "method: got %.32s, must be one of %s", x->method,
                       x->allow);
}

static bool check_token(struct exchange *x)
{
    struct tokens *tokens = x->server->tokens;
    if (!tokens || tokens_allow(tokens, x->headers.authorization))
        return true;
    return problem_reject(&x->problem, CAUSE_TOKEN,
                          "Authorization: got %s, must be Bearer and a token "
                          "that this server knows",
                          x->headers.authorization ? "something else"
                                                   : "nothing");
}

/** Is there room for one more, and may it come in? */
static bool check_admission(struct exchange *x, size_t in_flight)
{
    const struct server *server = x->server;
    if (x->admin || (x->route && x->route->open))
        return true;
    if (x->route && x->route->always)
        return check_token(x);
    if (x->over) {
        x->close = true;
        return problem_reject(&x->problem, CAUSE_CONNECTIONS,
                              "connections: got one more than %zu "
                              "(--max-connections), try again later",
                              server->max_connections);
    }
    if (in_flight > server->options->max_in_flight)
        return problem_reject(&x->problem, CAUSE_IN_FLIGHT,
                              "requests: got one more than %lu at once "
                              "(--max-in-flight), try again later",
                              (unsigned long)server->options->max_in_flight);
    return check_token(x);
}

static bool too_large(struct exchange *x)
{
    return problem_reject(&x->problem, CAUSE_TOO_LARGE,
                          "body: got more than it may have, must be at most "
                          "%zu bytes (--max-body)",
                          x->server->service.max_body);
}

/** Of a page too, which has no use for a body. */
static bool check_body_bytes(struct exchange *x)
{
    uint64_t bytes = x->headers.content_length;
    return bytes == UINT64_MAX || bytes <= x->server->service.max_body ||
           too_large(x);
}

static bool check_types(struct exchange *x)
{
    const struct headers *h = &x->headers;
    const struct endpoint *endpoint = x->route->endpoint;
    if (endpoint->any_type)
        return true;
    const char *or_npy = endpoint->npy ? " or application/x-npy" : "";
    enum media media = media_of_content(h->content_type);
    struct accepted_media accepted = accepted_media(&h->accept);
    x->head.npy = media == MEDIA_NPY;
    x->head.wants_npy =
        endpoint->npy && accepted.npy > 0 && accepted.npy >= accepted.json;
    x->head.takes_json = accepted.json > 0;
    if (media == MEDIA_UNKNOWN || (x->head.npy && !endpoint->npy))
        return problem_set(&x->problem, 415, NULL,
                           "Content-Type: got %.100s, must be "
                           "application/json%s",
                           h->content_type, or_npy);
    if (!x->head.wants_npy && !x->head.takes_json)
        return problem_set(&x->problem, 406, NULL,
                           "Accept: got %.200s, must allow "
                           "application/json%s",
                           h->accept.line[0], or_npy);
    return true;
}

/** Set up what takes the body of a POST. */
static bool open_body(struct exchange *x)
{
    struct service *service = &x->server->service;
    const struct field_lines *codings = &x->headers.content_encoding;
    enum coding coding = coding_of_content(codings);
    if (coding == CODING_UNKNOWN)
        return problem_set(&x->problem, 415, NULL,
                           "Content-Encoding: got %.100s%s, must be gzip, "
                           "deflate or identity",
                           codings->line[0],
                           codings->count > 1 ? " and more" : "");
    if (!check_types(x))
        return false;
    if (coding != CODING_IDENTITY) {
        x->inflater = inflater_create(coding, &service->budget);
        if (!x->inflater)
            return problem_memory(&x->problem);
    }
    if (coding == CODING_IDENTITY && x->headers.content_length != UINT64_MAX)
        x->head.body_bytes = (size_t)x->headers.content_length;
    x->endpoint = x->route->endpoint;
    x->head.variant = x->endpoint->variant;
    x->call = x->endpoint->begin(service, &x->head, &x->problem);
    return x->call;
}

static bool admit(struct exchange *x)
{
    size_t in_flight = 1 + atomic_fetch_add_explicit(&x->server->in_flight, 1,
                                                     memory_order_relaxed);
    x->counted = true;
    return check_framing(x) && check_route(x) &&
           check_admission(x, in_flight) && check_body_bytes(x) &&
           (!x->route || !x->route->endpoint || open_body(x));
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

/** Say what is wrong before the request has ended. */
static enum exchange_next break_off(struct exchange *x)
{
    x->close = true;
    x->read_done = clock_ns();
    return EXCHANGE_RESPOND;
}

/* ---- the stages ------------------------------------------------------- */

void exchange_init(struct exchange *x, struct server *server)
{
    /* The texts of a problem and the arguments are set before they are read:
     * clearing them would cost a small request as much as its arithmetic. */
    headers_clear(&x->headers);
    memset(x, 0, offsetof(struct exchange, id));
    x->id[0] = x->trace[0] = '\0';
    x->problem.status = 0;
    x->problem.cause = CAUSE_REQUEST;
    x->problem.located = false;
    x->server = server;
    x->started = clock_ns();
    x->route_number = server->routes.count;
    x->method = x->head.path = "";
}

enum exchange_next exchange_begin(struct exchange *x, const char *method,
                                  const char *url)
{
    x->method = method;
    x->stage = STAGE_BODY;
    x->head = (struct head){.path = path_of(url),
                            .inference_header_length =
                                x->headers.inference_header_length,
                            .query = x->headers.query,
                            .query_count = x->headers.query_count};
    take_id(x);
    if (admit(x))
        return EXCHANGE_READ;
    x->stage = STAGE_DISCARD;
    /* A client that was to wait for "100 Continue" may have begun to send all
     * the same. */
    bool waits = x->headers.expects_continue && x->headers.has_body;
    return waits || x->fault || !may_discard(x) ? break_off(x) : EXCHANGE_READ;
}

static bool feed_endpoint(void *cls, const char *bytes, size_t count,
                          struct problem *problem)
{
    struct exchange *x = cls;
    if (count > x->server->service.max_body - x->decoded)
        return too_large(x);
    x->decoded += count;
    return !x->endpoint || x->endpoint->feed(x->call, bytes, count, problem);
}

/** Both as it is sent and inflated it has the limit: a stream may inflate to
 *  next to nothing. */
static bool feed_body(struct exchange *x, const char *data, size_t bytes)
{
    if (x->received > x->server->service.max_body)
        return too_large(x);
    return x->inflater ? inflater_feed(x->inflater, data, bytes, feed_endpoint,
                                       x, &x->problem)
                       : feed_endpoint(x, data, bytes, &x->problem);
}

enum exchange_next exchange_feed(struct exchange *x, const char *data,
                                 size_t bytes)
{
    x->received += bytes;
    if (x->stage == STAGE_DISCARD)
        x->discarded += bytes;
    else if (!feed_body(x, data, bytes))
        x->stage = STAGE_DISCARD;
    return x->stage == STAGE_BODY || may_discard(x) ? EXCHANGE_READ
                                                    : break_off(x);
}

enum exchange_next exchange_finish(struct exchange *x)
{
    x->read_done = clock_ns();
    if (x->stage == STAGE_DISCARD || !x->endpoint ||
        (x->inflater && !inflater_finish(x->inflater, &x->problem)) ||
        !x->endpoint->ready(x->call, &x->work, &x->problem))
        return EXCHANGE_RESPOND;
    if (x->work.elements >= INLINE_ELEMENTS)
        return EXCHANGE_COMPUTE;
    exchange_run(x);
    return EXCHANGE_RESPOND;
}

void exchange_run(struct exchange *x)
{
    x->stage = STAGE_COMPUTED;
    if (!x->problem.status)
        x->endpoint->run(x->call, &x->problem);
}

/* ---- the answer ------------------------------------------------------- */

static bool describe_page(struct exchange *x, struct reply *reply)
{
    const struct page *page = x->route->page;
    if (page->get)
        return page->get(&x->server->service, &x->head, reply, &x->problem);
    reply->content_type = page->type;
    writer_text(reply->writer, page->text);
    return true;
}

static bool describe(struct exchange *x, struct reply *reply)
{
    if (x->problem.status)
        return false;
    if (!reply->writer)
        return problem_memory(&x->problem);
    if (x->options)
        reply->status = 204;
    else if (!(x->endpoint ? x->endpoint->answer(x->call, reply, &x->problem)
                           : describe_page(x, reply)))
        return false;
    return !writer_failed(reply->writer) || problem_memory(&x->problem);
}

/** All but what says how the body is encoded. */
static void add_headers(const struct exchange *x, struct response *response)
{
    const struct reply *reply = &response->reply;
    response_header(response, "Content-Type", reply->content_type);
    response_header(response, "X-Request-Id", x->id);
    if (reply->header)
        response_header(response, reply->header, reply->header_value);
    const struct page *page = x->route ? x->route->page : NULL;
    for (const struct page_header *header = page ? page->headers : NULL;
         header && header->name && reply->status == 200; header++)
        response_header(response, header->name, header->value);
    if (reply->status == 405 || x->options)
        response_header(response, "Allow", x->allow);
    if (reply->status == 401)
        response_header(response, "WWW-Authenticate", "Bearer");
    if (reply->status == 503)
        response_header(response, "Retry-After", "1");
    if (reply->status == 415 &&
        coding_of_content(&x->headers.content_encoding) == CODING_UNKNOWN)
        response_header(response, "Accept-Encoding", "gzip, deflate");
    if (x->close)
        response_header(response, "Connection", "close");
}

/** Does it depend on Accept-Encoding how this answer leaves? Numbers in binary
 *  do not get smaller, short texts not by more than the header costs. */
static bool may_compress(const struct exchange *x,
                         const struct response *response)
{
    return x->server->options->compress && x->route && x->route->compressible &&
           (!response->whole || response->text_bytes >= COMPRESS_FROM) &&
           response->reply.tensor_count == 0 && !x->local;
}

/** What an answer's memory is charged to. A page such as /metrics must not need
 *  room in a budget that is full. */
static struct budget *budget_of(const struct exchange *x)
{
    return x->route && x->route->endpoint ? &x->server->service.budget : NULL;
}

bool exchange_stream(struct exchange *x, struct response *response,
                     enum coding coding)
{
    x->stream = stream_create(&response->reply, x->text, response->text_bytes,
                              coding, budget_of(x));
    if (!x->stream)
        return false;
    response->reply.writer = NULL; /* the stream's now */
    if (coding != CODING_IDENTITY)
        response->length = UINT64_MAX;
    return true;
}

/** Write the body, or set up what does. */
static bool write_body(struct exchange *x, struct response *response)
{
    struct budget *budget = budget_of(x);
    enum coding coding = CODING_IDENTITY;
    response_write(response, x->text);
    if (!response->whole && budget)
        writer_share(response->reply.writer, x->server->service.jobs, budget);
    if (may_compress(x, response)) {
        response_header(response, "Vary", "Accept-Encoding");
        coding = accepted_coding(&x->headers.accept_encoding);
    }
    if (exchange_is_head(x)) {
        response_drop_body(response);
        return true;
    }
    if (coding != CODING_IDENTITY && exchange_stream(x, response, coding)) {
        response_header(response, "Content-Encoding", coding_name(coding));
        return true;
    }
    if (!response->whole)
        return exchange_stream(x, response, CODING_IDENTITY);
    x->sent = response->length;
    return true;
}

bool exchange_respond(struct exchange *x, struct response *response)
{
    if (!x->id[0])
        take_id(x);
    x->stage = STAGE_RESPONDED;
    x->computed = clock_ns();
    x->close |= server_life(x->server) >= LIFE_CLOSING;
    response_init(response);
    if (!describe(x, &response->reply))
        response_problem(response, &x->server->routes, x->head.path, x->route,
                         &x->problem);
    if (response->reply.writer && !x->text &&
        !(x->text = freelist_take(RESPONSE_SMALL_BYTES)))
        response_no_memory(response);
    x->status = response->reply.status;
    add_headers(x, response);
    if (write_body(x, response))
        return true;
    x->status = 503;
    response_deinit(response);
    return false;
}

/* ---- the end ---------------------------------------------------------- */

/** Count it and log it. */
static void account(const struct exchange *x, bool aborted)
{
    uint64_t now = clock_ns();
    uint64_t computed = x->computed ? x->computed : now;
    uint64_t read = x->read_done ? x->read_done : computed;
    struct log_request line = {
        .id = x->id,
        .trace = x->trace,
        .method = x->method,
        .path = x->head.path,
        .endpoint = x->route ? x->route->name : "other",
        .status = (uint64_t)x->status,
        .aborted = aborted,
        .rows = x->work.rows,
        .classes = x->work.classes,
        .body_bytes = x->received,
        .answer_bytes = x->sent,
        .read_ns = read - x->started,
        .compute_ns = computed - read,
        .write_ns = now - computed,
        .total_ns = now - x->started,
    };
    metrics_count(x->server->service.metrics, x->route_number, &line);
    metrics_reject(x->server->service.metrics, x->problem.cause);
    if (!x->route || !x->route->quiet)
        log_request(x->server->log, &line);
}

void exchange_end(struct exchange *x, bool aborted)
{
    account(x, aborted);
    stream_free(x->stream); /* first: other threads read what it borrows */
    freelist_give(x->text);
    if (x->endpoint)
        x->endpoint->end(x->call);
    inflater_free(x->inflater);
    if (x->counted)
        atomic_fetch_sub_explicit(&x->server->in_flight, 1,
                                  memory_order_relaxed);
    x->counted = false;
}
