// SPDX-License-Identifier: MIT
#include "half.h"

#include <stdint.h>
#include <string.h>

#if defined __x86_64__ || defined __i386__
#include <immintrin.h>
#elif defined __AARCH64EL__
#include <arm_neon.h>
#endif

static uint32_t load16(const unsigned char *in)
{
    return (uint32_t)in[0] | (uint32_t)in[1] << 8;
}

static float from_bits(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static float widen16(uint32_t half)
{
    uint32_t sign = (half & 0x8000u) << 16;
    uint32_t exponent = half >> 10 & 31, fraction = half & 0x3ffu;
    if (exponent == 31) /* infinity, or NaN made quiet as the hardware does */
        return from_bits(sign | 0x7f800000u | fraction << 13 |
                         (fraction ? 0x400000u : 0));
    if (exponent > 0) /* the bias of 15 becomes 127 */
        return from_bits(sign | (exponent + 112) << 23 | fraction << 13);
    float value = (float)fraction * 0x1p-24f; /* zero or denormal: exact */
    return sign ? -value : value;
}

static void widen_float16_base(float *out, const unsigned char *in,
                               size_t count)
{
    for (size_t i = 0; i < count; i++)
        out[i] = widen16(load16(in + 2 * i));
}

static void widen_bfloat16_base(float *out, const unsigned char *in,
                                size_t count)
{
    for (size_t i = 0; i < count; i++)
        out[i] = from_bits(load16(in + 2 * i) << 16);
}

#if defined __x86_64__ || defined __i386__

/* Memory decides from 8 lanes on: AVX-512 has no version of its own. */
__attribute__((target("avx2,f16c"))) static void
widen_float16_vector(float *out, const unsigned char *in, size_t count)
{
    size_t i = 0;
    for (; i + 8 <= count; i += 8) {
        __m128i half = _mm_loadu_si128((const __m128i *)(in + 2 * i));
        _mm256_storeu_ps(out + i, _mm256_cvtph_ps(half));
    }
    widen_float16_base(out + i, in + 2 * i, count - i);
}

__attribute__((target("avx2"))) static void
widen_bfloat16_vector(float *out, const unsigned char *in, size_t count)
{
    size_t i = 0;
    for (; i + 8 <= count; i += 8) {
        __m128i half = _mm_loadu_si128((const __m128i *)(in + 2 * i));
        __m256i wide = _mm256_slli_epi32(_mm256_cvtepu16_epi32(half), 16);
        _mm256_storeu_si256((__m256i *)(out + i), wide);
    }
    widen_bfloat16_base(out + i, in + 2 * i, count - i);
}

#elif defined __AARCH64EL__

static void widen_float16_vector(float *out, const unsigned char *in,
                                 size_t count)
{
    size_t i = 0;
    for (; i + 4 <= count; i += 4)
        vst1q_f32(out + i,
                  vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(in + 2 * i))));
    widen_float16_base(out + i, in + 2 * i, count - i);
}

static void widen_bfloat16_vector(float *out, const unsigned char *in,
                                  size_t count)
{
    size_t i = 0;
    for (; i + 4 <= count; i += 4) {
        uint16x4_t half = vreinterpret_u16_u8(vld1_u8(in + 2 * i));
        vst1q_f32(out + i, vreinterpretq_f32_u32(vshll_n_u16(half, 16)));
    }
    widen_bfloat16_base(out + i, in + 2 * i, count - i);
}

#else

#define widen_float16_vector widen_float16_base
#define widen_bfloat16_vector widen_bfloat16_base

#endif

void half_widen_float16(float *out, const unsigned char *in, size_t count,
                        enum smx_isa isa)
{
    if (isa == SMX_ISA_BASE)
        widen_float16_base(out, in, count);
    else
        widen_float16_vector(out, in, count);
}

void half_widen_bfloat16(float *out, const unsigned char *in, size_t count,
                         enum smx_isa isa)
{
    if (isa == SMX_ISA_BASE)
        widen_bfloat16_base(out, in, count);
    else
        widen_bfloat16_vector(out, in, count);
}
