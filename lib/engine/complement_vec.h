/* SPDX-License-Identifier: MIT */
/** The kernel of focal losses: complement_power of dd_kernels.h. */
#ifndef SMX_COMPLEMENT_VEC_H
#define SMX_COMPLEMENT_VEC_H

#include <math.h>

#include "dd_kernels.h"
#include "simd/log_vec.h"

/* log(1 - p) = k log 2 + log(1 + u) with 1 - p = 2^k (1 + u). */
static struct smx_complement complement_power(struct smx_dd log, double power)
{
    struct vdd x = vdd_one_less_exp(vdd_all(log)), y;
    int k;
    double u = 2 * frexp(x.hi[0], &k) - 1;
    struct smx_complement result = {0, x.hi[0],
                                    vdd_exp(vdd_all(log))[0] * 0x1p-128};
    if (x.hi[0] == 0)
        return result;
    y = vdd_fast(vd_all(u), vd_all(ldexp(x.lo[0], 1 - k)));
    y = vdd_log1p(y);
    x = vdd_sum(vd_all((k - 1) * LN2_HI), y.hi);
    x = vdd_fast(x.hi, x.lo + (vd_all((k - 1) * LN2_LO) + y.lo));
    x = vdd_settle(vdd_mul(x, vdd_all((struct smx_dd){power, 0})));
    result.power = vdd_exp(x)[0] * 0x1p-128;
    return result;
}

#endif
