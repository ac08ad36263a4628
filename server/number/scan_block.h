/* SPDX-License-Identifier: MIT */
/** What scan_tmpl.c and its vocabularies say of 64 bytes of text. */
#ifndef SCAN_BLOCK_H
#define SCAN_BLOCK_H

#include <stdbool.h>
#include <stdint.h>

/** A bit a byte. */
struct classes {
    uint64_t comma;
    uint64_t separator; /* commas and white space */
    uint64_t bracket;   /* '[' and ']' */
    uint64_t digit;
    uint64_t zero;
    uint64_t point;
    uint64_t minus;
};

/* 64 of 0. Of a condition the compiler makes a branch, which a processor that
 * counts to 64 by itself does not need. */
#if defined(__BMI__) && defined(__LZCNT__)
#include <immintrin.h>

static inline unsigned trailing_zeros(uint64_t bits)
{
    return (unsigned)_tzcnt_u64(bits);
}

static inline int leading_zeros(uint64_t bits)
{
    return (int)_lzcnt_u64(bits);
}
#else
static inline unsigned trailing_zeros(uint64_t bits)
{
    return bits ? (unsigned)__builtin_ctzll(bits) : 64;
}

static inline int leading_zeros(uint64_t bits)
{
    return bits ? __builtin_clzll(bits) : 64;
}
#endif

/** 32 bytes from [n] on: byte i is set where i + n < 32 */
static const uint8_t below_32[64] = {
    255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
    255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
    255, 255, 255, 255, 255, 255, 255, 255, 255, 255,
};

#endif
