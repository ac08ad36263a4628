/* SPDX-License-Identifier: MIT */
/** The server that a target asks by roundtrip_do. */
#ifndef FUZZ_SERVER_H
#define FUZZ_SERVER_H

#include "../support/roundtrip.h"
#include "fuzz.h"

/** Always the same one, with those routes; limits let nothing grow large. */
static inline struct server *fuzz_server(const struct route *routes,
                                         size_t count)
{
    static struct server server;
    if (!server.service.compute) {
        roundtrip_serve(&server, routes, count);
        server.service.budget.limit = 1 << 28;
        server.service.max_body = 1 << 20;
        FUZZ_ASSERT(roundtrip_compute(&server) == SMX_OK);
    }
    return &server;
}

#endif
