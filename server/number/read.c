// SPDX-License-Identifier: MIT
/*
 * The decimal m * 10^e, m of at most 19 digits, is multiplied with 128 bits of
 * 10^e. The product is short of the truth by less than a known amount; unless
 * a rounding boundary lies in between, the leading bits are rounded at once
 * (D. Lemire, "Number parsing at a gigabyte per second", 2021). Else, and that
 * is for exact ties and one text in 2^60, strtod decides; nothing here or in
 * the daemon ever calls setlocale, so it reads the C locale.
 */
#include "read.h"

#include <stdlib.h>
#include <string.h>

#include "powers_of_ten.h"

/** digits * 10^exponent; inexact: more nonzero digits follow. */
struct decimal {
    uint64_t digits;
    int64_t exponent;
    bool negative;
    bool inexact;
};

struct format {
    int bits;         /* of the significand, the implicit one included */
    int min_exponent; /* of the least normal number, 2^min_exponent */
    int max_exponent;
};

static const struct format float32_format = {24, -126, 127};
static const struct format float64_format = {53, -1022, 1023};

enum { EXPONENT_LIMIT = 1000000 }; /* any more digits change nothing */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/** Significant digits as they come in; zeros wait until a digit follows. */
struct gather {
    uint64_t digits;
    int count;      /* digits held, at most 19 */
    int64_t zeros;  /* that wait */
    int64_t places; /* of the last nonzero digit held, behind the point */
    bool inexact;
};

static void gather_digit(struct gather *gather, char c, int64_t place)
{
    if (c == '0') {
        gather->zeros += gather->count > 0;
        return;
    }
    if (gather->count + gather->zeros >= 19) {
        gather->inexact = true;
        gather->zeros = 19; /* nothing more is taken */
        return;
    }
    for (; gather->zeros > 0; gather->zeros--, gather->count++)
        gather->digits *= 10;
    gather->digits = gather->digits * 10 + (uint64_t)(c - '0');
    gather->count++;
    gather->places = place;
}

/** "e+12" at p; *exponent is the sum of it and what is there. */
static const char *scan_exponent(const char *p, const char *end,
                                 int64_t *exponent)
{
    bool negative = false;
    if (++p < end && (*p == '+' || *p == '-'))
        negative = *p++ == '-';
    if (p == end || !is_digit(*p))
        return NULL;
    int64_t value = 0;
    for (; p < end && is_digit(*p); p++)
        if (value < EXPONENT_LIMIT)
            value = value * 10 + (*p - '0');
    *exponent += negative ? -value : value;
    return p;
}

static bool scan(const char *p, size_t bytes, struct decimal *decimal)
{
    const char *end = p + bytes;
    struct gather gather = {0};
    decimal->negative = p < end && *p == '-';
    p += decimal->negative;
    const char *first = p;
    while (p < end && is_digit(*p))
        p++;
    if (p == first || (*first == '0' && p - first > 1))
        return false;
    const char *point = p;
    for (const char *q = first; q < point; q++)
        gather_digit(&gather, *q, q + 1 - point);
    if (p < end && *p == '.') {
        const char *fraction = ++p;
        for (; p < end && is_digit(*p); p++)
            gather_digit(&gather, *p, p + 1 - fraction);
        if (p == fraction)
            return false;
    }
    decimal->digits = gather.digits;
    decimal->exponent = -gather.places;
    decimal->inexact = gather.inexact;
    if (p < end && (*p == 'e' || *p == 'E'))
        p = scan_exponent(p, end, &decimal->exponent);
    return p == end;
}

/**
 * The bits of digits * 10^exponent without its sign.
 * @return false: a rounding boundary is too near to tell.
 */
static inline bool convert(uint64_t digits, int64_t exponent,
                           const struct format *format, uint64_t *bits)
{
    uint64_t infinity = (uint64_t)(format->max_exponent * 2 + 1)
                        << (format->bits - 1);
    *bits = 0;
    if (digits == 0 || exponent < POWER_FIRST)
        return true; /* below 10^19 * 10^-343 */
    if (exponent > POWER_LAST) {
        *bits = infinity;
        return true;
    }
    const uint64_t *power = powers_of_ten[exponent - POWER_FIRST];
    int zeros = __builtin_clzll(digits);
    uint64_t w = digits << zeros;
    unsigned __int128 product = (unsigned __int128)w * power[0] +
                                ((unsigned __int128)w * power[1] >> 64);
    /* the exact product is in [product, product + 2) */
    int shift = (int)(product >> 127) ^ 1;
    product <<= shift;
    uint64_t high = (uint64_t)(product >> 64), low = (uint64_t)product;
    int binary = power_log2((int)exponent) + 64 - zeros - shift;
    int drop = 64 - format->bits;
    bool normal = binary >= format->min_exponent;
    if (!normal)
        drop += format->min_exponent - binary;
    if (drop > 64)
        return true;
    uint64_t half = (uint64_t)1 << (drop - 1);
    uint64_t rest = high & (half - 1 + half);
    if ((rest == half && low == 0) ||
        (rest == half - 1 && low >= UINT64_MAX - 3))
        return false;
    uint64_t kept = (drop < 64 ? high >> drop : 0) + (rest >= half);
    if (normal)
        kept += (uint64_t)(binary - format->min_exponent) << (format->bits - 1);
    *bits = binary > format->max_exponent || kept > infinity ? infinity : kept;
    return true;
}

static bool decide(const struct decimal *decimal, const struct format *format,
                   uint64_t *bits)
{
    uint64_t above;
    if (!convert(decimal->digits, decimal->exponent, format, bits))
        return false;
    if (!decimal->inexact)
        return true;
    return convert(decimal->digits + 1, decimal->exponent, format, &above) &&
           above == *bits;
}

static const char *terminated(const char *text, size_t bytes,
                              char copy[NUMBER_READ_MAX_TEXT + 1])
{
    memcpy(copy, text, bytes);
    copy[bytes] = '\0';
    return copy;
}

bool number_read_float32(const char *text, size_t bytes, float *value)
{
    struct decimal decimal;
    uint64_t bits;
    if (bytes > NUMBER_READ_MAX_TEXT || !scan(text, bytes, &decimal))
        return false;
    if (decide(&decimal, &float32_format, &bits)) {
        uint32_t word = (uint32_t)bits | (uint32_t)decimal.negative << 31;
        memcpy(value, &word, sizeof word);
        return true;
    }
    char copy[NUMBER_READ_MAX_TEXT + 1];
    *value = strtof(terminated(text, bytes, copy), NULL);
    return true;
}

bool number_read_float64(const char *text, size_t bytes, double *value)
{
    struct decimal decimal;
    uint64_t bits;
    if (bytes > NUMBER_READ_MAX_TEXT || !scan(text, bytes, &decimal))
        return false;
    if (decide(&decimal, &float64_format, &bits)) {
        bits |= (uint64_t)decimal.negative << 63;
        memcpy(value, &bits, sizeof bits);
        return true;
    }
    char copy[NUMBER_READ_MAX_TEXT + 1];
    *value = strtod(terminated(text, bytes, copy), NULL);
    return true;
}

enum number_integer number_read_int64(const char *text, size_t bytes,
                                      int64_t *value)
{
    struct decimal decimal;
    if (bytes > NUMBER_READ_MAX_TEXT || !scan(text, bytes, &decimal))
        return NUMBER_NOT_NUMBER;
    uint64_t magnitude = decimal.digits;
    uint64_t limit = (uint64_t)INT64_MAX + decimal.negative;
    if (magnitude == 0) {
        *value = 0;
        return NUMBER_INTEGER;
    }
    /* The last of digits is not 0: with a negative exponent the number has a
     * fraction, unless digits that were not held follow before the point. */
    if (decimal.exponent < 0 && !decimal.inexact)
        return NUMBER_NOT_INTEGER;
    if (decimal.inexact)
        return decimal.exponent <= 0 ? NUMBER_NOT_INTEGER : NUMBER_OUT_OF_RANGE;
    for (int64_t i = 0; i < decimal.exponent; i++)
        if (magnitude > limit ||
            __builtin_mul_overflow(magnitude, 10, &magnitude))
            return NUMBER_OUT_OF_RANGE;
    if (magnitude > limit)
        return NUMBER_OUT_OF_RANGE;
    *value = (int64_t)(decimal.negative ? -magnitude : magnitude);
    return NUMBER_INTEGER;
}
