// SPDX-License-Identifier: MIT
/*
 * Blocks of float32, several at once without a branch; compiled once an
 * instruction set. A group goes three steps.
 *
 * 1. Decimal. For v = c 2^q let k = floor(log10(2^q)), so that one unit in the
 *    last place is 1 <= W < 10 in units of 10^k, and x = c W the value in
 *    those units. The decimal is the multiple of 10 in the rounding interval
 *    [x - W/2, x + W/2] (its ends only if c is even) if there is one: then
 *    there is only one. Else it is x rounded, half to even. W comes from a
 *    table; 36 bits behind the point of x are enough, which trying all 2^32
 *    values proves (make check-float32-all). A power of two, whose interval
 *    is narrower below, has a W that gives its answer.
 * 2. Digits. Scaled to nine digits, a multiplication each splits them into 1,
 *    4 and 4, two more 4 into 2 and 1. Zeros at the end are counted.
 * 3. Layout. A shuffle picks the text from the digits and the other bytes
 *    that it can need. Which shuffle depends on sign, exponent and number of
 *    digits.
 */
#include "digits.h"

enum { FLOATS = 2 * LANES, EXPONENT_BIAS = 64 };

/* Numbers on their way to text. Number i has its source in register i % 4,
 * 16 bytes each: digits 2 to 9, digit 1, ".0e-", two of the exponent, ",". */
struct group32 {
    u64s sources[4];
    u32s layouts; /* byte offsets into number_layouts32 */
    u32s special; /* not 0: subnormal or not finite, number_write_float32 */
};

/* Step 1, for the floats whose bits are in 64-bit lanes. c is doubled, so that
 * a product has 61 bits behind the point, of which 36 are kept. Exponents are
 * biased. Comparisons are of differences, which stay below 2^63. */
INLINE u64s decimal32(u64s bits, u64s *exponents)
{
    u64s biased = (bits >> 23) & 255, fraction = bits & 0x7fffff;
    u64s odd = fraction & 1, power_of_two = (u64s)(fraction == 0);
    u64s scale = look_up(number_scales, biased | (power_of_two & 256));
    u64s c = (fraction | 0x800000) << 1;
    u64s high = mul32(c, scale >> 32), low = mul32(c, scale);
    u64s half_high = (scale >> 32) & ~power_of_two;
    u64s half_low = scale & 0xffffffff & ~power_of_two;
    u64s x = (high << 7) + (low >> 25);
    u64s upper = ((high + half_high) << 7) + ((low + half_low) >> 25);
    u64s lower = ((high - half_high) << 7) + ((low - half_low) >> 25);
    u64s tens = mul32_all(mul32_all((upper - odd) >> 36, 0xcccccccd) >> 35, 10);
    u64s outside = ((tens << 36) - lower - odd) >> 63;
    u64s rounded = (x + 0x7ffffffff + ((x >> 36) & 1)) >> 36;
    *exponents =
        (mul32_all(biased, 1262611) + ((EXPONENT_BIAS << 22) - 150 * 1262611) -
         (power_of_two & 524031)) >>
        22;
    return choose(0 - outside, rounded, tens);
}

/* The bytes of a source behind the digits. */
INLINE u64s tail(u64s first, u64s exponents)
{
    u64s negative = (exponents - EXPONENT_BIAS) >> 63;
    u64s size = ((exponents - EXPONENT_BIAS) ^ (0 - negative)) + negative;
    u64s tens = mul32_all(size, 103) >> 10, units = size - mul32_all(tens, 10);
    const uint64_t others = '0' | '.' << 8 | '0' << 16 | 'e' << 24 |
                            (uint64_t)'-' << 32 | (uint64_t)'0' << 40 |
                            (uint64_t)'0' << 48 | (uint64_t)',' << 56;
    return others + first + (tens << 40) + (units << 48);
}

INLINE u32s layouts(u32s bits, u32s exponents, u32s used)
{
    u32s sign = bits >> 31, zero = (u32s)(bits << 1 == 0);
    i32s row = (i32s)exponents - (EXPONENT_BIAS - 10);
    row &= row > 0;
    u32s kept = choose32((u32s)(row < 23), (u32s)row, (u32s){0} + 23);
    u32s layout = ((kept << 1) | sign) * 9 + used;
    return choose32(zero, sign + (NUMBER_LAYOUTS32 - 2), layout) << 4;
}

/* Even and odd floats go through the 64-bit lanes apart, so that putting them
 * together again is a shift. */
INLINE void prepare32(struct group32 *group, u64s values)
{
    u64s even_exponents, odd_exponents, even_first, odd_first;
    u64s even = decimal32(values & 0xffffffff, &even_exponents);
    u64s odd = decimal32(values >> 32, &odd_exponents);
    u32s decimals = (u32s)(even | odd << 32);
    u32s exponents = (u32s)(even_exponents | odd_exponents << 32);
    u32s below8 = (u32s)(decimals < 10000000);
    u32s below9 = (u32s)(decimals < 100000000);
    decimals = choose32(below9, decimals * 10, decimals);
    decimals = choose32(below8, decimals * 10, decimals);
    exponents += 8 + below9 + below8; /* all ones is -1 */

    even = nine_digits((u64s)decimals & 0xffffffff, &even_first);
    odd = nine_digits((u64s)decimals >> 32, &odd_first);
    u64s even_tail = tail(even_first, (u64s)exponents & 0xffffffff);
    u64s odd_tail = tail(odd_first, (u64s)exponents >> 32);
    u32s used = (u32s)(used_bytes(even) | used_bytes(odd) << 32);
    even |= ZEROS;
    odd |= ZEROS;
    group->sources[0] = even_pairs(even, even_tail);
    group->sources[1] = even_pairs(odd, odd_tail);
    group->sources[2] = odd_pairs(even, even_tail);
    group->sources[3] = odd_pairs(odd, odd_tail);

    u32s bits = (u32s)values, finite = bits & 0x7f800000;
    group->layouts = layouts(bits, exponents, used);
    group->special = (u32s)(finite == 0x7f800000) |
                     ((u32s)(finite == 0) & (u32s)(bits << 1 != 0));
}

INLINE char *put32(char *text, const struct group32 *group, size_t i)
{
    const uint8_t *layout =
        (const uint8_t *)number_layouts32 + group->layouts[i];
    const char *source = (const char *)&group->sources[i & 3] + (i >> 2) * 16;
    size_t length = layout[15] + (size_t)1;
    shuffle16(text, source, layout, length);
    return text + length;
}

/* As put, whatever the number. */
INLINE char *put_any(char *text, const struct group32 *group, size_t i,
                     const float *values)
{
    if (!group->special[i])
        return put32(text, group, i);
    text += number_write_float32(text, values[i]);
    *text = ',';
    return text + 1;
}

static char *put_rows32(char *text, const struct group32 *group,
                        const float *values, size_t count,
                        struct number_rows *rows)
{
    for (size_t i = 0; i < count; i++) {
        text = put_any(text, group, i, values);
        if (--rows->left == 0) {
            text = number_end_row(text);
            rows->left = rows->length;
        }
    }
    return text;
}

/* A group is put while the next is prepared, so that what waits for numbers
 * does not stand in the way of what computes others. */
size_t TIER(write_float32)(char *text, const float *values, size_t count,
                           struct number_rows rows)
{
    struct group32 groups[2];
    char *end = text;
    size_t before = 0; /* numbers of the group that is to be put */
    for (size_t which = 0; count + before > 0; which ^= 1) {
        const struct group32 *group = &groups[which ^ 1];
        size_t now = count < FLOATS ? count : FLOATS;
        if (now > 0)
            prepare32(&groups[which],
                      first_lanes(values, now * sizeof *values));
        if (before < FLOATS || rows.left <= FLOATS || any(group->special)) {
            end = put_rows32(end, group, values - before, before, &rows);
        } else {
            rows.left -= FLOATS;
#pragma GCC unroll 16
            for (size_t i = 0; i < FLOATS; i++)
                end = put32(end, group, i);
        }
        values += now;
        count -= now;
        before = now;
    }
    return (size_t)(end - text);
}
