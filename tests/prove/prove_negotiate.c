// SPDX-License-Identifier: MIT
// unwind: 7
/* Lists of what is accepted: of any 4 characters the next element ends behind
 * where it began and within them, with a quality in its range; so a list of any
 * length is read to its end. A q-value is any 4 characters. */
#include "prove.h"

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_token(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) ||
           (c >= '#' && c <= '\'') || c == '/' || c == '!' || c == '*' ||
           c == '+' || c == '-' || c == '.' || c == '^' || c == '_' ||
           c == '`' || c == '|' || c == '~';
}

/* Sets of many characters are not compared with one after another. */
static size_t span(const char *text, const char *set)
{
    size_t i = 0;
    while (text[i] && (set[0] == '!'                  ? is_token(text[i])
                       : set[0] == '0' && set[1] != 0 ? is_digit(text[i])
                                                      : is_among(text[i], set)))
        i++;
    return i;
}
#define strspn span

#include "server/http/negotiate.c"

/* Any characters of which the last is the last byte of its object. */
static const char *any_text(void)
{
    static char text[5];
    size_t begin = any_size_to(sizeof text - 1);
    for (size_t i = 0; i < sizeof text - 1; i++) {
        text[i] = (char)nondet_uint64();
        __CPROVER_assume(i < begin || text[i] != '\0');
    }
    return text + begin;
}

static void any_element(void)
{
    struct element element;
    const char *text = any_text(), *at = text;
    if (!next_element(&at, &element)) {
        assert(at == text);
        return;
    }
    assert(at > text && at <= text + strlen(text));
    assert(element.bytes <= (size_t)(at - text) || element.odd);
    assert(element.odd ||
           (element.quality >= 0 && element.quality <= QUALITY_ONE));
}

static void any_quality(void)
{
    const char *text = any_text();
    int quality = parse_quality(text, any_size_to(strlen(text)));
    assert(quality >= -1 && quality <= QUALITY_ONE);
}

int main(void)
{
    any_element();
    any_quality();
    return 0;
}
