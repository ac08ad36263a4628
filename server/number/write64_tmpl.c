// SPDX-License-Identifier: MIT
/*
 * Blocks of float64, several at once; compiled once an instruction set. The
 * steps are those of write32_tmpl.c, but not all values can be tried:
 * the decimal is computed as in number_write.c, with the same three products,
 * which are a product and its sum and difference with a multiple of the power
 * of ten, in 192 bits. The text is put together in memory, digits to 32 bytes.
 */
#include "digits.h"
#include "powers_of_ten.h"

enum {
    EXPONENT_BIAS = 400, /* above every |k| and |exponent| */
    LOG2_BIAS = 2048
};

/* 192 bits, lowest word first. */
struct wide {
    u64s word[3];
};

/* Numbers on their way to text; number i has digits 2 to 17 in register i % 2,
 * 16 bytes each. */
struct group64 {
    u64s first, digits[2];
    u64s signs;
    u64s layouts, suffixes; /* indices */
    u64s special;           /* not 0: number_write_float64 */
};

/* power (two words, high first) * c, which is below 2^60. */
INLINE struct wide multiply(u64s high, u64s low, u64s c)
{
    const u64s mask = u64_all(0xffffffff);
    u64s c1 = c >> 32, low1 = low >> 32, high1 = high >> 32;
    u64s a0 = mul32(low, c), b0 = mul32(low, c1);
    u64s a1 = mul32(low1, c) + (a0 >> 32), b1 = mul32(low1, c1);
    b0 += a1 & mask;
    u64s a2 = mul32(high, c) + (a1 >> 32) + (b0 >> 32), b2 = mul32(high, c1);
    b1 += a2 & mask;
    u64s a3 = mul32(high1, c) + (a2 >> 32) + (b1 >> 32), b3 = mul32(high1, c1);
    b2 += a3 & mask;
    return (struct wide){{(a0 & mask) | b0 << 32, (b1 & mask) | b2 << 32,
                          b3 + (a3 >> 32) + (b2 >> 32)}};
}

/* high * 2^64 + low, times 2^shift, 0 < shift < 64. */
INLINE struct wide shift_left(u64s high, u64s low, u64s shift)
{
    u64s back = 64 - shift;
    return (struct wide){
        {low << shift, high << shift | low >> back, high >> back}};
}

INLINE struct wide add(struct wide a, struct wide b)
{
    u64s word0 = a.word[0] + b.word[0];
    u64s carry0 = (u64s)(word0 < b.word[0]) & 1;
    u64s word1 = a.word[1] + b.word[1];
    u64s carry1 = (u64s)(word1 < b.word[1]) & 1;
    word1 += carry0;
    carry1 |= (u64s)(word1 < carry0) & 1;
    return (struct wide){{word0, word1, a.word[2] + b.word[2] + carry1}};
}

INLINE struct wide subtract(struct wide a, struct wide b)
{
    u64s borrow0 = (u64s)(a.word[0] < b.word[0]) & 1;
    u64s word1 = a.word[1] - b.word[1];
    u64s borrow1 = (u64s)(a.word[1] < b.word[1]) & 1;
    borrow1 |= (u64s)(word1 < borrow0) & 1;
    return (struct wide){{a.word[0] - b.word[0], word1 - borrow0,
                          a.word[2] - b.word[2] - borrow1}};
}

/* Round to odd: the last word, its lowest bit set if there is more. */
INLINE u64s to_odd(struct wide a)
{
    return a.word[2] | ((u64s)(a.word[1] > 1) & 1);
}

/* a mod 10, a < 2^60. 2^28 mod 10 is 6. */
INLINE u64s modulo10(u64s a)
{
    u64s high = a >> 28, folded = (high << 2) + (high << 1) + (a & 0xfffffff);
    u64s tens = mul32_all(folded, 0xcccccccd) >> 35;
    return folded - mul32_all(tens, 10);
}

/* The decimal of the finite, normal doubles with these bits, and the biased k
 * of its last digit. lower, v and upper are in quarters of 10^k. */
INLINE u64s decimal64(u64s bits, u64s *k)
{
    u64s biased = (bits >> 52) & 2047, fraction = bits & 0xfffffffffffff;
    u64s odd = fraction & 1, narrow = (u64s)(fraction == 0);
    *k = (mul32_all(biased, 1262611) +
          ((EXPONENT_BIAS << 22) - 1075 * 1262611L) - (narrow & 524031)) >>
         22;
    u64s index = 2 * (EXPONENT_BIAS - POWER_FIRST - *k);
    u64s high = look_up(&powers_of_ten[0][0], index);
    u64s low = look_up(&powers_of_ten[0][1], index) + 1;
    u64s log2 = (mul32_all(2 * EXPONENT_BIAS - *k, 217706) +
                 ((LOG2_BIAS << 16) - EXPONENT_BIAS * 217706L)) >>
                16;
    u64s shift = biased + log2 - (1075 + LOG2_BIAS - 1); /* 1 to 4 */
    struct wide v =
        multiply(high, low, (fraction | UINT64_C(1) << 52) << (shift + 2));
    u64s upper = to_odd(add(v, shift_left(high, low, shift + 1))) - odd;
    u64s lower =
        to_odd(subtract(v, shift_left(high, low, shift + 1 + narrow))) + odd;
    u64s quarters = to_odd(v), tens = (upper >> 2) - modulo10(upper >> 2);
    u64s outside = ((tens << 2) - lower) >> 63;
    u64s nearest = (quarters + 1 + ((quarters >> 2) & 1)) >> 2;
    u64s least = (lower + 3) >> 2; /* may be above only where narrow */
    nearest += (nearest - least) >> 63;
    return choose(0 - outside, nearest, tens);
}

/* 17 digits: the first, the next eight and the last eight. */
INLINE void split64(u64s digits17, u64s *first, u64s *upper, u64s *lower)
{
    u64s nine = mul32_all(digits17 >> 25, 2882303761) >> 33;
    u64s rest = digits17 - mul32_all(nine, 100000000);
    u64s more = 1 - ((rest - 100000000) >> 63); /* nine was one too small */
    nine += more;
    rest -= (0 - more) & 100000000;
    *upper = nine_digits(nine, first);
    u64s high = mul32_all(rest, 3518437209) >> 45;
    *lower = eight_digits(high, rest - mul32_all(high, 10000));
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

INLINE void prepare64(struct group64 *group, u64s bits)
{
    u64s k, upper, lower;
    u64s decimals = decimal64(bits, &k);
    u64s sixteen = (decimals - 10000000000000000) >> 63;
    decimals += (0 - sixteen) & ((decimals << 3) + decimals);
    split64(decimals, &group->first, &upper, &lower);
    u64s ends = (u64s)(lower != 0);
    u64s used = choose(ends, used_bytes(lower) + 8, used_bytes(upper));
    upper |= ZEROS;
    lower |= ZEROS;
    group->digits[0] = even_pairs(upper, lower);
    group->digits[1] = odd_pairs(upper, lower);
    group->signs = bits >> 63;
    u64s size = bits & INT64_MAX, normal = u64_all(UINT64_C(1) << 52);
    group->special = (u64s)(size >> 52 == 2047) | (u64s)(size <= normal);
    lay_out(group, k + 16 - sixteen, used);
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

/* As write_float32: a group is put while the next is prepared. */
size_t TIER(write_float64)(char *text, const double *values, size_t count,
                           struct number_rows rows)
{
    struct group64 groups[2];
    char *end = text;
    size_t before = 0; /* numbers of the group that is to be put */
    for (size_t which = 0; count + before > 0; which ^= 1) {
        const struct group64 *group = &groups[which ^ 1];
        size_t now = count < LANES ? count : LANES;
        if (now > 0)
            prepare64(&groups[which],
                      first_lanes(values, now * sizeof *values));
        if (before < LANES || rows.left <= LANES || any((u32s)group->special)) {
            end = put_rows64(end, group, values - before, before, &rows);
        } else {
            rows.left -= LANES;
#pragma GCC unroll 8
            for (size_t i = 0; i < LANES; i++)
                end = put64(end, group, i);
        }
        values += now;
        count -= now;
        before = now;
    }
    return (size_t)(end - text);
}
