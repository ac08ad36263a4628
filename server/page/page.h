/* SPDX-License-Identifier: MIT */
/** GET /: the page to try the endpoints from a browser. */
#ifndef PAGE_H
#define PAGE_H

#include "../endpoint.h"

extern const struct route page_routes[];
extern const size_t page_route_count;

#endif
