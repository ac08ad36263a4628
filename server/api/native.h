/* SPDX-License-Identifier: MIT */
/** The native endpoints: POST /softmax, /loss, /gradient in JSON. */
#ifndef NATIVE_H
#define NATIVE_H

#include "../endpoint.h"

extern const struct route api_routes[];
extern const size_t api_route_count;

#endif
