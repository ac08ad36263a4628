// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "daemon.h"

#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "../number/number_write.h"
#include "../number/scan.h"
#include "../clock.h"
#include "pages.h"
#include "server.h"

enum {
    KEEPER_MS = 200,        /* how often the keeper looks */
    LOOK_TURNS = 4,         /* and for clients that left, every so often */
    HOLD_MS = 50,           /* for handshakes that have begun */
    CLOSING_IDLE_MS = 250,  /* idle connections live while draining */
    RESERVED_FILES = 64,    /* file descriptors that are no connections */
    SPARE_CONNECTIONS = 256 /* beyond the limit, to be told 503 */
};

/* How libmicrohttpd reads a head. 0.9.75 looks for a blank before the colon
 * only at -1, the level that it calls lenient; for the rest see framing. Later
 * versions refuse with 1 all that RFC 9112 wants refused. */
#if MHD_VERSION < 0x00097701
#define STRICTNESS (-1)
#else
#define STRICTNESS 1
#endif

/* ---- libmicrohttpd's callbacks ---------------------------------------- */

static void close_client(struct daemon *daemon, struct client *client)
{
    if (!client)
        return; /* there was no memory for it */
    exchange_closed(client);
    if (client_may_send(client))
        linger_add(&daemon->linger, client->fd);
    tls_detach(client->identity);
    client_free(&daemon->clients, client);
}

static void notify_connection(void *cls, struct MHD_Connection *connection,
                              void **socket_context,
                              enum MHD_ConnectionNotificationCode code)
{
    struct daemon *daemon = cls;
    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
        close_client(daemon, *socket_context);
        atomic_fetch_sub(&daemon->connections, 1);
        return;
    }
    size_t open = 1 + atomic_fetch_add(&daemon->connections, 1);
    struct client *client = client_create(&daemon->clients, daemon, connection);
    *socket_context = client;
    if (!client)
        return;
    client->over = open > daemon->max_connections;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    if (daemon->tls && info && info->tls_session) {
        client->tls = info->tls_session;
        client->identity = tls_attach(daemon->tls, client->tls);
    }
}

/** The request line is here; what it returns is the request's state. */
static void *notify_request(void *cls, const char *uri,
                            struct MHD_Connection *connection)
{
    const struct daemon *daemon = cls;
    struct client *client =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)
            ->socket_context;
    if (!client || !client_enter(client, PHASE_HEADERS,
                                 daemon->options->request_timeout * 1000))
        return NULL;
    exchange_request_line(client, uri);
    return client;
}

/** More than can be told 503 are closed at once: better than to hang. */
static enum MHD_Result accept_connection(void *cls, const struct sockaddr *from,
                                         socklen_t bytes)
{
    struct daemon *daemon = cls;
    (void)from;
    (void)bytes;
    if (daemon->connections < daemon->max_connections + SPARE_CONNECTIONS)
        return MHD_YES;
    metrics_reject(daemon->metrics, REJECT_CONNECTIONS);
    return MHD_NO;
}

/** What a C string cannot hold stays escaped, and no path has it so. */
static size_t unescape(void *cls, struct MHD_Connection *connection, char *text)
{
    (void)cls;
    (void)connection;
    return strstr(text, "%00") ? strlen(text) : MHD_http_unescape(text);
}

static void note(void *cls, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));

static void note(void *cls, const char *format, va_list arguments)
{
    struct daemon *daemon = cls;
    char text[256];
    vsnprintf(text, sizeof text, format, arguments);
    log_event(daemon->log, LOG_DEBUG, "%s", text);
}

/* ---- the keeper ------------------------------------------------------- */

static void enter_life(struct daemon *daemon, enum life life)
{
    daemon->life_ms = clock_ms();
    atomic_store(&daemon->life, life);
}

/** Nobody whom the kernel has let in may be turned away: see listener.h. */
static void close_listeners(struct daemon *daemon)
{
    const struct timespec hold = {0, HOLD_MS * 1000000L};
    for (size_t i = 0; i < daemon->listener_count; i++)
        listener_hold(&daemon->listeners[i]);
    nanosleep(&hold, NULL);
    for (size_t i = 0; i < daemon->listener_count; i++) {
        for (int waits = 0; waits < 20; waits++) {
            if (listener_empty(&daemon->listeners[i]))
                break;
            nanosleep(&hold, NULL);
        }
        listener_shut(&daemon->listeners[i]);
    }
}

static void move_on(struct daemon *daemon)
{
    const struct options *options = daemon->options;
    enum life life = daemon_life(daemon); /* before its time: see enter_life */
    uint64_t passed = clock_ms() - daemon->life_ms;
    switch (life) {
    case LIFE_DELAY:
        if (passed < options->drain_delay * 1000)
            break;
        enter_life(daemon, LIFE_CLOSING);
        close_listeners(daemon);
        break;
    case LIFE_CLOSING:
        if (daemon->in_flight == 0 && daemon->connections == 0 &&
            linger_count(&daemon->linger) == 0)
            enter_life(daemon, LIFE_DRAINED);
        else if (passed >= options->drain_timeout * 1000)
            enter_life(daemon, LIFE_OVERDUE);
        break;
    case LIFE_STARTING:
    case LIFE_SERVING:
    case LIFE_DRAINED:
    case LIFE_OVERDUE:
        break;
    }
}

static void *keep(void *argument)
{
    struct daemon *daemon = argument;
    pthread_setname_np(pthread_self(), "keeper");
    for (unsigned turn = 0; !daemon->stopping; turn++) {
        bool draining = daemon_life(daemon) >= LIFE_DELAY;
        bool closing = daemon_life(daemon) >= LIFE_CLOSING;
        linger_wait(&daemon->linger, draining ? KEEPER_MS / 10 : KEEPER_MS);
        client_sweep(&daemon->clients, closing ? CLOSING_IDLE_MS : UINT64_MAX,
                     turn % LOOK_TURNS == 0);
        move_on(daemon);
    }
    return NULL;
}

/* ---- start ------------------------------------------------------------ */

static bool no_memory(char *error, size_t error_bytes)
{
    snprintf(error, error_bytes, "out of memory");
    return false;
}

static bool collect_routes(struct daemon *daemon,
                           const struct route_table *tables, size_t count,
                           char *error, size_t error_bytes)
{
    const char *names[ROUTES_MAX + 1];
    bool fits = true;
    for (size_t i = 0; i < count; i++)
        fits &= routes_add(&daemon->routes, tables[i].routes, tables[i].count);
    fits &= routes_add(&daemon->routes, pages_routes, pages_route_count);
    if (!fits) {
        snprintf(error, error_bytes, "more than %d routes", ROUTES_MAX);
        return false;
    }
    for (size_t i = 0; i < daemon->routes.count; i++)
        names[i] = daemon->routes.route[i]->name;
    names[daemon->routes.count] = "other";
    daemon->metrics = metrics_create(names, daemon->routes.count + 1);
    daemon->service.metrics = daemon->metrics;
    return daemon->metrics || no_memory(error, error_bytes);
}

/** As many connections as the file descriptors allow. */
static void limit_connections(struct daemon *daemon)
{
    struct rlimit files = {0};
    daemon->max_connections = daemon->options->max_connections;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0)
        return;
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    if (files.rlim_cur == RLIM_INFINITY ||
        files.rlim_cur >
            daemon->max_connections + SPARE_CONNECTIONS + RESERVED_FILES)
        return;
    const size_t kept = SPARE_CONNECTIONS + RESERVED_FILES;
    daemon->max_connections = files.rlim_cur > 2 * kept
                                  ? files.rlim_cur - kept
                                  : files.rlim_cur / 2 + 1;
    log_event(daemon->log, LOG_WARN,
              "max-connections is %zu: the limit of open files is %lu",
              daemon->max_connections, (unsigned long)files.rlim_cur);
}

static bool open_listeners(struct daemon *daemon, char *error,
                           size_t error_bytes)
{
    const struct options *options = daemon->options;
    size_t inherited = listener_inherited();
    size_t count = inherited ? inherited : options->listen_count;
    if (count > OPTIONS_MAX_LISTEN)
        count = OPTIONS_MAX_LISTEN;
    for (size_t i = 0; i < count; i++) {
        struct listener *listener = &daemon->listeners[i];
        bool ok = inherited ? listener_adopt(listener, (int)i, daemon->tls,
                                             error, error_bytes)
                            : listener_open(listener, options->listen[i],
                                            (unsigned)options->socket_mode,
                                            daemon->tls, error, error_bytes);
        if (!ok)
            return false;
        daemon->listener_count++;
    }
    return true;
}

static bool serve(struct daemon *daemon, struct listener *listener, char *error,
                  size_t error_bytes)
{
    const struct options *options = daemon->options;
    bool tls = daemon->tls && !listener->local;
    unsigned threads = (unsigned)options->io_threads;
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME |
                     MHD_USE_ERROR_LOG | (tls ? MHD_USE_TLS : 0);
    unsigned limit =
        (unsigned)(daemon->max_connections + 2 * SPARE_CONNECTIONS) * threads;
    struct MHD_OptionItem more[] = {
        {MHD_OPTION_THREAD_POOL_SIZE, threads > 1 ? threads : 0, NULL},
        {tls ? MHD_OPTION_HTTPS_CERT_CALLBACK : MHD_OPTION_END, 0,
         (void *)(intptr_t)tls_retrieve},
        {MHD_OPTION_END, 0, NULL},
    };
    listener->mhd = MHD_start_daemon(
        flags, 0, accept_connection, daemon, exchange_handle, daemon,
        MHD_OPTION_EXTERNAL_LOGGER, note, daemon, MHD_OPTION_LISTEN_SOCKET,
        listener->fd, MHD_OPTION_NOTIFY_CONNECTION, notify_connection, daemon,
        MHD_OPTION_NOTIFY_COMPLETED, exchange_completed, daemon,
        MHD_OPTION_URI_LOG_CALLBACK, notify_request, daemon,
        MHD_OPTION_UNESCAPE_CALLBACK, unescape, NULL,
        MHD_OPTION_CONNECTION_LIMIT, limit, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)CONNECTION_BYTES, MHD_OPTION_STRICT_FOR_CLIENT, STRICTNESS,
        MHD_OPTION_ARRAY, more, MHD_OPTION_END);
    if (!listener->mhd)
        snprintf(error, error_bytes, "cannot serve %s", listener->url);
    return listener->mhd;
}

static bool start_compute(struct daemon *daemon, char *error,
                          size_t error_bytes)
{
    const struct options *options = daemon->options;
    const struct smx_config config = {.size = sizeof config,
                                      .threads = options->compute_threads,
                                      .isa = (enum smx_isa)options->isa};
    enum smx_status status =
        smx_context_create(&daemon->service.compute, &config);
    if (status == SMX_EISA)
        snprintf(error, error_bytes,
                 "--isa: got %s, must be one that this machine has",
                 smx_isa_name(config.isa));
    else if (status != SMX_OK)
        snprintf(error, error_bytes, "%s", smx_status_string(status));
    if (status != SMX_OK)
        return false;
    enum smx_isa isa = smx_context_isa(daemon->service.compute);
    scan_force(isa);
    number_write_force(isa);
    daemon->jobs = jobs_create(smx_context_threads(daemon->service.compute));
    if (!daemon->jobs)
        snprintf(error, error_bytes, "%s", smx_status_string(SMX_ETHREAD));
    return daemon->jobs;
}

static bool start(struct daemon *daemon, const struct route_table *tables,
                  size_t count, int log_fd, char *error, size_t error_bytes)
{
    const struct options *options = daemon->options;
    daemon->log = log_create(log_fd, (enum log_format)options->log_format,
                             (enum log_level)options->log_level);
    if (!daemon->log)
        return no_memory(error, error_bytes);
    limit_connections(daemon);
    if (options->tls_cert &&
        !(daemon->tls = tls_create(options, error, error_bytes)))
        return false;
    if (options->token_file && !(daemon->tokens = tokens_create(
                                     options->token_file, error, error_bytes)))
        return false;
    if (!collect_routes(daemon, tables, count, error, error_bytes) ||
        !open_listeners(daemon, error, error_bytes) ||
        !start_compute(daemon, error, error_bytes))
        return false;
    enter_life(daemon, LIFE_SERVING);
    for (size_t i = 0; i < daemon->listener_count; i++)
        if (!serve(daemon, &daemon->listeners[i], error, error_bytes))
            return false;
    daemon->keeper_runs =
        pthread_create(&daemon->keeper, NULL, keep, daemon) == 0;
    return daemon->keeper_runs || no_memory(error, error_bytes);
}

struct daemon *daemon_start(const struct options *options,
                            const struct route_table *tables, size_t count,
                            int log_fd, char *error, size_t error_bytes)
{
    struct daemon *daemon = calloc(1, sizeof *daemon);
    if (!daemon) {
        no_memory(error, error_bytes);
        return NULL;
    }
    daemon->options = options;
    daemon->service.budget.limit = options->memory_limit;
    daemon->service.max_body = options->max_body;
    daemon->service.is_ready = pages_is_ready;
    pthread_mutex_init(&daemon->clients.lock, NULL);
    if (!linger_init(&daemon->linger))
        snprintf(error, error_bytes, "cannot create an epoll instance");
    else if (start(daemon, tables, count, log_fd, error, error_bytes))
        return daemon;
    daemon_stop(daemon);
    return NULL;
}

/* ---- while it runs ---------------------------------------------------- */

const char *daemon_address(const struct daemon *daemon, size_t i)
{
    return i < daemon->listener_count ? daemon->listeners[i].url : NULL;
}

struct service *daemon_service(struct daemon *daemon)
{
    return &daemon->service;
}

bool daemon_reload(struct daemon *daemon, char *error, size_t error_bytes)
{
    const struct options *options = daemon->options;
    bool ok =
        (!daemon->tls ||
         tls_reload(daemon->tls, options, error, error_bytes)) &&
        (!daemon->tokens || tokens_reload(daemon->tokens, options->token_file,
                                          error, error_bytes));
    log_event(daemon->log, LOG_INFO, "reload: %s",
              ok ? "the files were read again" : "all stays as it was");
    return ok;
}

void daemon_drain(struct daemon *daemon)
{
    log_event(daemon->log, LOG_INFO, "drain: %zu requests are under way",
              (size_t)daemon->in_flight);
    enter_life(daemon, LIFE_DELAY);
}

enum daemon_drained daemon_drained(struct daemon *daemon)
{
    switch (daemon_life(daemon)) {
    case LIFE_DRAINED:
        return DRAIN_DONE;
    case LIFE_OVERDUE:
        return DRAIN_TIMEOUT;
    case LIFE_STARTING:
    case LIFE_SERVING:
    case LIFE_DELAY:
    case LIFE_CLOSING:
        break;
    }
    return DRAIN_RUNNING;
}

size_t daemon_in_flight(const struct daemon *daemon)
{
    return daemon->in_flight;
}

void daemon_unlink(struct daemon *daemon)
{
    for (size_t i = 0; i < daemon->listener_count; i++)
        listener_unlink(&daemon->listeners[i]);
}

/* ---- stop ------------------------------------------------------------- */

/** libmicrohttpd aborts when it is stopped with a connection suspended: take
 *  no new ones, give up the jobs that wait, wait for those that run. */
static void settle_jobs(struct daemon *daemon)
{
    const struct timespec pause = {0, 5 * 1000000L};
    for (size_t i = 0; i < daemon->listener_count; i++)
        listener_shut(&daemon->listeners[i]);
    while (client_abandon(&daemon->clients) > 0)
        nanosleep(&pause, NULL);
}

void daemon_stop(struct daemon *daemon)
{
    if (!daemon)
        return;
    daemon->stopping = true;
    if (daemon->keeper_runs)
        pthread_join(daemon->keeper, NULL);
    settle_jobs(daemon);
    for (size_t i = 0; i < daemon->listener_count; i++)
        if (daemon->listeners[i].mhd) {
            /* it closes the socket */
            MHD_stop_daemon(daemon->listeners[i].mhd);
            daemon->listeners[i].fd = -1;
        }
    for (size_t i = 0; i < daemon->listener_count; i++)
        listener_close(&daemon->listeners[i]);
    jobs_free(daemon->jobs);
    smx_context_free(daemon->service.compute);
    tls_free(daemon->tls);
    tokens_free(daemon->tokens);
    metrics_free(daemon->metrics);
    log_free(daemon->log);
    linger_deinit(&daemon->linger);
    pthread_mutex_destroy(&daemon->clients.lock);
    free(daemon);
}
