// SPDX-License-Identifier: MIT
#include "response.h"

#include <stdio.h>
#include <string.h>

enum { LEAST_ROOM = 64 }; /* that a writer is asked to fill */

void response_init(struct response *response)
{
    memset(response, 0, sizeof *response);
    response->reply.status = 200;
    response->reply.writer = writer_create();
    response->whole = true;
}

void response_deinit(struct response *response)
{
    writer_free(response->reply.writer);
    response->reply.writer = NULL;
}

void response_header(struct response *response, const char *name,
                     const char *value)
{
    if (!value || response->header_count == RESPONSE_MAX_HEADERS)
        return;
    response->header[response->header_count].name = name;
    response->header[response->header_count++].value = value;
}

/* ---- problems --------------------------------------------------------- */

/** RFC 9457; the extra members only where they apply. */
static void write_problem(struct writer *writer, const struct problem *problem)
{
    writer_format(writer,
                  "{\"type\":\"about:blank\",\"title\":%s,\"status\":%zu,"
                  "\"detail\":%s",
                  problem_title(problem->status), (size_t)problem->status,
                  problem->detail);
    if (problem->pointer[0])
        writer_format(writer, ",\"pointer\":%s", problem->pointer);
    if (problem->located)
        writer_format(writer, ",\"offset\":%zu,\"line\":%zu,\"column\":%zu",
                      problem->offset, problem->line, problem->column);
    writer_text(writer, "}\n");
}

void response_no_memory(struct response *response)
{
    static const char text[] =
        "{\"type\":\"about:blank\",\"title\":\"Service Unavailable\","
        "\"status\":503,\"detail\":\"memory: too little is free now, try "
        "again later\"}\n";
    response_deinit(response);
    response->reply.content_type = "application/problem+json";
    response->reply.status = 503;
    response->reply.tensor_count = 0;
    response->text = text;
    response->text_bytes = sizeof text - 1;
}

void response_problem(struct response *response, const struct routes *routes,
                      const char *path, const struct route *route,
                      const struct problem *problem)
{
    struct reply *reply = &response->reply;
    if (reply->writer) { /* there is memory, and some of an answer may be in it
                          */
        response_deinit(response);
        response_init(response);
    }
    if (reply->writer) {
        route_fail *own = route ? route->fail : NULL;
        route_fail *fail = path ? routes_fail(routes, path) : own;
        reply->status = problem->status;
        reply->content_type = "application/problem+json";
        if (fail)
            fail(problem, reply);
        else
            write_problem(reply->writer, problem);
        if (!writer_failed(reply->writer))
            return;
    }
    response_no_memory(response);
}

/* ---- the body --------------------------------------------------------- */

static size_t tensor_bytes(const struct reply *reply)
{
    size_t bytes = 0;
    for (size_t i = 0; i < reply->tensor_count; i++)
        bytes += reply->tensors[i]->count *
                 tensor_element_bytes(reply->tensors[i]->type);
    return bytes;
}

void response_write(struct response *response, char *text)
{
    struct reply *reply = &response->reply;
    size_t bytes = 0, more = 1;
    if (reply->writer) {
        while (more > 0 && RESPONSE_SMALL_BYTES - bytes >= LEAST_ROOM) {
            more = writer_next(reply->writer, text + bytes,
                               RESPONSE_SMALL_BYTES - bytes);
            bytes += more;
        }
        response->text = text;
        response->text_bytes = bytes;
        response->whole = writer_done(reply->writer);
    }
    bytes = response->text_bytes;
    if (!response->whole)
        bytes = reply->text_bytes ? reply->text_bytes
                                  : writer_known_bytes(reply->writer);
    response->length =
        bytes == SIZE_MAX ? UINT64_MAX : bytes + tensor_bytes(reply);
}

void response_drop_body(struct response *response)
{
    response->text_bytes = response->reply.tensor_count = 0;
    response->whole = true;
}

size_t response_format(const struct response *response, char *bytes,
                       size_t room)
{
    int status = response->reply.status;
    size_t used = (size_t)snprintf(
        bytes, room, "HTTP/1.1 %d %s\r\nContent-Length: %lu\r\n", status,
        problem_title(status), (unsigned long)response->length);
    for (size_t i = 0; i < response->header_count && used < room; i++)
        used += (size_t)snprintf(bytes + used, room - used, "%s: %s\r\n",
                                 response->header[i].name,
                                 response->header[i].value);
    if (used < room)
        used += (size_t)snprintf(bytes + used, room - used, "\r\n");
    if (used >= room || response->text_bytes > room - used)
        return 0;
    memcpy(bytes + used, response->text, response->text_bytes);
    return used + response->text_bytes;
}
