/* SPDX-License-Identifier: MIT */
#include "dd_shift.h"

#include <math.h>

#include "rows.h"
#include "simd/extended.h"

/* 1 / x, but no more than can be split for a product: 0 times it is 0. */
static struct smx_dd bounded_inverse(double x)
{
    struct smx_dd one = {1, 0}, most = {0x1p960, 0};
    struct smx_dd inverse = smx_divide(one, x);
    return inverse.hi < most.hi ? inverse : most;
}

/* Where the logits, the temperature or the softcap come near an end of the
 * doubles, the logits are first brought nearer to the middle. What is lost of
 * small ones is far below what decides then. */
double smx_shift_prescale(const struct smx_logits *z, double top)
{
    double t = smx_temperature_of(z), s = z->softcap ? z->softcap : 1;
    if (fabs(top) > 0x1p900 || t > 0x1p100)
        return 0x1p-60;
    if (t < 0x1p-900 || s < 0x1p-900)
        return 0x1p120;
    return s > 0x1p100 ? 0x1p-60 : 1;
}

/* 2 s / temperature may leave the range where its product with what is below
 * 1 does not. */
static void measure_span(struct smx_shift *how, double s, double t)
{
    int up, down;
    struct smx_dd m = {2 * frexp(s, &up), 0};
    m = smx_divide(m, frexp(t, &down));
    int exponent = up - down, beyond = exponent > 900 ? exponent - 900 : 0;
    how->span = dd_scale(m, ldexp(1, beyond < 900 ? beyond : 900));
    how->span_power = ldexp(1, exponent - beyond);
}

void smx_shift_measure(struct smx_shift *how, const struct smx_logits *z,
                       double largest)
{
    double t = smx_temperature_of(z), s = z->softcap;
    double near = smx_shift_prescale(z, largest);
    how->top = largest * near;
    if (how->before == near)
        return; /* as with the row before */
    how->before = near;
    how->temperature = t;
    how->scaled = t != 1 || near != 1;
    how->inverse = bounded_inverse(t * near);
    if (how->capped) {
        how->steep = s > 1 ? dd_scale(bounded_inverse(s), 2 / near)
                           : dd_scale(bounded_inverse(s * near), 2);
        measure_span(how, s, t);
        how->close = near == 1 && s >= 0x1p-100 && t >= 0x1p-100 &&
                     s / t <= SMX_CAP_MOST;
        how->third = bounded_inverse(s);
        how->third = smx_divide(dd_mul(how->third, how->third), 3);
        how->half = s / 2;
        how->most = SMX_CAP_CLOSE * s;
    }
}
