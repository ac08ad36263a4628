/* SPDX-License-Identifier: MIT */
#include "elementary.h"

#include <math.h>

/* log(2) in 42 bits and 53 more. */
#define LN2_HI 0x1.62e42fefa3800p-1
#define LN2_LO 0x1.ef35793c76730p-45

/* log(1 + x) = 2 atanh(u / (2 + u)) + k log 2 with 2^k (1 + u) = 1 + x and
 * u < 0.42: for small x nothing is lost, as u = x. */
struct smx_two smx_log1p(struct smx_two x)
{
    static const double inverse[12] = {1.0 / 25, 1.0 / 23, 1.0 / 21, 1.0 / 19,
                                       1.0 / 17, 1.0 / 15, 1.0 / 13, 1.0 / 11,
                                       1.0 / 9,  1.0 / 7,  1.0 / 5,  1.0 / 3};
    struct smx_two u = x;
    int k = 0;
    if (x.hi >= 0.4142135623730951) {
        struct smx_two one = {1, 0};
        u = two_add(one, x);
        double m = frexp(u.hi, &k);
        k -= m < 0.7071067811865476;
        u = two_scale(u, ldexp(1, -k));
        u = two_sum(u.hi - 1, u.lo);
    }
    struct smx_two s = two_div(u, two_add((struct smx_two){2, 0}, u));
    double q = s.hi * s.hi, sum = 1.0 / 27;
    for (int n = 0; n < 12; n++)
        sum = sum * q + inverse[n];
    s = two_fast_sum(s.hi, s.lo + s.hi * (q * sum));
    return two_add((struct smx_two){k * LN2_HI, k * LN2_LO}, two_scale(s, 2));
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
