/* SPDX-License-Identifier: MIT */
/* The kernels, compiled once an instruction set (kernels.h says what each
 * does). float32 is computed in double: the difference to the maximum is
 * exact there, and products and sums keep 29 bits more than are answered. */
#include "kernels.h"

#include "loss_kernels.h"
#include "simd/power_vec.h"

extern const struct smx_kernels TIER(kernels);
extern const struct smx_divergence_kernels TIER(divergence_kernels);
extern const struct smx_load_kernels TIER(load_kernels);
extern double TIER(capped_exponentials)(const float *x, size_t n,
                                        const struct smx_cap *cap, double *e);
extern struct smx_lanes_marks TIER(lanes)(const struct smx_lanes *lanes,
                                          size_t first, size_t count);
extern const struct smx_loss_kernels TIER(loss_kernels);
extern const struct smx_row_kernels TIER(row_kernels);
extern const struct smx_summary_kernels TIER(summary_kernels);
extern const struct smx_split_kernels TIER(split_kernels);

static bool row_max(const float *x, size_t n, float *max)
{
    vf top[4];
    vi nonfinite = {0};
    size_t i = 0;
    EACH (v, 4)
        top[v] = vf_all(-__builtin_inff());
    for (; i + 4 * FLOATS <= n; i += 4 * FLOATS)
        EACH (v, 4) {
            vf z = vf_load(x + i + v * FLOATS);
            nonfinite |= vf_nonfinite(z);
            top[v] = vf_max(z, top[v]);
        }
    for (; i < n; i += FLOATS) {
        vf z = vf_load_part(x + i, n - i, -__builtin_inff());
        nonfinite |= vf_nonfinite(z);
        top[0] = vf_max(z, top[0]);
    }
    *max = vf_top(vf_max(vf_max(top[0], top[1]), vf_max(top[2], top[3])));
    return !vi_any(nonfinite);
}

INLINE void add_exp_block(vd sum[VECS], const vd *e, double *out)
{
    EACH (v, VECS) {
        sum[v] += e[v];
        vd_store(out + v * LANES, e[v]);
    }
}

INLINE double sum_powers(const float *x, size_t n, double reference,
                         double scale, double *out)
{
    vd sum[VECS] = {{0}}, e[WIDE];
    size_t i = 0;
    for (; i + 2 * BLOCK <= n; i += 2 * BLOCK) {
        load_power(x + i, reference, scale, e, WIDE);
        add_exp_block(sum, e, out + i);
        add_exp_block(sum, e + VECS, out + i + BLOCK);
    }
    for (; i < n; i += BLOCK) {
        float block[BLOCK];
        pad(block, x + i, n - i, -__builtin_inff());
        load_power(block, reference, scale, e, VECS);
        add_exp_block(sum, e, out + i);
    }
    return block_sum(sum);
}

static double f64_exponentials(const float *x, size_t n, double reference,
                               double scale, double *out)
{
    return reference == 0 ? sum_powers(x, n, 0, scale, out)
                          : sum_powers(x, n, reference, scale, out);
}

static double rest_f64(const float *x, size_t n, double max, double scale)
{
    vd sum[VECS] = {{0}}, e[WIDE];
    for (size_t i = 0; i < n; i += BLOCK) {
        float block[BLOCK];
        pad(block, x + i, n - i, -__builtin_inff());
        load_power(block, max, scale, e, VECS);
        EACH (v, VECS) {
            vl below = vd_widen(block + v * LANES) < vd_all(max);
            sum[v] += (vd)((vl)e[v] & below);
        }
    }
    return block_sum(sum);
}

static void scale_f64(const double *e, size_t n, double factor, float *out)
{
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        vh_store(out + i, vd_narrow(vd_load(e + i) * vd_all(factor)));
    if (i < n) {
        vd p = vd_load_part(e + i, n - i) * vd_all(factor);
        vh_store_part(out + i, vd_narrow(p), n - i);
    }
}

static void shift_logs(const float *x, size_t n, double max, double factor,
                       double offset, float *out)
{
    size_t i = 0;
    for (; i + BLOCK <= n; i += BLOCK)
        EACH (v, VECS) {
            vd d = vd_widen(x + i + v * LANES) - vd_all(max);
            d = d * vd_all(factor) - vd_all(offset);
            vh_store(out + i + v * LANES, vd_narrow(d));
        }
    for (; i < n; i++)
        out[i] = (float)(((double)x[i] - max) * factor - offset);
}

const struct smx_kernels TIER(kernels) = {
    .row_max = row_max,
    .exponentials = f64_exponentials,
    .capped_exponentials = TIER(capped_exponentials),
    .rest = rest_f64,
    .scale = scale_f64,
    .shift = shift_logs,
    .lanes = TIER(lanes),
    .load = &TIER(load_kernels),
    .loss = &TIER(loss_kernels),
    .summary = &TIER(summary_kernels),
    .split = &TIER(split_kernels),
    .dd = &TIER(row_kernels),
    .divergence = &TIER(divergence_kernels),
};
