/* SPDX-License-Identifier: MIT */
/** softmaxd --healthcheck: ask a running daemon, without curl. */
#ifndef HEALTHCHECK_H
#define HEALTHCHECK_H

#include <stdbool.h>
#include <stddef.h>

#include "../error.h"

/**
 * GET /healthz at "host:port", "[::1]:port", "unix:/path", with or without
 * "http://" or "https://" (whose certificate is not checked: it asks itself).
 * A wildcard host is asked at the loopback addresses.
 *
 * cert, key    the daemon's own files: speak TLS where the address does not
 *              say, and show that certificate if one is asked for. NULL: none.
 * @return true: it answered 200; false with one line in error.
 */
bool healthcheck(const char *address, const char *cert, const char *key,
                 struct error *error);

#endif
