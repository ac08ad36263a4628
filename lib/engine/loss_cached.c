/* SPDX-License-Identifier: MIT */
/* Rows that are not long, on the way to a gradient in the labels: their
 * exponentials are kept from the sum to the division by it, which takes less
 * than to compute them again. */
#include <math.h>
#include <string.h>

#include "api/criterion.h"
#include "kernels.h"
#include "loss_call.h"
#include "loss_kernels.h"

/* Rows that wait at once, and chunks of them, at most: they are not narrow. */
#define ROWS (SMX_RESIDENT_ELEMENTS / SMX_NARROW)

/* A row whose exponentials wait to be divided; sum 0: none does. */
struct waiting {
    double sum;
    float *out, *quotients; /* the same place, or one to be streamed from */
    float *room;            /* for these, if any */
    size_t label;
    float own;   /* what is put at the label's class */
    bool normal; /* no quotient is denormal */
};

struct cached_rows { /* both halves of in-range exponentials, row by row */
    SMX_ALIGNED float high[SMX_CACHED]; /* behind short rows their quotients */
    float rest[SMX_CACHED];
    struct waiting row[ROWS];
};

static void end_row(const struct smx_loss_call *call, struct waiting *row)
{
    row->quotients[row->label] = row->own;
    if (row->quotients != row->out)
        call->kernels->split->stream(row->quotients, call->classes, row->out);
    row->sum = 0; /* it waits no more */
}

/* Meanwhile the row that was in its place is divided. parts: one a chunk. */
static void sum_row(struct smx_loss_call *call, size_t row, size_t place,
                    struct cached_rows *cached, struct smx_part *parts)
{
    const float *z = call->z + row * call->classes;
    struct waiting *was = &cached->row[place];
    size_t at = place * smx_blocks(call->classes);
    for (size_t k = 0, c = 0; k < call->chunks; k++, c += SMX_CHUNK) {
        float *high = cached->high + at + c, *rest = cached->rest + at + c;
        struct smx_cached_exp before = {.high = high,
                                        .rest = rest,
                                        .sum = was->sum,
                                        .out = was->quotients + c,
                                        .normal = was->normal};
        smx_loss_sum(call, z + c, smx_chunk_classes(call->classes, k), high,
                     rest, was->sum != 0 ? &before : NULL, &parts[k]);
    }
    if (was->sum != 0)
        end_row(call, was);
}

/* At once, or when the next row comes. parts: one a chunk. */
static void finish_cached_row(const struct smx_loss_call *call, size_t row,
                              const struct smx_part *parts,
                              const struct smx_grad *d, struct waiting *wait)
{
    size_t n = call->classes, start = row * n;
    float *out = call->gradient + start;
    if (smx_criterion_ignores(&call->criterion, row)) {
        memset(out, 0, n * sizeof *out);
        return;
    }
    wait->out = wait->quotients = out;
    wait->label = (size_t)call->criterion.labels[row];
    wait->own = smx_loss_label_grad(call, row, d);
    if (d->in_range) {
        float min = INFINITY;
        for (size_t k = 0; k < call->chunks; k++)
            min = fminf(min, parts[k].min);
        wait->sum = 1 / (d->factor * SMX_SPLIT_UNIT);
        if (wait->room)
            wait->quotients = wait->room;
        wait->normal = smx_divides_normally(&call->split, min, wait->sum);
        return;
    }
    const struct smx_exponents by = smx_relative_to(&call->by, d->reference);
    call->kernels->loss->grad_store(call->z + start, n, &by, d->factor, d->bend,
                                    &call->mass, d->share, out);
    end_row(call, wait);
}

static void keep_block(struct smx_loss_call *call, size_t block,
                       struct cached_rows *cached)
{
    size_t start = block * call->per_block, n = smx_loss_rows(call, block);
    struct smx_part parts[ROWS];
    struct smx_grad grads[ROWS];
    for (size_t r = 0; r < n; r++)
        sum_row(call, start + r, r, cached, parts + r * call->chunks);
    smx_loss_take(call, start, n, parts, grads);
    for (size_t r = 0; r < n; r++)
        finish_cached_row(call, start + r, parts + r * call->chunks, &grads[r],
                          &cached->row[r]);
}

static void divide_waiting_rows(const struct smx_loss_call *call,
                                struct cached_rows *cached)
{
    for (size_t r = 0; r < call->per_block; r++) {
        struct waiting *row = &cached->row[r];
        size_t at = r * smx_blocks(call->classes);
        if (row->sum == 0)
            continue;
        struct smx_cached_exp of = {.high = cached->high + at,
                                    .rest = cached->rest + at,
                                    .sum = row->sum,
                                    .out = row->quotients};
        call->kernels->split->divide(&of, call->classes);
        end_row(call, row);
    }
}

/* Beside short rows is room for the quotients that are streamed afterwards;
 * those of others take the place of their exponentials. */
void smx_loss_cached(void *argument, size_t slice)
{
    struct smx_loss_call *call = argument;
    size_t end, b = smx_pool_slice(call->blocks, call->slices, slice, &end);
    size_t width = smx_blocks(call->classes);
    bool room = call->per_block * width <= SMX_CHUNK;
    bool pipelined =
        smx_is_pipelined(call->rows, call->classes) && (room || !call->stream);
    struct cached_rows cached;
    float *quotients = cached.high + (room ? SMX_CHUNK : 0);
    for (size_t r = 0; r < call->per_block; r++)
        cached.row[r] = (struct waiting){
            .out = call->gradient,
            .quotients = call->gradient,
            .room = call->stream ? quotients + r * width : NULL};
    for (; b < end; b++) {
        if (!pipelined)
            divide_waiting_rows(call, &cached);
        keep_block(call, b, &cached);
    }
    divide_waiting_rows(call, &cached);
}
