/* SPDX-License-Identifier: MIT */
#include "sums.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "load.h"
#include "simd/power.h"

double smx_power(double t)
{
    if (!(t > SMX_POWER_LOWEST))
        return 0;
    double shifted = t + SMX_POWER_MAGIC;
    double f = t - (shifted - SMX_POWER_MAGIC);
    double p = SMX_POWER_C2 + f * SMX_POWER_C3;
    p = SMX_POWER_C1 + f * p;
    p = 1 + f * p;
    uint64_t bits;
    memcpy(&bits, &shifted, sizeof bits);
    bits = SMX_POWER_TABLE[bits & 15] + (bits << 48);
    double whole;
    memcpy(&whole, &bits, sizeof whole);
    return whole * p;
}

double smx_reference(double max, double scale)
{
    return fabs(max * scale) <= SMX_UNSHIFTED ? 0 : max;
}

double smx_sum_weight(const struct smx_sum *chunk, const struct smx_sum *row,
                      double scale)
{
    if (chunk->sum == 0)
        return 0;
    return smx_power((chunk->reference - row->reference) * scale) / row->sum;
}

/* A function of its own, as its copy is to be on the stack for no longer. */
static __attribute__((noinline)) double
add_rest(const struct smx_kernels *kernels, const struct smx_logits *z,
         size_t row, const struct smx_exponents *by)
{
    float copy[SMX_CHUNK];
    const float *x;
    double rest = 0;
    for (size_t k = 0; k < smx_chunks(z->classes); k++) {
        size_t n = smx_chunk_classes(z->classes, k);
        smx_load_chunk(kernels, z, row, k, copy, &x);
        rest += kernels->moments(x, n, by).below;
    }
    return rest;
}

double smx_sum_rest(const struct smx_kernels *kernels,
                    const struct smx_logits *z, size_t row,
                    const struct smx_exponents *from, const struct smx_sum *sum,
                    double least)
{
    const struct smx_exponents by = smx_relative_to(from, sum->max);
    double top = smx_power((sum->max - sum->reference) * by.scale);
    double rest = (sum->sum - top) / top;
    if (sum->sum == 0)
        return 0;
    return rest >= least ? rest : add_rest(kernels, z, row, &by);
}

/* log(1 + x) = 2 atanh(u / (2 + u)) + k log 2 with 2^k (1 + u) = 1 + x and
 * -0.3 < u < 0.42: for small x nothing is lost, as u = x. The series is two, of
 * every other term, as one would wait for each. */
double smx_log1p_fast(double x)
{
    static const uint64_t ROOT_HALF = 0x3fe6a09e667f3bcd;
    double u = 1 + x;
    uint64_t bits, k;
    memcpy(&bits, &u, sizeof bits);
    k = (bits - ROOT_HALF) >> 52;
    bits -= k << 52;
    memcpy(&u, &bits, sizeof u);
    u = k ? u - 1 : x;
    double s = u / (2 + u), q = s * s, q2 = q * q;
    double even = 1.0 / 13 + q2 * (1.0 / 17), odd = 1.0 / 15 + q2 * (1.0 / 19);
    even = 1 + q2 * (1.0 / 5 + q2 * (1.0 / 9 + q2 * even));
    odd = 1.0 / 3 + q2 * (1.0 / 7 + q2 * (1.0 / 11 + q2 * odd));
    return 2 * s * (even + q * odd) + (double)k * 0x1.62e42fefa39efp-1;
}
