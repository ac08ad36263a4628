/* SPDX-License-Identifier: MIT */
#include "ulp.h"

#include <float.h>
#include <math.h>

static int mantissa_bits(enum smx_dtype dtype)
{
    return dtype == SMX_FLOAT32 ? FLT_MANT_DIG : DBL_MANT_DIG;
}

static int smallest_exponent(enum smx_dtype dtype)
{
    return dtype == SMX_FLOAT32 ? FLT_MIN_EXP : DBL_MIN_EXP;
}

static long double largest(enum smx_dtype dtype)
{
    return dtype == SMX_FLOAT32 ? FLT_MAX : DBL_MAX;
}

static long double larger(long double a, long double b)
{
    return fabsl(a) > fabsl(b) ? fabsl(a) : fabsl(b);
}

/** Is got the infinity that want, or want out of range, rounds to? */
static bool same_infinity(enum smx_dtype dtype, long double got,
                          long double want)
{
    return isinf(got) && fabsl(want) > largest(dtype) &&
           signbit(got) == signbit(want);
}

static long double spacing(enum smx_dtype dtype, long double at)
{
    int exponent;

    frexpl(at, &exponent);
    if (at == 0 || exponent < smallest_exponent(dtype))
        exponent = smallest_exponent(dtype);
    return ldexpl(1, exponent - mantissa_bits(dtype));
}

double ulp_error(enum smx_dtype dtype, long double got, long double want,
                 long double scale)
{
    if (same_infinity(dtype, got, want))
        return 0;
    if (!isfinite(got) || !isfinite(want))
        return HUGE_VAL;
    return (double)(fabsl(got - want) / spacing(dtype, larger(want, scale)));
}
