// SPDX-License-Identifier: MIT
/* Flags over environment over defaults, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "../../server/options.h"

enum { MAX_ARGUMENTS = 24 };

static struct options options;
static struct error error;

static bool parse(const char *const *arguments)
{
    char *argv[MAX_ARGUMENTS] = {(char *)"softmaxd"};
    int argc = 1;
    for (; *arguments && argc < MAX_ARGUMENTS; arguments++)
        argv[argc++] = (char *)(uintptr_t)*arguments;
    options_free(&options);
    error.text[0] = '\0';
    return options_parse(&options, argc, argv, &error);
}

#define PARSE(...) parse((const char *const[]){__VA_ARGS__, NULL})

static void test_defaults(void **state)
{
    (void)state;
    assert_true(parse((const char *const[]){NULL}));
    assert_int_equal(options.action, ACTION_SERVE);
    assert_int_equal(options.listen_count, 1);
    assert_string_equal(options.listen[0], "127.0.0.1:8080");
    assert_int_equal(options.socket_mode, 0660);
    assert_true(options.io_threads >= 1);
    assert_true(options.compute_threads >= 1);
    assert_int_equal(options.isa, SMX_ISA_BEST);
    assert_int_equal(options.max_body, 64 << 20);
    assert_true(options.memory_limit > 0);
    assert_int_equal(options.max_connections, 8192);
    assert_int_equal(options.max_in_flight, 1024);
    assert_int_equal(options.idle_timeout, 75);
    assert_int_equal(options.request_timeout, 60);
    assert_int_equal(options.drain_delay, 0);
    assert_int_equal(options.drain_timeout, 25);
    assert_null(options.tls_cert);
    assert_null(options.token_file);
    assert_null(options.admin_listen);
    assert_int_equal(options.log_format, LOG_TEXT);
    assert_int_equal(options.log_level, LOG_INFO);
}

static void test_flags(void **state)
{
    (void)state;
    assert_true(PARSE("--listen", "[::1]:0", "--listen=unix:/run/s",
                      "--socket-mode=0600", "--io-threads", "3",
                      "--compute-threads=5", "--isa=base", "--max-body=2Ki",
                      "--memory-limit", "3GiB"));
    assert_int_equal(options.listen_count, 2);
    assert_string_equal(options.listen[0], "[::1]:0");
    assert_string_equal(options.listen[1], "unix:/run/s");
    assert_int_equal(options.socket_mode, 0600);
    assert_int_equal(options.io_threads, 3);
    assert_int_equal(options.compute_threads, 5);
    assert_int_equal(options.isa, SMX_ISA_BASE);
    assert_int_equal(options.max_body, 2048);
    assert_int_equal(options.memory_limit, 3ull << 30);
    assert_true(PARSE("--tls-cert=c", "--tls-key=k", "--tls-client-ca=a",
                      "--token-file=t", "--log-format=json",
                      "--log-level=error", "--drain-delay=5",
                      "--admin-listen=127.0.0.1:9"));
    assert_string_equal(options.admin_listen, "127.0.0.1:9");
    assert_string_equal(options.tls_cert, "c");
    assert_string_equal(options.tls_key, "k");
    assert_string_equal(options.tls_client_ca, "a");
    assert_string_equal(options.token_file, "t");
    assert_int_equal(options.log_format, LOG_JSON);
    assert_int_equal(options.log_level, LOG_ERROR);
    assert_int_equal(options.drain_delay, 5);
}

static void test_environment(void **state)
{
    (void)state;
    setenv("SOFTMAXD_LISTEN", " 127.0.0.1:1, unix:/a \t", 1);
    setenv("SOFTMAXD_MAX_BODY", "1000", 1);
    setenv("SOFTMAXD_IDLE_TIMEOUT", "", 1); /* as if it were not there */
    assert_true(parse((const char *const[]){NULL}));
    assert_int_equal(options.listen_count, 2);
    assert_string_equal(options.listen[1], "unix:/a");
    setenv("SOFTMAXD_LISTEN", "127.0.0.1:1 ,, 127.0.0.1:2,", 1);
    assert_true(parse((const char *const[]){NULL}));
    assert_int_equal(options.listen_count, 2);
    assert_string_equal(options.listen[1], "127.0.0.1:2");
    setenv("SOFTMAXD_LISTEN", "127.0.0.1:1,nowhere,127.0.0.1:2", 1);
    assert_false(parse((const char *const[]){NULL}));
    assert_string_equal(error.text, "SOFTMAXD_LISTEN: got nowhere, must be "
                                    "host:port, [::1]:port or unix:/path");
    setenv("SOFTMAXD_LISTEN", "127.0.0.1:1", 1);
    assert_true(parse((const char *const[]){NULL}));
    assert_int_equal(options.max_body, 1000);
    assert_int_equal(options.idle_timeout, 75);
    assert_true(PARSE("--max-body=2000", "--listen=127.0.0.1:2"));
    assert_int_equal(options.max_body, 2000);
    assert_int_equal(options.listen_count, 1);
    assert_string_equal(options.listen[0], "127.0.0.1:2");
    setenv("SOFTMAXD_MAX_BODY", "much", 1);
    assert_false(parse((const char *const[]){NULL}));
    assert_non_null(
        strstr(error.text, "SOFTMAXD_MAX_BODY: got much, must be "));
    unsetenv("SOFTMAXD_LISTEN");
    unsetenv("SOFTMAXD_MAX_BODY");
    unsetenv("SOFTMAXD_IDLE_TIMEOUT");
}

/* Of what is no option only so many are told. */
static void test_stray_variables(void **state)
{
    (void)state;
    char name[32];
    for (int i = 0; i <= OPTIONS_MAX_STRAY; i++) {
        snprintf(name, sizeof name, "SOFTMAXD_NO_OPTION_%d", i);
        setenv(name, "_SERVICE_", 1); /* which is no name of a service */
    }
    assert_true(parse((const char *const[]){NULL}));
    assert_int_equal(options.stray_count, OPTIONS_MAX_STRAY);
    for (int i = 0; i <= OPTIONS_MAX_STRAY; i++) {
        snprintf(name, sizeof name, "SOFTMAXD_NO_OPTION_%d", i);
        unsetenv(name);
    }
    setenv("SOFTMAXD_A_PORT_NUMBER", "1", 1); /* nor is this */
    assert_true(parse((const char *const[]){NULL}));
    assert_int_equal(options.stray_count, 1);
    unsetenv("SOFTMAXD_A_PORT_NUMBER");
}

static void test_switch(void **state)
{
    (void)state;
    assert_true(PARSE("--log-level=error"));
    assert_false(options.compress);
    assert_true(PARSE("--compress", "--log-level=error"));
    assert_true(options.compress);
    setenv("SOFTMAXD_COMPRESS", "on", 1);
    assert_true(PARSE("--log-level=error"));
    assert_true(options.compress);
    assert_true(PARSE("--compress=off"));
    assert_false(options.compress);
    setenv("SOFTMAXD_COMPRESS", "maybe", 1);
    assert_false(PARSE("--log-level=error"));
    assert_string_equal(error.text,
                        "SOFTMAXD_COMPRESS: got maybe, must be one of "
                        "off, on");
    unsetenv("SOFTMAXD_COMPRESS");
}

static void test_actions(void **state)
{
    (void)state;
    assert_true(PARSE("--help"));
    assert_int_equal(options.action, ACTION_HELP);
    assert_true(PARSE("-h"));
    assert_int_equal(options.action, ACTION_HELP);
    assert_true(PARSE("--version"));
    assert_int_equal(options.action, ACTION_VERSION);
    assert_true(PARSE("--healthcheck"));
    assert_int_equal(options.action, ACTION_HEALTHCHECK);
    assert_null(options.healthcheck);
    assert_true(PARSE("--healthcheck", "unix:/run/s"));
    assert_string_equal(options.healthcheck, "unix:/run/s");
    assert_true(PARSE("--healthcheck", "--listen=127.0.0.1:9"));
    assert_null(options.healthcheck);
    assert_string_equal(options.listen[0], "127.0.0.1:9");
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *argument, *part;
    } cases[] = {
        {"--frobnicate", "--frobnicate: unknown argument"},
        {"-x", "-x: unknown argument"},
        {"extra", "extra: unknown argument"},
        {"--", "--: unknown argument"},
        {"--max-body", "--max-body: needs a value"},
        {"--max-body=", "must be a whole number"},
        {"--max-body=0", "must be a whole number from 1"},
        {"--max-body=-1", "got -1, must be"},
        {"--max-body=1X", "got 1X, must be"},
        {"--max-body=1KB", "got 1KB, must be"},
        {"--max-body=99999999999999999999", "must be a whole number"},
        {"--max-body=18446744073709551615", "must be a whole number"},
        {"--max-body=16777216T", "must be a whole number"},
        {"--io-threads=0", "must be a whole number from 1 to 1024"},
        {"--io-threads=2K", "got 2K"},
        {"--idle-timeout=1.5", "got 1.5"},
        {"--idle-timeout=75s", "got 75s, must be a whole number of seconds"},
        {"--socket-mode=0888", "must be octal"},
        {"--socket-mode=1777", "must be octal"},
        {"--isa=mmx", "got mmx, must be one of best, base, avx2"},
        {"--log-format=xml", "must be one of text, json"},
        {"--log-level=loud", "must be one of error, warn, info, debug"},
        {"--admin-listen=9090", "--admin-listen: got 9090, must be host:port"},
        {"--tls-cert=x", "must be given with --tls-key"},
        {"--tls-key=x", "must be given with --tls-cert"},
        {"--tls-client-ca=x", "must be given with --tls-cert"},
        {"--tls-priority=x", "must be given with --tls-cert"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_false(PARSE(cases[i].argument));
        if (!strstr(error.text, cases[i].part))
            fail_msg("%s: %s", cases[i].argument, error.text);
    }
}

static void test_too_many_addresses(void **state)
{
    (void)state;
    const char *arguments[OPTIONS_MAX_LISTEN + 2] = {0};
    for (int i = 0; i < OPTIONS_MAX_LISTEN; i++)
        arguments[i] = "--listen=127.0.0.1:0";
    assert_true(parse(arguments));
    arguments[OPTIONS_MAX_LISTEN] = "--listen=127.0.0.1:0";
    assert_false(parse(arguments));
}

static void test_help_lists_every_flag(void **state)
{
    (void)state;
    static const char *const flags[] = {"--listen ADDR",
                                        "--socket-mode",
                                        "--io-threads",
                                        "--compute-threads",
                                        "--isa",
                                        "--max-body BYTES",
                                        "--memory-limit",
                                        "--max-connections",
                                        "--max-in-flight",
                                        "--idle-timeout",
                                        "--request-timeout",
                                        "--drain-delay",
                                        "--drain-timeout",
                                        "--tls-cert",
                                        "--tls-key",
                                        "--tls-client-ca",
                                        "--token-file",
                                        "--log-format",
                                        "--log-level",
                                        "--healthcheck",
                                        "--version",
                                        "SOFTMAXD_MAX_BODY",
                                        "default 64 MiB",
                                        "default 75 s",
                                        "default 0660",
                                        "best, base, avx2, avx512, neon"};
    char *help = options_help();
    assert_non_null(help);
    for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++)
        if (!strstr(help, flags[i]))
            fail_msg("--help does not say %s", flags[i]);
    free(help);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_flags),
        cmocka_unit_test(test_environment),
        cmocka_unit_test(test_stray_variables),
        cmocka_unit_test(test_switch),
        cmocka_unit_test(test_actions),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_too_many_addresses),
        cmocka_unit_test(test_help_lists_every_flag),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    options_free(&options);
    return failed;
}
