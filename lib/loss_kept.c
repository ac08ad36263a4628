/* SPDX-License-Identifier: MIT */
/* Rows that are not long, on the way to a gradient in the labels: their
 * exponentials are kept from the sum to the division by it, which takes less
 * than to compute them again. */
#include <math.h>
#include <string.h>

#include "criterion.h"
#include "kernels.h"
#include "loss_call.h"
#include "loss_kernels.h"

#define ALIGNED __attribute__((aligned(64)))

struct kept { /* the halves of tame exponentials, row by row */
    ALIGNED float high[SMX_KEPT];
    float rest[SMX_KEPT];
};

/* parts: one a chunk. */
static void sum_row(struct smx_loss_call *call, size_t row, float *high,
                    float *rest, struct smx_part *parts)
{
    const float *z = call->z + row * call->classes;
    for (size_t k = 0, c = 0; k < call->chunks; k++, c += SMX_CHUNK)
        smx_loss_sum(call, z + c, smx_loss_chunk(call, k), high + c, rest + c,
                     &parts[k]);
}

static void put_row(const struct smx_loss_call *call, size_t row,
                    const struct smx_descent *d, const float *high,
                    const float *rest)
{
    size_t n = call->classes, start = row * n;
    float *out = call->gradient + start;
    if (smx_criterion_ignores(&call->criterion, row)) {
        memset(out, 0, n * sizeof *out);
        return;
    }
    float own = smx_loss_own(call, row, d);
    if (d->tame)
        call->kernels->tame->divide(high, rest, n,
                                    1 / (d->factor * SMX_TAME_UNIT), out);
    else
        call->kernels->loss->descend(call->z + start, n, d->reference,
                                     call->scale, d->factor, &call->mass,
                                     d->share, out);
    out[call->criterion.labels[row]] = own;
}

/* Of the longest rows one half is kept in the output: what is in the cache is
 * less that way. */
static float *high_of(const struct smx_loss_call *call, struct kept *kept,
                      size_t start, size_t r)
{
    if (call->chunks > 1 && call->gradient != call->z)
        return call->gradient + (start + r) * call->classes;
    return kept->high + r * smx_blocks(call->classes);
}

void smx_loss_kept(void *argument, size_t block)
{
    struct smx_loss_call *call = argument;
    size_t start = block * call->per_block, n = smx_loss_rows(call, block);
    size_t width = smx_blocks(call->classes);
    struct smx_part parts[SMX_BLOCK_ROWS];
    struct smx_descent descents[SMX_BLOCK_ROWS];
    struct kept kept;
    for (size_t r = 0; r < n; r++)
        sum_row(call, start + r, high_of(call, &kept, start, r),
                kept.rest + r * width, parts + r * call->chunks);
    smx_loss_take(call, start, n, parts, descents);
    for (size_t r = 0; r < n; r++)
        put_row(call, start + r, &descents[r], high_of(call, &kept, start, r),
                kept.rest + r * width);
}
