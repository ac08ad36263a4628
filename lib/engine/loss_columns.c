/* SPDX-License-Identifier: MIT */
/* Losses by labels, and gradients, of narrow rows whose class axis is not the
 * last, read where they are. The bits are those of loss_narrow.c, to which a
 * tile goes as soon as one of its rows is not in range. */
#include "loss_call.h"

#include "api/criterion.h"
#include "rows.h"

/* What rows have of their own: weights, or an upstream gradient. */
struct numbers {
    double costs[SMX_BLOCK_ROWS], gains[SMX_BLOCK_ROWS];
};

static double gain_of(const struct smx_loss_call *call, size_t row, double mass)
{
    double upstream = smx_loss_upstream(call, row);
    return call->factor * mass * (upstream * call->inverse_temperature);
}

static void take_numbers(const struct smx_loss_call *call, size_t row, size_t n,
                         struct numbers *numbers,
                         struct smx_label_columns *columns)
{
    for (size_t r = 0; r < n; r++) {
        bool ignored = smx_criterion_ignores(&call->criterion, row + r);
        int64_t label = call->criterion.labels[row + r];
        double mass = ignored ? 0 : call->keep * smx_loss_weight(call, label);
        numbers->costs[r] = smx_loss_row_weight(call, row + r) * mass;
        numbers->gains[r] = gain_of(call, row + r, mass);
    }
    columns->costs = numbers->costs;
    columns->gains = numbers->gains;
}

/* Rows of the tile that lie side by side. */
static bool store_rows(const struct smx_loss_call *call, size_t row, size_t n)
{
    const struct smx_logits *z = call->logits;
    const struct smx_criterion *k = &call->criterion;
    size_t first = call->tiles.first + row;
    struct numbers numbers;
    struct smx_label_columns columns = {.x = (const float *)z->data +
                                             smx_rows_index(z, first, 0),
                                        .step = z->inner,
                                        .rows = n,
                                        .classes = z->classes,
                                        .labels = k->labels + row,
                                        .ignore = k->ignore,
                                        .ignore_index = k->ignore_index,
                                        .cost = call->keep,
                                        .losses = call->entropy + row};
    if (call->tiles.output)
        columns.out =
            (float *)call->tiles.output + smx_rows_out_index(z, first, 0);
    if (k->weights || k->row_weights ||
        (call->upstream && k->reduction == SMX_REDUCTION_NONE))
        take_numbers(call, row, n, &numbers, &columns);
    else
        columns.gain = gain_of(call, row, call->keep);
    return call->kernels->loss->columns(&columns, &call->split);
}

void smx_loss_columns(void *argument, size_t block)
{
    struct smx_loss_call *call = argument;
    size_t inner = call->logits->inner, n;
    size_t r = block * call->per_block, end = r + smx_loss_rows(call, block);
    for (; r < end && !call->out_of_range; r += n) {
        size_t left = inner - (call->tiles.first + r) % inner;
        n = end - r < left ? end - r : left;
        if (!store_rows(call, r, n))
            call->out_of_range = true;
    }
}
