/* SPDX-License-Identifier: MIT */
/**
 * POST /test/slow: computes on the pool for as many milliseconds as its body
 * says, POST /test/big: answers as many bytes as its body says. So that tests
 * can be in the middle of a request.
 */
#ifndef SLOW_ENDPOINT_H
#define SLOW_ENDPOINT_H

#include <stdatomic.h>

#include "../../server/http/daemon.h"

extern const struct route_table slow_routes;

/** Calls of /test/slow that have begun to compute, since the beginning. */
extern atomic_uint slow_runs;

#endif
