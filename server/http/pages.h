/* SPDX-License-Identifier: MIT */
/** Health, readiness, version, metrics and the specification. */
#ifndef PAGES_H
#define PAGES_H

#include <stdbool.h>

#include "../endpoint.h"

extern const struct route pages_routes[];
extern const size_t pages_route_count;

/** service.is_ready: serving, not draining, and memory left to serve with. */
bool pages_is_ready(const struct service *service);

#endif
