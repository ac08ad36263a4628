// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "daemon.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../number/isa.h"
#include "../clock.h"
#include "../region.h"
#include "connection.h"
#include "listener.h"
#include "mhd.h"
#include "pages.h"
#include "server.h"
#include "tls.h"
#include "tokens.h"

enum {
    KEEPER_MS = 200,   /* how often the keeper looks */
    STOPPED_MS = 1000, /* without a look: the process itself was stopped */
    LOOK_TURNS = 4,    /* every so many turns it looks for clients that left */
    HOLD_MS = 50,      /* for handshakes that have begun */
    CLOSING_IDLE_MS = 250 /* idle connections live while draining */
};

struct daemon {
    struct server server;
    struct connection_list connections;
    struct connection_list admin_connections;
    struct listener_list listeners;
    struct listener_list admin; /* --admin-listen: open until the end */
    _Atomic uint64_t life_ms; /* since when server.life is so; set before it */
    pthread_t keeper;         /* sweeps connections, moves life on */
    bool keeper_runs;         /* it was started */
};

/* ---- the keeper ------------------------------------------------------- */

static void enter_life(struct daemon *daemon, enum life life)
{
    daemon->life_ms = clock_ms();
    atomic_store(&daemon->server.life, life);
}

/** libmicrohttpd first: it would spin on a socket that is shut. */
static void stop_listening(struct listener *listener)
{
    mhd_quiesce(listener->mhd);
    listener_shut(listener);
}

/** Nobody whom the kernel has let in may be turned away: see listener.h. */
static void close_listeners(struct daemon *daemon)
{
    const struct timespec hold = {0, HOLD_MS * 1000000L};
    for (size_t i = 0; i < daemon->listeners.count; i++)
        listener_hold(&daemon->listeners.one[i]);
    nanosleep(&hold, NULL);
    for (size_t i = 0; i < daemon->listeners.count; i++) {
        for (int waits = 0; waits < 20; waits++) {
            if (listener_empty(&daemon->listeners.one[i]))
                break;
            nanosleep(&hold, NULL);
        }
        stop_listening(&daemon->listeners.one[i]);
    }
}

static void move_on(struct daemon *daemon)
{
    const struct options *options = daemon->server.options;
    /* Read before life_ms, which is set before it. */
    enum life life = server_life(&daemon->server);
    uint64_t passed = clock_ms() - daemon->life_ms;
    if (life == LIFE_DELAY && passed >= options->drain_delay * 1000) {
        enter_life(daemon, LIFE_CLOSING);
        close_listeners(daemon);
    }
    if (life != LIFE_CLOSING)
        return;
    if (daemon->server.in_flight == 0 && daemon->server.connections == 0 &&
        linger_count(&daemon->connections.linger) == 0)
        enter_life(daemon, LIFE_DRAINED);
    else if (passed >= options->drain_timeout * 1000)
        enter_life(daemon, LIFE_OVERDUE);
}

static void *run_keeper(void *argument)
{
    struct daemon *daemon = argument;
    pthread_setname_np(pthread_self(), "keeper");
    uint64_t last = clock_ms();
    for (unsigned turn = 0; !daemon->server.stopping; turn++) {
        bool draining = server_life(&daemon->server) >= LIFE_DELAY;
        bool closing = server_life(&daemon->server) >= LIFE_CLOSING;
        linger_wait(&daemon->connections.linger,
                    draining ? KEEPER_MS / 10 : KEEPER_MS);
        /* Where the process was stopped meanwhile, the event loops first see
         * what has arrived. */
        bool stopped = clock_ms() - last > STOPPED_MS;
        last = clock_ms();
        if (stopped)
            continue;
        connection_sweep(&daemon->connections,
                         closing ? CLOSING_IDLE_MS : UINT64_MAX,
                         turn % LOOK_TURNS == 0);
        pace_keep(&daemon->connections);
        if (connection_is_over(&daemon->connections))
            connection_evict(&daemon->connections);
        linger_wait(&daemon->admin_connections.linger, 0);
        connection_sweep(&daemon->admin_connections, UINT64_MAX, false);
        move_on(daemon);
    }
    return NULL;
}

/* ---- start ------------------------------------------------------------ */

static bool collect_routes(struct daemon *daemon,
                           const struct route_table *tables, size_t count,
                           struct error *error)
{
    bool fits = true;
    for (size_t i = 0; i < count; i++)
        fits &= routes_add(&daemon->server.routes, tables[i].routes,
                           tables[i].count);
    fits &= routes_add(&daemon->server.routes, pages_routes, pages_route_count);
    if (!fits)
        return error_set(error, "more than %d routes", ROUTES_MAX);
    daemon->server.service.metrics = metrics_create(
        daemon->server.routes.route, daemon->server.routes.count);
    return daemon->server.service.metrics || error_set(error, NO_MEMORY);
}

static bool open_listeners(struct daemon *daemon, struct error *error)
{
    const struct options *options = daemon->server.options;
    unsigned mode = (unsigned)options->socket_mode;
    bool ok = true, tls = daemon->connections.tls;
    size_t inherited = listener_inherited();
    for (size_t i = 0; ok && i < inherited && i < LISTENERS_MAX; i++)
        ok = listener_adopt(&daemon->listeners, i, tls, error);
    for (size_t i = 0; ok && !inherited && i < options->listen_count; i++)
        ok = listener_open(&daemon->listeners, options->listen[i], mode, tls,
                           error);
    return ok && (!options->admin_listen ||
                  listener_open(&daemon->admin, options->admin_listen, mode,
                                false, error));
}

/** As many connections as the file descriptors allow. */
static bool limit_connections(struct daemon *daemon, struct error *error)
{
    struct connection_list *list = &daemon->connections;
    const struct options *options = daemon->server.options;
    size_t wanted = options->max_connections, files, needed;
    size_t loops = options->io_threads * daemon->listeners.count;
    /* a region keeps a file open, also after its name is gone */
    size_t regions = options->shared_memory ? 2 * REGIONS_MAX : 0;
    if (!capacity_plan(&list->capacity, wanted, loops, daemon->admin.count,
                       regions, &files, &needed))
        return error_set(error,
                         "open files: got a limit of %zu, must be at least %zu",
                         files, needed);
    list->linger.most = list->capacity.lingering;
    daemon->admin_connections.linger.most = CAPACITY_ADMIN_LINGERING;
    daemon->admin_connections.capacity.connections = CAPACITY_ADMIN;
    daemon->server.max_connections = list->capacity.connections;
    if (list->capacity.connections < wanted)
        log_event(daemon->server.log, LOG_WARN,
                  "max-connections is %zu, not %zu: the limit of open files is "
                  "%zu",
                  list->capacity.connections, wanted, files);
    return true;
}

static bool serve_all(struct listener_list *listeners,
                      struct connection_list *connections, struct error *error)
{
    for (size_t i = 0; i < listeners->count; i++) {
        struct listener *listener = &listeners->one[i];
        bool tls = connections->tls && !listener->local;
        listener->mhd = mhd_start(connections, listener->fd, tls);
        if (!listener->mhd)
            return error_set(error, "cannot serve %s", listener->url);
    }
    return true;
}

static bool start_compute(struct daemon *daemon, struct error *error)
{
    const struct options *options = daemon->server.options;
    const struct smx_config config = {.size = sizeof config,
                                      .threads = options->compute_threads,
                                      .isa = (enum smx_isa)options->isa};
    enum smx_status status =
        smx_context_create(&daemon->server.service.compute, &config);
    if (status == SMX_EISA)
        error_set(error, "--isa: got %s, must be one that this machine has",
                  smx_isa_name(config.isa));
    else if (status != SMX_OK)
        error_set(error, "%s", smx_status_string(status));
    if (status != SMX_OK)
        return false;
    number_isa_force(smx_context_isa(daemon->server.service.compute));
    daemon->server.service.jobs =
        jobs_create(smx_context_threads(daemon->server.service.compute));
    if (!daemon->server.service.jobs)
        error_set(error, "%s", smx_status_string(SMX_ETHREAD));
    return daemon->server.service.jobs;
}

static void log_start(struct daemon *daemon)
{
    const struct options *options = daemon->server.options;
    struct log *log = daemon->server.log;
    for (size_t i = 0; i < options->stray_count; i++)
        log_event(log, LOG_WARN,
                  "environment: %.*s is no option and changes nothing, see "
                  "softmaxd --help",
                  (int)strcspn(options->stray[i], "="), options->stray[i]);
    for (size_t i = 0; i < daemon->listeners.count; i++)
        log_event(log, LOG_INFO, "start: " SMX_VERSION " listening on %s",
                  daemon->listeners.one[i].url);
    for (size_t i = 0; i < daemon->admin.count; i++)
        log_event(log, LOG_INFO, "start: admin on %s",
                  daemon->admin.one[i].url);
}

static bool start(struct daemon *daemon, const struct route_table *tables,
                  size_t count, int log_fd, struct error *error)
{
    const struct options *options = daemon->server.options;
    daemon->server.log =
        log_create(log_fd, (enum log_format)options->log_format,
                   (enum log_level)options->log_level);
    if (!daemon->server.log)
        return error_set(error, NO_MEMORY);
    if (options->tls_cert &&
        !(daemon->connections.tls = tls_create(options, error)))
        return false;
    if (options->token_file &&
        !(daemon->server.tokens = tokens_create(options->token_file, error)))
        return false;
    if (options->shared_memory &&
        !(daemon->server.service.regions = regions_create()))
        return error_set(error, NO_MEMORY);
    if (!collect_routes(daemon, tables, count, error) ||
        !open_listeners(daemon, error) || !limit_connections(daemon, error) ||
        !start_compute(daemon, error))
        return false;
    daemon->life_ms = clock_ms();
    if (!serve_all(&daemon->listeners, &daemon->connections, error) ||
        !serve_all(&daemon->admin, &daemon->admin_connections, error))
        return false;
    daemon->keeper_runs =
        pthread_create(&daemon->keeper, NULL, run_keeper, daemon) == 0;
    if (!daemon->keeper_runs)
        return error_set(error, NO_MEMORY);
    log_start(daemon);
    return true;
}

struct daemon *daemon_start(const struct options *options,
                            const struct route_table *tables, size_t count,
                            int log_fd, struct error *error)
{
    struct daemon *daemon = calloc(1, sizeof *daemon);
    if (!daemon) {
        error_set(error, NO_MEMORY);
        return NULL;
    }
    daemon->server.options = options;
    daemon->server.service.budget.limit = options->memory_limit;
    daemon->server.service.max_body = options->max_body;
    daemon->server.service.is_ready = pages_is_ready;
    daemon->admin_connections.admin = true;
    if (!connection_list_init(&daemon->connections, &daemon->server) ||
        !connection_list_init(&daemon->admin_connections, &daemon->server))
        error_set(error, "cannot create an epoll instance");
    else if (start(daemon, tables, count, log_fd, error))
        return daemon;
    daemon_stop(daemon);
    return NULL;
}

/* ---- while it runs ---------------------------------------------------- */

const char *daemon_address(const struct daemon *daemon, size_t i)
{
    return i < daemon->listeners.count ? daemon->listeners.one[i].url : NULL;
}

const char *daemon_admin_address(const struct daemon *daemon, size_t i)
{
    return i < daemon->admin.count ? daemon->admin.one[i].url : NULL;
}

struct service *daemon_service(struct daemon *daemon)
{
    return &daemon->server.service;
}

bool daemon_reload(struct daemon *daemon, struct error *error)
{
    const struct options *options = daemon->server.options;
    bool ok =
        (!daemon->connections.tls ||
         tls_reload(daemon->connections.tls, options, error)) &&
        (!daemon->server.tokens ||
         tokens_reload(daemon->server.tokens, options->token_file, error));
    log_event(daemon->server.log, LOG_INFO, "reload: %s",
              ok ? "the files were read again" : "all stays as it was");
    return ok;
}

void daemon_drain(struct daemon *daemon)
{
    log_event(daemon->server.log, LOG_INFO, "drain: %zu requests are under way",
              (size_t)daemon->server.in_flight);
    enter_life(daemon, LIFE_DELAY);
}

enum daemon_drained daemon_drained(struct daemon *daemon)
{
    enum life life = server_life(&daemon->server);
    return life == LIFE_DRAINED   ? DRAIN_DONE
           : life == LIFE_OVERDUE ? DRAIN_TIMEOUT
                                  : DRAIN_RUNNING;
}

size_t daemon_in_flight(const struct daemon *daemon)
{
    return daemon->server.in_flight;
}

void daemon_unlink(struct daemon *daemon)
{
    for (size_t i = 0; i < daemon->listeners.count; i++)
        listener_unlink(&daemon->listeners.one[i]);
    for (size_t i = 0; i < daemon->admin.count; i++)
        listener_unlink(&daemon->admin.one[i]);
}

/* ---- stop ------------------------------------------------------------- */

/** libmicrohttpd aborts when it is stopped with a connection suspended: take
 *  no new ones, give up the jobs that wait, wait for those that run. */
static void settle_jobs(struct daemon *daemon)
{
    const struct timespec pause = {0, 5 * 1000000L};
    for (size_t i = 0; i < daemon->listeners.count; i++)
        stop_listening(&daemon->listeners.one[i]);
    while (connection_abandon(&daemon->connections) > 0)
        nanosleep(&pause, NULL);
}

static void stop_serving(struct listener_list *listeners)
{
    for (size_t i = 0; i < listeners->count; i++) {
        struct listener *listener = &listeners->one[i];
        if (listener->mhd)
            mhd_stop(listener->mhd);
        listener->mhd = NULL;
        listener_close(listener);
    }
}

void daemon_stop(struct daemon *daemon)
{
    if (!daemon)
        return;
    daemon->server.stopping = true;
    if (daemon->keeper_runs)
        pthread_join(daemon->keeper, NULL);
    settle_jobs(daemon);
    if (daemon->keeper_runs)
        log_event(daemon->server.log, LOG_INFO, "exit: %s",
                  server_life(&daemon->server) == LIFE_DRAINED
                      ? "all requests are answered"
                      : "without a drain");
    stop_serving(&daemon->listeners);
    stop_serving(&daemon->admin);
    jobs_free(daemon->server.service.jobs);
    smx_context_free(daemon->server.service.compute);
    tls_free(daemon->connections.tls);
    tokens_free(daemon->server.tokens);
    regions_free(daemon->server.service.regions);
    metrics_free(daemon->server.service.metrics);
    log_free(daemon->server.log);
    connection_list_deinit(&daemon->connections);
    connection_list_deinit(&daemon->admin_connections);
    free(daemon);
}
