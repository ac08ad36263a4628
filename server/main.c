// SPDX-License-Identifier: MIT
/* softmaxd: options, start, wait for a signal, drain, exit. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "address.h"
#include "api/native.h"
#include "http/daemon.h"
#include "http/healthcheck.h"
#include "options.h"
#include "page/page.h"
#include "v2/v2_routes.h"
#include "softmax.h"

enum { EXIT_USAGE = 2, DRAIN_LOOK_MS = 20 };

static int complain(const char *error, int status)
{
    fprintf(stderr, "softmaxd: %s\n", error);
    return status;
}

static int print(const char *text)
{
    if (!text)
        return complain("out of memory", EXIT_FAILURE);
    return fputs(text, stdout) == EOF || fflush(stdout) == EOF ? EXIT_FAILURE
                                                               : EXIT_SUCCESS;
}

static int print_help(void)
{
    char *help = options_help();
    int status = print(help);
    free(help);
    return status;
}

static int check_health(const struct options *options)
{
    struct error error;
    const char *address =
        options->healthcheck ? options->healthcheck : options->listen[0];
    if (healthcheck(address, options->tls_cert, options->tls_key, &error))
        return EXIT_SUCCESS;
    return complain(error.text, EXIT_FAILURE);
}

/** One line, once all addresses listen. */
static void announce(struct daemon *daemon, const struct options *options)
{
    const struct smx_context *compute = daemon_service(daemon)->compute;
    const char *address;
    printf("softmaxd " SMX_VERSION " listening on");
    for (size_t i = 0; (address = daemon_address(daemon, i)); i++)
        printf("%s %s", i ? "," : "", address);
    for (size_t i = 0; (address = daemon_admin_address(daemon, i)); i++)
        printf("%s %s", i ? "," : ", admin on", address);
    printf(" (%s, %lu io, %zu compute)\n",
           smx_isa_name(smx_context_isa(compute)),
           (unsigned long)options->io_threads, smx_context_threads(compute));
    fflush(stdout);
}

/** Tell the service manager how the daemon is, as sd_notify(3) does: "READY=1",
 *  "STOPPING=1", "RELOADING=1\n..."; nothing without NOTIFY_SOCKET in the
 *  environment. */
static void notify(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address;
    if (!path || !*path || !address_unix(path, &address))
        return;
    if (path[0] == '@') /* an abstract name */
        address.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    socklen_t bytes =
        (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
    sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&address,
           bytes);
    close(fd);
}

static void reload(struct daemon *daemon)
{
    struct error error;
    char state[64];
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    snprintf(state, sizeof state, "RELOADING=1\nMONOTONIC_USEC=%lld",
             (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
    notify(state);
    if (!daemon_reload(daemon, &error))
        complain(error.text, 0);
    notify("READY=1");
}

/** Until all is answered, time is up, or a second signal comes. */
static int drain(struct daemon *daemon, const sigset_t *signals)
{
    const struct timespec look = {0, DRAIN_LOOK_MS * 1000000L};
    enum daemon_drained drained;
    notify("STOPPING=1");
    daemon_drain(daemon);
    while ((drained = daemon_drained(daemon)) == DRAIN_RUNNING) {
        int signal = sigtimedwait(signals, NULL, &look);
        if (signal == SIGTERM || signal == SIGINT) {
            fprintf(stderr,
                    "softmaxd: a second signal, %zu requests are given "
                    "up\n",
                    daemon_in_flight(daemon));
            daemon_unlink(daemon);
            _exit(EXIT_FAILURE);
        }
    }
    if (drained == DRAIN_DONE) {
        daemon_stop(daemon);
        return EXIT_SUCCESS;
    }
    fprintf(stderr, "softmaxd: %zu requests were not finished in time\n",
            daemon_in_flight(daemon));
    daemon_unlink(daemon);
    _exit(EXIT_FAILURE);
}

static int serve(const struct options *options)
{
    const struct route_table tables[] = {
        {api_routes, api_route_count},
        {v2_routes, v2_route_count},
        {page_routes, page_route_count},
    };
    struct error error;
    sigset_t signals;
    int signal;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    /* Before there are threads, which inherit it. */
    sigprocmask(SIG_BLOCK, &signals, NULL);
    sigaction(SIGPIPE, &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
    struct daemon *daemon =
        daemon_start(options, tables, sizeof tables / sizeof tables[0],
                     STDERR_FILENO, &error);
    if (!daemon)
        return complain(error.text, EXIT_FAILURE);
    announce(daemon, options);
    notify("READY=1");
    while ((signal = sigwaitinfo(&signals, NULL)) == SIGHUP || signal < 0)
        if (signal == SIGHUP)
            reload(daemon);
    return drain(daemon, &signals);
}

/** Where a standard stream is closed, the first socket would take its number,
 *  and the log would be written into it. */
static bool open_standard_streams(void)
{
    int fd;
    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    return fd >= 0 && close(fd) == 0;
}

/** The allocator would raise its thresholds to what it once was asked for: each
 *  thread's arena then keeps megabytes, and whatever lies above holds them.
 *  Larger blocks are mapped and given back at once; the rest waits for the next
 *  request, as to trim after every one costs more than to answer it. */
static void bound_kept_memory(void)
{
    mallopt(M_MMAP_THRESHOLD, 128 * 1024);
    mallopt(M_TRIM_THRESHOLD, 1024 * 1024);
}

int main(int argc, char **argv)
{
    struct options options;
    struct error error;
    int status = EXIT_SUCCESS;
    if (!open_standard_streams())
        return EXIT_FAILURE;
    bound_kept_memory();
    if (!options_parse(&options, argc, argv, &error)) {
        options_free(&options);
        return complain(error.text, EXIT_USAGE);
    }
    switch (options.action) {
    case ACTION_HELP:
        status = print_help();
        break;
    case ACTION_VERSION:
        status = print("softmaxd " SMX_VERSION "\n");
        break;
    case ACTION_HEALTHCHECK:
        status = check_health(&options);
        break;
    case ACTION_SERVE:
        status = serve(&options);
        break;
    }
    options_free(&options);
    return status;
}
