// SPDX-License-Identifier: MIT
#include "certificate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <gnutls/gnutls.h>
#include <cmocka.h>

static void good(int code)
{
    if (code < 0)
        fail_msg("gnutls: %s", gnutls_strerror(code));
}

struct certificate certificate_create(const char *name,
                                      const struct certificate *issuer)
{
    static unsigned char serial;
    static const unsigned char address[4] = {127, 0, 0, 1};
    struct certificate own = {0};
    const struct certificate *signer = issuer ? issuer : &own;
    serial++;
    good(gnutls_x509_privkey_init(&own.key));
    good(gnutls_x509_privkey_generate(
        own.key, GNUTLS_PK_ECDSA,
        GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0));
    good(gnutls_x509_crt_init(&own.crt));
    good(gnutls_x509_crt_set_version(own.crt, 3));
    good(gnutls_x509_crt_set_serial(own.crt, &serial, 1));
    good(gnutls_x509_crt_set_dn_by_oid(own.crt, GNUTLS_OID_X520_COMMON_NAME, 0,
                                       name, (unsigned)strlen(name)));
    good(gnutls_x509_crt_set_activation_time(own.crt, time(NULL) - 60));
    good(gnutls_x509_crt_set_expiration_time(own.crt, time(NULL) + 3600));
    good(gnutls_x509_crt_set_key(own.crt, own.key));
    good(gnutls_x509_crt_set_basic_constraints(own.crt, !issuer, -1));
    good(gnutls_x509_crt_set_subject_alt_name(own.crt, GNUTLS_SAN_IPADDRESS,
                                              address, sizeof address,
                                              GNUTLS_FSAN_SET));
    good(gnutls_x509_crt_sign2(own.crt, signer->crt, signer->key,
                               GNUTLS_DIG_SHA256, 0));
    return own;
}

static void write_file(const char *file, const gnutls_datum_t *text)
{
    FILE *out = fopen(file, "we");
    assert_non_null(out);
    assert_int_equal(fwrite(text->data, 1, text->size, out), text->size);
    assert_int_equal(fclose(out), 0);
}

void certificate_write(const struct certificate *certificate,
                       const char *cert_file, const char *key_file)
{
    gnutls_datum_t text;
    if (cert_file) {
        good(gnutls_x509_crt_export2(certificate->crt, GNUTLS_X509_FMT_PEM,
                                     &text));
        write_file(cert_file, &text);
        gnutls_free(text.data);
    }
    if (key_file) {
        good(gnutls_x509_privkey_export2(certificate->key, GNUTLS_X509_FMT_PEM,
                                         &text));
        write_file(key_file, &text);
        gnutls_free(text.data);
    }
}

void certificate_free(struct certificate *certificate)
{
    gnutls_x509_crt_deinit(certificate->crt);
    gnutls_x509_privkey_deinit(certificate->key);
}
