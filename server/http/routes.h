/* SPDX-License-Identifier: MIT */
/** Which row of the routing table a request belongs to. */
#ifndef ROUTES_H
#define ROUTES_H

#include <stdbool.h>
#include <stddef.h>

#include "../endpoint.h"

enum { ROUTES_MAX = 64 };

struct routes {
    const struct route *route[ROUTES_MAX];
    size_t count;
};

/** What routes_match found. */
struct match {
    const struct route *route; /* NULL: 404, 405 or OPTIONS */
    size_t number;             /* of the route; count of routes where NULL */
    const char *allow; /* the methods of this path; NULL: no such path. Where
                          there is a route, one of them at least */
};

/** Append a table; false: it does not fit. */
bool routes_add(struct routes *routes, const struct route *table, size_t count);

/** HEAD is GET. OPTIONS never has a route of its own. admin: of the rows that
 *  --admin-listen serves. */
struct match routes_match(const struct routes *routes, bool admin,
                          const char *method, const char *path);

/** What gives an error the form of the path's protocol; NULL: it has none. */
route_fail *routes_fail(const struct routes *routes, const char *path);

#endif
