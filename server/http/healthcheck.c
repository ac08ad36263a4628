// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "healthcheck.h"

#include <errno.h>
#include <gnutls/gnutls.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "../address.h"

enum { TIMEOUT_S = 3, ANSWER_BYTES = 64 };

static const char request[] = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
                              "Connection: close\r\n\r\n";

/** A wildcard address listens everywhere; ask it here. */
static const char *reachable(const char *host)
{
    if (!*host || strcmp(host, "0.0.0.0") == 0)
        return "127.0.0.1";
    return strcmp(host, "::") == 0 ? "::1" : host;
}

static int connect_one(int family, const void *address, socklen_t bytes)
{
    const struct timeval timeout = {.tv_sec = TIMEOUT_S};
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof timeout);
    if (connect(fd, address, bytes) == 0)
        return fd;
    int reason = errno;
    close(fd);
    errno = reason;
    return -1;
}

static int connect_local(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(address.sun_path, path, strlen(path) + 1);
    return connect_one(AF_UNIX, &address, sizeof address);
}

static int connect_tcp(const char *address)
{
    char host[ADDRESS_HOST_BYTES], port[ADDRESS_PORT_BYTES];
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    int fd = -1;
    errno = EINVAL;
    if (!address_split(address, host, sizeof host, port, sizeof port) ||
        getaddrinfo(reachable(host), port, &hints, &list) != 0)
        return -1;
    for (struct addrinfo *info = list; info && fd < 0; info = info->ai_next)
        fd = connect_one(info->ai_family, info->ai_addr, info->ai_addrlen);
    int reason = errno;
    freeaddrinfo(list);
    errno = reason;
    return fd;
}

static ssize_t ask_plain(int fd, char *answer)
{
    if (send(fd, request, sizeof request - 1, MSG_NOSIGNAL) < 0)
        return -1;
    return recv(fd, answer, ANSWER_BYTES, MSG_WAITALL);
}

static ssize_t ask_tls(int fd, char *answer)
{
    gnutls_session_t session = NULL;
    gnutls_certificate_credentials_t credentials = NULL;
    ssize_t got = -1;
    errno = EPROTO;
    if (gnutls_certificate_allocate_credentials(&credentials) < 0)
        goto out;
    if (gnutls_init(&session, GNUTLS_CLIENT) < 0 ||
        gnutls_set_default_priority(session) < 0 ||
        gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, credentials) <
            0)
        goto out;
    gnutls_transport_set_int(session, fd);
    if (gnutls_handshake(session) < 0 ||
        gnutls_record_send(session, request, sizeof request - 1) < 0)
        goto out;
    got = gnutls_record_recv(session, answer, ANSWER_BYTES);
out:
    if (session)
        gnutls_deinit(session);
    if (credentials)
        gnutls_certificate_free_credentials(credentials);
    return got;
}

bool healthcheck(const char *address, bool tls, char *error, size_t error_bytes)
{
    char answer[ANSWER_BYTES + 1] = "";
    const char *place = address;
    if (strncmp(place, "https://", 8) == 0) {
        tls = true;
        place += 8;
    } else if (strncmp(place, "http://", 7) == 0) {
        tls = false;
        place += 7;
    }
    bool local = strncmp(place, "unix:", 5) == 0;
    int fd = local ? connect_local(place + 5) : connect_tcp(place);
    ssize_t got = -1;
    if (fd >= 0) {
        got = tls && !local ? ask_tls(fd, answer) : ask_plain(fd, answer);
        close(fd);
    }
    if (got < 0) {
        snprintf(error, error_bytes, "%s: %s", address, strerror(errno));
        return false;
    }
    answer[strcspn(answer, "\r\n")] = '\0';
    if (strncmp(answer, "HTTP/1.1 200 ", 13) == 0)
        return true;
    snprintf(error, error_bytes, "%s: answered %s", address,
             answer[0] ? answer : "nothing");
    return false;
}
