/* SPDX-License-Identifier: MIT */
/** Certificates for tests, valid for an hour, for 127.0.0.1. */
#ifndef CERTIFICATE_H
#define CERTIFICATE_H

#include <gnutls/x509.h>

struct certificate {
    gnutls_x509_crt_t crt;
    gnutls_x509_privkey_t key;
};

/** A new one, signed by issuer; NULL: by itself, as an authority. Fails the
 *  test where it cannot be made. */
struct certificate certificate_create(const char *name,
                                      const struct certificate *issuer);

/** Write it as PEM to those files; NULL: not that one. */
void certificate_write(const struct certificate *certificate,
                       const char *cert_file, const char *key_file);

void certificate_free(struct certificate *certificate);

#endif
