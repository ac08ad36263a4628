/* SPDX-License-Identifier: MIT */
#include "lanes.h"

#include <stdatomic.h>

#include "api/criterion.h"
#include "dd_shift.h"
#include "simd/extended.h"
#include "simd/power.h"
#include "tuning.h"

struct smx_lanes smx_lanes_of(const struct smx_logits *z)
{
    double t = smx_temperature_of(z);
    struct smx_lanes lanes = {.logits = z,
                              .distant = smx_rows_count(z) * z->classes >=
                                         SMX_STREAMED,
                              .inverse_temperature = 1 / t,
                              .scale = SMX_POWER_NAT / t,
                              .cap = smx_cap_of(z)};
    if (z->dtype == SMX_FLOAT64) {
        lanes.shift.capped = z->softcap != 0;
        smx_shift_measure(&lanes.shift, z, 0);
    }
    return lanes;
}

void smx_lanes_set_criterion(struct smx_lanes *lanes,
                             const struct smx_criterion *criterion,
                             const struct smx_counts *n)
{
    const struct smx_dd one = {1, 0}, zero = {0, 0};
    double classes = (double)lanes->logits->classes;
    bool mean = criterion->reduction == SMX_REDUCTION_MEAN;
    lanes->criterion = criterion;
    lanes->keep = dd_sum(1, -criterion->label_smoothing);
    lanes->share =
        smx_divide((struct smx_dd){criterion->label_smoothing, 0}, classes);
    lanes->factor = lanes->z_factor = one;
    if (mean && n->divisor == 0)
        lanes->factor = lanes->z_factor = zero;
    else if (mean) {
        lanes->factor = smx_divide(one, n->divisor);
        lanes->z_factor = smx_divide(one, n->weight);
    }
}

/* ---- all rows ------------------------------------------------------------ */

struct lanes_run {
    struct smx_context *context;
    const struct smx_lanes *lanes;
    const struct smx_rows_work *work;
    size_t rows;
    atomic_size_t hits;
    atomic_bool nonfinite;
};

/* Rows of a call of the kernel. */
#define UNIT (8 * SMX_LANES_ROWS)

static void run_unit(void *argument, size_t unit)
{
    struct lanes_run *run = argument;
    size_t first = unit * UNIT, left = run->rows - first, hits = 0;
    struct smx_lanes_marks marks[UNIT / SMX_LANES_ROWS] = {{0, 0}};
    bool declined = run->context->kernels->lanes(
        run->lanes, first, left < UNIT ? left : UNIT, marks);
    for (size_t i = 0; run->lanes->hits && i < UNIT / SMX_LANES_ROWS; i++)
        hits += (size_t)__builtin_popcountll(marks[i].hits);
    if (hits)
        run->hits += hits;
    if (declined && !run->work)
        run->nonfinite = true;
    for (size_t i = 0; declined && run->work && i < UNIT / SMX_LANES_ROWS; i++)
        smx_rows_run_marked(run->context, run->lanes->logits, run->work,
                            first + i * SMX_LANES_ROWS, marks[i].declined,
                            &run->nonfinite);
}

enum smx_status smx_lanes_run(struct smx_context *context,
                              const struct smx_lanes *lanes,
                              const struct smx_rows_work *work, size_t *hits)
{
    struct lanes_run run = {.context = context,
                            .lanes = lanes,
                            .work = work,
                            .rows = smx_rows_count(lanes->logits)};
    smx_pool_each(context->pool, (run.rows + UNIT - 1) / UNIT,
                  SMX_SMALL / UNIT / lanes->logits->classes, run_unit, &run);
    if (hits)
        *hits = run.hits;
    return run.nonfinite ? SMX_ENONFINITE : SMX_OK;
}
