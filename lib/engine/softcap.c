/* SPDX-License-Identifier: MIT */
#include "softcap.h"

#include "simd/power.h"
#include "sums.h"

struct smx_cap smx_cap_of(const struct smx_logits *z)
{
    double t = z->temperature ? z->temperature : 1, s = z->softcap;
    struct smx_cap cap = {.possible = s >= 0x1p-100 && t >= 0x1p-100};
    if (cap.possible) {
        cap.steep = -2 / s;
        cap.span = SMX_POWER_NAT * (s / t);
        cap.possible = cap.span <= SMX_UNSHIFTED;
    }
    return cap;
}

/* The exponentials of all rows at once: a row fills no register. */
void smx_cap_rows(const struct smx_kernels *kernels, const struct smx_cap *cap,
                  const float *x, size_t rows, size_t classes, double *e,
                  float *out)
{
    kernels->capped_exponentials(x, rows * classes, cap, e);
    for (size_t r = 0; r < rows; r++, e += classes, out += classes) {
        double sum = 0;
        for (size_t c = 0; c < classes; c++)
            sum += e[c];
        double factor = sum > 0 ? 1 / sum : 0;
        for (size_t c = 0; c < classes; c++)
            out[c] = (float)(e[c] * factor);
    }
}
