// SPDX-License-Identifier: MIT
#include "tls.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* TLS 1.3, and of 1.2 what has forward secrecy and authenticated encryption:
 * Mozilla's intermediate list. */
static const char standard_priority[] =
    "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-CIPHER-ALL:+AES-128-GCM:"
    "+AES-256-GCM:+CHACHA20-POLY1305:-KX-ALL:+ECDHE-ECDSA:+ECDHE-RSA:"
    "-GROUP-ALL:+GROUP-X25519:+GROUP-SECP256R1:+GROUP-SECP384R1";

/** What the files held at one time. Sessions borrow from it while they last. */
struct tls_identity {
    atomic_size_t users; /* sessions, and struct tls */
    gnutls_certificate_credentials_t credentials;
    bool asks; /* clients for certificates */
};

struct tls {
    gnutls_priority_t priority;
    pthread_mutex_t lock;
    struct tls_identity *now;
};

static void identity_free(struct tls_identity *identity)
{
    if (identity->credentials)
        gnutls_certificate_free_credentials(identity->credentials);
    free(identity);
}

/** Is it a certificate, maybe with those that vouch for it? */
static int check_chain(const gnutls_datum_t *pem)
{
    gnutls_x509_crt_t *chain = NULL;
    unsigned length = 0;
    int code = gnutls_x509_crt_list_import2(&chain, &length, pem,
                                            GNUTLS_X509_FMT_PEM, 0);
    for (unsigned i = 0; code >= 0 && i < length; i++)
        gnutls_x509_crt_deinit(chain[i]);
    gnutls_free(chain);
    return code;
}

/** *flag, *file: what is to blame for an error. */
static int read_pair(struct tls_identity *identity,
                     const struct options *options, const char **flag,
                     const char **file)
{
    gnutls_datum_t cert = {0}, key = {0};
    *flag = "--tls-cert", *file = options->tls_cert;
    int code = gnutls_load_file(*file, &cert);
    if (code >= 0)
        code = check_chain(&cert);
    if (code >= 0) {
        *flag = "--tls-key", *file = options->tls_key;
        code = gnutls_load_file(*file, &key);
    }
    if (code >= 0)
        code = gnutls_certificate_set_x509_key_mem2(
            identity->credentials, &cert, &key, GNUTLS_X509_FMT_PEM, NULL, 0);
    gnutls_free(cert.data);
    if (key.data)
        gnutls_memset(key.data, 0, key.size);
    gnutls_free(key.data);
    return code;
}

/** GnuTLS knows that a file cannot be read, the C library why. */
static const char *reason_of(int code)
{
    return code == GNUTLS_E_FILE_ERROR && errno ? strerror(errno)
                                                : gnutls_strerror(code);
}

static struct tls_identity *identity_create(const struct options *options,
                                            struct error *error)
{
    struct tls_identity *identity = calloc(1, sizeof *identity);
    if (!identity) {
        error_set(error, NO_MEMORY);
        return NULL;
    }
    identity->users = 1;
    errno = 0;
    const char *flag = "--tls-cert", *file = options->tls_cert;
    int code = gnutls_certificate_allocate_credentials(&identity->credentials);
    if (code >= 0)
        code = read_pair(identity, options, &flag, &file);
    if (code >= 0 && options->tls_client_ca) {
        flag = "--tls-client-ca", file = options->tls_client_ca;
        code = gnutls_certificate_set_x509_trust_file(
            identity->credentials, file, GNUTLS_X509_FMT_PEM);
        code = code == 0 ? GNUTLS_E_NO_CERTIFICATE_FOUND : code;
        identity->asks = true;
    }
    if (code >= 0)
        return identity;
    error_set(error, "%s: %s: %s", flag, file, reason_of(code));
    identity_free(identity);
    return NULL;
}

static bool read_priority(struct tls *tls, const char *text,
                          struct error *error)
{
    const char *wrong = NULL;
    if (!text)
        text = standard_priority;
    int code = gnutls_priority_init(&tls->priority, text, &wrong);
    if (code >= 0)
        return true;
    tls->priority = NULL;
    return error_set(
        error,
        "--tls-priority: got %s, must be a priority string of GnuTLS: "
        "%s%s%s",
        text, gnutls_strerror(code), wrong ? " at " : "", wrong ? wrong : "");
}

struct tls *tls_create(const struct options *options, struct error *error)
{
    struct tls *tls = calloc(1, sizeof *tls);
    if (!tls) {
        error_set(error, NO_MEMORY);
        return NULL;
    }
    pthread_mutex_init(&tls->lock, NULL);
    if (!read_priority(tls, options->tls_priority, error) ||
        !(tls->now = identity_create(options, error))) {
        tls_free(tls);
        return NULL;
    }
    return tls;
}

bool tls_reload(struct tls *tls, const struct options *options,
                struct error *error)
{
    struct tls_identity *fresh = identity_create(options, error);
    if (!fresh)
        return false;
    pthread_mutex_lock(&tls->lock);
    struct tls_identity *old = tls->now;
    tls->now = fresh;
    pthread_mutex_unlock(&tls->lock);
    tls_detach(old);
    return true;
}

/* ---- one session -------------------------------------------------------- */

/** Is it the certificate that we show ourselves? Who can prove to have its key
 *  is this server: its health check, which has no other. */
static bool is_own(gnutls_session_t session, const gnutls_datum_t *der)
{
    const gnutls_datum_t *own = gnutls_certificate_get_ours(session);
    return own && own->size == der->size &&
           memcmp(own->data, der->data, der->size) == 0;
}

/** Runs in the handshake: a client without a good certificate gets no TLS, and
 *  an alert that says so, which libmicrohttpd would not send. */
static int verify(gnutls_session_t session)
{
    unsigned count = 0, status = 0;
    const gnutls_datum_t *der = gnutls_certificate_get_peers(session, &count);
    bool shown = der && count > 0;
    if (shown && (is_own(session, der) ||
                  (gnutls_certificate_verify_peers2(session, &status) >= 0 &&
                   status == 0)))
        return 0;
    bool new = gnutls_protocol_get_version(session) >= GNUTLS_TLS1_3;
    gnutls_alert_send(session, GNUTLS_AL_FATAL,
                      shown ? GNUTLS_A_BAD_CERTIFICATE
                      : new ? GNUTLS_A_CERTIFICATE_REQUIRED
                            : GNUTLS_A_HANDSHAKE_FAILURE);
    return -1;
}

struct tls_identity *tls_attach(struct tls *tls, gnutls_session_t session)
{
    pthread_mutex_lock(&tls->lock);
    struct tls_identity *identity = tls->now;
    identity->users++;
    pthread_mutex_unlock(&tls->lock);
    gnutls_priority_set(session, tls->priority);
    gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE,
                           identity->credentials);
    if (identity->asks) {
        /* Whoever has a certificate shows it, by whomever it is signed. */
        gnutls_certificate_send_x509_rdn_sequence(session, 1);
        /* Under REQUIRE, verify would not run for a client that shows none. */
        gnutls_certificate_server_set_request(session, GNUTLS_CERT_REQUEST);
        gnutls_session_set_verify_function(session, verify);
    }
    return identity;
}

void tls_detach(struct tls_identity *identity)
{
    if (identity && --identity->users == 0)
        identity_free(identity);
}

int tls_retrieve(gnutls_session_t session, const gnutls_datum_t *ca_names,
                 int ca_count, const gnutls_pk_algorithm_t *algorithms,
                 int algorithm_count, gnutls_pcert_st **chain,
                 unsigned int *chain_length, gnutls_privkey_t *key)
{
    (void)session, (void)ca_names, (void)ca_count, (void)algorithms;
    (void)algorithm_count, (void)chain, (void)chain_length, (void)key;
    return -1;
}

void tls_free(struct tls *tls)
{
    if (!tls)
        return;
    tls_detach(tls->now);
    if (tls->priority)
        gnutls_priority_deinit(tls->priority);
    pthread_mutex_destroy(&tls->lock);
    free(tls);
}
