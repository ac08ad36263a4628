// SPDX-License-Identifier: MIT
#include "account.h"

#include "../clock.h"
#include "server.h"

int account_status(const struct client *client, bool late,
                   enum MHD_RequestTerminationCode why)
{
    const struct exchange *x = &client->exchange;
    if (x->status != 0 && (why == MHD_REQUEST_TERMINATED_COMPLETED_OK ||
                           x->stage != STAGE_ANSWERED))
        return x->status;
    if (x->status != 0)
        return 499;
    if (late)
        return client->gone ? 499 : 408;
    return why == MHD_REQUEST_TERMINATED_WITH_ERROR && !client_has_left(client)
               ? 400
               : 499;
}

void account_request(struct client *client, bool aborted)
{
    struct daemon *daemon = client->daemon;
    const struct exchange *x = &client->exchange;
    uint64_t now = clock_ns(), total = now - x->started;
    uint64_t read = x->read_done ? x->read_done : now;
    uint64_t computed = x->computed ? x->computed : read;
    struct metrics_request counted = {x->route_number, x->status, total,
                                      x->received, x->sent};
    metrics_count(daemon->metrics, &counted);
    if (x->status == 503 && x->problem.status == 503 && x->call)
        metrics_reject(daemon->metrics, REJECT_MEMORY);
    if (x->route && x->route->quiet)
        return;
    struct log_request line = {
        .id = x->id,
        .trace = x->trace,
        .method = x->method,
        .path = x->head.path,
        .endpoint = x->route ? x->route->name : "other",
        .status = x->status,
        .aborted = aborted,
        .rows = x->work.rows,
        .classes = x->work.classes,
        .body_bytes = x->received,
        .answer_bytes = x->sent,
        .read_ns = read - x->started,
        .compute_ns = computed - read,
        .write_ns = now - computed,
        .total_ns = total,
    };
    log_request(daemon->log, &line);
}
