/* SPDX-License-Identifier: MIT */
/** softmaxd --healthcheck: ask a running daemon, without curl. */
#ifndef HEALTHCHECK_H
#define HEALTHCHECK_H

#include <stdbool.h>
#include <stddef.h>

/**
 * GET /healthz at "host:port", "[::1]:port", "unix:/path", with or without
 * "http://" or "https://" (whose certificate is not checked: it asks itself).
 * A wildcard host is asked at the loopback address. tls: speak TLS where the
 * address does not say.
 *
 * @return true: it answered 200; false with one line in error.
 */
bool healthcheck(const char *address, bool tls, char *error,
                 size_t error_bytes);

#endif
