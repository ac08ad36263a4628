/* SPDX-License-Identifier: MIT */
#include "kernels.h"

#include <float.h>
#include <math.h>

#include "rows.h"
#include "simd/power.h"
#include "sums.h"

/* The numerator of tanh(y) / y in y^2 (cap_vec.h):
 * scripts/exp_coefficients.py prints it. */
static const double NUMERATOR[] = {0x1.3335fbee95bc3p+12, 0x1.3a8006e4166b9p+9,
                                   0x1.b3cffd49809ffp+3, 0x1.200b5247c0a7fp-5};

struct smx_cap smx_cap_of(const struct smx_logits *z)
{
    double t = smx_temperature_of(z), s = z->softcap;
    struct smx_cap cap = {.possible = s >= 0x1p-100 && t >= 0x1p-100};
    if (cap.possible) {
        cap.inverse = 1 / s;
        cap.span = SMX_POWER_NAT * (s / t);
        cap.possible = cap.span <= SMX_UNSHIFTED;
        for (size_t k = 0; k < sizeof cap.near / sizeof *cap.near; k++)
            cap.near[k] = cap.span * NUMERATOR[k];
    }
    return cap;
}

/* An infinite factor would make 0 * inf of the largest logit. */
struct smx_exponents smx_exponents_of(const struct smx_logits *z)
{
    double t = smx_temperature_of(z);
    struct smx_exponents by = {.scale = fmin(SMX_POWER_NAT / t, DBL_MAX),
                               .nats = fmin(1 / t, DBL_MAX),
                               .cap = smx_cap_of(z)};
    if (by.cap.possible) {
        by.scale = 1;
        by.nats = 1 / SMX_POWER_NAT;
    }
    return by;
}
