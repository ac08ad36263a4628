/* SPDX-License-Identifier: MIT */
/* Rows of few classes and a label each. In-range ones: the loss is log(1 +
 * rest), rest the sum of the other classes' exponentials relative to the
 * label's own, of which nothing cancels; the gradient at the label's class is
 * that sum's share, taken away. The label's exponential is left out before the
 * rows are summed. Other rows are called out-of-range here, as in
 * f32_softmax.c. */
#include <math.h>
#include <string.h>

#include "api/criterion.h"
#include "narrow.h"
#include "kernels.h"
#include "loss_call.h"

struct rows {
    size_t first, n;
    bool in_range[SMX_NARROW_ROWS];
    size_t label[SMX_NARROW_ROWS];  /* its element among the rows', or NONE */
    double own[SMX_NARROW_ROWS];    /* the label's exponential */
    double mass[SMX_NARROW_ROWS];   /* its v (criterion.h); 0: ignored */
    double nats[SMX_NARROW_ROWS];   /* -log p of the label */
    double factor[SMX_NARROW_ROWS]; /* exponential to gradient */
    struct smx_lanes lanes;         /* without logits: not yet */
    struct smx_narrow narrow;       /* of out-of-range rows nonsense */
};

/* What lanes need to know of the tile is made where rows first need them. */
static void prepare_lanes(const struct smx_loss_call *call,
                          struct smx_lanes *lanes)
{
    const struct smx_loss_out *out = call->out;
    if (lanes->logits)
        return;
    *lanes = smx_lanes_of(call->logits);
    smx_lanes_set_criterion(lanes, &call->criterion, &call->counts);
    lanes->logits = &call->tiles.z;
    lanes->upstream = call->upstream;
    lanes->gradient = call->gradient;
    lanes->losses = call->entropy;
    lanes->squares = call->square;
    if (call->logits->softcap && out && out->logsumexp)
        lanes->logsumexp = (float *)out->logsumexp + call->tiles.first;
}

/* ---- sums of in-range rows ---------------------------------------------- */

/* The label of a row that is ignored. */
#define NONE SIZE_MAX

/* Which may be in-range? How many? */
static size_t scan_in_range(const struct smx_loss_call *call, struct rows *rows)
{
    const struct smx_split_kernels *kernels = call->kernels->split;
    const float *z = call->z + rows->first * call->classes;
    float highest = call->split.highest;
    bool all = kernels->below(z, rows->n * call->classes, highest);
    size_t count = 0;
    for (size_t r = 0; r < rows->n; r++, z += call->classes) {
        rows->in_range[r] = all || kernels->below(z, call->classes, highest);
        count += rows->in_range[r];
    }
    return count;
}

static void take_out_labels(const struct smx_loss_call *call, struct rows *rows)
{
    const int64_t *labels = call->criterion.labels + rows->first;
    const float *z = call->z + rows->first * call->classes;
    struct smx_narrow *narrow = &rows->narrow;
    for (size_t r = 0; r < rows->n; r++) {
        size_t i = r * call->classes + (size_t)labels[r];
        bool ignored = smx_criterion_ignores_label(&call->criterion, labels[r]);
        rows->label[r] = ignored ? NONE : i;
        rows->own[r] = 0x1p54;
        rows->mass[r] = 0;
        if (ignored)
            continue;
        rows->in_range[r] &= z[i] >= call->split.lowest;
        rows->own[r] = (double)narrow->s[i] + narrow->rest[i];
        rows->mass[r] = call->keep * smx_loss_weight(call, labels[r]);
        narrow->s[i] = narrow->rest[i] = 0;
    }
}

static void finish_split_sums(const struct smx_loss_call *call,
                              struct rows *rows)
{
    for (size_t r = 0; r < rows->n; r++) {
        double sum = rows->narrow.sums[r] + rows->own[r];
        double a = call->factor * rows->mass[r];
        double g = smx_loss_upstream(call, rows->first + r);
        double rest = rows->narrow.sums[r] / rows->own[r];
        rows->nats[r] = rest;
        rows->factor[r] = a * (g * call->inverse_temperature) / sum;
        rows->in_range[r] &=
            smx_sum_in_range(sum, call->classes) &&
            (rest >= SMX_NARROW_LEAST_REST || rows->mass[r] == 0);
    }
    call->kernels->loss->log1p(rows->nats, rows->n);
}

static void focus_rows(const struct smx_loss_call *call, struct rows *rows)
{
    double loss[SMX_NARROW_ROWS], gradient[SMX_NARROW_ROWS];
    call->kernels->loss->focus(rows->nats, rows->n, call->criterion.focal, loss,
                               gradient);
    for (size_t r = 0; r < rows->n; r++) {
        rows->mass[r] *= loss[r];
        rows->factor[r] *= gradient[r];
    }
}

/* ---- their gradients --------------------------------------------------- */

/* In double, where the factor is not two halves of float32, or makes something
 * of what counts as the lowest. */
static void store_grad_in_f64(const struct smx_loss_call *call, size_t row,
                              struct smx_lanes *prepared)
{
    prepare_lanes(call, prepared);
    struct smx_lanes lanes = *prepared;
    lanes.losses = NULL;
    call->kernels->lanes(&lanes, row, 1, NULL);
}

/* Out-of-range rows are written too; in place, they are put back. */
static void store_split_grads(const struct smx_loss_call *call,
                              struct rows *rows)
{
    size_t first = rows->first * call->classes, n = call->classes;
    float *out = call->gradient + first, logits[SMX_NARROW_ELEMENTS];
    const float *z = call->z + first;
    double halved[SMX_NARROW_ROWS];
    for (size_t r = 0; r < rows->n; r++) {
        double size = fabs(rows->factor[r]);
        bool halves =
            size > SMX_NARROW_LEAST_FACTOR && size < SMX_NARROW_MOST_FACTOR;
        halved[r] = halves ? rows->factor[r] : 0;
    }
    if (out == z)
        z = memcpy(logits, out, rows->n * n * sizeof *out);
    call->kernels->loss->narrow_put(&rows->narrow, rows->n, n, halved, out);
    for (size_t r = 0; r < rows->n; r++) {
        bool halves = halved[r] == rows->factor[r];
        if (z == logits && (!rows->in_range[r] || !halves))
            memcpy(out + r * n, logits + r * n, n * sizeof *out);
        if (!rows->in_range[r])
            continue;
        if (!halves)
            store_grad_in_f64(call, rows->first + r, &rows->lanes);
        if (rows->label[r] != NONE)
            out[rows->label[r]] =
                (float)(0 - rows->narrow.sums[r] * rows->factor[r]);
    }
}

/* ---- all of them ------------------------------------------------------- */

static void loss_in_range(struct smx_loss_call *call, struct rows *rows)
{
    const struct smx_loss_kernels *kernels = call->kernels->loss;
    kernels->narrow_keep(call->z + rows->first * call->classes, rows->n,
                         call->classes, &call->split, &rows->narrow);
    take_out_labels(call, rows);
    kernels->narrow_sum(&rows->narrow, rows->n, call->classes);
    finish_split_sums(call, rows);
    if (call->criterion.focal != 0)
        focus_rows(call, rows);
    for (size_t r = 0; r < rows->n; r++)
        call->entropy[rows->first + r] =
            smx_loss_row_weight(call, rows->first + r) * rows->mass[r] *
            rows->nats[r];
    if (call->gradient)
        store_split_grads(call, rows);
}

/* Rows start to start + n in lanes. */
static void loss_in_lanes(struct smx_loss_call *call, struct smx_lanes *lanes,
                          size_t start, size_t n)
{
    prepare_lanes(call, lanes);
    if (call->kernels->lanes(lanes, start, n, NULL))
        call->nonfinite = true; /* nothing else is, of float32 */
}

/* In-range rows first, then out-of-range ones: whether a row is depends on no
 * other. */
static void narrow_loss_rows(struct smx_loss_call *call, size_t first, size_t n)
{
    struct rows rows;
    rows.first = first;
    rows.n = n;
    rows.lanes.logits = NULL;
    if (scan_in_range(call, &rows) > 0)
        loss_in_range(call, &rows);
    for (size_t r = 0, end; r < n; r = end) {
        bool in_range = rows.in_range[r];
        for (end = r + 1; end < n && rows.in_range[end] == in_range; end++)
            ;
        if (!in_range)
            loss_in_lanes(call, &rows.lanes, first + r, end - r);
    }
}

void smx_loss_narrow(void *argument, size_t block)
{
    struct smx_loss_call *call = argument;
    size_t r = block * call->per_block, end = r + smx_loss_rows(call, block);
    size_t step = smx_narrow_rows(call->classes);
    for (; r < end; r += step)
        narrow_loss_rows(call, r, end - r < step ? end - r : step);
}

void smx_loss_lanes(void *argument, size_t block)
{
    struct smx_loss_call *call = argument;
    struct smx_lanes lanes;
    lanes.logits = NULL;
    loss_in_lanes(call, &lanes, block * call->per_block,
                  smx_loss_rows(call, block));
}
