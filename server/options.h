/* SPDX-License-Identifier: MIT */
/** What the command line and the environment ask for. */
#ifndef OPTIONS_H
#define OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"
#include "softmax.h"

enum { OPTIONS_MAX_LISTEN = 16, OPTIONS_MAX_STRAY = 4 };

enum log_format { LOG_TEXT, LOG_JSON };
enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

enum options_action {
    ACTION_SERVE,
    ACTION_HELP,
    ACTION_VERSION,
    ACTION_HEALTHCHECK
};

struct options {
    enum options_action action;
    const char *healthcheck; /* the address to ask; NULL: the first listen */

    const char *listen[OPTIONS_MAX_LISTEN];
    size_t listen_count;      /* at least 1 after options_parse */
    const char *admin_listen; /* NULL: nowhere */
    uint64_t socket_mode;
    uint64_t io_threads;
    uint64_t compute_threads;
    uint64_t isa; /* enum smx_isa */
    uint64_t max_body;
    uint64_t memory_limit; /* bytes */
    uint64_t max_connections;
    uint64_t max_in_flight;
    uint64_t idle_timeout;    /* seconds */
    uint64_t request_timeout; /* seconds */
    uint64_t drain_delay;     /* seconds */
    uint64_t drain_timeout;   /* seconds */
    const char *tls_cert;
    const char *tls_key;
    const char *tls_client_ca;
    const char *tls_priority; /* NULL: TLS 1.2 and newer */
    const char *token_file;
    uint64_t shared_memory; /* 1: clients may register regions of it */
    uint64_t compress;      /* 1: answers, where a client asks and it pays */
    uint64_t log_format;    /* enum log_format */
    uint64_t log_level;     /* enum log_level */

    /* Variables that look like options and are none; the first few. */
    const char *stray[OPTIONS_MAX_STRAY];
    size_t stray_count;

    char *owned; /* text that the pointers above may point into */
};

/** Every option at its default. */
void options_defaults(struct options *options);

/**
 * Defaults, then the environment, then the arguments.
 *
 * Ownership    *options borrows from argv and the environment;
 *              options_free releases the rest, also after an error.
 * @return false with one line, without newline, in error.
 */
bool options_parse(struct options *options, int argc, char **argv,
                   struct error *error);

/** The text of --help; to be freed; NULL when out of memory. */
char *options_help(void);

void options_free(struct options *options);

#endif
