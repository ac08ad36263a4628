/* SPDX-License-Identifier: MIT */
#include "focal.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "simd/power.h"
#include "sums.h"

/* exp(x), x <= 0, by the method of power.h with the series up to r^5. */
static double exp_of_log(double x)
{
    double t = x * SMX_POWER_NAT;
    if (!(t > SMX_POWER_LOWEST))
        return 0;
    double shifted = t + SMX_POWER_MAGIC;
    double r = (t - (shifted - SMX_POWER_MAGIC)) * SMX_POWER_C1, sum = 1;
    uint64_t bits;
    for (int n = 5; n > 0; n--)
        sum = 1 + r * (1.0 / n) * sum;
    memcpy(&bits, &shifted, sizeof bits);
    bits = SMX_POWER_TABLE[bits & 15] + (bits << 48);
    memcpy(&t, &bits, sizeof t);
    return t * sum;
}

/* 1 - exp(-x); near 0 as a series, of which what is left out is 2^-50. */
static double one_less_exp(double x)
{
    double sum = 1;
    if (x >= 0.5)
        return 1 - exp_of_log(-x);
    for (int n = 13; n > 1; n--)
        sum = 1 - x * (1.0 / n) * sum;
    return x * sum;
}

/* log(x), 0 < x <= 1. */
static double log_of_share(double x)
{
    int k;
    double m = 2 * frexp(x, &k);
    return smx_log1p_fast(m - 1) + (k - 1) * 0x1.62e42fefa39efp-1;
}

struct smx_focal smx_focal_of(double nats, double focal)
{
    double others = one_less_exp(nats), p = exp_of_log(-nats);
    if (others == 0) /* what it is multiplied with is 0, too */
        return (struct smx_focal){0, 0};
    double power = exp_of_log(focal * log_of_share(others));
    double more = p == 0 ? 0 : focal * p * nats / others;
    return (struct smx_focal){power, power * (1 + more)};
}
