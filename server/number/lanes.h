/* SPDX-License-Identifier: MIT */
/**
 * The vector vocabulary of write32_tmpl.c and write64_tmpl.c: LANES integers of
 * 64 bits in one native register. Most is the compiler's; what it has no
 * operator for is here, once a tier.
 */
#ifndef NUMBER_LANES_H
#define NUMBER_LANES_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#if defined(__SSE2__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#if defined(SMX_TIER_AVX512)
enum { LANES = 8 };
#elif defined(SMX_TIER_AVX2)
enum { LANES = 4 };
#else
enum { LANES = 2 };
#endif

typedef uint64_t u64s __attribute__((vector_size(8 * LANES)));
typedef uint32_t u32s __attribute__((vector_size(8 * LANES)));
typedef int32_t i32s __attribute__((vector_size(8 * LANES)));
typedef uint16_t u16s __attribute__((vector_size(8 * LANES)));
typedef double f64s __attribute__((vector_size(8 * LANES)));

#define INLINE static inline __attribute__((always_inline))
#define PASTE_(a, b) number_##a##_##b
#define PASTE(a, b) PASTE_(a, b)
/** The name of this tier's copy of something: number_block_avx2 ... */
#define TIER(name) PASTE(name, SMX_TIER)

INLINE u64s u64_all(uint64_t x)
{
    return x - (u64s){0};
}

/** bytes of what p points to, at most all lanes; zeros behind them. */
INLINE u64s first_lanes(const void *p, size_t bytes)
{
    u64s lanes = {0};
    if (bytes == sizeof lanes)
        memcpy(&lanes, p, sizeof lanes);
    else
        memcpy(&lanes, p, bytes);
    return lanes;
}

/** The low 32 bits of each lane multiplied. */
INLINE u64s mul32(u64s a, u64s b)
{
#if defined(SMX_TIER_AVX512)
    return (u64s)_mm512_mul_epu32((__m512i)a, (__m512i)b);
#elif defined(SMX_TIER_AVX2)
    return (u64s)_mm256_mul_epu32((__m256i)a, (__m256i)b);
#elif defined(__SSE2__)
    return (u64s)_mm_mul_epu32((__m128i)a, (__m128i)b);
#elif defined(__aarch64__)
    return (u64s)vmull_u32(vmovn_u64((uint64x2_t)a), vmovn_u64((uint64x2_t)b));
#else
    return (a & 0xffffffff) * (b & 0xffffffff);
#endif
}

INLINE u64s mul32_all(u64s a, uint32_t b)
{
    return mul32(a, u64_all(b));
}

/** The high 16 bits of 16-bit products. */
INLINE u16s mulhigh16(u16s a, uint16_t b)
{
#if defined(SMX_TIER_AVX512)
    return (u16s)_mm512_mulhi_epu16((__m512i)a, _mm512_set1_epi16((short)b));
#elif defined(SMX_TIER_AVX2)
    return (u16s)_mm256_mulhi_epu16((__m256i)a, _mm256_set1_epi16((short)b));
#elif defined(__SSE2__)
    return (u16s)_mm_mulhi_epu16((__m128i)a, _mm_set1_epi16((short)b));
#elif defined(__aarch64__)
    uint32x4_t low = vmull_n_u16(vget_low_u16((uint16x8_t)a), b);
    uint32x4_t high = vmull_high_n_u16((uint16x8_t)a, b);
    return (u16s)vuzp2q_u16((uint16x8_t)low, (uint16x8_t)high);
#else
    for (int i = 0; i < 4 * LANES; i++)
        a[i] = (uint16_t)(a[i] * (uint32_t)b >> 16);
    return a;
#endif
}

/** The low 16 bits of 16-bit products. Of a constant that it can see the
 *  compiler makes shifts and sums, which take longer. */
INLINE u16s mul16_all(u16s a, uint16_t b)
{
    u16s all = b - (u16s){0};
#if defined(__SSE2__)
    __asm__("" : "+v"(all));
#elif defined(__aarch64__)
    __asm__("" : "+w"(all));
#endif
    return a * all;
}

/** condition (all ones or zero) ? a : b. */
INLINE u64s choose(u64s condition, u64s a, u64s b)
{
    return (a & condition) | (b & ~condition);
}

INLINE u32s choose32(u32s condition, u32s a, u32s b)
{
    return (a & condition) | (b & ~condition);
}

/** table[index], faster than a gather instruction where measured. */
INLINE u64s look_up(const uint64_t *table, u64s index)
{
    u64s entries = {0};
    for (int i = 0; i < LANES; i++)
        entries[i] = table[index[i]];
    return entries;
}

/** Bytes up to the highest that is not 0; bytes are below 128. */
INLINE u64s used_bytes(u64s a)
{
#if defined(SMX_TIER_AVX512)
    return 8 - ((u64s)_mm512_lzcnt_epi64((__m512i)a) >> 3);
#else
    a |= a >> 8;
    a |= a >> 16;
    a |= a >> 32;
    a = ((a + u64_all(0x7f7f7f7f7f7f7f7f)) >> 7) & 0x0101010101010101;
#if defined(SMX_TIER_AVX2)
    return (u64s)_mm256_sad_epu8((__m256i)a, _mm256_setzero_si256());
#else
    a += a >> 32;
    a += a >> 16;
    a += a >> 8;
    return a & 15;
#endif
#endif
}

INLINE bool any(u32s a)
{
#if defined(SMX_TIER_AVX512)
    return _mm512_test_epi32_mask((__m512i)a, (__m512i)a) != 0;
#elif defined(SMX_TIER_AVX2)
    return !_mm256_testz_si256((__m256i)a, (__m256i)a);
#else
    u64s halves = (u64s)a;
    return (halves[0] | halves[1]) != 0;
#endif
}

/** {a0, b0, a2, b2 ...}: the even lanes of both, in pairs. */
INLINE u64s even_pairs(u64s a, u64s b)
{
#if defined(SMX_TIER_AVX512)
    return (u64s)_mm512_unpacklo_epi64((__m512i)a, (__m512i)b);
#elif defined(SMX_TIER_AVX2)
    return (u64s)_mm256_unpacklo_epi64((__m256i)a, (__m256i)b);
#else
    return (u64s){a[0], b[0]};
#endif
}

/** {a1, b1, a3, b3 ...} */
INLINE u64s odd_pairs(u64s a, u64s b)
{
#if defined(SMX_TIER_AVX512)
    return (u64s)_mm512_unpackhi_epi64((__m512i)a, (__m512i)b);
#elif defined(SMX_TIER_AVX2)
    return (u64s)_mm256_unpackhi_epi64((__m256i)a, (__m256i)b);
#else
    return (u64s){a[1], b[1]};
#endif
}

#if defined(SMX_TIER_AVX512) || defined(SMX_TIER_AVX2)
INLINE __m256i two_pairs(const uint64_t *a, const uint64_t *b)
{
    return _mm256_inserti128_si256(
        _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)a)),
        _mm_loadu_si128((const __m128i *)b), 1);
}
#endif

/** table[index] and table[index + 1], which lie in one load. */
INLINE void look_up_pairs(const uint64_t *table, u64s index, u64s *first,
                          u64s *second)
{
#if defined(SMX_TIER_AVX512)
    __m256i low02 = two_pairs(table + index[0], table + index[2]);
    __m256i low13 = two_pairs(table + index[1], table + index[3]);
    __m256i high02 = two_pairs(table + index[4], table + index[6]);
    __m256i high13 = two_pairs(table + index[5], table + index[7]);
    u64s even =
        (u64s)_mm512_inserti64x4(_mm512_castsi256_si512(low02), high02, 1);
    u64s odd =
        (u64s)_mm512_inserti64x4(_mm512_castsi256_si512(low13), high13, 1);
#elif defined(SMX_TIER_AVX2)
    u64s even = (u64s)two_pairs(table + index[0], table + index[2]);
    u64s odd = (u64s)two_pairs(table + index[1], table + index[3]);
#else
    u64s even = first_lanes(table + index[0], 16);
    u64s odd = first_lanes(table + index[1], 16);
#endif
    *first = even_pairs(even, odd);
    *second = odd_pairs(even, odd);
}

/** text[i] = source[indices[i]], indices below 16, for all 16 or at least
 *  the first count. */
INLINE void shuffle16(char *text, const char *source, const uint8_t *indices,
                      size_t count)
{
#if defined(SMX_TIER_AVX512) || defined(SMX_TIER_AVX2)
    (void)count;
    __m128i from = _mm_load_si128((const __m128i *)source);
    __m128i how = _mm_load_si128((const __m128i *)indices);
    _mm_storeu_si128((__m128i *)text, _mm_shuffle_epi8(from, how));
#elif defined(__aarch64__)
    (void)count;
    uint8x16_t from = vld1q_u8((const uint8_t *)source);
    vst1q_u8((uint8_t *)text, vqtbl1q_u8(from, vld1q_u8(indices)));
#else
    for (size_t i = 0; i < count; i++)
        text[i] = source[indices[i]];
#endif
}

/** text[i] = source[from + i] up to source[15], 16 bytes in all. */
INLINE void store_from(char *text, const char *source, size_t from)
{
    /* not a load across the end of source, which is being stored */
    static const uint8_t indices[32] __attribute__((aligned(32))) = {
        0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
#if defined(SMX_TIER_AVX512) || defined(SMX_TIER_AVX2)
    __m128i how = _mm_loadu_si128((const __m128i *)(indices + from));
    __m128i all = _mm_load_si128((const __m128i *)source);
    _mm_storeu_si128((__m128i *)text, _mm_shuffle_epi8(all, how));
#elif defined(__aarch64__)
    uint8x16_t all = vld1q_u8((const uint8_t *)source);
    vst1q_u8((uint8_t *)text, vqtbl1q_u8(all, vld1q_u8(indices + from)));
#else
    (void)indices;
    char all[32];
    memcpy(all, source, 16);
    memcpy(all + 16, source, 16);
    memcpy(text, all + from, 16);
#endif
}

#endif
