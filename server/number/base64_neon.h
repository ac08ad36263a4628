/* SPDX-License-Identifier: MIT */
/** The vocabulary of base64_tmpl.c for NEON: 64 characters, 48 bytes, which it
 *  loads and stores as four and three vectors of every fourth or third. */
#ifndef BASE64_NEON_H
#define BASE64_NEON_H

#include <arm_neon.h>
#include <stdbool.h>
#include <stdint.h>

enum { BLOCK_CHARACTERS = 64, BLOCK_READ = 48 };

/* What characters stand for, as base64_avx2.h explains; *bad has a bit set
 * where one is none of base64. */
static inline uint8x16_t values_of(uint8x16_t in, uint8x16_t *bad)
{
    static const uint8_t by_low[16] = {0x15, 0x11, 0x11, 0x11, 0x11, 0x11,
                                       0x11, 0x11, 0x11, 0x11, 0x13, 0x1a,
                                       0x1b, 0x1b, 0x1b, 0x1a};
    static const uint8_t by_high[16] = {0x10, 0x10, 0x01, 0x02, 0x04, 0x08,
                                        0x04, 0x08, 0x10, 0x10, 0x10, 0x10,
                                        0x10, 0x10, 0x10, 0x10};
    static const uint8_t offsets[16] = {0, 16, 19, 4, 191, 191, 185, 185,
                                        0, 0,  0,  0, 0,   0,   0,   0};
    uint8x16_t high = vshrq_n_u8(in, 4), low = vandq_u8(in, vdupq_n_u8(15));
    *bad = vorrq_u8(*bad, vandq_u8(vqtbl1q_u8(vld1q_u8(by_low), low),
                                   vqtbl1q_u8(vld1q_u8(by_high), high)));
    uint8x16_t slash = vceqq_u8(in, vdupq_n_u8('/')); /* -1 */
    return vaddq_u8(in, vqtbl1q_u8(vld1q_u8(offsets), vaddq_u8(high, slash)));
}

static inline bool decode_block(unsigned char *out, const char *text)
{
    uint8x16x4_t in = vld4q_u8((const uint8_t *)text);
    uint8x16_t bad = vdupq_n_u8(0);
    uint8x16_t a = values_of(in.val[0], &bad), b = values_of(in.val[1], &bad);
    uint8x16_t c = values_of(in.val[2], &bad), d = values_of(in.val[3], &bad);
    if (vmaxvq_u8(bad))
        return false;
    uint8x16x3_t bytes = {{vorrq_u8(vshlq_n_u8(a, 2), vshrq_n_u8(b, 4)),
                           vorrq_u8(vshlq_n_u8(b, 4), vshrq_n_u8(c, 2)),
                           vorrq_u8(vshlq_n_u8(c, 6), d)}};
    vst3q_u8(out, bytes);
    return true;
}

static inline void encode_block(char *text, const unsigned char *in)
{
    static const uint8_t alphabet64[64] = {
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"};
    const uint8x16x4_t table = {
        {vld1q_u8(alphabet64), vld1q_u8(alphabet64 + 16),
         vld1q_u8(alphabet64 + 32), vld1q_u8(alphabet64 + 48)}};
    const uint8x16_t six = vdupq_n_u8(63);
    uint8x16x3_t bytes = vld3q_u8(in);
    uint8x16_t a = bytes.val[0], b = bytes.val[1], c = bytes.val[2];
    uint8x16x4_t value = {
        {vshrq_n_u8(a, 2),
         vandq_u8(vorrq_u8(vshlq_n_u8(a, 4), vshrq_n_u8(b, 4)), six),
         vandq_u8(vorrq_u8(vshlq_n_u8(b, 2), vshrq_n_u8(c, 6)), six),
         vandq_u8(c, six)}};
    for (int i = 0; i < 4; i++)
        value.val[i] = vqtbl4q_u8(table, value.val[i]);
    vst4q_u8((uint8_t *)text, value);
}

#endif
