// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "options.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "address.h"
#include "machine.h"

enum kind { COUNT, BYTES, SECONDS, OCTAL, TEXT, ADDRESS, CHOICE, SWITCH, LIST };

/** name and the value it stands for; ends with a NULL name */
struct choice {
    const char *name;
    uint64_t value;
};

static const struct choice isas[] = {
    {"best", SMX_ISA_BEST},     {"base", SMX_ISA_BASE}, {"avx2", SMX_ISA_AVX2},
    {"avx512", SMX_ISA_AVX512}, {"neon", SMX_ISA_NEON}, {NULL, 0}};
static const struct choice formats[] = {
    {"text", LOG_TEXT}, {"json", LOG_JSON}, {NULL, 0}};
static const struct choice levels[] = {{"error", LOG_ERROR},
                                       {"warn", LOG_WARN},
                                       {"info", LOG_INFO},
                                       {"debug", LOG_DEBUG},
                                       {NULL, 0}};

static const struct choice switches[] = {{"off", 0}, {"on", 1}, {NULL, 0}};

static uint64_t quarter_of_memory(void)
{
    return machine_memory() / 4;
}

/** One option: its flag, from which its environment variable follows. */
struct option_row {
    const char *flag; /* without the dashes */
    const char *value;
    enum kind kind;
    size_t offset; /* in struct options */
    uint64_t standard;
    uint64_t (*measured)(void); /* the default when it is the machine's */
    const char *standard_text;  /* of the default, where it is no number */
    uint64_t least, most;
    const struct choice *choices;
    const char *help;
};

#define AT(member) offsetof(struct options, member)
#define DEFAULT_LISTEN "127.0.0.1:8080"

enum { MIB = 1 << 20, THREADS_MOST = 1024, SECONDS_MOST = 86400 * 365 };

static const struct option_row table[] = {
    {"listen", "ADDR", LIST, AT(listen), 0, NULL, DEFAULT_LISTEN, 0, 0, NULL,
     "host:port, [::1]:port, *:port or unix:/path; port 0 picks one; "
     "repeatable"},
    {"admin-listen", "ADDR", ADDRESS, AT(admin_listen), 0, NULL, "none", 0, 0,
     NULL, "health, readiness, metrics and version, without tokens or TLS"},
    {"socket-mode", "MODE", OCTAL, AT(socket_mode), 0660, NULL, NULL, 0, 0777,
     NULL, "permissions of Unix sockets, octal"},
    {"io-threads", "N", COUNT, AT(io_threads), 0, machine_cores, "cores", 1,
     THREADS_MOST, NULL, "event loops for each address"},
    {"compute-threads", "N", COUNT, AT(compute_threads), 0, machine_cores,
     "cores", 1, THREADS_MOST, NULL, "threads of the compute pool"},
    {"isa", "NAME", CHOICE, AT(isa), SMX_ISA_BEST, NULL, NULL, 0, 0, isas,
     "instruction set to compute with"},
    {"max-body", "BYTES", BYTES, AT(max_body), 64 * MIB, NULL, NULL, 1,
     SIZE_MAX / 4, NULL, "of a decoded request body"},
    {"memory-limit", "BYTES", BYTES, AT(memory_limit), 0, quarter_of_memory,
     "1/4 of the cgroup or machine", 1, SIZE_MAX / 4, NULL,
     "of all tensors in flight; beyond it 503"},
    {"max-connections", "N", COUNT, AT(max_connections), 8192, NULL, NULL, 1,
     1000000, NULL, "open connections; beyond it 503"},
    {"max-in-flight", "N", COUNT, AT(max_in_flight), 1024, NULL, NULL, 1,
     1000000, NULL, "requests under way; beyond it 503"},
    {"idle-timeout", "SECONDS", SECONDS, AT(idle_timeout), 75, NULL, NULL, 1,
     SECONDS_MOST, NULL, "a kept-alive connection may be silent"},
    {"request-timeout", "SECONDS", SECONDS, AT(request_timeout), 60, NULL, NULL,
     1, SECONDS_MOST, NULL,
     "for a request to arrive, else 408; for an answer, then 1 MiB a second"},
    {"drain-delay", "SECONDS", SECONDS, AT(drain_delay), 0, NULL, NULL, 0,
     SECONDS_MOST, NULL, "keep serving after SIGTERM, readiness off"},
    {"drain-timeout", "SECONDS", SECONDS, AT(drain_timeout), 25, NULL, NULL, 0,
     SECONDS_MOST, NULL, "then finish what is in flight within"},
    {"tls-cert", "FILE", TEXT, AT(tls_cert), 0, NULL, "none", 0, 0, NULL,
     "PEM certificate chain; TLS on every TCP address"},
    {"tls-key", "FILE", TEXT, AT(tls_key), 0, NULL, "none", 0, 0, NULL,
     "PEM private key"},
    {"tls-client-ca", "FILE", TEXT, AT(tls_client_ca), 0, NULL, "none", 0, 0,
     NULL, "PEM authorities; clients must show a certificate of theirs"},
    {"tls-priority", "STRING", TEXT, AT(tls_priority), 0, NULL,
     "TLS 1.2 and newer", 0, 0, NULL,
     "versions and ciphers, as GnuTLS writes them"},
    {"token-file", "FILE", TEXT, AT(token_file), 0, NULL, "none", 0, 0, NULL,
     "bearer tokens, one a line; health and readiness stay open"},
    {"compress", "", SWITCH, AT(compress), 0, NULL, NULL, 0, 1, switches,
     "compress answers where Accept-Encoding asks and it pays"},
    {"shared-memory", "", SWITCH, AT(shared_memory), 0, NULL, NULL, 0, 1,
     switches, "let clients of /v2 pass tensors in POSIX shared memory"},
    {"log-format", "NAME", CHOICE, AT(log_format), LOG_TEXT, NULL, NULL, 0, 0,
     formats, "one line a request on stderr"},
    {"log-level", "NAME", CHOICE, AT(log_level), LOG_INFO, NULL, NULL, 0, 0,
     levels, "least level to log; requests are info"},
};

enum { ROWS = sizeof table / sizeof table[0], NAME_BYTES = 64 };

static uint64_t *number_of(struct options *options,
                           const struct option_row *row)
{
    return (uint64_t *)((char *)options + row->offset);
}

static const char **text_of(struct options *options,
                            const struct option_row *row)
{
    return (const char **)((char *)options + row->offset);
}

static void environment_name(const struct option_row *row, char *name)
{
    size_t n = (size_t)snprintf(name, NAME_BYTES, "SOFTMAXD_%s", row->flag);
    for (size_t i = 0; i < n; i++)
        name[i] = name[i] == '-' ? '_' : (char)toupper((unsigned char)name[i]);
}

/** "64", and for bytes "64K", "64MiB", "1G": powers of 1024. */
static bool parse_number(const char *text, enum kind kind, uint64_t *number)
{
    char *end;
    if (!isdigit((unsigned char)text[0]))
        return false;
    errno = 0;
    *number = strtoull(text, &end, kind == OCTAL ? 8 : 10);
    if (errno)
        return false;
    if (kind != BYTES || *end == '\0')
        return *end == '\0';
    static const char units[] = "KMGT";
    const char *unit = strchr(units, toupper((unsigned char)*end));
    if (!unit || (strcmp(end + 1, "") != 0 && strcmp(end + 1, "i") != 0 &&
                  strcmp(end + 1, "iB") != 0))
        return false;
    for (const char *u = units; u <= unit; u++)
        if (__builtin_mul_overflow(*number, (uint64_t)1024, number))
            return false;
    return true;
}

static void rule_of(const struct option_row *row, char *rule, size_t bytes)
{
    if (row->choices) {
        size_t used = (size_t)snprintf(rule, bytes, "one of");
        for (const struct choice *c = row->choices; c->name && used < bytes;
             c++)
            used += (size_t)snprintf(rule + used, bytes - used, "%s %s",
                                     c == row->choices ? "" : ",", c->name);
    } else if (row->kind == OCTAL) {
        snprintf(rule, bytes, "octal from 0 to %lo", (unsigned long)row->most);
    } else {
        snprintf(rule, bytes, "a whole number %sfrom %lu to %lu%s",
                 row->kind == SECONDS ? "of seconds " : "",
                 (unsigned long)row->least, (unsigned long)row->most,
                 row->kind == BYTES ? ", alone or with K, M, G or T" : "");
    }
}

static bool refuse_value(const struct option_row *row, const char *from,
                         const char *text, struct error *error)
{
    char rule[160];
    rule_of(row, rule, sizeof rule);
    return error_set(error, "%s: got %s, must be %s", from, text, rule);
}

static bool set_choice(struct options *options, const struct option_row *row,
                       const char *text)
{
    for (const struct choice *c = row->choices; c->name; c++)
        if (strcmp(c->name, text) == 0) {
            *number_of(options, row) = c->value;
            return true;
        }
    return false;
}

static bool check_address(const char *from, const char *text,
                          struct error *error)
{
    if (address_valid(text))
        return true;
    return error_set(error, "%s: got %s, must be " ADDRESS_RULE, from, text);
}

static bool add_listen(struct options *options, const char *from,
                       const char *text, struct error *error)
{
    if (options->listen_count == OPTIONS_MAX_LISTEN)
        return error_set(error, "%s: got %s, must be at most %d addresses",
                         from, text, OPTIONS_MAX_LISTEN);
    if (!check_address(from, text, error))
        return false;
    options->listen[options->listen_count++] = text;
    return true;
}

/** from: the flag or variable as its user wrote it. */
static bool set_value(struct options *options, const struct option_row *row,
                      const char *from, const char *text, struct error *error)
{
    if (row->kind == LIST)
        return add_listen(options, from, text, error);
    if (row->kind == TEXT || row->kind == ADDRESS) {
        *text_of(options, row) = text;
        return row->kind == TEXT || check_address(from, text, error);
    }
    if (row->choices)
        return set_choice(options, row, text) ||
               refuse_value(row, from, text, error);
    uint64_t number;
    if (!parse_number(text, row->kind, &number) || number < row->least ||
        number > row->most)
        return refuse_value(row, from, text, error);
    *number_of(options, row) = number;
    return true;
}

void options_defaults(struct options *options)
{
    *options = (struct options){0};
    for (size_t i = 0; i < ROWS; i++)
        if (table[i].kind != TEXT && table[i].kind != ADDRESS &&
            table[i].kind != LIST)
            *number_of(options, &table[i]) =
                table[i].measured ? table[i].measured() : table[i].standard;
}

/** The text without the blanks around it; a NUL is written over those behind
 *  it. */
static char *trimmed(char *text)
{
    text += strspn(text, " \t\n");
    char *end = text + strlen(text);
    while (end > text && isspace((unsigned char)end[-1]))
        *--end = '\0';
    return text;
}

/** SOFTMAXD_LISTEN names several addresses, with commas between them. */
static bool listen_from_environment(struct options *options, const char *from,
                                    const char *text, struct error *error)
{
    options->owned = strdup(text);
    if (!options->owned)
        return error_set(error, NO_MEMORY);
    char *rest = options->owned, *one;
    while ((one = strsep(&rest, ",")))
        if (*(one = trimmed(one)) && !add_listen(options, from, one, error))
            return false;
    return true;
}

static bool from_environment(struct options *options, struct error *error)
{
    for (size_t i = 0; i < ROWS; i++) {
        char name[NAME_BYTES];
        environment_name(&table[i], name);
        const char *text = getenv(name);
        if (!text || !*text)
            continue;
        bool ok = table[i].kind == LIST
                      ? listen_from_environment(options, name, text, error)
                      : set_value(options, &table[i], name, text, error);
        if (!ok)
            return false;
    }
    return true;
}

static const struct option_row *find_row(const char *flag, size_t bytes)
{
    for (size_t i = 0; i < ROWS; i++)
        if (strlen(table[i].flag) == bytes &&
            memcmp(table[i].flag, flag, bytes) == 0)
            return &table[i];
    return NULL;
}

/** --flag VALUE or --flag=VALUE at argv[*at]; *at moves to what it used. A
 *  switch alone is on. */
static bool from_flag(struct options *options, int argc, char **argv, int *at,
                      bool *listens, struct error *error)
{
    const char *argument = argv[*at];
    size_t name = strcspn(argument, "=");
    const struct option_row *row = NULL;
    if (strncmp(argument, "--", 2) == 0)
        row = find_row(argument + 2, name - 2);
    if (!row)
        return error_set(error, "%s: unknown argument, see softmaxd --help",
                         argument);
    const char *value = argument + name + 1;
    if (argument[name] != '=' && row->kind == SWITCH) {
        value = "on";
    } else if (argument[name] != '=') {
        if (*at + 1 >= argc)
            return error_set(error, "%s: needs a value (%s)", argument,
                             row->value);
        value = argv[++*at];
    }
    if (row->kind == LIST && !*listens) {
        options->listen_count = 0; /* flags replace the environment's */
        *listens = true;
    }
    char from[NAME_BYTES];
    snprintf(from, sizeof from, "--%s", row->flag);
    return set_value(options, row, from, value, error);
}

/** --help, --version and --healthcheck [ADDRESS] are not in the table. */
static bool from_action(struct options *options, int argc, char **argv, int *at)
{
    if (strcmp(argv[*at], "--help") == 0 || strcmp(argv[*at], "-h") == 0) {
        options->action = ACTION_HELP;
    } else if (strcmp(argv[*at], "--version") == 0) {
        options->action = ACTION_VERSION;
    } else if (strcmp(argv[*at], "--healthcheck") == 0) {
        options->action = ACTION_HEALTHCHECK;
        if (*at + 1 < argc && strncmp(argv[*at + 1], "--", 2) != 0)
            options->healthcheck = argv[++*at];
    } else {
        return false;
    }
    return true;
}

static bool check_tls(const struct options *options, struct error *error)
{
    const char *wrong = NULL;
    if (!options->tls_cert != !options->tls_key)
        wrong = options->tls_cert
                    ? "--tls-cert: got a file, must be given with --tls-key"
                    : "--tls-key: got a file, must be given with --tls-cert";
    else if (options->tls_client_ca && !options->tls_cert)
        wrong = "--tls-client-ca: got a file, must be given with --tls-cert";
    else if (options->tls_priority && !options->tls_cert)
        wrong = "--tls-priority: got a string, must be given with --tls-cert";
    if (wrong)
        error_set(error, "%s", wrong);
    return !wrong;
}

/** "NAME=value": what Kubernetes sets for a service whose name begins with
 *  softmaxd, as SOFTMAXD_SERVICE_HOST or SOFTMAXD_PORT_80_TCP_ADDR? */
static bool is_service_link(const char *variable)
{
    size_t name = strcspn(variable, "=");
    const char *port = strstr(variable, "_PORT");
    if (port && (port + 5 == variable + name ||
                 (port[5] == '_' && isdigit((unsigned char)port[6]))))
        return true;
    const char *service = strstr(variable, "_SERVICE_");
    return service && service < variable + name;
}

static bool is_option(const char *variable)
{
    char name[NAME_BYTES];
    size_t bytes = strcspn(variable, "=");
    for (size_t i = 0; i < ROWS; i++) {
        environment_name(&table[i], name);
        if (strlen(name) == bytes && memcmp(name, variable, bytes) == 0)
            return true;
    }
    return false;
}

static void find_strays(struct options *options)
{
    for (char **at = environ; at && *at; at++)
        if (strncmp(*at, "SOFTMAXD_", 9) == 0 && !is_option(*at) &&
            !is_service_link(*at) && options->stray_count < OPTIONS_MAX_STRAY)
            options->stray[options->stray_count++] = *at;
}

bool options_parse(struct options *options, int argc, char **argv,
                   struct error *error)
{
    bool listens = false;
    options_defaults(options);
    if (!from_environment(options, error))
        return false;
    find_strays(options);
    for (int at = 1; at < argc; at++)
        if (!from_action(options, argc, argv, &at) &&
            !from_flag(options, argc, argv, &at, &listens, error))
            return false;
    if (options->listen_count == 0)
        options->listen[options->listen_count++] = DEFAULT_LISTEN;
    return check_tls(options, error);
}

static void print_default(FILE *out, const struct option_row *row)
{
    if (row->standard_text)
        fprintf(out, "%s", row->standard_text);
    else if (row->choices)
        fprintf(out, "%s", row->choices[row->standard].name);
    else if (row->kind == OCTAL)
        fprintf(out, "%04lo", (unsigned long)row->standard);
    else if (row->kind == BYTES)
        fprintf(out, "%lu MiB", (unsigned long)row->standard / MIB);
    else
        fprintf(out, "%lu%s", (unsigned long)row->standard,
                row->kind == SECONDS ? " s" : "");
}

char *options_help(void)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    if (!out)
        return NULL;
    fprintf(out,
            "usage: softmaxd [--FLAG VALUE]...\n"
            "       softmaxd --healthcheck [ADDRESS]\n"
            "       softmaxd --version | --help\n\n"
            "Answers /softmax, /loss and /gradient for POSTed logits.\n"
            "A flag goes over its environment variable, that over the default."
            "\nBYTES may end in K, M, G or T (powers of 1024).\n\n");
    for (size_t i = 0; i < ROWS; i++) {
        const struct option_row *row = &table[i];
        char name[NAME_BYTES], flag[NAME_BYTES];
        environment_name(row, name);
        snprintf(flag, sizeof flag, "--%s%s%s", row->flag,
                 *row->value ? " " : "", row->value);
        fprintf(out, "  %-26s %s\n", flag, row->help);
        for (const struct choice *c = row->choices; c && c->name; c++)
            fprintf(out, "%s%s%s",
                    c == row->choices ? "                             " : ", ",
                    c->name, c[1].name ? "" : "\n");
        fprintf(out, "%29s%s; default ", "", name);
        print_default(out, row);
        fprintf(out, "\n");
    }
    bool failed = ferror(out);
    if (fclose(out) != 0 || failed) {
        free(text);
        return NULL;
    }
    return text;
}

void options_free(struct options *options)
{
    free(options->owned);
    options->owned = NULL;
}
