// SPDX-License-Identifier: MIT
/** Where to listen, as an option says it. */
#ifndef ADDRESS_H
#define ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

/* Room for any host name and port. */
enum { ADDRESS_HOST_BYTES = 256, ADDRESS_PORT_BYTES = 6 };

/**
 * Split "host:port" or "[host]:port" for getaddrinfo.
 * @return false where it is neither.
 */
bool address_split(const char *address, char *host, size_t host_bytes,
                   char *port, size_t port_bytes);

/** The address of a Unix socket; false: the path is too long, errno says so. */
bool address_unix(const char *path, struct sockaddr_un *address);

/* What an address must be. */
#define ADDRESS_RULE "host:port, [::1]:port or unix:/path"

/** Is it ADDRESS_RULE? unix:@name is not: whoever is in the network namespace
 *  may connect to it, whatever --socket-mode says. */
bool address_valid(const char *address);

/** Is it a Unix socket's or the loopback interface's? */
bool address_is_local(const struct sockaddr *address);

#endif
