/* SPDX-License-Identifier: MIT */
/** The vocabulary of scan_tmpl.c for NEON. */
#ifndef SCAN_NEON_H
#define SCAN_NEON_H

#include <arm_neon.h>

#include "scan.h"
#include "scan_block.h"

/* A bit each byte that is all ones; byte i of the text is byte i / 4 of
 * val[i % 4]. Each shift puts the bits of one vector beside the other's. */
static inline uint64_t mask64(uint8x16x4_t set)
{
    uint8x16_t low = vsriq_n_u8(set.val[1], set.val[0], 1);
    uint8x16_t high = vsriq_n_u8(set.val[3], set.val[2], 1);
    uint8x16_t four = vsriq_n_u8(high, low, 2);
    uint8x16_t twice = vsriq_n_u8(four, four, 4);
    uint8x8_t all = vshrn_n_u16(vreinterpretq_u16_u8(twice), 4);
    return vget_lane_u64(vreinterpret_u64_u8(all), 0);
}

static inline uint64_t equal64(uint8x16x4_t bytes, uint8_t byte)
{
    for (int i = 0; i < 4; i++)
        bytes.val[i] = vceqq_u8(bytes.val[i], vdupq_n_u8(byte));
    return mask64(bytes);
}

/* Those that are in the table, each at the place of its low four bits. */
static inline uint64_t among64(uint8x16x4_t bytes, const uint8_t table[16])
{
    uint8x16_t entries = vld1q_u8(table);
    for (int i = 0; i < 4; i++) {
        uint8x16_t low = vandq_u8(bytes.val[i], vdupq_n_u8(15));
        bytes.val[i] = vceqq_u8(bytes.val[i], vqtbl1q_u8(entries, low));
    }
    return mask64(bytes);
}

static inline uint64_t digits64(uint8x16x4_t bytes)
{
    for (int i = 0; i < 4; i++) {
        uint8x16_t value = vsubq_u8(bytes.val[i], vdupq_n_u8('0'));
        bytes.val[i] = vcleq_u8(value, vdupq_n_u8(9));
    }
    return mask64(bytes);
}

static inline void classify(const char *text, struct classes *classes)
{
    static const uint8_t separators[16] = {
        [0] = ' ', [9] = '\t', [10] = '\n', [12] = ',', [13] = '\r'};
    static const uint8_t brackets[16] = {[0] = 1, [11] = '[', [13] = ']'};
    uint8x16x4_t bytes = vld4q_u8((const uint8_t *)text);
    classes->comma = equal64(bytes, ',');
    classes->separator = among64(bytes, separators);
    classes->bracket = among64(bytes, brackets);
    classes->digit = digits64(bytes);
    classes->zero = equal64(bytes, '0');
    classes->point = equal64(bytes, '.');
    classes->minus = equal64(bytes, '-');
}

/* 32 digits, the last one of weight 1, as two numbers of 16. */
static inline uint64x2_t sum_digits(uint8x16_t a, uint8x16_t b)
{
    const uint8x16_t ten = vreinterpretq_u8_u16(vdupq_n_u16(0x010a));
    const uint8x16_t hundred = vreinterpretq_u8_u16(vdupq_n_u16(0x0164));
    const uint16x8_t myriad = vreinterpretq_u16_u32(vdupq_n_u32(0x00012710));
    uint8x16_t two = vpaddq_u8(vmulq_u8(a, ten), vmulq_u8(b, ten));
    uint16x8_t four =
        vpaddq_u16(vmull_u8(vget_low_u8(two), vget_low_u8(hundred)),
                   vmull_high_u8(two, hundred));
    uint32x4_t eight =
        vpaddq_u32(vmull_u16(vget_low_u16(four), vget_low_u16(myriad)),
                   vmull_high_u16(four, myriad));
    uint64x2_t pairs = vreinterpretq_u64_u32(eight);
    return vmlal_n_u32(vshrq_n_u64(pairs, 32), vmovn_u64(pairs), 100000000);
}

/* The place of the last point of the 32 bytes, counted from 1; 0: none. */
static inline uint32_t last_point(uint8x16x2_t bytes)
{
    static const uint8_t places[32] = {
        1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15, 16,
        17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32};
    const uint8x16_t point = vdupq_n_u8('.');
    uint8x16_t low = vandq_u8(vceqq_u8(bytes.val[0], point), vld1q_u8(places));
    uint8x16_t high =
        vandq_u8(vceqq_u8(bytes.val[1], point), vld1q_u8(places + 16));
    return vmaxvq_u8(vmaxq_u8(low, high));
}

static inline uint8x16x2_t load_32(const void *from)
{
    const uint8_t *bytes = from;
    return (uint8x16x2_t){{vld1q_u8(bytes), vld1q_u8(bytes + 16)}};
}

static inline bool gather(const char *text, struct stretch *stretch)
{
    const uint8x16_t zero = vdupq_n_u8('0');
    uint64_t longest = 0, largest = 0;
    for (size_t i = 0; i < stretch->count; i++) {
        uint32_t begin = stretch->edges[2 * i];
        uint32_t end = stretch->edges[2 * i + 1];
        uint32_t length = end - begin;
        uint8x16x2_t bytes = load_32(text + end - 32);
        uint8x16x2_t shifted = load_32(text + end - 33);
        uint32_t decimals = 32 - last_point(bytes);
        decimals = decimals < length ? decimals : 32; /* 32: no point */
        uint32_t count = length - (decimals < 32);
        uint8x16x2_t moved = load_32(below_32 + decimals);
        uint8x16x2_t unused = load_32(below_32 + (count & 31));
        for (int k = 0; k < 2; k++) {
            uint8x16_t digits =
                vbslq_u8(moved.val[k], shifted.val[k], bytes.val[k]);
            /* saturated, a minus counts as 0 */
            bytes.val[k] = vbicq_u8(vqsubq_u8(digits, zero), unused.val[k]);
        }
        uint64x2_t sums = sum_digits(bytes.val[0], bytes.val[1]);
        uint64_t high = vgetq_lane_u64(sums, 0);
        longest |= length;
        largest |= high;
        stretch->digits[i] = high * 10000000000000000 + vgetq_lane_u64(sums, 1);
        stretch->decimals[i] = decimals & 31;
        stretch->first[i] = text[begin];
    }
    /* 1024 * 10^16 is less than 2^64 */
    return (longest < 32) & (largest < 1024);
}

#endif
