/* SPDX-License-Identifier: MIT */
/**
 * What the proofs share. A proof is a main() over every input up to a bound;
 * CBMC (CPROVER) shows of each access that it is within its object, of each
 * operation that it does not overflow and of each assert that it holds.
 *
 * The first lines of a proof say how often loops are unwound, which CBMC
 * checks to be enough: "unwind: N".
 */
#ifndef PROVE_H
#define PROVE_H

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

size_t nondet_size(void);
uint64_t nondet_uint64(void);

void __CPROVER_assume(bool condition);
void __CPROVER_havoc_object(void *object);

/** So many bytes, each of any value, and not one readable byte more. */
static inline char *any_bytes(size_t bytes)
{
    char *text = malloc(bytes);
    __CPROVER_assume(text != NULL);
    return text;
}

static inline size_t any_size_to(size_t most)
{
    size_t size = nondet_size();
    __CPROVER_assume(size <= most);
    return size;
}

/** A string of at most so many characters, in an object of just its size. */
static inline char *any_string(size_t most)
{
    size_t length = any_size_to(most);
    char *text = any_bytes(length + 1);
    for (size_t i = 0; i < length; i++)
        __CPROVER_assume(text[i] != '\0');
    text[length] = '\0';
    return text;
}

/* Functions of the C library that CBMC has no body for, byte by byte. */
static inline bool is_among(char c, const char *set)
{
    for (; *set; set++)
        if (*set == c)
            return true;
    return false;
}

size_t strspn(const char *text, const char *set)
{
    size_t i = 0;
    while (text[i] && is_among(text[i], set))
        i++;
    return i;
}

size_t strcspn(const char *text, const char *set)
{
    size_t i = 0;
    while (text[i] && !is_among(text[i], set))
        i++;
    return i;
}

void *memchr(const void *bytes, int c, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (((const unsigned char *)bytes)[i] == (unsigned char)c)
            return (char *)bytes + i;
    return NULL;
}

#endif
