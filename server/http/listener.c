// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "../address.h"

enum { BACKLOG = 4096, FIRST_INHERITED = 3 };

static bool fail(struct listener *listener, const char *address,
                 const char *reason, char *error, size_t error_bytes)
{
    snprintf(error, error_bytes, "cannot listen on %s: %s", address, reason);
    listener_close(listener);
    return false;
}

/** The URL of a bound socket. */
static void describe(struct listener *listener, bool tls)
{
    struct sockaddr_storage address = {0};
    socklen_t bytes = sizeof address;
    char host[INET6_ADDRSTRLEN] = "?", port[8] = "0";
    getsockname(listener->fd, (struct sockaddr *)&address, &bytes);
    if (address.ss_family == AF_UNIX) {
        const struct sockaddr_un *local = (struct sockaddr_un *)&address;
        listener->local = true;
        snprintf(listener->url, sizeof listener->url, "unix:%s",
                 local->sun_path);
        return;
    }
    getnameinfo((struct sockaddr *)&address, bytes, host, sizeof host, port,
                sizeof port, NI_NUMERICHOST | NI_NUMERICSERV);
    snprintf(listener->url, sizeof listener->url,
             address.ss_family == AF_INET6 ? "%s://[%s]:%s" : "%s://%s:%s",
             tls ? "https" : "http", host, port);
}

/** Remove a socket that nobody listens on; false: somebody does, or it is
 *  something else. */
static bool remove_stale(const struct sockaddr_un *address)
{
    struct stat status;
    if (lstat(address->sun_path, &status) != 0)
        return errno == ENOENT;
    if (!S_ISSOCK(status.st_mode)) {
        errno = EEXIST;
        return false;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return false;
    bool refused =
        connect(fd, (const struct sockaddr *)address, sizeof *address) != 0 &&
        errno == ECONNREFUSED;
    close(fd);
    errno = EADDRINUSE;
    return refused && unlink(address->sun_path) == 0;
}

static bool open_local(struct listener *listener, const char *path,
                       unsigned mode)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return false;
    }
    memcpy(address.sun_path, path, strlen(path) + 1);
    if (!remove_stale(&address))
        return false;
    listener->fd =
        socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    /* Nobody can connect before listen(), so there is no moment with a mode
     * that is too open. */
    if (listener->fd < 0 ||
        bind(listener->fd, (struct sockaddr *)&address, sizeof address) != 0)
        return false;
    memcpy(listener->path, path, strlen(path) + 1);
    return chmod(path, (mode_t)mode) == 0 && listen(listener->fd, BACKLOG) == 0;
}

static bool open_info(struct listener *listener, const struct addrinfo *info)
{
    const int on = 1, off = 0;
    listener->fd =
        socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (listener->fd < 0)
        return false;
    setsockopt(listener->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (info->ai_family == AF_INET6)
        setsockopt(listener->fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    if (bind(listener->fd, info->ai_addr, info->ai_addrlen) == 0 &&
        listen(listener->fd, BACKLOG) == 0)
        return true;
    int reason = errno;
    close(listener->fd);
    listener->fd = -1;
    errno = reason;
    return false;
}

static bool open_tcp(struct listener *listener, const char *address, bool tls,
                     char *error, size_t error_bytes)
{
    char host[ADDRESS_HOST_BYTES], port[ADDRESS_PORT_BYTES];
    if (!address_split(address, host, sizeof host, port, sizeof port))
        return fail(listener, address, "must be " ADDRESS_RULE, error,
                    error_bytes);
    struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV,
                             .ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    int code = getaddrinfo(*host ? host : NULL, port, &hints, &list);
    if (code != 0)
        return fail(listener, address, gai_strerror(code), error, error_bytes);
    bool ok = false;
    for (struct addrinfo *info = list; info && !ok; info = info->ai_next)
        ok = open_info(listener, info);
    int reason = errno;
    freeaddrinfo(list);
    if (!ok)
        return fail(listener, address, strerror(reason), error, error_bytes);
    describe(listener, tls);
    return true;
}

bool listener_open(struct listener *listener, const char *address,
                   unsigned mode, bool tls, char *error, size_t error_bytes)
{
    *listener = (struct listener){.fd = -1};
    if (strncmp(address, "unix:", 5) != 0)
        return open_tcp(listener, address, tls, error, error_bytes);
    if (!open_local(listener, address + 5, mode))
        return fail(listener, address, strerror(errno), error, error_bytes);
    describe(listener, tls);
    return true;
}

size_t listener_inherited(void)
{
    const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");
    size_t n = 0;
    if (pid && count && strtol(pid, NULL, 10) == getpid())
        n = strtoul(count, NULL, 10);
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    return n;
}

bool listener_adopt(struct listener *listener, int number, bool tls,
                    char *error, size_t error_bytes)
{
    int listening = 0;
    socklen_t bytes = sizeof listening;
    char name[32];
    *listener = (struct listener){.fd = FIRST_INHERITED + number};
    snprintf(name, sizeof name, "inherited socket %d", listener->fd);
    if (getsockopt(listener->fd, SOL_SOCKET, SO_ACCEPTCONN, &listening,
                   &bytes) != 0)
        return fail(listener, name, strerror(errno), error, error_bytes);
    if (!listening)
        return fail(listener, name, "it does not listen", error, error_bytes);
    fcntl(listener->fd, F_SETFD, FD_CLOEXEC);
    fcntl(listener->fd, F_SETFL, fcntl(listener->fd, F_GETFL) | O_NONBLOCK);
    describe(listener, tls);
    return true;
}

void listener_hold(struct listener *listener)
{
    listener_unlink(listener);
    if (listener->local)
        return;
    /* Drop segments with SYN and without ACK: a client that has no connection
     * yet gets none and tries again, one that is in the middle gets through.
     * The filter sees the segment from its TCP header on. */
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 13),
        BPF_STMT(BPF_ALU | BPF_AND | BPF_K, TH_SYN | TH_ACK),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, TH_SYN, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 0),
        BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
    };
    struct sock_fprog program = {sizeof code / sizeof code[0], code};
    /* Where the kernel says no, what is in the queue may be lost: no worse
     * than without it. */
    setsockopt(listener->fd, SOL_SOCKET, SO_ATTACH_FILTER, &program,
               sizeof program);
}

bool listener_empty(const struct listener *listener)
{
    struct pollfd poll_fd = {.fd = listener->fd, .events = POLLIN};
    return poll(&poll_fd, 1, 0) <= 0;
}

void listener_shut(struct listener *listener)
{
    shutdown(listener->fd, SHUT_RDWR);
}

void listener_unlink(struct listener *listener)
{
    if (listener->path[0])
        unlink(listener->path);
    listener->path[0] = '\0';
}

void listener_close(struct listener *listener)
{
    listener_unlink(listener);
    if (listener->fd >= 0)
        close(listener->fd);
    listener->fd = -1;
}
