/* SPDX-License-Identifier: MIT */
/**
 * The vocabulary of base64_tmpl.c for AVX2: 32 characters, 24 bytes.
 *
 * A character and what it stands for differ by an offset that its upper four
 * bits tell, but for '+' and '/', which share theirs. Upper and lower four bits
 * each select the set of kinds that they may belong to; a character is one of
 * base64 if the two sets, whose bits say what is *not* possible, have nothing
 * in common.
 *
 * Source: W. Mula, D. Lemire, Faster Base64 Encoding and Decoding Using AVX2
 * Instructions, ACM Transactions on the Web 12 (2018).
 */
#ifndef BASE64_AVX2_H
#define BASE64_AVX2_H

#include <immintrin.h>
#include <stdbool.h>
#include <stdint.h>

enum {
    BLOCK_CHARACTERS = 32,
    BLOCK_READ = 32 /* bytes that encode_block reads */
};

/* The same 16 bytes in both halves, which shuffles keep apart. */
static inline __m256i both(__m128i half)
{
    return _mm256_broadcastsi128_si256(half);
}

static inline bool decode_block(unsigned char *out, const char *text)
{
    const __m256i by_low =
        both(_mm_setr_epi8(0x15, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11,
                           0x11, 0x13, 0x1a, 0x1b, 0x1b, 0x1b, 0x1a));
    const __m256i by_high =
        both(_mm_setr_epi8(0x10, 0x10, 0x01, 0x02, 0x04, 0x08, 0x04, 0x08, 0x10,
                           0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10));
    const __m256i offsets = both(_mm_setr_epi8(0, 16, 19, 4, -65, -65, -71, -71,
                                               0, 0, 0, 0, 0, 0, 0, 0));
    const __m256i nibble = _mm256_set1_epi8(15);
    __m256i in = _mm256_loadu_si256((const __m256i *)text);
    __m256i high = _mm256_and_si256(_mm256_srli_epi32(in, 4), nibble);
    __m256i low = _mm256_and_si256(in, nibble);
    if (!_mm256_testz_si256(_mm256_shuffle_epi8(by_low, low),
                            _mm256_shuffle_epi8(by_high, high)))
        return false;
    __m256i slash = _mm256_cmpeq_epi8(in, _mm256_set1_epi8('/')); /* -1 */
    __m256i value = _mm256_add_epi8(
        in, _mm256_shuffle_epi8(offsets, _mm256_add_epi8(high, slash)));
    /* a << 6 | b in 16 bits, two of those in 32, their three bytes in order */
    __m256i pair = _mm256_maddubs_epi16(value, _mm256_set1_epi32(0x01400140));
    __m256i group = _mm256_madd_epi16(pair, _mm256_set1_epi32(0x00011000));
    const __m256i order = both(
        _mm_setr_epi8(2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, -1, -1, -1, -1));
    __m256i halves = _mm256_shuffle_epi8(group, order);
    __m256i bytes = _mm256_permutevar8x32_epi32(
        halves, _mm256_setr_epi32(0, 1, 2, 4, 5, 6, 3, 7));
    _mm256_storeu_si256((__m256i *)out, bytes);
    return true;
}

static inline void encode_block(char *text, const unsigned char *in)
{
    /* 12 bytes in each half, each group of three as b a c b */
    const __m256i order =
        both(_mm_setr_epi8(1, 0, 2, 1, 4, 3, 5, 4, 7, 6, 8, 7, 10, 9, 11, 10));
    const __m256i offsets = both(_mm_setr_epi8(
        'a' - 26, '0' - 52, '0' - 52, '0' - 52, '0' - 52, '0' - 52, '0' - 52,
        '0' - 52, '0' - 52, '0' - 52, '0' - 52, '+' - 62, '/' - 63, 'A', 0, 0));
    __m256i bytes =
        _mm256_permutevar8x32_epi32(_mm256_loadu_si256((const __m256i *)in),
                                    _mm256_setr_epi32(0, 1, 2, 3, 3, 4, 5, 6));
    __m256i group = _mm256_shuffle_epi8(bytes, order);
    /* six bits each: the first and third move down, the others up */
    __m256i odd = _mm256_mulhi_epu16(
        _mm256_and_si256(group, _mm256_set1_epi32(0x0fc0fc00)),
        _mm256_set1_epi32(0x04000040));
    __m256i even = _mm256_mullo_epi16(
        _mm256_and_si256(group, _mm256_set1_epi32(0x003f03f0)),
        _mm256_set1_epi32(0x01000010));
    __m256i value = _mm256_or_si256(odd, even);
    /* 0 for a letter, 1 to 12 from '0' on; capitals are set apart as 13 */
    __m256i kind = _mm256_subs_epu8(value, _mm256_set1_epi8(51));
    __m256i capital = _mm256_cmpgt_epi8(_mm256_set1_epi8(26), value);
    kind =
        _mm256_or_si256(kind, _mm256_and_si256(capital, _mm256_set1_epi8(13)));
    _mm256_storeu_si256(
        (__m256i *)text,
        _mm256_add_epi8(value, _mm256_shuffle_epi8(offsets, kind)));
}

#endif
