/* SPDX-License-Identifier: MIT */
#include "elementary.h"

#include <math.h>

struct smx_dd smx_divide(struct smx_dd a, double b, int shift)
{
    int up, down;
    if ((b == 1 && shift == 0) || a.hi == 0 || isinf(a.hi))
        return a;
    /* mantissas, so that no product leaves the range */
    struct smx_dd m = {frexp(a.hi, &up), 0}, n = {frexp(b, &down), 0};
    m.lo = ldexp(a.lo, -up);
    m = dd_div(m, n);
    int scale = up - down + shift;
    double hi = ldexp(m.hi, scale);
    return (struct smx_dd){hi, isinf(hi) ? 0 : ldexp(m.lo, scale)};
}
