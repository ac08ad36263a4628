// SPDX-License-Identifier: MIT
#include "routes.h"

#include <string.h>

bool routes_add(struct routes *routes, const struct route *table, size_t count)
{
    if (count > ROUTES_MAX - routes->count)
        return false;
    for (size_t i = 0; i < count; i++)
        routes->route[routes->count++] = &table[i];
    return true;
}

static bool path_matches(const char *pattern, const char *path)
{
    for (; *pattern == *path && *pattern != '*'; pattern++, path++)
        if (!*pattern)
            return true;
    return *pattern == '*' && !pattern[1];
}

static const char *allow_of(bool get, bool post)
{
    if (get && post)
        return "GET, HEAD, OPTIONS, POST";
    return get ? "GET, HEAD, OPTIONS" : "OPTIONS, POST";
}

struct match routes_match(const struct routes *routes, bool admin,
                          const char *method, const char *path)
{
    struct match match = {NULL, routes->count, NULL};
    bool every = path[0] == '*' && !path[1]; /* OPTIONS * */
    bool get = false, post = false;
    if (method[0] == 'H' && strcmp(method, "HEAD") == 0)
        method = "GET";
    for (size_t i = 0; i < routes->count; i++) {
        const struct route *route = routes->route[i];
        if (!route->method || (admin && !route->admin) ||
            (!every && !path_matches(route->path, path)))
            continue;
        const char *taken =
            route->method_of && !every ? route->method_of(path) : route->method;
        get |= taken && taken[0] == 'G';
        post |= taken && taken[0] == 'P';
        if (!every && strcmp(route->method, method) == 0) {
            match.route = route;
            match.number = i;
            break;
        }
    }
    if (get || post)
        match.allow = allow_of(get, post);
    return match;
}

route_fail *routes_fail(const struct routes *routes, const char *path)
{
    for (size_t i = 0; i < routes->count; i++)
        if (routes->route[i]->fail &&
            path_matches(routes->route[i]->path, path))
            return routes->route[i]->fail;
    return NULL;
}
