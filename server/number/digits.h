/* SPDX-License-Identifier: MIT */
/** Digits in the lanes of write32_tmpl.c and write64_tmpl.c. */
#ifndef NUMBER_DIGITS_H
#define NUMBER_DIGITS_H

#include "lanes.h"
#include "write.h"

/** '0' in every byte. */
#define ZEROS UINT64_C(0x3030303030303030)

/** The digits of upper * 10^4 + lower, both below 10^4, first digit in the
 *  lowest byte; as numbers, not characters. */
INLINE u64s eight_digits(u64s upper, u64s lower)
{
    u16s four = (u16s)(upper | lower << 32);
    u16s hundreds = mulhigh16(four, 5243) >> 3;
    u16s rest = four - mul16_all(hundreds, 100);
    u16s two = (u16s)((u32s)hundreds | (u32s)rest << 16);
    u16s tens = mulhigh16(two, 6554); /* behind it the fraction in 16 bits */
    u16s units = mulhigh16(mul16_all(two, 6554), 10 << 8) & 0xff00;
    return (u64s)(tens | units);
}

/** The same of nine digits, the first apart. The multiplier is 2^57 / 10^8 and
 *  enough more that no digit is cut short if there are nine. */
INLINE u64s nine_digits(u64s nine, u64s *first)
{
    u64s rest = mul32_all(nine, 1441151882) >> 25;
    u64s upper = mul32_all(rest, 10000), lower = mul32_all(upper, 10000);
    *first = rest >> 32;
    return eight_digits(upper >> 32, lower >> 32);
}

/* One tier's way to write a block; see number.h. */
size_t TIER(write_float32)(char *text, const float *values, size_t count,
                           struct number_rows rows);
size_t TIER(write_float64)(char *text, const double *values, size_t count,
                           struct number_rows rows);

#endif
