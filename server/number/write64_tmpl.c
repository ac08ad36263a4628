// SPDX-License-Identifier: MIT
/*
 * Blocks of float64, several at once; compiled once an instruction set. The
 * steps are those of write32_tmpl.c, but not all values can be tried. With c
 * and k as there, the value and half of what is nearest to it are products with
 * 128 bits of 10^-k, kept to 69 bits behind the point, and the interval is
 * their sum and difference. That no comparison goes wrong for what is not kept,
 * tests/number/check_distances.py proves. The text is put together in memory.
 */
#include "digits.h"
#include "powers_of_ten.h"

enum {
    EXPONENT_BIAS = 400, /* above every |k| and |exponent| */
    LOG2_BIAS = 2048
};

#define REST_ONE (UINT64_C(1) << 62)

/* In units of 2^-69: what is computed is less wrong than that. No value lies
 * nearer to the middle between two integers than twice as much, nor the end of
 * an interval to an integer, unless on it. */
#define NEAR UINT64_C(8)

/* Fixed point, to 69 bits behind the point: whole is in units of 2^-7, rest is
 * below 2^62. */
struct fixed {
    u64s whole, rest;
};

/* Numbers on their way to text; number i has digits 2 to 17 in register i % 2,
 * 16 bytes each. */
struct group64 {
    u64s first, digits[2];
    u64s signs;
    u64s layouts, suffixes; /* indices */
    u64s special;           /* not 0: number_write_float64 */
};

/* (high * 2^64 + low) * c / 2^128; too small by less than 2^-68. */
INLINE struct fixed multiply(u64s high, u64s low, u64s c)
{
    const u64s word = u64_all(0xffffffff), rest = u64_all(REST_ONE - 1);
    u64s c1 = c >> 32, low1 = low >> 32, high1 = high >> 32;
    u64s a1 = mul32(low1, c), b0 = mul32(low, c1), b1 = mul32(low1, c1);
    u64s a2 = mul32(high, c) + (a1 >> 32) + (b0 >> 32), b2 = mul32(high, c1);
    b1 += a2 & word;
    u64s a3 = mul32(high1, c) + (a2 >> 32) + (b1 >> 32), b3 = mul32(high1, c1);
    b2 += a3 & word;
    return (struct fixed){b3 + (a3 >> 32) + (b2 >> 32),
                          (b2 << 30 & rest) | (b1 & word) >> 2};
}

/* (high * 2^64 + low) * 2^shift / 2^128, 2 < shift < 62; as multiply. */
INLINE struct fixed shift_left(u64s high, u64s low, u64s shift)
{
    u64s back = 64 - shift;
    return (struct fixed){high >> back,
                          (high << (shift - 2) | low >> (back + 2)) &
                              (REST_ONE - 1)};
}

/* 10 floor(a / 10), a < 2^57. 2^28 mod 10 is 6. */
INLINE u64s whole_tens(u64s a)
{
    u64s folded = mul32_all(a >> 28, 6) + (a & 0xfffffff);
    u64s tens = mul32_all(folded, 0xcccccccd) >> 35;
    return a - folded + mul32_all(tens, 10);
}

/* 10^-k, of which 2^shift is half of what is nearest to a double; power: its
 * place in the table. */
struct scale {
    u64s power, high, low, shift;
};

INLINE struct scale find_scale(u64s bits)
{
    struct scale scale;
    u64s biased = (bits >> 52) & 2047;
    scale.power = (((1L - POWER_FIRST) << 22) - 1 + 1075 * 1262611L -
                   mul32_all(biased, 1262611)) >>
                  22;
    look_up_pairs(powers_of_ten[0], scale.power << 1, &scale.high, &scale.low);
    u64s log2 = (mul32_all(scale.power, 217706) +
                 ((LOG2_BIAS << 16) + POWER_FIRST * 217706L)) >>
                16;
    scale.shift = biased + log2 - (1075 + LOG2_BIAS - 7); /* 7 to 10 */
    return scale;
}

/* What the decimal is chosen from, in units of 2^-7: the ends of the interval,
 * floor(upper) and floor(lower) + 1, and the integer nearest to the value. */
struct interval {
    u64s lower, nearest, upper;
};

INLINE struct interval interval64(u64s bits, const struct scale *scale)
{
    u64s fraction = bits & 0xfffffffffffff, odd = bits & 1;
    u64s c = (fraction | UINT64_C(1) << 52) << (scale->shift + 1);
    struct fixed value = multiply(scale->high, scale->low, c);
    struct fixed half = shift_left(scale->high, scale->low, scale->shift);
    /* the ends belong to the interval if c is even */
    half.rest += NEAR - odd * 2 * NEAR; /* may be negative or reach 2^62 */
    half.whole -= 1;
    u64s carry = (value.rest + (half.rest + REST_ONE)) >> 62; /* 0 to 2 */
    u64s borrow = (value.rest - half.rest) >> 63;
    u64s more = (value.rest + (INT64_MAX + UINT64_C(1) - NEAR)) >> 63;
    u64s up = more | (value.whole >> 7 & 1);
    return (struct interval){.lower = value.whole - half.whole - borrow,
                             .nearest = (value.whole + 63 + up) >> 7,
                             .upper = value.whole + half.whole + carry};
}

/* The decimal, of 17 digits: where tens has sixteen, so has the decimal, and a
 * zero makes up for it. */
INLINE u64s decimal64(const struct interval *interval, u64s *sixteen)
{
    u64s tens = whole_tens(interval->upper >> 7);
    u64s outside = ((tens << 7) - interval->lower) >> 63;
    u64s decimal = choose(0 - outside, interval->nearest, tens);
    *sixteen = (tens - 10000000000000000) >> 63;
    return choose(0 - *sixteen, (decimal << 3) + (decimal << 1), decimal);
}

/* 17 digits: the first, the next eight and the last eight. The first nine are
 * digits / 10^8 as (digits / 2^8 - 5^8 / 2) / 5^8, rounded to the nearest: as
 * doubles, whose last 32 bits hold an integer when 2^52 is added. */
INLINE void split64(u64s digits17, u64s *first, u64s *upper, u64s *lower)
{
    f64s part = (f64s)(digits17 >> 8 | UINT64_C(0x433) << 52) -
                (0x1p52 + 195312); /* 0x433 stands for 2^52 */
    u64s nine = (u64s)(part * (1 / 390625.0) + 0x1p52);
    u64s rest = digits17 - mul32_all(nine, 100000000);
    *upper = nine_digits(nine, first);
    u64s high = mul32_all(rest, 3518437209) >> 45;
    *lower = eight_digits(high, rest - mul32_all(high, 10000));
}

/* Powers of two have a narrower interval below. From 2^-23 to 2^63 that changes
 * no decimal; the others are special. */
INLINE u64s special64(u64s bits)
{
    u64s biased = (bits >> 52) & 2047, fraction = bits & 0xfffffffffffff;
    u64s narrow = (u64s)(fraction == 0) & (u64s)(biased - (1023 - 23) > 86);
    return narrow | (u64s)(biased - 1 > 2045); /* subnormal or not finite */
}

/* used: of digits 2 to 17. Exponents from 17 to 20 can be positional with
 * zeros behind the digits: rare enough to be special. */
INLINE void lay_out(struct group64 *group, u64s exponents, u64s used)
{
    u64s row = exponents - (EXPONENT_BIAS - 3);
    u64s other = (u64s)(row > 19), special = (u64s)(row - 20 < 4);
    group->layouts = mul32_all(choose(other, u64_all(20), row), 17) + used;
    group->suffixes = exponents - (EXPONENT_BIAS - 308);
    group->special |= special;
}

/* What is stored too much is overwritten by what comes next. */
INLINE char *put64(char *text, const struct group64 *group, size_t i)
{
    const char *digits = (const char *)&group->digits[i & 1] + (i >> 1) * 16;
    const struct number_layout64 *layout = &number_layouts64[group->layouts[i]];
    const struct number_suffix *suffix =
        &number_suffixes[layout->positional ? NUMBER_SUFFIXES - 1
                                            : group->suffixes[i]];
    const uint64_t zeros = ZEROS - (('0' - '.') << 8); /* "0.000000" */
    uint64_t lead = zeros + (group->first[i] << 8 * layout->lead);
    *text = '-';
    text += group->signs[i];
    memcpy(text, &lead, sizeof lead);
    text += layout->lead + 1;
    memcpy(text, digits, 16);
    text[layout->point] = '.';
    store_from(text + layout->to, digits, layout->from);
    text += layout->length;
    memcpy(text, suffix, sizeof *suffix);
    return text + suffix->length;
}

static char *put_rows64(char *text, const struct group64 *group,
                        const double *values, size_t count,
                        struct number_rows *rows)
{
    for (size_t i = 0; i < count; i++) {
        if (group->special[i]) {
            text += number_write_float64(text, values[i]);
            *text++ = ',';
        } else {
            text = put64(text, group, i);
        }
        if (--rows->left == 0) {
            text = number_end_row(text);
            rows->left = rows->length;
        }
    }
    return text;
}

enum { PARTS = 4 };

/* One part of a group, if there is one. */
INLINE char *put_part(char *text, const struct group64 *group, size_t part)
{
    size_t end = group ? (part + 1) * LANES / PARTS : 0;
#pragma GCC unroll 2
    for (size_t i = part * LANES / PARTS; i < end; i++)
        text = put64(text, group, i);
    return text;
}

/* Prepare a group and put the one before, a part of it between two steps: each
 * step waits for the one before, and meanwhile the machine puts. */
INLINE char *prepare64(struct group64 *group, u64s bits, char *text,
                       const struct group64 *before)
{
    u64s sixteen, upper, lower;
    struct scale scale = find_scale(bits);
    text = put_part(text, before, 0);
    struct interval interval = interval64(bits, &scale);
    text = put_part(text, before, 1);
    u64s decimal = decimal64(&interval, &sixteen);
    text = put_part(text, before, 2);
    split64(decimal, &group->first, &upper, &lower);
    text = put_part(text, before, 3);
    u64s ends = (u64s)(lower != 0);
    u64s used = choose(ends, used_bytes(lower) + 8, used_bytes(upper));
    upper |= ZEROS;
    lower |= ZEROS;
    group->digits[0] = even_pairs(upper, lower);
    group->digits[1] = odd_pairs(upper, lower);
    group->signs = bits >> 63;
    group->special = special64(bits);
    lay_out(group, EXPONENT_BIAS - POWER_FIRST + 16 - scale.power - sixteen,
            used);
    return text;
}

size_t TIER(write_float64)(char *text, const double *values, size_t count,
                           struct number_rows rows)
{
    struct group64 groups[2];
    char *end = text;
    size_t before = 0; /* numbers of the group that is to be put */
    for (size_t which = 0; count + before > 0; which ^= 1) {
        struct group64 *next = &groups[which], *group = &groups[which ^ 1];
        size_t now = count < LANES ? count : LANES;
        u64s bits = first_lanes(values, now * sizeof *values);
        if (before < LANES || rows.left <= LANES || any((u32s)group->special)) {
            end = put_rows64(end, group, values - before, before, &rows);
            prepare64(next, bits, NULL, NULL);
        } else {
            rows.left -= LANES;
            end = prepare64(next, bits, end, group);
        }
        values += now;
        count -= now;
        before = now;
    }
    return (size_t)(end - text);
}
