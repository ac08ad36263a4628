/* SPDX-License-Identifier: MIT */
/** What a whole token of RFC 8259 is, and what is wrong with one that is none.
 */
#ifndef TOKEN_H
#define TOKEN_H

#include <stdbool.h>
#include <stddef.h>

#include "../problem.h"

enum token {
    TOKEN_NUMBER,
    TOKEN_STRING, /* with its quotes */
    TOKEN_TRUE,
    TOKEN_FALSE,
    TOKEN_NULL
};

/**
 * Find out what text is, all of it; a string ends in its second quote.
 *
 * @param next what may come after a number: "',' or ']'".
 * @return false: it is no token. A 400 is set; *bad is the byte that is wrong.
 */
bool token_check(const char *text, size_t bytes, const char *next,
                 enum token *token, size_t *bad, struct problem *problem);

/** Does a string, with its quotes, stand for itself: printable ASCII without a
 *  backslash? */
bool token_is_literal(const char *text, size_t bytes);

/** The 400 for a byte that cannot come where it does; returns false. */
bool token_unexpected(char byte, const char *rule, struct problem *problem);

/** What a hexadecimal digit stands for; -1: it is none. */
int token_hex_digit(char c);

/** Does a number or a literal begin with c, or what may be meant for one? */
bool token_begins_scalar(char c);

/** The ends of a number or literal and of a string that p is in; *escaped:
 * after a backslash. NULL: it is not before end. */
const char *token_scalar_end(const char *p, const char *end);
const char *token_string_end(const char *p, const char *end, bool *escaped);

/** RFC 8259's insignificant white space. */
static inline bool token_is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/** Is c in no number, literal or string, so that one ends before it? */
static inline bool token_ends_element(char c)
{
    return c == ',' || c == ']' || c == '[' || c == '{' || c == '}' ||
           c == ':' || c == '"' || token_is_space(c);
}

#endif
