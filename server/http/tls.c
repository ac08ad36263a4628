// SPDX-License-Identifier: MIT
#include "tls.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHAIN_MAX = 16 };

/** What the files held at one time. Handshakes borrow from it at any moment,
 *  so a replaced one is kept until the end: some kilobytes a reload. */
struct identity {
    gnutls_pcert_st chain[CHAIN_MAX];
    unsigned chain_length;
    gnutls_privkey_t key;
    gnutls_x509_trust_list_t authorities; /* NULL: none asked for */
    struct identity *older;
};

struct tls {
    pthread_mutex_t lock;
    struct identity *now;
};

static void identity_free(struct identity *identity)
{
    for (unsigned i = 0; i < identity->chain_length; i++)
        gnutls_pcert_deinit(&identity->chain[i]);
    if (identity->key)
        gnutls_privkey_deinit(identity->key);
    if (identity->authorities)
        gnutls_x509_trust_list_deinit(identity->authorities, 1);
    free(identity);
}

static int read_chain(struct identity *identity, const char *file)
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

static int read_key(struct identity *identity, const char *file)
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

static int read_authorities(struct identity *identity, const char *file)
{
    int code = gnutls_x509_trust_list_init(&identity->authorities, 0);
    if (code < 0)
        return code;
    code = gnutls_x509_trust_list_add_trust_file(
        identity->authorities, file, NULL, GNUTLS_X509_FMT_PEM, 0, 0);
    return code == 0 ? GNUTLS_E_NO_CERTIFICATE_FOUND : code;
}

/** Does the key belong to the certificate? */
static int check_pair(struct identity *identity)
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

static struct identity *identity_create(const char *cert, const char *key,
                                        const char *client_ca, char *error,
                                        size_t error_bytes)
{
    struct identity *identity = calloc(1, sizeof *identity);
    if (!identity) {
        snprintf(error, error_bytes, "out of memory");
        return NULL;
    }
    const char *flag = "--tls-cert", *file = cert;
    int code = read_chain(identity, cert);
    if (code >= 0) {
        flag = "--tls-key", file = key;
        code = read_key(identity, key);
    }
    if (code >= 0)
        code = check_pair(identity);
    if (code >= 0 && client_ca) {
        flag = "--tls-client-ca", file = client_ca;
        code = read_authorities(identity, client_ca);
    }
    if (code >= 0)
        return identity;
    snprintf(error, error_bytes, "%s: %s: %s", flag, file,
             gnutls_strerror(code));
    identity_free(identity);
    return NULL;
}

struct tls *tls_create(const char *cert, const char *key, const char *client_ca,
                       char *error, size_t error_bytes)
{
    struct tls *tls = calloc(1, sizeof *tls);
    if (!tls) {
        snprintf(error, error_bytes, "out of memory");
        return NULL;
    }
    pthread_mutex_init(&tls->lock, NULL);
    tls->now = identity_create(cert, key, client_ca, error, error_bytes);
    if (!tls->now) {
        tls_free(tls);
        return NULL;
    }
    return tls;
}

bool tls_reload(struct tls *tls, const char *cert, const char *key,
                const char *client_ca, char *error, size_t error_bytes)
{
    struct identity *fresh =
        identity_create(cert, key, client_ca, error, error_bytes);
    if (!fresh)
        return false;
    pthread_mutex_lock(&tls->lock);
    fresh->older = tls->now;
    tls->now = fresh;
    pthread_mutex_unlock(&tls->lock);
    return true;
}

static struct identity *identity_now(gnutls_session_t session)
{
    struct tls *tls = gnutls_session_get_ptr(session);
    pthread_mutex_lock(&tls->lock);
    struct identity *identity = tls->now;
    pthread_mutex_unlock(&tls->lock);
    return identity;
}

/** Runs in the handshake: a client without a good certificate gets no TLS. */
static int verify(gnutls_session_t session)
{
    struct identity *identity = identity_now(session);
    unsigned count = 0, imported = 0, status = 0;
    const gnutls_datum_t *der = gnutls_certificate_get_peers(session, &count);
    gnutls_x509_crt_t certs[CHAIN_MAX];
    int code = -1;
    if (!der || count == 0 || count > CHAIN_MAX)
        return -1;
    for (; imported < count; imported++) {
        if (gnutls_x509_crt_init(&certs[imported]) < 0)
            goto out;
        if (gnutls_x509_crt_import(certs[imported], &der[imported],
                                   GNUTLS_X509_FMT_DER) < 0) {
            gnutls_x509_crt_deinit(certs[imported]);
            goto out;
        }
    }
    if (gnutls_x509_trust_list_verify_crt(identity->authorities, certs, count,
                                          0, &status, NULL) >= 0 &&
        status == 0)
        code = 0;
out:
    while (imported > 0)
        gnutls_x509_crt_deinit(certs[--imported]);
    return code;
}

void tls_attach(struct tls *tls, gnutls_session_t session)
{
    gnutls_session_set_ptr(session, tls);
    if (!identity_now(session)->authorities)
        return;
    gnutls_certificate_server_set_request(session, GNUTLS_CERT_REQUIRE);
    gnutls_session_set_verify_function(session, verify);
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
    struct identity *identity = identity_now(session);
    *chain = identity->chain;
    *chain_length = identity->chain_length;
    *key = identity->key;
    return 0;
}

void tls_free(struct tls *tls)
{
    if (!tls)
        return;
    while (tls->now) {
        struct identity *older = tls->now->older;
        identity_free(tls->now);
        tls->now = older;
    }
    pthread_mutex_destroy(&tls->lock);
    free(tls);
}
