// SPDX-License-Identifier: MIT
#include "token.h"

#include <stdint.h>
#include <string.h>

#include "../utf8.h"

bool token_unexpected(char byte, const char *rule, struct problem *problem)
{
    unsigned char code = (unsigned char)byte;
    if (code > 0x20 && code < 0x7f)
        return problem_set(problem, 400, NULL, "body: got '%c', must be %s",
                           byte, rule);
    return problem_set(problem, 400, NULL, "body: got byte 0x%02x, must be %s",
                       code, rule);
}

bool token_begins_scalar(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
           (c >= 'A' && c <= 'Z') || c == '-' || c == '+' || c == '.';
}

const char *token_scalar_end(const char *p, const char *end)
{
    while (p < end && token_begins_scalar(*p))
        p++;
    return p < end ? p : NULL;
}

const char *token_string_end(const char *p, const char *end, bool *escaped)
{
    for (; p < end; p++) {
        if (*escaped)
            *escaped = false;
        else if (*p == '\\')
            *escaped = true;
        else if (*p == '"')
            return p + 1;
    }
    return NULL;
}

/* ---- numbers ------------------------------------------------------------ */

static size_t skip_digits(const char *text, size_t bytes, size_t i)
{
    while (i < bytes && text[i] >= '0' && text[i] <= '9')
        i++;
    return i;
}

/* How many bytes of text begin a number; *whole: they are one. */
static size_t number_prefix(const char *text, size_t bytes, bool *whole)
{
    size_t first = text[0] == '-';
    size_t i = first < bytes && text[first] == '0'
                   ? first + 1
                   : skip_digits(text, bytes, first);
    *whole = i > first;
    if (*whole && i < bytes && text[i] == '.') {
        size_t fraction = i + 1;
        i = skip_digits(text, bytes, fraction);
        *whole = i > fraction;
    }
    if (*whole && i < bytes && (text[i] == 'e' || text[i] == 'E')) {
        i++;
        i += i < bytes && (text[i] == '+' || text[i] == '-');
        size_t exponent = i;
        i = skip_digits(text, bytes, exponent);
        *whole = i > exponent;
    }
    return i;
}

static bool check_number(const char *text, size_t bytes, const char *next,
                         size_t *bad, struct problem *problem)
{
    bool whole;
    size_t sign = text[0] == '-', end = number_prefix(text, bytes, &whole);
    if (whole && end == bytes)
        return true;
    if (end == sign + 1 && text[sign] == '0' && text[end] >= '0' &&
        text[end] <= '9')
        return problem_set(problem, 400, NULL,
                           "body: got a leading 0, must be a number without");
    *bad = end;
    if (end == bytes)
        return problem_set(problem, 400, NULL,
                           "body: got the end of a number, must be a digit");
    return token_unexpected(text[end], whole ? next : "a digit", problem);
}

/* ---- strings ------------------------------------------------------------ */

bool token_is_literal(const char *text, size_t bytes)
{
    for (size_t i = 1; i < bytes; i++)
        if (text[i] < ' ' || text[i] > '~' || text[i] == '\\')
            return false;
    return true;
}

int token_hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The code unit of "\u0000"; -1: it is none. The quote that ends a string is no
 * digit. */
static int code_unit(const char *escape)
{
    int unit = 0;
    if (escape[0] != '\\' || escape[1] != 'u')
        return -1;
    for (size_t i = 2; i < 6; i++) {
        int digit = token_hex_digit(escape[i]);
        if (digit < 0)
            return -1;
        unit = unit * 16 + digit;
    }
    return unit;
}

/* Bytes of an escape; 0: it is none. */
static size_t escape_bytes(const char *escape)
{
    if (escape[1] && strchr("\"\\/bfnrt", escape[1]))
        return 2;
    int unit = code_unit(escape);
    if (unit < 0xd800 || unit > 0xdfff)
        return unit < 0 ? 0 : 6;
    int low = unit < 0xdc00 ? code_unit(escape + 6) : -1;
    return low >= 0xdc00 && low <= 0xdfff ? 12 : 0;
}

static bool check_string(const char *text, size_t bytes, size_t *bad,
                         struct problem *problem)
{
    for (size_t i = 1, n; i < bytes; i += n) {
        *bad = i;
        if ((unsigned char)text[i] < ' ')
            return problem_set(problem, 400, NULL,
                               "body: got byte 0x%02x in a string, must be an "
                               "escape",
                               text[i]);
        /* no character goes on beyond the last quote */
        n = text[i] == '\\' ? escape_bytes(text + i)
                            : utf8_bytes(text + i, UTF8_MAX);
        if (n == 0 && text[i] == '\\')
            return problem_set(problem, 400, NULL,
                               "body: got a backslash, must begin an escape of "
                               "JSON");
        if (n == 0)
            return token_unexpected(text[i], "UTF-8", problem);
    }
    *bad = 0;
    return true;
}

/* ---- any ---------------------------------------------------------------- */

static bool check_word(const char *text, size_t bytes, enum token *token,
                       struct problem *problem)
{
    static const char *const words[] = {
        [TOKEN_TRUE] = "true", [TOKEN_FALSE] = "false", [TOKEN_NULL] = "null"};
    for (int i = TOKEN_TRUE; i <= TOKEN_NULL; i++)
        if (bytes == strlen(words[i]) && memcmp(text, words[i], bytes) == 0) {
            *token = (enum token)i;
            return true;
        }
    size_t letters = 0;
    while (letters < bytes && letters < 64 &&
           ((text[letters] | 0x20) >= 'a' && (text[letters] | 0x20) <= 'z'))
        letters++;
    if (letters == 0)
        return token_unexpected(text[0], "a value", problem);
    return problem_set(problem, 400, NULL, "body: got %.*s, must be a value",
                       (int)letters, text);
}

bool token_check(const char *text, size_t bytes, const char *next,
                 enum token *token, size_t *bad, struct problem *problem)
{
    *bad = 0;
    if (text[0] == '"') {
        *token = TOKEN_STRING;
        return check_string(text, bytes, bad, problem);
    }
    if (text[0] == '-' || (text[0] >= '0' && text[0] <= '9')) {
        *token = TOKEN_NUMBER;
        return check_number(text, bytes, next, bad, problem);
    }
    return check_word(text, bytes, token, problem);
}
