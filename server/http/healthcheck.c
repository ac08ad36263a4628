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
#include <unistd.h>

#include "../address.h"

enum { TIMEOUT_S = 3, ANSWER_BYTES = 64 };

static const char request[] = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
                              "Connection: close\r\n\r\n";

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
    struct sockaddr_un address;
    return address_unix(path, &address)
               ? connect_one(AF_UNIX, &address, sizeof address)
               : -1;
}

static int connect_host(const char *host, const char *port)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    int fd = -1;
    errno = EADDRNOTAVAIL;
    if (getaddrinfo(host, port, &hints, &list) != 0)
        return -1;
    for (struct addrinfo *info = list; info && fd < 0; info = info->ai_next)
        fd = connect_one(info->ai_family, info->ai_addr, info->ai_addrlen);
    int reason = errno;
    freeaddrinfo(list);
    errno = reason;
    return fd;
}

/** A wildcard address listens everywhere, but one of the two loopback addresses
 *  may be missing, or have no listener. */
static int connect_tcp(const char *address)
{
    char host[ADDRESS_HOST_BYTES], port[ADDRESS_PORT_BYTES];
    errno = EINVAL;
    if (!address_split(address, host, sizeof host, port, sizeof port))
        return -1;
    if (*host && strcmp(host, "0.0.0.0") != 0 && strcmp(host, "::") != 0)
        return connect_host(host, port);
    int fd = connect_host("::1", port);
    return fd >= 0 ? fd : connect_host("127.0.0.1", port);
}

static ssize_t ask_plain(int fd, char *answer)
{
    if (send(fd, request, sizeof request - 1, MSG_NOSIGNAL) < 0)
        return -1;
    return recv(fd, answer, ANSWER_BYTES, MSG_WAITALL);
}

/** Shake hands and ask. @return bytes of the answer, or GnuTLS's error. */
static ssize_t converse_tls(gnutls_session_t session,
                            gnutls_certificate_credentials_t credentials,
                            int fd, char *answer)
{
    int code = gnutls_set_default_priority(session);
    if (code >= 0)
        code = gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE,
                                      credentials);
    gnutls_transport_set_int(session, fd);
    if (code >= 0)
        code = gnutls_handshake(session);
    if (code >= 0)
        code = (int)gnutls_record_send(session, request, sizeof request - 1);
    return code < 0 ? code : gnutls_record_recv(session, answer, ANSWER_BYTES);
}

static ssize_t ask_tls(int fd, const char *cert, const char *key, char *answer)
{
    gnutls_session_t session = NULL;
    gnutls_certificate_credentials_t credentials = NULL;
    ssize_t got = gnutls_certificate_allocate_credentials(&credentials);
    if (got < 0)
        return got;
    /* Files that cannot be read matter only where the daemon asks for them,
     * and then it says so. */
    if (cert && key)
        gnutls_certificate_set_x509_key_file(credentials, cert, key,
                                             GNUTLS_X509_FMT_PEM);
    got = gnutls_init(&session, GNUTLS_CLIENT);
    if (got >= 0) {
        got = converse_tls(session, credentials, fd, answer);
        gnutls_deinit(session);
    }
    gnutls_certificate_free_credentials(credentials);
    return got;
}

bool healthcheck(const char *address, const char *cert, const char *key,
                 struct error *error)
{
    char answer[ANSWER_BYTES + 1] = "";
    const char *place = address, *reason = NULL;
    bool tls = cert;
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
    if (fd >= 0 && tls && !local) {
        got = ask_tls(fd, cert, key, answer);
        reason = gnutls_strerror((int)got);
    } else if (fd >= 0) {
        got = ask_plain(fd, answer);
    }
    if (got < 0) {
        error_set(error, "%s: %s", address, reason ? reason : strerror(errno));
    } else {
        answer[strcspn(answer, "\r\n")] = '\0';
        error_set(error, "%s: answered %s", address,
                  answer[0] ? answer : "nothing");
    }
    if (fd >= 0)
        close(fd);
    return strncmp(answer, "HTTP/1.1 200 ", 13) == 0;
}
