/* SPDX-License-Identifier: MIT */
/* Rows of few classes and a label each. Tame ones: the loss is log(1 + rest),
 * rest the sum of the other classes' exponentials relative to the label's own,
 * of which nothing cancels; the gradient at the label's class is that sum's
 * share, taken away. The label's exponential is left out before the rows are
 * summed. Other rows are called wild here, as in plain.c. */
#include <math.h>
#include <string.h>

#include "api/criterion.h"
#include "few.h"
#include "kernels.h"
#include "loss_call.h"

struct rows {
    size_t first, n;
    bool tame[SMX_FEW_ROWS];
    size_t label[SMX_FEW_ROWS]; /* its element among the rows', or NONE */
    double own[SMX_FEW_ROWS];   /* the label's exponential */
    double mass[SMX_FEW_ROWS];  /* its v (criterion.h); 0: ignored */
    double rest[SMX_FEW_ROWS];
    double factor[SMX_FEW_ROWS]; /* exponential to gradient */
    struct smx_few few;          /* of wild rows nonsense */
};

/* ---- sums of tame rows ------------------------------------------------- */

/* A lesser rest may be that of logits that count as the lowest tame. */
#define LEAST 0x1p-100

/* The label of a row that is ignored. */
#define NONE SIZE_MAX

/* Which may be tame? How many? */
static size_t look(const struct smx_loss_call *call, struct rows *rows)
{
    const struct smx_tame_kernels *kernels = call->kernels->tame;
    const float *z = call->z + rows->first * call->classes;
    float highest = call->tame.highest;
    bool all = kernels->below(z, rows->n * call->classes, highest);
    size_t count = 0;
    for (size_t r = 0; r < rows->n; r++, z += call->classes) {
        rows->tame[r] = all || kernels->below(z, call->classes, highest);
        count += rows->tame[r];
    }
    return count;
}

static void take_labels(const struct smx_loss_call *call, struct rows *rows)
{
    const int64_t *labels = call->criterion.labels + rows->first;
    const float *z = call->z + rows->first * call->classes;
    struct smx_few *few = &rows->few;
    for (size_t r = 0; r < rows->n; r++) {
        size_t i = r * call->classes + (size_t)labels[r];
        bool ignored = smx_criterion_ignores_label(&call->criterion, labels[r]);
        rows->label[r] = ignored ? NONE : i;
        rows->own[r] = 0x1p54;
        rows->mass[r] = 0;
        if (ignored)
            continue;
        rows->tame[r] &= z[i] >= call->tame.lowest;
        rows->own[r] = (double)few->s[i] + few->rest[i];
        rows->mass[r] = call->keep * smx_loss_weight(call, labels[r]);
        few->s[i] = few->rest[i] = 0;
    }
}

static void take_sums(const struct smx_loss_call *call, struct rows *rows)
{
    for (size_t r = 0; r < rows->n; r++) {
        double sum = rows->few.sums[r] + rows->own[r];
        double a = call->factor * rows->mass[r];
        double g = smx_loss_upstream(call, rows->first + r);
        rows->rest[r] = rows->few.sums[r] / rows->own[r];
        rows->factor[r] = a * (g * call->inverse_temperature) / sum;
        rows->tame[r] &= smx_tame_sum(sum, call->classes) &&
                         (rows->rest[r] >= LEAST || rows->mass[r] == 0);
    }
}

/* ---- their gradients --------------------------------------------------- */

/* In double, where the factor is not two halves of float32, or makes something
 * of what counts as the lowest. */
static void put_row(const struct smx_loss_call *call, const float *z,
                    double factor, float *out)
{
    const double reference = 0;
    factor /= SMX_TAME_UNIT;
    call->kernels->loss->few_descend(z, 1, call->classes, 0, &reference,
                                     call->scale, &factor, out);
}

/* Wild rows are written too; in place, they are put back. */
static void put_tame(const struct smx_loss_call *call, struct rows *rows)
{
    size_t first = rows->first * call->classes, n = call->classes;
    float *out = call->gradient + first, logits[SMX_FEW_ELEMENTS];
    const float *z = call->z + first;
    double halved[SMX_FEW_ROWS];
    for (size_t r = 0; r < rows->n; r++) {
        double size = fabs(rows->factor[r]);
        halved[r] = size > 0x1p-120 && size < 0x1p-33 ? rows->factor[r] : 0;
    }
    if (out == z)
        z = memcpy(logits, out, rows->n * n * sizeof *out);
    call->kernels->loss->few_put(&rows->few, rows->n, n, halved, out);
    for (size_t r = 0; r < rows->n; r++) {
        if (!rows->tame[r] && z == logits)
            memcpy(out + r * n, logits + r * n, n * sizeof *out);
        if (!rows->tame[r])
            continue;
        if (halved[r] != rows->factor[r])
            put_row(call, z + r * n, rows->factor[r], out + r * n);
        if (rows->label[r] != NONE)
            out[rows->label[r]] =
                (float)(0 - rows->few.sums[r] * rows->factor[r]);
    }
}

/* ---- wild rows --------------------------------------------------------- */

/* The gradient of rows that are in the cache. */
static void put_wild(struct smx_loss_call *call, size_t start, size_t n,
                     const struct smx_descent *descents)
{
    const struct smx_criterion *criterion = &call->criterion;
    double reference[SMX_FEW_ROWS], factor[SMX_FEW_ROWS];
    float own[SMX_FEW_ROWS], *out = call->gradient + start * call->classes;
    for (size_t r = 0; r < n; r++) {
        reference[r] = descents[r].reference;
        factor[r] = descents[r].factor;
        own[r] = smx_criterion_ignores(criterion, start + r)
                     ? 0
                     : smx_loss_own(call, start + r, &descents[r]);
    }
    call->kernels->loss->few_descend(call->z + start * call->classes, n,
                                     call->classes, 0, reference, call->scale,
                                     factor, out);
    for (size_t r = 0; r < n; r++)
        if (!smx_criterion_ignores(criterion, start + r))
            out[r * call->classes + (size_t)criterion->labels[start + r]] =
                own[r];
}

static bool sum_wild(const struct smx_loss_call *call, size_t start, size_t n,
                     struct smx_part *whole)
{
    double max[SMX_FEW_ROWS], sum[SMX_FEW_ROWS];
    size_t behind = (call->rows - start - n) * call->classes;
    if (!call->kernels->loss->few_sums(
            call->z + start * call->classes, n, call->classes,
            call->gradient ? 0 : behind, call->scale, SMX_NEAR, max, sum))
        return false;
    for (size_t r = 0; r < n; r++) {
        double reference =
            max[r] == -INFINITY ? 0 : smx_loss_reference(max[r], call->scale);
        whole[r] = (struct smx_part){
            .max = max[r], .reference = reference, .sum = sum[r]};
    }
    return true;
}

static void take_wild(struct smx_loss_call *call, size_t start, size_t n)
{
    struct smx_part parts[SMX_BLOCK_ROWS];
    struct smx_descent descents[SMX_BLOCK_ROWS];
    if (!sum_wild(call, start, n, parts)) {
        call->refused = true;
        return;
    }
    smx_loss_take(call, start, n, parts, call->gradient ? descents : NULL);
    if (call->gradient)
        put_wild(call, start, n, descents);
}

/* ---- all of them ------------------------------------------------------- */

static void take_tame(struct smx_loss_call *call, struct rows *rows)
{
    const struct smx_loss_kernels *kernels = call->kernels->loss;
    kernels->few_keep(call->z + rows->first * call->classes, rows->n,
                      call->classes, &call->tame, &rows->few);
    take_labels(call, rows);
    kernels->few_sum(&rows->few, rows->n, call->classes);
    take_sums(call, rows);
    kernels->log1p(rows->rest, rows->n);
    for (size_t r = 0; r < rows->n; r++)
        call->entropy[rows->first + r] = rows->mass[r] * rows->rest[r];
    if (call->gradient)
        put_tame(call, rows);
}

/* Tame rows first, then wild ones: whether a row is depends on no other. */
static void take(struct smx_loss_call *call, size_t first, size_t n)
{
    struct rows rows;
    rows.first = first;
    rows.n = n;
    if (look(call, &rows) > 0)
        take_tame(call, &rows);
    for (size_t r = 0, end; r < n; r = end) {
        bool tame = rows.tame[r];
        for (end = r + 1; end < n && rows.tame[end] == tame; end++)
            ;
        if (!tame)
            take_wild(call, first + r, end - r);
    }
}

void smx_loss_few(void *argument, size_t block)
{
    struct smx_loss_call *call = argument;
    size_t r = block * call->per_block, end = r + smx_loss_rows(call, block);
    size_t step = smx_few_rows(call->classes);
    if (!call->tame.possible)
        take_wild(call, r, end - r);
    for (; call->tame.possible && r < end; r += step)
        take(call, r, end - r < step ? end - r : step);
}
