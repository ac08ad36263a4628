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
#include "waiting.h"

/* Rows that wait at once, and chunks of them, at most: they are not narrow. */
#define ROWS (SMX_RESIDENT_ELEMENTS / SMX_NARROW)

struct cached_rows { /* both halves of in-range exponentials, row by row */
    SMX_ALIGNED float high[SMX_CACHED]; /* behind short rows their quotients */
    float rest[SMX_CACHED];
    struct smx_waiting row[ROWS];
};

/* Meanwhile the row that was in its place is divided. parts: one a chunk. */
static void sum_row(struct smx_loss_call *call, size_t row,
                    struct smx_waiting *place, struct smx_part *parts)
{
    const float *z = call->z + row * call->classes;
    for (size_t k = 0, c = 0; k < call->chunks; k++, c += SMX_CHUNK) {
        const struct smx_cached_exp before = smx_waiting_from(place, c);
        smx_loss_sum(call, z + c, smx_chunk_classes(call->classes, k),
                     place->high + c, place->rest + c,
                     place->sum != 0 ? &before : NULL, &parts[k]);
    }
    smx_waiting_end(call->kernels, place, call->classes);
}

/* At once, or when the next row comes. parts: one a chunk. */
static void finish_cached_row(const struct smx_loss_call *call, size_t row,
                              const struct smx_part *parts,
                              const struct smx_grad *d,
                              struct smx_waiting *wait)
{
    size_t n = call->classes, start = row * n;
    float *out = call->gradient + start;
    if (smx_criterion_ignores(&call->criterion, row)) {
        memset(out, 0, n * sizeof *out);
        return;
    }
    wait->out = out;
    wait->label = (size_t)call->criterion.labels[row];
    wait->own = smx_loss_label_grad(call, row, d);
    if (d->in_range) {
        float min = INFINITY;
        for (size_t k = 0; k < call->chunks; k++)
            min = fminf(min, parts[k].min);
        wait->sum = 1 / (d->factor * SMX_SPLIT_UNIT);
        wait->normal = smx_divides_normally(&call->split, min, wait->sum);
        return;
    }
    const struct smx_exponents by = smx_relative_to(&call->by, d->reference);
    call->kernels->loss->grad_store(call->z + start, n, &by, d->factor, d->bend,
                                    &call->mass, d->share, out);
    out[wait->label] = wait->own;
}

static void keep_block(struct smx_loss_call *call, size_t block,
                       struct cached_rows *cached)
{
    size_t start = block * call->per_block, n = smx_loss_rows(call, block);
    struct smx_part parts[ROWS];
    struct smx_grad grads[ROWS];
    for (size_t r = 0; r < n; r++)
        sum_row(call, start + r, &cached->row[r], parts + r * call->chunks);
    smx_loss_take(call, start, n, parts, grads);
    for (size_t r = 0; r < n; r++)
        finish_cached_row(call, start + r, parts + r * call->chunks, &grads[r],
                          &cached->row[r]);
}

void smx_loss_cached(void *argument, size_t slice)
{
    struct smx_loss_call *call = argument;
    const struct smx_kernels *kernels = call->kernels;
    size_t end, b = smx_pool_slice(call->blocks, call->slices, slice, &end);
    size_t places = call->per_block, n = call->classes;
    struct cached_rows cached;
    bool pipelined =
        smx_waiting_place(cached.row, places, cached.high, cached.rest,
                          call->rows, n, call->stream);
    for (; b < end; b++) {
        if (!pipelined)
            smx_waiting_divide(kernels, cached.row, places, n);
        keep_block(call, b, &cached);
    }
    smx_waiting_divide(kernels, cached.row, places, n);
}
