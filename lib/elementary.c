/* SPDX-License-Identifier: MIT */
#include "elementary.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* Adding it leaves the nearest integer in the low bits of a double. */
#define MAGIC 0x1.8p52

/* log(2) / 16 in 38 bits, so that up to 2^15 times it is exact, and rest. */
#define STEP_HI 0x1.62e42fefa0000p-5
#define STEP_LO 0x1.cf79abc9e3b3ap-44
#define STEPS 0x1.71547652b82fep+4 /* 16 / log(2) */

/* log(2) in 42 bits and twice 53 more. */
#define LN2_HI 0x1.62e42fefa3800p-1
#define LN2_MID 0x1.ef35793c76730p-45
#define LN2_LO 0x1.f97b57a079a19p-103
#define LOG2E 0x1.71547652b82fep+0

/* 2^(j/16); scripts/exp_coefficients.py prints all these. */
static const struct smx_two SIXTEENTHS[16] = {
    {0x1.0000000000000p+0, 0x0.0p+0},
    {0x1.0b5586cf9890fp+0, 0x1.8a62e4adc610bp-54},
    {0x1.172b83c7d517bp+0, -0x1.19041b9d78a76p-55},
    {0x1.2387a6e756238p+0, 0x1.9b07eb6c70573p-54},
    {0x1.306fe0a31b715p+0, 0x1.6f46ad23182e4p-55},
    {0x1.3dea64c123422p+0, 0x1.ada0911f09ebcp-55},
    {0x1.4bfdad5362a27p+0, 0x1.d4397afec42e2p-56},
    {0x1.5ab07dd485429p+0, 0x1.6324c054647adp-54},
    {0x1.6a09e667f3bcdp+0, -0x1.bdd3413b26456p-54},
    {0x1.7a11473eb0187p+0, -0x1.41577ee04992fp-55},
    {0x1.8ace5422aa0dbp+0, 0x1.6e9f156864b27p-54},
    {0x1.9c49182a3f090p+0, 0x1.c7c46b071f2bep-56},
    {0x1.ae89f995ad3adp+0, 0x1.7a1cd345dcc81p-54},
    {0x1.c199bdd85529cp+0, 0x1.11065895048ddp-55},
    {0x1.d5818dcfba487p+0, 0x1.2ed02d75b3707p-55},
    {0x1.ea4afa2a490dap+0, -0x1.e9c23179c2893p-54},
};

/* 2^n for -1022 <= n <= 1023. */
static double power_of_two(int64_t n)
{
    uint64_t bits = (uint64_t)(n + 1023) << 52;
    double power;
    memcpy(&power, &bits, sizeof power);
    return power;
}

/* x = k log(2)/16 + r; exp(x) = 2^(k/16) (1 + r + r^2/2 + ... + r^8/8!),
 * |r| < 0.022, all but the table's number small enough for one double. */
struct smx_two smx_exp(struct smx_two x, int shift)
{
    if (!(x.hi * LOG2E + shift > -1021))
        return (struct smx_two){0, 0};
    double k = (x.hi * STEPS + MAGIC) - MAGIC;
    double r = (x.hi - k * STEP_HI) - (k * STEP_LO - x.lo), sum = 1.0 / 40320;
    static const double inverse[] = {1.0 / 5040, 1.0 / 720, 1.0 / 120,
                                     1.0 / 24,   1.0 / 6,   1.0 / 2};
    for (int n = 0; n < 6; n++)
        sum = sum * r + inverse[n];
    double p = r + r * r * sum;
    int64_t n = (int64_t)k, whole = (n - (n & 15)) / 16;
    struct smx_two t = SIXTEENTHS[n & 15];
    t = two_fast_sum(t.hi, t.lo + t.hi * p);
    return two_scale(t, power_of_two(whole + shift));
}

/* log(1 + x) = 2 atanh(u / (2 + u)) + k log 2 with 2^k (1 + u) = 1 + x and
 * u < 0.42: for small x nothing is lost, as u = x. */
struct smx_two smx_log1p(struct smx_two x)
{
    struct smx_two u = x;
    int k = 0;
    if (x.hi >= 0.4142135623730951) {
        struct smx_two one = {1, 0};
        u = two_add(one, x);
        double m = frexp(u.hi, &k);
        k -= m < 0.7071067811865476;
        u = two_scale(u, power_of_two(-k));
        u = two_sum(u.hi - 1, u.lo);
    }
    struct smx_two s = two_div(u, two_add((struct smx_two){2, 0}, u));
    double q = s.hi * s.hi, sum = 1.0 / 27;
    for (int n = 25; n >= 3; n -= 2)
        sum = sum * q + 1.0 / n;
    s = two_fast_sum(s.hi, s.lo + s.hi * (q * sum));
    return two_add((struct smx_two){k * LN2_HI, k * LN2_MID}, two_scale(s, 2));
}

/* exp(x) - 1, 0 <= x < 700: x = k log 2 + 256 r, a Taylor polynomial in r,
 * then e^2r - 1 = E (E + 2) with E = e^r - 1 eight times. */
static struct smx_two expm1_twofold(struct smx_two x)
{
    double k = (x.hi * LOG2E + MAGIC) - MAGIC;
    struct smx_two step = two_product(k, LN2_MID), sum = {1, 0};
    struct smx_two two = {2, 0}, minus_one = {-1, 0};
    struct smx_two r = two_add(x, (struct smx_two){-k * LN2_HI, 0});
    r = two_add(r, (struct smx_two){-step.hi, -step.lo - k * LN2_LO});
    r = two_scale(r, 0x1p-8);
    for (int n = 9; n >= 2; n--) {
        sum = two_div(two_mul(sum, r), (struct smx_two){n, 0});
        sum = two_add((struct smx_two){1, 0}, sum);
    }
    r = two_mul(r, sum);
    for (int i = 0; i < 8; i++)
        r = two_mul(r, two_add(r, two));
    if (k == 0)
        return r;
    struct smx_two scaled = {power_of_two((int64_t)k), 0};
    r = two_scale(r, scaled.hi);
    return two_add(r, two_add(scaled, minus_one));
}

/* tanh(x) = E / (E + 2), E = exp(2 |x|) - 1; 1 where the rest is < 2^-115. */
struct smx_two smx_tanh(struct smx_two x)
{
    bool negative = x.hi < 0;
    double sign = negative ? -1 : 1;
    if (x.hi * sign > 40)
        return (struct smx_two){sign, 0};
    struct smx_two e = expm1_twofold(two_scale(x, 2 * sign));
    if (e.hi == 0)
        return x;
    return two_scale(two_div(e, two_add(e, (struct smx_two){2, 0})), sign);
}

/* 4 t / (1 + t)^2 with t = exp(-2 |x|): nothing cancels. */
struct smx_two smx_sech2(struct smx_two x, int shift)
{
    struct smx_two one = {1, 0}, t = two_scale(x, x.hi < 0 ? 2 : -2);
    t = smx_exp(t, shift);
    struct smx_two sum = two_add(one, two_scale(t, ldexp(1, -shift)));
    return two_scale(two_div(t, two_mul(sum, sum)), 4);
}

struct smx_two smx_divide(struct smx_two a, double b, int shift)
{
    int up, down;
    if ((b == 1 && shift == 0) || a.hi == 0 || isinf(a.hi))
        return a;
    /* mantissas, so that no product leaves the range */
    struct smx_two m = {frexp(a.hi, &up), 0}, n = {frexp(b, &down), 0};
    m.lo = ldexp(a.lo, -up);
    m = two_div(m, n);
    int scale = up - down + shift;
    double hi = ldexp(m.hi, scale);
    return (struct smx_two){hi, isinf(hi) ? 0 : ldexp(m.lo, scale)};
}
