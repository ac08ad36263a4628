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
#include <unistd.h>

#include "../address.h"

enum { BACKLOG = 4096, FIRST_INHERITED = 3 };

#define CANNOT_LISTEN "cannot listen on %s: %s" /* address, reason */

/** The URL of a bound socket. */
static void describe_address(struct listener *listener, bool tls)
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
    struct sockaddr_un address;
    if (!address_unix(path, &address) || !remove_stale(&address))
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

static int open_info(const struct addrinfo *info)
{
    const int on = 1, off = 0;
    int fd =
        socket(info->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (info->ai_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    if (bind(fd, info->ai_addr, info->ai_addrlen) == 0 &&
        listen(fd, BACKLOG) == 0)
        return fd;
    int reason = errno;
    close(fd);
    errno = reason;
    return -1;
}

/** Give an address that asks for any port the port of an open socket. */
static void take_port(struct addrinfo *info, int fd)
{
    struct sockaddr_in6 other;
    socklen_t bytes = sizeof other;
    /* Both families have the port in the same place. */
    struct sockaddr_in6 *address = (void *)info->ai_addr;
    if (address->sin6_port == 0 &&
        getsockname(fd, (struct sockaddr *)&other, &bytes) == 0)
        address->sin6_port = other.sin6_port;
}

/** Does this machine lack the address, so that the others have to do? */
static bool is_absent(int reason)
{
    return reason == EAFNOSUPPORT || reason == EADDRNOTAVAIL;
}

/** A hosts file may have a name twice. */
static bool is_double(const struct addrinfo *first, const struct addrinfo *info)
{
    while (first != info &&
           (first->ai_addrlen != info->ai_addrlen ||
            memcmp(first->ai_addr, info->ai_addr, info->ai_addrlen) != 0))
        first = first->ai_next;
    return first != info;
}

/** Listen on each address. @return 0, or an errno where one is in use or none
 *  is left. */
static int open_all(struct listener_list *list, struct addrinfo *first,
                    bool tls)
{
    int opened = -1, absent = EADDRNOTAVAIL;
    for (struct addrinfo *info = first; info; info = info->ai_next) {
        if (opened >= 0)
            take_port(info, opened);
        if (is_double(first, info))
            continue;
        if (list->count == LISTENERS_MAX)
            return EMFILE;
        int fd = open_info(info);
        if (fd < 0 && !is_absent(errno))
            return errno;
        if (fd < 0) {
            absent = errno;
            continue;
        }
        struct listener *listener = &list->one[list->count++];
        *listener = (struct listener){.fd = opened = fd};
        take_port(info, opened); /* so that its double is told */
        describe_address(listener, tls);
    }
    return opened < 0 ? absent : 0;
}

/** @return 0, an errno, or one of getaddrinfo's as a message in *reason. */
static int open_host(struct listener_list *list, const char *host,
                     const char *port, bool tls, const char **reason)
{
    const struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV,
                                   .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    int code = getaddrinfo(host, port, &hints, &found);
    if (code != 0) {
        *reason = gai_strerror(code);
        return EINVAL;
    }
    code = open_all(list, found, tls);
    *reason = strerror(code);
    freeaddrinfo(found);
    return code;
}

static bool open_tcp(struct listener_list *list, const char *address, bool tls,
                     struct error *error)
{
    char host[ADDRESS_HOST_BYTES], port[ADDRESS_PORT_BYTES];
    const char *reason = NULL;
    if (!address_split(address, host, sizeof host, port, sizeof port))
        return error_set(error, CANNOT_LISTEN, address,
                         "must be " ADDRESS_RULE);
    bool everywhere =
        !*host || strcmp(host, "*") == 0 || strcmp(host, "::") == 0;
    int code = open_host(list, everywhere ? "::" : host, port, tls, &reason);
    if (everywhere && is_absent(code))
        code = open_host(list, "0.0.0.0", port, tls, &reason);
    return code == 0 || error_set(error, CANNOT_LISTEN, address, reason);
}

bool listener_open(struct listener_list *list, const char *address,
                   unsigned mode, bool tls, struct error *error)
{
    if (strncmp(address, "unix:", 5) != 0)
        return open_tcp(list, address, tls, error);
    if (list->count == LISTENERS_MAX)
        return error_set(error, CANNOT_LISTEN, address, strerror(EMFILE));
    struct listener *listener = &list->one[list->count++];
    *listener = (struct listener){.fd = -1};
    if (!open_local(listener, address + 5, mode))
        return error_set(error, CANNOT_LISTEN, address, strerror(errno));
    describe_address(listener, tls);
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

bool listener_adopt(struct listener_list *list, size_t number, bool tls,
                    struct error *error)
{
    int listening = 0, fd = FIRST_INHERITED + (int)number;
    socklen_t bytes = sizeof listening;
    char name[32];
    snprintf(name, sizeof name, "inherited socket %d", fd);
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &bytes) != 0)
        return error_set(error, CANNOT_LISTEN, name, strerror(errno));
    if (!listening)
        return error_set(error, CANNOT_LISTEN, name, "it does not listen");
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    struct listener *listener = &list->one[list->count++];
    *listener = (struct listener){.fd = fd, .inherited = true};
    describe_address(listener, tls);
    return true;
}

void listener_hold(struct listener *listener)
{
    listener_unlink(listener);
    if (listener->local || listener->inherited)
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
    if (!listener->inherited)
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
