// SPDX-License-Identifier: MIT
/*
 * Shortest digits by Schubfach: R. Giulietti, "The Schubfach way to render
 * doubles", 2021. A value v = c 2^q has the rounding interval [vl, vr]; k is
 * chosen so that 10^k is the largest power of ten not wider than it, hence
 * a multiple of 10^k lies inside and at most one of 10^(k+1). The interval's
 * ends and v, divided by 10^k and times 4, come from one product each with a
 * power of ten rounded up, of which the bits below the point are folded into
 * the lowest bit (round to odd); that suffices to compare them exactly.
 */
#include "number.h"
#include "write.h"
#include "powers_of_ten.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

/* digits * 10^exponent */
struct shortest {
    uint64_t digits;
    int exponent;
};

/* (10^-k 2^-r) c / 2^64 with the sticky bit; the tables are rounded down, and
 * one more in the last place is from above. */
static uint64_t scale32(const uint64_t power[2], uint64_t c)
{
    unsigned __int128 product = (unsigned __int128)(power[0] + 1) * c;
    uint32_t below = (uint32_t)(product >> 32);
    return (uint64_t)(product >> 64) | (below > 1);
}

static uint64_t scale64(const uint64_t power[2], uint64_t c)
{
    unsigned __int128 low = (unsigned __int128)power[1] * c + c;
    unsigned __int128 product = (unsigned __int128)power[0] * c + (low >> 64);
    return (uint64_t)(product >> 64) | ((uint64_t)product > 1);
}

/* The multiple of 10^k or 10^(k+1) that is the answer; lower, v and upper
 * are 4 times the interval and the value in units of 10^k, open: ends are
 * outside. */
static struct shortest choose_shortest(uint64_t lower, uint64_t v,
                                       uint64_t upper, bool open, int k)
{
    lower += open;
    upper -= open;
    uint64_t below = v / 4, tens = below / 10;
    bool down = lower <= 40 * tens, up = 40 * tens + 40 <= upper;
    if (below >= 10 && down != up)
        return (struct shortest){tens + up, k + 1};
    down = lower <= 4 * below;
    up = 4 * below + 4 <= upper;
    if (down == up)
        up = v > 4 * below + 2 || (v == 4 * below + 2 && (below & 1));
    return (struct shortest){below + up, k};
}

static struct shortest shortest32(uint32_t bits)
{
    uint32_t fraction = bits & 0x7fffff, biased = bits >> 23 & 0xff;
    uint32_t c = biased ? fraction | 0x800000 : fraction;
    int q = (biased ? (int)biased : 1) - 150;
    bool narrow = fraction == 0 && biased > 1;
    int k = number_log10(q, narrow), h = q + power_log2(-k) + 1;
    const uint64_t *power = powers_of_ten[-k - POWER_FIRST];
    return choose_shortest(scale32(power, (uint64_t)(4 * c - 2 + narrow) << h),
                           scale32(power, (uint64_t)(4 * c) << h),
                           scale32(power, (uint64_t)(4 * c + 2) << h), c & 1,
                           k);
}

static struct shortest shortest64(uint64_t bits)
{
    uint64_t fraction = bits & 0xfffffffffffff;
    int biased = (int)(bits >> 52 & 0x7ff);
    uint64_t c = biased ? fraction | UINT64_C(1) << 52 : fraction;
    int q = (biased ? biased : 1) - 1075;
    bool narrow = fraction == 0 && biased > 1;
    int k = number_log10(q, narrow), h = q + power_log2(-k) + 1;
    const uint64_t *power = powers_of_ten[-k - POWER_FIRST];
    return choose_shortest(scale64(power, (4 * c - 2 + narrow) << h),
                           scale64(power, (4 * c) << h),
                           scale64(power, (4 * c + 2) << h), c & 1, k);
}

enum { MOST_DIGITS = 20 }; /* of 64 bits */

/* The digits end there. @return the first */
static char *put_digits_before(char *end, uint64_t digits)
{
    do
        *--end = (char)('0' + digits % 10);
    while ((digits /= 10) > 0);
    return end;
}

static size_t put_integer(char *text, uint64_t size, bool negative)
{
    char room[MOST_DIGITS], *end = room + sizeof room;
    const char *digits = put_digits_before(end, size);
    size_t n = (size_t)(end - digits), sign = negative;
    text[0] = '-';
    memcpy(text + sign, digits, n);
    return sign + n;
}

/* d.ddde-x */
static size_t put_scientific(char *text, const char *digits, size_t n, int e)
{
    size_t length = 0;
    text[length++] = digits[0];
    if (n > 1) {
        text[length++] = '.';
        memcpy(text + length, digits + 1, n - 1);
        length += n - 1;
    }
    text[length++] = 'e';
    return length +
           put_integer(text + length, (uint64_t)(e < 0 ? -e : e), e < 0);
}

static size_t put_positional(char *text, const char *digits, size_t n, int e)
{
    if (e < 0) {
        size_t zeros = (size_t)-e - 1;
        memcpy(text, "0.00", 4);
        memcpy(text + 2 + zeros, digits, n);
        return 2 + zeros + n;
    }
    size_t whole = (size_t)e + 1;
    if (whole >= n) {
        memcpy(text, digits, n);
        memset(text + n, '0', whole - n);
        return whole;
    }
    memcpy(text, digits, whole);
    text[whole] = '.';
    memcpy(text + whole + 1, digits + whole, n - whole);
    return n + 1;
}

static size_t put_decimal(char *text, struct shortest decimal)
{
    char room[MOST_DIGITS], *end = room + sizeof room;
    for (; decimal.digits % 10000 == 0; decimal.digits /= 10000)
        decimal.exponent += 4;
    const char *digits = put_digits_before(end, decimal.digits);
    size_t n = (size_t)(end - digits);
    int e = decimal.exponent + (int)n - 1; /* of the first digit */
    while (digits[n - 1] == '0')
        n--;
    /* what has no more characters: zeros before the digits, or behind them */
    int point = n > 1;
    bool positional = e >= -2 - point && e <= (int)n + point + 1 + (e >= 10);
    return positional ? put_positional(text, digits, n, e)
                      : put_scientific(text, digits, n, e);
}

static size_t put_special(char *text, bool nan, bool negative)
{
    const char *name = nan        ? "\"NaN\""
                       : negative ? "\"-Infinity\""
                                  : "\"Infinity\"";
    size_t n = strlen(name);
    memcpy(text, name, n);
    return n;
}

static size_t put_zero(char *text, bool negative)
{
    size_t n = negative ? 4 : 1;
    memcpy(text, negative ? "-0.0" : "0", n);
    return n;
}

size_t number_write_float32(char *text, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint32_t sign = bits >> 31, magnitude = bits & 0x7fffffff;
    if (magnitude >= 0x7f800000)
        return put_special(text, magnitude > 0x7f800000, sign);
    if (magnitude == 0)
        return put_zero(text, sign);
    text[0] = '-';
    return sign + put_decimal(text + sign, shortest32(magnitude));
}

size_t number_write_float64(char *text, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint64_t sign = bits >> 63, magnitude = bits & INT64_MAX;
    if (magnitude >= UINT64_C(0x7ff) << 52)
        return put_special(text, magnitude > UINT64_C(0x7ff) << 52, sign);
    if (magnitude == 0)
        return put_zero(text, sign);
    /* counts, whose last digit shows that no exponent is shorter */
    if (fabs(value) < 0x1p53 && value == (double)(int64_t)value &&
        (int64_t)value % 10 != 0)
        return number_write_int64(text, (int64_t)value);
    text[0] = '-';
    return sign + put_decimal(text + sign, shortest64(magnitude));
}

size_t number_write_int64(char *text, int64_t value)
{
    bool negative = value < 0;
    return put_integer(text, negative ? -(uint64_t)value : (uint64_t)value,
                       negative);
}
