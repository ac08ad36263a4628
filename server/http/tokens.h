/* SPDX-License-Identifier: MIT */
/** The bearer tokens of --token-file. */
#ifndef TOKENS_H
#define TOKENS_H

#include <stdbool.h>
#include <stddef.h>

#include "../error.h"

struct tokens;

/**
 * Read a file, one token a line, with or without blanks around it; empty lines
 * and lines that begin with '#' are skipped.
 * @return NULL with one line in error: unreadable, or without a token.
 */
struct tokens *tokens_create(const char *file, struct error *error);

/** Read the file again; false: the old tokens stay. */
bool tokens_reload(struct tokens *tokens, const char *file,
                   struct error *error);

/**
 * Is this Authorization header "Bearer TOKEN" with a known token? NULL is not.
 * The time it takes tells nothing about the tokens.
 */
bool tokens_allow(struct tokens *tokens, const char *authorization);

void tokens_free(struct tokens *tokens);

#endif
