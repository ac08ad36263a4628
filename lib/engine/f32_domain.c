/* SPDX-License-Identifier: MIT */
#include "f32_loss.h"

#include "api/criterion.h"
#include "f32_softmax.h"
#include "focal.h"
#include "lanes.h"
#include "rows.h"

/* Exponents beyond which the products of the sweeps could leave the doubles. */
#define MOST_TEMPERATURE 0x1p100
#define LEAST_SMOOTHING 0x1p-300

static bool fits(const struct smx_logits *z, const struct smx_criterion *k)
{
    double t = z->temperature ? z->temperature : 1;
    return (smx_f32_takes(z) || smx_lanes_take(z, k)) &&
           z->dtype == SMX_FLOAT32 && z->outer && !k->labels != !k->targets &&
           t >= 1 / MOST_TEMPERATURE && t <= MOST_TEMPERATURE &&
           (k->label_smoothing == 0 || k->label_smoothing >= LEAST_SMOOTHING) &&
           k->z_loss <= MOST_TEMPERATURE && k->entropy_weight == 0 &&
           k->focal <= SMX_FOCAL_MOST;
}

/* But for the targets, which the first sweep checks. */
static bool acceptable(struct smx_context *context, const struct smx_logits *z,
                       const struct smx_criterion *criterion,
                       const float *upstream)
{
    struct smx_logits checked = *z;
    if (criterion->targets)
        checked.outer = 0;
    return !smx_criterion_check(context, &checked, criterion, NULL) &&
           !smx_criterion_check_rows(z, criterion, NULL) &&
           !smx_criterion_check_upstream(z, criterion, upstream, NULL);
}

bool smx_f32_loss_takes(struct smx_context *context,
                        const struct smx_logits *logits,
                        const struct smx_criterion *criterion,
                        const float *upstream)
{
    return fits(logits, criterion) &&
           acceptable(context, logits, criterion, upstream);
}
