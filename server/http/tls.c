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

enum { CHAIN_MAX = 16 };

/** What the files held at one time. Sessions borrow from it while they last. */
struct tls_identity {
    atomic_size_t users; /* sessions, and struct tls */
    gnutls_pcert_st chain[CHAIN_MAX];
    unsigned chain_length;
    gnutls_privkey_t key;
    gnutls_x509_trust_list_t authorities; /* NULL: none asked for */
};

struct tls {
    gnutls_priority_t priority;
    pthread_mutex_t lock;
    struct tls_identity *now;
};

static void identity_free(struct tls_identity *identity)
{
    for (unsigned i = 0; i < identity->chain_length; i++)
        gnutls_pcert_deinit(&identity->chain[i]);
    if (identity->key)
        gnutls_privkey_deinit(identity->key);
    if (identity->authorities)
        gnutls_x509_trust_list_deinit(identity->authorities, 1);
    free(identity);
}

static int read_chain(struct tls_identity *identity, const char *file)
{
    gnutls_datum_t pem = {0};
    unsigned length = CHAIN_MAX;
    int code = gnutls_load_file(file, &pem);
    if (code < 0)
        return code;
    code = gnutls_pcert_list_import_x509_raw(identity->chain, &length, &pem,
                                             GNUTLS_X509_FMT_PEM, 0);
    if (code >= 0)
        identity->chain_length = length;
    gnutls_free(pem.data);
    return code;
}

static int read_key(struct tls_identity *identity, const char *file)
{
    gnutls_datum_t pem = {0};
    int code = gnutls_load_file(file, &pem);
    if (code >= 0)
        code = gnutls_privkey_init(&identity->key);
    if (code >= 0)
        code = gnutls_privkey_import_x509_raw(identity->key, &pem,
                                              GNUTLS_X509_FMT_PEM, NULL, 0);
    if (pem.data) {
        gnutls_memset(pem.data, 0, pem.size);
        gnutls_free(pem.data);
    }
    return code;
}

static int read_authorities(struct tls_identity *identity, const char *file)
{
    int code = gnutls_x509_trust_list_init(&identity->authorities, 0);
    if (code < 0)
        return code;
    code = gnutls_x509_trust_list_add_trust_file(
        identity->authorities, file, NULL, GNUTLS_X509_FMT_PEM, 0, 0);
    return code == 0 ? GNUTLS_E_NO_CERTIFICATE_FOUND : code;
}

/** Does the key belong to the certificate? */
static int check_pair(struct tls_identity *identity)
{
    gnutls_pubkey_t own = NULL;
    unsigned char a[64], b[64];
    size_t a_bytes = sizeof a, b_bytes = sizeof b;
    int code = gnutls_pubkey_init(&own);
    if (code >= 0)
        code = gnutls_pubkey_import_privkey(own, identity->key, 0, 0);
    if (code >= 0)
        code =
            gnutls_pubkey_get_key_id(own, GNUTLS_KEYID_USE_SHA256, a, &a_bytes);
    if (code >= 0)
        code = gnutls_pubkey_get_key_id(identity->chain[0].pubkey,
                                        GNUTLS_KEYID_USE_SHA256, b, &b_bytes);
    if (code >= 0 && (a_bytes != b_bytes || memcmp(a, b, a_bytes) != 0))
        code = GNUTLS_E_CERTIFICATE_KEY_MISMATCH;
    if (own)
        gnutls_pubkey_deinit(own);
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
    int code = read_chain(identity, file);
    if (code >= 0) {
        flag = "--tls-key", file = options->tls_key;
        code = read_key(identity, file);
    }
    if (code >= 0)
        code = check_pair(identity);
    if (code >= 0 && options->tls_client_ca) {
        flag = "--tls-client-ca", file = options->tls_client_ca;
        code = read_authorities(identity, file);
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
static bool is_own(const struct tls_identity *identity,
                   const gnutls_datum_t *der)
{
    const gnutls_datum_t *own = &identity->chain[0].cert;
    return own->size == der->size &&
           memcmp(own->data, der->data, der->size) == 0;
}

/** Do the authorities vouch for it? */
static bool is_trusted(const struct tls_identity *identity,
                       const gnutls_datum_t *der, unsigned count)
{
    gnutls_x509_crt_t certs[CHAIN_MAX];
    unsigned imported = 0, status = 0;
    bool trusted = count <= CHAIN_MAX;
    for (; trusted && imported < count; imported++) {
        if (gnutls_x509_crt_init(&certs[imported]) < 0)
            break;
        trusted = gnutls_x509_crt_import(certs[imported], &der[imported],
                                         GNUTLS_X509_FMT_DER) >= 0;
    }
    trusted = trusted && imported == count &&
              gnutls_x509_trust_list_verify_crt(identity->authorities, certs,
                                                count, 0, &status, NULL) >= 0 &&
              status == 0;
    while (imported > 0)
        gnutls_x509_crt_deinit(certs[--imported]);
    return trusted;
}

/** Runs in the handshake: a client without a good certificate gets no TLS, and
 *  an alert that says so, which libmicrohttpd would not send. */
static int verify(gnutls_session_t session)
{
    const struct tls_identity *identity = gnutls_session_get_ptr(session);
    unsigned count = 0;
    const gnutls_datum_t *der = gnutls_certificate_get_peers(session, &count);
    bool shown = der && count > 0;
    if (shown && (is_own(identity, der) || is_trusted(identity, der, count)))
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
    gnutls_session_set_ptr(session, identity);
    gnutls_priority_set(session, tls->priority);
    if (identity->authorities) {
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
    (void)ca_names;
    (void)ca_count;
    (void)algorithms;
    (void)algorithm_count;
    struct tls_identity *identity = gnutls_session_get_ptr(session);
    if (!identity)
        return -1; /* there was no memory for the connection */
    *chain = identity->chain;
    *chain_length = identity->chain_length;
    *key = identity->key;
    return 0;
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
