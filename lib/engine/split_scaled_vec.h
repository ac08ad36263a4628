/* SPDX-License-Identifier: MIT */
/** Exponentials of in-range rows times a factor, or a factor and a bend, for
 * the template (split_exp.h). */
#ifndef SMX_SPLIT_SCALED_VEC_H
#define SMX_SPLIT_SCALED_VEC_H

#include "simd/split_exp_vec.h"

/* Exponentials times a factor, 2^binade less; what is not above the least comes
 * to nothing. */
struct scaled {
    struct smx_split_exp split;
    float binade, least;
    /* with a bend: at + step k, a number of 24 bits that is never rounded, and
     * what is left, at_low + step_low k + slope f */
    float at, at_low, step, step_low, slope;
};

/* The factor's leading 12 bits go into the table, whose entries may have 24,
 * and the logarithm of the rest into that of what the table rounded. */
INLINE struct scaled scaled_by(const struct smx_split_exp *split, double factor)
{
    static const int32_t steps[BLOCK] = {
        0 << 19,  1 << 19,  2 << 19,  3 << 19, 4 << 19,  5 << 19,
        6 << 19,  7 << 19,  8 << 19,  9 << 19, 10 << 19, 11 << 19,
        12 << 19, 13 << 19, 14 << 19, 15 << 19};
    double binade = smx_binade(factor);
    struct scaled by = {.split = *split,
                        .binade = (float)binade,
                        .least = (float)(0x1p-150 / binade)};
    float high = smx_twelve_bits(factor / binade);
    double d = factor / binade / high - 1; /* less than 2^-11 */
    float rest = (float)(d * (1 - d * (0.5 - d * (1.0 / 3)))) / split->c1;
    EACH (v, PARTS) {
        vi step;
        memcpy(&step, steps + v * FLOATS, sizeof step);
        vf power = (vf)((vi)vf_load(split->table + v * FLOATS) + step);
        power = (vf)((vi)(power * vf_all(high)) - step);
        vf_store(by.split.table + v * FLOATS, power);
        vf_store(by.split.rest + v * FLOATS,
                 vf_load(split->rest + v * FLOATS) - vf_all(rest));
    }
    return by;
}

/* Both terms are below 2 times the binade, so that whole multiples of 2^-22 of
 * it, their sum too, have 24 bits, and 12 of them the step. */
INLINE struct scaled bent_by(const struct smx_split_exp *split, double factor,
                             double bend)
{
    const double grid = 0x1.8p30;
    double binade = smx_binade(smx_bent_size(split, factor, bend));
    double at = factor / binade, slope = bend / binade;
    double step = slope * smx_split_step(split);
    double whole = at + grid - grid, whole_step = step + grid - grid;
    return (struct scaled){.split = *split,
                           .binade = (float)binade,
                           .least = (float)(0x1p-152 / binade),
                           .at = (float)whole,
                           .at_low = (float)(at - whole),
                           .step = (float)whole_step,
                           .step_low = (float)(step - whole_step),
                           .slope = (float)slope};
}

/* e (factor + bend x), of a register. The product of s and 12 bits is exact. */
INLINE vf bent_product(const struct parts *e, int v, const struct scaled *by)
{
    vf whole = vf_plus_product(vf_all(by->at), e->k[v], vf_all(by->step));
    vf left = (e->k[v] * vf_all(by->step_low) + e->f[v] * vf_all(by->slope)) +
              vf_all(by->at_low);
    vf high = vf_twelve_bits(whole);
    vf rest = e->rest[v] * (whole + left) + e->s[v] * ((whole - high) + left);
    return vf_plus_product(rest, e->s[v], high);
}

/* How much is to be done: nothing is to be bounded, and no product is denormal;
 * all that; a bend, too. A constant where it is inlined. */
enum scaling { SCALED_PLAINLY, SCALED, BENT };

INLINE vf scale_split(enum scaling how, const struct parts *e, int v,
                      const struct scaled *by)
{
    vf power = vf_all(by->binade), least = vf_all(by->least);
    vf p = how == BENT ? bent_product(e, v, by) : e->s[v] + e->rest[v];
    if (how == BENT) /* no negative zeros */
        return vf_mul_above(p, power, e->s[v], least) + vf_all(0);
    return how == SCALED ? vf_mul_above(p, power, p, least) : p * power;
}

#endif
