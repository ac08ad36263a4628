/* SPDX-License-Identifier: MIT */
#include "plan.h"

#include "kernels.h"
#include "rows.h"
#include "tuning.h"

/* Numbers whose products with others of a row leave no range. */
#define LEAST 0x1p-100
#define MOST 0x1p100

/* The same of float64's, which are squared. */
#define LEAST_DOUBLE 0x1p-300

/* The largest focal exponent for which doubles are near enough for float32. */
#define MOST_FOCAL 4.0

static bool is_0_or_within(double x, double least, double most)
{
    return x == 0 || (x >= least && x <= most);
}

/* float32 with a softcap, if any, that keeps exponentials in doubles. */
static bool is_f32(const struct smx_logits *z)
{
    return z->dtype == SMX_FLOAT32 && (!z->softcap || smx_cap_of(z).possible);
}

bool smx_plan_splits_softmax(const struct smx_logits *z, bool log)
{
    return smx_plan_splits(smx_temperature_of(z)) && !z->softcap &&
           !(log && z->classes <= SMX_NARROW);
}

bool smx_plan_lanes(const struct smx_logits *z, const struct smx_criterion *k)
{
    bool wide = z->dtype == SMX_FLOAT64;
    double least = wide ? LEAST_DOUBLE : 0;
    if (z->classes > SMX_NARROW || !(wide || is_f32(z)) ||
        !is_0_or_within(smx_temperature_of(z), LEAST, MOST) ||
        !is_0_or_within(z->softcap, LEAST, MOST))
        return false;
    if (k && !wide && k->focal > MOST_FOCAL)
        return false;
    return !k || (is_0_or_within(k->z_loss, least, MOST) &&
                  is_0_or_within(k->entropy_weight, LEAST, MOST) &&
                  is_0_or_within(k->label_smoothing, least, 1));
}

bool smx_plan_columns(const struct smx_logits *z)
{
    return z->inner >= SMX_COLUMNS && !z->mask;
}

enum smx_way smx_plan_softmax(const struct smx_logits *z, bool log, bool whole)
{
    bool narrow = z->classes <= SMX_NARROW;
    if (!is_f32(z) || (narrow && z->softcap))
        return whole && smx_plan_lanes(z, NULL) ? SMX_WAY_DD_LANES
                                                : SMX_WAY_DD_ROWS;
    if (!whole || smx_chunks(z->classes) > SMX_F32_SHORT)
        return SMX_WAY_CHUNKS;
    if (narrow && smx_plan_splits_softmax(z, log))
        return SMX_WAY_NARROW;
    if (smx_plan_lanes(z, NULL))
        return SMX_WAY_LANES;
    return log ? SMX_WAY_LOGS : SMX_WAY_RESIDENT;
}

static bool is_f32_loss(const struct smx_logits *z,
                        const struct smx_criterion *k)
{
    double t = smx_temperature_of(z);
    return is_f32(z) && !k->labels != !k->targets && t >= LEAST && t <= MOST &&
           is_0_or_within(k->label_smoothing, LEAST_DOUBLE, 1) &&
           k->z_loss <= MOST &&
           is_0_or_within(k->entropy_weight, LEAST, MOST) &&
           k->focal <= MOST_FOCAL;
}

enum smx_way smx_plan_loss(const struct smx_logits *z,
                           const struct smx_criterion *k, bool gradient)
{
    if (!is_f32_loss(z, k))
        return smx_plan_lanes(z, k) ? SMX_WAY_DD_LANES : SMX_WAY_DD_ROWS;
    /* terms of both signs could leave less than the digits of in-range sums */
    bool split = smx_plan_splits(smx_temperature_of(z)) && !k->targets &&
                 k->label_smoothing == 0 && k->z_loss == 0 &&
                 k->entropy_weight == 0 && !z->softcap;
    if (z->classes <= SMX_NARROW)
        return split ? SMX_WAY_NARROW : SMX_WAY_LANES;
    return split && gradient && smx_chunks(z->classes) <= SMX_F32_SHORT
               ? SMX_WAY_RESIDENT
               : SMX_WAY_CHUNKS;
}

enum smx_way smx_plan_product(const struct smx_logits *z)
{
    double t = smx_temperature_of(z);
    bool lanes = smx_plan_lanes(z, NULL);
    if (is_f32(z) && t >= LEAST && t <= MOST)
        return lanes ? SMX_WAY_LANES : SMX_WAY_CHUNKS;
    return lanes ? SMX_WAY_DD_LANES : SMX_WAY_DD_ROWS;
}
