/* SPDX-License-Identifier: MIT */
/** The vocabulary of base64_tmpl.c for AVX-512: 64 characters, 48 bytes, as
 *  base64_avx2.h explains. */
#ifndef BASE64_AVX512_H
#define BASE64_AVX512_H

#include <immintrin.h>
#include <stdbool.h>
#include <stdint.h>

enum { BLOCK_CHARACTERS = 64, BLOCK_READ = 64 };

static inline __m512i all_four(__m128i quarter)
{
    return _mm512_broadcast_i32x4(quarter);
}

static inline bool decode_block(unsigned char *out, const char *text)
{
    const __m512i by_low =
        all_four(_mm_setr_epi8(0x15, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11,
                               0x11, 0x11, 0x13, 0x1a, 0x1b, 0x1b, 0x1b, 0x1a));
    const __m512i by_high =
        all_four(_mm_setr_epi8(0x10, 0x10, 0x01, 0x02, 0x04, 0x08, 0x04, 0x08,
                               0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10));
    const __m512i offsets = all_four(_mm_setr_epi8(
        0, 16, 19, 4, -65, -65, -71, -71, 0, 0, 0, 0, 0, 0, 0, 0));
    const __m512i nibble = _mm512_set1_epi8(15);
    __m512i in = _mm512_loadu_si512(text);
    __m512i high = _mm512_and_si512(_mm512_srli_epi32(in, 4), nibble);
    __m512i low = _mm512_and_si512(in, nibble);
    if (_mm512_test_epi8_mask(_mm512_shuffle_epi8(by_low, low),
                              _mm512_shuffle_epi8(by_high, high)))
        return false;
    __mmask64 slash = _mm512_cmpeq_epi8_mask(in, _mm512_set1_epi8('/'));
    high = _mm512_mask_sub_epi8(high, slash, high, _mm512_set1_epi8(1));
    __m512i value = _mm512_add_epi8(in, _mm512_shuffle_epi8(offsets, high));
    __m512i pair = _mm512_maddubs_epi16(value, _mm512_set1_epi32(0x01400140));
    __m512i group = _mm512_madd_epi16(pair, _mm512_set1_epi32(0x00011000));
    const __m512i order = all_four(
        _mm_setr_epi8(2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, -1, -1, -1, -1));
    __m512i bytes = _mm512_permutexvar_epi32(
        _mm512_setr_epi32(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, 3, 7, 11, 15),
        _mm512_shuffle_epi8(group, order));
    _mm512_storeu_si512(out, bytes);
    return true;
}

static inline void encode_block(char *text, const unsigned char *in)
{
    const __m512i order = all_four(
        _mm_setr_epi8(1, 0, 2, 1, 4, 3, 5, 4, 7, 6, 8, 7, 10, 9, 11, 10));
    const __m512i offsets = all_four(_mm_setr_epi8(
        'a' - 26, '0' - 52, '0' - 52, '0' - 52, '0' - 52, '0' - 52, '0' - 52,
        '0' - 52, '0' - 52, '0' - 52, '0' - 52, '+' - 62, '/' - 63, 'A', 0, 0));
    __m512i bytes = _mm512_permutexvar_epi32(
        _mm512_setr_epi32(0, 1, 2, 3, 3, 4, 5, 6, 6, 7, 8, 9, 9, 10, 11, 12),
        _mm512_loadu_si512(in));
    __m512i group = _mm512_shuffle_epi8(bytes, order);
    __m512i odd = _mm512_mulhi_epu16(
        _mm512_and_si512(group, _mm512_set1_epi32(0x0fc0fc00)),
        _mm512_set1_epi32(0x04000040));
    __m512i even = _mm512_mullo_epi16(
        _mm512_and_si512(group, _mm512_set1_epi32(0x003f03f0)),
        _mm512_set1_epi32(0x01000010));
    __m512i value = _mm512_or_si512(odd, even);
    __m512i kind = _mm512_subs_epu8(value, _mm512_set1_epi8(51));
    __mmask64 capital = _mm512_cmplt_epu8_mask(value, _mm512_set1_epi8(26));
    kind = _mm512_mask_mov_epi8(kind, capital, _mm512_set1_epi8(13));
    _mm512_storeu_si512(
        text, _mm512_add_epi8(value, _mm512_shuffle_epi8(offsets, kind)));
}

#endif
