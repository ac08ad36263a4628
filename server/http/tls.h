/* SPDX-License-Identifier: MIT */
/** Certificate, key and client authorities, replaceable while serving. */
#ifndef TLS_H
#define TLS_H

#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <stdbool.h>
#include <stddef.h>

#include "../error.h"
#include "../options.h"

struct tls;
struct tls_identity;

/** Read --tls-cert, --tls-key, --tls-client-ca and --tls-priority. NULL with
 *  one line in error. */
struct tls *tls_create(const struct options *options, struct error *error);

/** Read the files again; false: the old ones stay. */
bool tls_reload(struct tls *tls, const struct options *options,
                struct error *error);

/** Tell a session that is about to shake hands who we are. What it borrows
 *  lasts until tls_detach, whatever is reloaded. */
struct tls_identity *tls_attach(struct tls *tls, gnutls_session_t session);

/** The session shakes hands no more. NULL is ignored. */
void tls_detach(struct tls_identity *identity);

/** libmicrohttpd's MHD_OPTION_HTTPS_CERT_CALLBACK, for sessions that were not
 *  attached as there was no memory: they get no certificate. */
int tls_retrieve(gnutls_session_t session, const gnutls_datum_t *ca_names,
                 int ca_count, const gnutls_pk_algorithm_t *algorithms,
                 int algorithm_count, gnutls_pcert_st **chain,
                 unsigned int *chain_length, gnutls_privkey_t *key);

/** No session may be left. NULL is ignored. */
void tls_free(struct tls *tls);

#endif
