/* SPDX-License-Identifier: MIT */
/** The ceiling of libmicrohttpd for large bodies: it sends back what it gets.
 */
#ifndef LARGE_ECHO_H
#define LARGE_ECHO_H

#include <stddef.h>

struct MHD_Daemon;

/** On a port of its own; the URL is written to address. NULL: it cannot. */
struct MHD_Daemon *large_echo_start(char *address, size_t bytes);

void large_echo_stop(struct MHD_Daemon *daemon);

#endif
