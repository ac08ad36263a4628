// SPDX-License-Identifier: MIT
#define _GNU_SOURCE
#include "tokens.h"

#include <errno.h>
#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "headers.h"

/* Only digests are kept and compared: all of one length, whatever the token. */
enum { DIGEST_BYTES = 32 };

struct tokens {
    pthread_rwlock_t lock;
    uint8_t (*digests)[DIGEST_BYTES];
    size_t count;
};

static bool digest(const char *text, size_t bytes, uint8_t *out)
{
    return gnutls_hash_fast(GNUTLS_DIG_SHA256, text, bytes, out) == 0;
}

static bool add_token(struct tokens *tokens, const char *text, size_t bytes)
{
    void *grown =
        realloc(tokens->digests, (tokens->count + 1) * sizeof *tokens->digests);
    if (!grown)
        return false;
    tokens->digests = grown;
    return digest(text, bytes, tokens->digests[tokens->count]) &&
           ++tokens->count;
}

static bool read_file(struct tokens *tokens, const char *name,
                      struct error *error)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t bytes;
    bool ok = false;
    errno = 0;
    FILE *file = fopen(name, "re");
    if (!file)
        goto out;
    while ((bytes = getline(&line, &room, file)) >= 0) {
        line[strcspn(line, "\r\n")] = '\0';
        const char *token = line + strspn(line, " \t");
        bytes = (ssize_t)headers_value_bytes(token);
        if (bytes > 0 && *token != '#' &&
            !add_token(tokens, token, (size_t)bytes))
            goto out;
    }
    ok = !ferror(file) && tokens->count > 0;
out:
    if (!ok)
        error_set(error, "--token-file: %s: %s", name,
                  errno ? strerror(errno) : "holds no token");
    if (line)
        explicit_bzero(line, room);
    free(line);
    if (file)
        fclose(file);
    return ok;
}

struct tokens *tokens_create(const char *file, struct error *error)
{
    struct tokens *tokens = calloc(1, sizeof *tokens);
    if (!tokens) {
        error_set(error, NO_MEMORY);
        return NULL;
    }
    pthread_rwlock_init(&tokens->lock, NULL);
    if (!read_file(tokens, file, error)) {
        tokens_free(tokens);
        return NULL;
    }
    return tokens;
}

bool tokens_reload(struct tokens *tokens, const char *file, struct error *error)
{
    struct tokens fresh = {0};
    if (!read_file(&fresh, file, error)) {
        free(fresh.digests);
        return false;
    }
    pthread_rwlock_wrlock(&tokens->lock);
    free(tokens->digests);
    tokens->digests = fresh.digests;
    tokens->count = fresh.count;
    pthread_rwlock_unlock(&tokens->lock);
    return true;
}

bool tokens_allow(struct tokens *tokens, const char *authorization)
{
    uint8_t got[DIGEST_BYTES];
    unsigned found = 0;
    if (!authorization || strncasecmp(authorization, "Bearer ", 7) != 0)
        return false;
    authorization += 7 + strspn(authorization + 7, " ");
    if (!digest(authorization, headers_value_bytes(authorization), got))
        return false;
    pthread_rwlock_rdlock(&tokens->lock);
    for (size_t i = 0; i < tokens->count; i++)
        found |= gnutls_memcmp(tokens->digests[i], got, DIGEST_BYTES) == 0;
    pthread_rwlock_unlock(&tokens->lock);
    return found;
}

void tokens_free(struct tokens *tokens)
{
    if (!tokens)
        return;
    pthread_rwlock_destroy(&tokens->lock);
    free(tokens->digests);
    free(tokens);
}
