// SPDX-License-Identifier: MIT
#include "address.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

bool address_split(const char *address, char *host, size_t host_bytes,
                   char *port, size_t port_bytes)
{
    const char *colon = strrchr(address, ':'), *begin = address, *end = colon;
    if (!colon || colon[1] == '\0')
        return false;
    if (*address == '[') {
        if (colon[-1] != ']')
            return false;
        begin++;
        end--;
    } else if (memchr(address, ':', (size_t)(colon - address))) {
        return false; /* IPv6 without brackets */
    }
    size_t bytes = (size_t)(end - begin);
    if (bytes >= host_bytes || strlen(colon + 1) >= port_bytes ||
        strspn(colon + 1, "0123456789") != strlen(colon + 1) ||
        strtoul(colon + 1, NULL, 10) > 65535)
        return false;
    memcpy(host, begin, bytes);
    host[bytes] = '\0';
    memcpy(port, colon + 1, strlen(colon + 1) + 1);
    return true;
}

bool address_unix(const char *path, struct sockaddr_un *address)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    errno = ENAMETOOLONG;
    if (strlen(path) >= sizeof address->sun_path)
        return false;
    memcpy(address->sun_path, path, strlen(path));
    return true;
}

bool address_valid(const char *address)
{
    char host[ADDRESS_HOST_BYTES], port[ADDRESS_PORT_BYTES];
    if (strncmp(address, "unix:", 5) == 0)
        return address[5] != '\0' && address[5] != '@';
    return address_split(address, host, sizeof host, port, sizeof port);
}

bool address_is_local(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const void *)address;
        return ntohl(in->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
    }
    if (address->sa_family == AF_INET6) {
        const struct in6_addr *in =
            &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
        return IN6_IS_ADDR_LOOPBACK(in) ||
               (IN6_IS_ADDR_V4MAPPED(in) && in->s6_addr[12] == IN_LOOPBACKNET);
    }
    return address->sa_family == AF_UNIX;
}
