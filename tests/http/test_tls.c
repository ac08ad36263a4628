// SPDX-License-Identifier: MIT
/* TLS: versions and ciphers, client certificates, new files while serving. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <curl/curl.h>
#include <gnutls/gnutls.h>
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "../../server/http/healthcheck.h"
#include "../support/certificate.h"
#include "../support/daemon_fixture.h"
#include "../support/scratch.h"

#define FLAGS(...)                                                             \
    (const char *const[])                                                      \
    {                                                                          \
        __VA_ARGS__, NULL                                                      \
    }

static struct fixture fixture;
enum {
    CA,
    CERT,
    KEY,
    CLIENT_CERT,
    CLIENT_KEY,
    OTHER_CA,
    OTHER_CERT,
    OTHER_KEY
};

static void check(const char *url, struct http_request request, int status)
{
    request.path = "/softmax";
    request.body = "{\"logits\":[1,2,3]}";
    struct http_answer answer = http_send(url, &request);
    if (answer.status != status)
        fail_msg("%s: status %d, curl: %s", url, answer.status,
                 curl_easy_strerror((CURLcode)answer.code));
    http_answer_free(&answer);
}

/** Serve with the server's certificate, and one more flag (or NULL). */
static void start_tls(const char *more)
{
    fixture_start(&fixture,
                  FLAGS(scratch_flag("--tls-cert", scratch[CERT]),
                        scratch_flag("--tls-key", scratch[KEY]), more));
}

static struct certificate authority, server, client, stranger, foreign;

static int make_certificates(void **state)
{
    if (scratch_open(state))
        return -1;
    authority = certificate_create("authority", NULL);
    server = certificate_create("server", &authority);
    client = certificate_create("client", &authority);
    stranger = certificate_create("stranger", NULL);
    foreign = certificate_create("foreign", &stranger);
    certificate_write(&authority, scratch[CA], NULL);
    certificate_write(&server, scratch[CERT], scratch[KEY]);
    certificate_write(&client, scratch[CLIENT_CERT], scratch[CLIENT_KEY]);
    certificate_write(&stranger, scratch[OTHER_CA], NULL);
    certificate_write(&foreign, scratch[OTHER_CERT], scratch[OTHER_KEY]);
    return 0;
}

static int free_certificates(void **state)
{
    certificate_free(&authority);
    certificate_free(&server);
    certificate_free(&client);
    certificate_free(&stranger);
    certificate_free(&foreign);
    return scratch_close(state);
}

static void test_tls(void **state)
{
    (void)state;
    struct error error;
    fixture_start(&fixture, FLAGS(scratch_flag("--tls-cert", scratch[CERT]),
                                  scratch_flag("--tls-key", scratch[KEY])));
    assert_int_equal(strncmp(fixture.url, "https://127.0.0.1:", 18), 0);
    check(fixture.url, (struct http_request){.ca = scratch[CA]}, 200);
    check(fixture.url, (struct http_request){.ca = scratch[OTHER_CA]}, 0);
    assert_true(healthcheck(fixture.url, NULL, NULL, &error));
    assert_true(
        healthcheck(fixture.url + 8, scratch[CERT], scratch[KEY], &error));
    assert_false(healthcheck(fixture.url + 8, NULL, NULL, &error));
    fixture_stop(&fixture);
}

static void test_tls_large_and_refused(void **state)
{
    (void)state;
    size_t bytes = 3 << 20;
    char *body = malloc(bytes + 1);
    assert_non_null(body);
    memset(body, ' ', bytes);
    body[bytes] = '\0';
    fixture_start(&fixture, FLAGS(scratch_flag("--tls-cert", scratch[CERT]),
                                  scratch_flag("--tls-key", scratch[KEY]),
                                  "--max-body=1MiB"));
    struct http_answer answer = http_send(
        fixture.url, &(struct http_request){.path = "/softmax",
                                            .body = body,
                                            .headers = FLAGS("Expect:"),
                                            .ca = scratch[CA]});
    assert_int_equal(answer.status, 413);
    http_answer_free(&answer);
    free(body);
    fixture_stop(&fixture);
}

/* What is wrong is said over TLS, too, while more of the body is to come. */
static void test_tls_refused_in_mid_body(void **state)
{
    (void)state;
    enum { BYTES = 3 << 20 };
    char *body = malloc(BYTES + 1);
    assert_non_null(body);
    memset(body, ' ', BYTES);
    body[0] = 'x';
    body[BYTES] = '\0';
    start_tls(NULL);
    struct http_answer answer = http_send(
        fixture.url, &(struct http_request){.path = "/softmax",
                                            .body = body,
                                            .headers = FLAGS("Expect:"),
                                            .ca = scratch[CA]});
    assert_int_equal(answer.status, 400);
    http_answer_free(&answer);
    free(body);
    fixture_stop(&fixture);
}

static void test_client_certificates(void **state)
{
    (void)state;
    fixture_start(&fixture,
                  FLAGS(scratch_flag("--tls-cert", scratch[CERT]),
                        scratch_flag("--tls-key", scratch[KEY]),
                        scratch_flag("--tls-client-ca", scratch[CA])));
    check(fixture.url,
          (struct http_request){.ca = scratch[CA],
                                .cert = scratch[CLIENT_CERT],
                                .key = scratch[CLIENT_KEY]},
          200);
    check(fixture.url, (struct http_request){.ca = scratch[CA]}, 0);
    fixture_stop(&fixture);
    fixture_start(&fixture,
                  FLAGS(scratch_flag("--tls-cert", scratch[CERT]),
                        scratch_flag("--tls-key", scratch[KEY]),
                        scratch_flag("--tls-client-ca", scratch[OTHER_CA])));
    check(fixture.url,
          (struct http_request){.ca = scratch[CA],
                                .cert = scratch[CLIENT_CERT],
                                .key = scratch[CLIENT_KEY]},
          0);
    fixture_stop(&fixture);
}

static void test_new_certificate_while_serving(void **state)
{
    (void)state;
    struct error error;
    fixture_start(&fixture, FLAGS(scratch_flag("--tls-cert", scratch[CERT]),
                                  scratch_flag("--tls-key", scratch[KEY])));
    check(fixture.url, (struct http_request){.ca = scratch[CA]}, 200);
    struct certificate fresh = certificate_create("fresh", &stranger);
    certificate_write(&fresh, scratch[CERT], NULL);
    /* half written: the key does not fit, and the old pair stays */
    assert_false(daemon_reload(fixture.daemon, &error));
    check(fixture.url, (struct http_request){.ca = scratch[CA]}, 200);
    certificate_write(&fresh, NULL, scratch[KEY]);
    assert_true(daemon_reload(fixture.daemon, &error));
    check(fixture.url, (struct http_request){.ca = scratch[CA]}, 0);
    check(fixture.url, (struct http_request){.ca = scratch[OTHER_CA]}, 200);
    certificate_free(&fresh);
    certificate_write(&server, scratch[CERT], scratch[KEY]);
    fixture_stop(&fixture);
}

static void test_unreadable_tls_files(void **state)
{
    (void)state;
    fixture_refuses(FLAGS("--listen=127.0.0.1:0", "--tls-cert=/nowhere",
                          scratch_flag("--tls-key", scratch[KEY])),
                    "--tls-cert: /nowhere: No such file or directory");
    fixture_refuses(FLAGS("--listen=127.0.0.1:0",
                          scratch_flag("--tls-cert", scratch[CERT]),
                          "--tls-key=/tmp"),
                    "--tls-key: /tmp: Is a directory");
    fixture_refuses(FLAGS("--listen=127.0.0.1:0",
                          scratch_flag("--tls-cert", scratch[CERT]),
                          scratch_flag("--tls-key", scratch[KEY]),
                          "--tls-client-ca=/nowhere"),
                    "--tls-client-ca: /nowhere: No such file or directory");
    fixture_refuses(FLAGS("--listen=127.0.0.1:0",
                          scratch_flag("--tls-cert", scratch[CERT]),
                          scratch_flag("--tls-key", scratch[CERT])),
                    "--tls-key: ");
    fixture_refuses(FLAGS("--listen=127.0.0.1:0",
                          scratch_flag("--tls-cert", scratch[CERT]),
                          scratch_flag("--tls-key", scratch[CLIENT_KEY])),
                    "--tls-key: ");
    fixture_refuses(FLAGS("--listen=127.0.0.1:0",
                          scratch_flag("--tls-cert", scratch[CERT]),
                          scratch_flag("--tls-key", scratch[KEY]),
                          scratch_flag("--tls-client-ca", scratch[KEY])),
                    "--tls-client-ca: ");
}

/* ---- versions, ciphers, alerts ------------------------------------------ */

/** Connect with GnuTLS and ask for health. @return 0: answered; else GnuTLS's
 *  error, and the alert that came with it. */
static int ask(const char *priority, int cert, int key, int *alert)
{
    gnutls_session_t session;
    gnutls_certificate_credentials_t credentials;
    char answer[16];
    int fd = fixture_connect(&fixture);
    assert_int_equal(gnutls_certificate_allocate_credentials(&credentials), 0);
    if (cert != key)
        assert_int_equal(
            gnutls_certificate_set_x509_key_file(
                credentials, scratch[cert], scratch[key], GNUTLS_X509_FMT_PEM),
            0);
    assert_int_equal(gnutls_init(&session, GNUTLS_CLIENT), 0);
    assert_int_equal(gnutls_priority_set_direct(session, priority, NULL), 0);
    gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, credentials);
    gnutls_transport_set_int(session, fd);
    ssize_t code = gnutls_handshake(session);
    if (code >= 0)
        code = gnutls_record_send(session, "GET /healthz HTTP/1.0\r\n\r\n", 25);
    if (code >= 0)
        code = gnutls_record_recv(session, answer, sizeof answer);
    *alert = code == GNUTLS_E_FATAL_ALERT_RECEIVED
                 ? (int)gnutls_alert_get(session)
                 : -1;
    gnutls_deinit(session);
    gnutls_certificate_free_credentials(credentials);
    close(fd);
    return code > 0 ? 0 : (int)code;
}

#define ONLY(version) "NORMAL:-VERS-ALL:+VERS-" version
#define CIPHER(name) ONLY("TLS1.2") ":-CIPHER-ALL:+" name

static void test_versions_and_ciphers(void **state)
{
    (void)state;
    static const struct {
        const char *priority;
        bool good;
    } cases[] = {
        {"NORMAL", true},
        {ONLY("TLS1.3"), true},
        {ONLY("TLS1.2"), true},
        {ONLY("TLS1.1"), false},
        {ONLY("TLS1.0"), false},
        {CIPHER("AES-128-GCM"), true},
        {CIPHER("AES-256-GCM"), true},
        {CIPHER("CHACHA20-POLY1305"), true},
        {CIPHER("AES-128-CBC"), false},
        {CIPHER("AES-256-CBC"), false},
        {CIPHER("AES-128-CCM"), false},
    };
    int alert;
    start_tls(NULL);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        if ((ask(cases[i].priority, CA, CA, &alert) == 0) != cases[i].good)
            fail_msg("%s", cases[i].priority);
    fixture_stop(&fixture);
    start_tls("--tls-priority=NORMAL:-VERS-ALL:+VERS-TLS1.2");
    assert_int_equal(ask(CIPHER("AES-256-CBC"), CA, CA, &alert), 0);
    assert_int_not_equal(ask(ONLY("TLS1.3"), CA, CA, &alert), 0);
    fixture_stop(&fixture);
    fixture_refuses(FLAGS("--listen=127.0.0.1:0",
                          scratch_flag("--tls-cert", scratch[CERT]),
                          scratch_flag("--tls-key", scratch[KEY]),
                          "--tls-priority=NORMAL:+NONSENSE"),
                    "--tls-priority: got NORMAL:+NONSENSE, must be a ");
}

static void test_alerts(void **state)
{
    (void)state;
    static const struct {
        const char *priority;
        int cert, key, alert;
    } cases[] = {
        {ONLY("TLS1.3"), CLIENT_CERT, CLIENT_KEY, -1},
        {ONLY("TLS1.2"), CLIENT_CERT, CLIENT_KEY, -1},
        {ONLY("TLS1.3"), CA, CA, GNUTLS_A_CERTIFICATE_REQUIRED},
        {ONLY("TLS1.2"), CA, CA, GNUTLS_A_HANDSHAKE_FAILURE},
        {ONLY("TLS1.3"), OTHER_CERT, OTHER_KEY, GNUTLS_A_BAD_CERTIFICATE},
        {ONLY("TLS1.2"), OTHER_CERT, OTHER_KEY, GNUTLS_A_BAD_CERTIFICATE},
    };
    start_tls(scratch_flag("--tls-client-ca", scratch[CA]));
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int alert;
        int code = ask(cases[i].priority, cases[i].cert, cases[i].key, &alert);
        if (alert != cases[i].alert || (code == 0) != (alert == -1))
            fail_msg("%s, certificate %d: alert %d, %s", cases[i].priority,
                     cases[i].cert, alert, gnutls_strerror(code));
    }
    fixture_stop(&fixture);
}

/* Who is asked for a certificate must have one as secure as TLS has to be. */
static void test_security_level_of_clients(void **state)
{
    (void)state;
    static const struct {
        const char *priority;
        bool good;
    } cases[] = {
        {"--tls-priority=NORMAL:-VERS-ALL:+VERS-TLS1.3", true},
        {"--tls-priority=NORMAL:-VERS-ALL:+VERS-TLS1.3:%PROFILE_FUTURE", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int alert;
        fixture_start(&fixture,
                      FLAGS(scratch_flag("--tls-cert", scratch[CERT]),
                            scratch_flag("--tls-key", scratch[KEY]),
                            scratch_flag("--tls-client-ca", scratch[CA]),
                            cases[i].priority));
        if ((ask("NORMAL", CLIENT_CERT, CLIENT_KEY, &alert) == 0) !=
            cases[i].good)
            fail_msg("%s", cases[i].priority);
        assert_int_equal(alert, cases[i].good ? -1 : GNUTLS_A_BAD_CERTIFICATE);
        fixture_stop(&fixture);
    }
}

/* It shows the server's own certificate, whoever may have signed that. */
static void test_healthcheck_with_a_certificate(void **state)
{
    (void)state;
    static const int authorities[] = {CA, OTHER_CA};
    struct error error;
    for (size_t i = 0; i < 2; i++) {
        start_tls(scratch_flag("--tls-client-ca", scratch[authorities[i]]));
        const char *address = fixture.url + strlen("https://");
        if (!healthcheck(address, scratch[CERT], scratch[KEY], &error))
            fail_msg("%s", error.text);
        assert_false(healthcheck(fixture.url, NULL, NULL, &error));
        assert_non_null(strstr(error.text, "alert"));
        fixture_stop(&fixture);
    }
}

/* Neither waits for the other until a timeout: converse() and curl would. */
static void test_the_wrong_protocol(void **state)
{
    (void)state;
    char url[64];
    start_tls(NULL);
    int fd = fixture_connect(&fixture);
    char *got = converse(fd, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", NULL);
    assert_null(strstr(got, "200"));
    free(got);
    close(fd);
    fixture_stop(&fixture);
    fixture_start(&fixture, NULL);
    snprintf(url, sizeof url, "https://127.0.0.1:%d",
             fixture_port(fixture.url));
    struct http_answer answer =
        http_send(url, &(struct http_request){.path = "/healthz"});
    assert_int_equal(answer.status, 0);
    assert_int_not_equal(answer.code, CURLE_OPERATION_TIMEDOUT);
    http_answer_free(&answer);
    fixture_stop(&fixture);
}

/* What a reload replaces goes with the last session that borrows from it. */
static void test_reloads_leave_nothing(void **state)
{
    (void)state;
    enum { ROUNDS = 100 };
    struct error error;
    int alert;
    size_t before = 0;
    start_tls(scratch_flag("--tls-client-ca", scratch[CA]));
    for (int i = 0; i < 2 * ROUNDS; i++) {
        if (i == ROUNDS)
            before = mallinfo2().uordblks;
        if (i % 10 == 0)
            assert_int_equal(ask("NORMAL", CLIENT_CERT, CLIENT_KEY, &alert), 0);
        assert_true(daemon_reload(fixture.daemon, &error));
    }
    size_t after = mallinfo2().uordblks;
    /* Of the last few, a connection may not be closed yet. */
    if (before > 0 && after > before + ROUNDS * 5 * 1024)
        fail_msg("%d reloads left %zu bytes", ROUNDS, after - before);
    assert_int_equal(ask("NORMAL", CLIENT_CERT, CLIENT_KEY, &alert), 0);
    fixture_stop(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tls),
        cmocka_unit_test(test_tls_large_and_refused),
        cmocka_unit_test(test_tls_refused_in_mid_body),
        cmocka_unit_test(test_client_certificates),
        cmocka_unit_test(test_new_certificate_while_serving),
        cmocka_unit_test(test_unreadable_tls_files),
        cmocka_unit_test(test_versions_and_ciphers),
        cmocka_unit_test(test_alerts),
        cmocka_unit_test(test_security_level_of_clients),
        cmocka_unit_test(test_healthcheck_with_a_certificate),
        cmocka_unit_test(test_the_wrong_protocol),
        cmocka_unit_test(test_reloads_leave_nothing),
    };
    return cmocka_run_group_tests(tests, make_certificates, free_certificates);
}
