/* SPDX-License-Identifier: MIT */
/* What can be read off a row that is loaded. */
#include <math.h>

#include "dd_row.h"
#include "dd_shift.h"
#include "simd/extended.h"

double smx_row_element(const struct smx_row *row, const void *tensor, size_t c)
{
    const struct smx_logits *z = row->logits;
    size_t r = row->r - row->first_row;
    return smx_get(tensor, z->dtype, smx_rows_index(z, r, c));
}

double smx_row_logit(const struct smx_row *row, size_t c)
{
    const struct smx_logits *z = row->logits;
    bool masked = smx_rows_masked(z, row->r - row->first_row, c);
    return masked ? -INFINITY : smx_row_element(row, z->data, c);
}

/* The largest logit, after the softcap. */
static struct smx_dd top_of(const struct smx_row *row)
{
    const struct smx_shift *how = &row->shift;
    struct smx_dd top = {row->largest, 0};
    if (how->capped && fabs(how->top) * how->steep.hi > 0x1p-33)
        top = row->kernels->cap(how->top, row->logits->softcap, how);
    return top;
}

double smx_row_lse(const struct smx_row *row)
{
    if (row->empty)
        return -INFINITY;
    struct smx_dd top = top_of(row);
    top = smx_divide(top, smx_temperature_of(row->logits));
    return isfinite(top.hi) ? dd_add(top, row->logsum).hi : top.hi;
}

/* A rest that has lost digits as a subnormal is its own log(1 + rest). */
struct smx_ext smx_row_logsum_extended(struct smx_row *row)
{
    struct smx_dd sum = {0, 0};
    if (!smx_is_faint(row->logsum.hi))
        return ext_of(row->logsum, 0);
    SMX_ROW_TILES (c, row, SMX_ROW_PLACE) {
        const double *e = smx_row_exponentials(row);
        for (size_t i = 0; i < row->count; i++)
            if (c + i != row->argmax)
                dd_accumulate(&sum, (struct smx_dd){e[i], 0});
    }
    return ext_of(dd_settle(sum), -SMX_ROW_SHIFT);
}

struct smx_ext smx_row_lse_extended(struct smx_row *row)
{
    struct smx_ext t = ext_from(smx_temperature_of(row->logits));
    return ext_add(ext_div(ext_of(top_of(row), 0), t),
                   smx_row_logsum_extended(row));
}

struct smx_ext smx_row_mean_extended(struct smx_row *row)
{
    return ext_of(dd_mul(smx_row_total(row), row->inverse), -SMX_ROW_SHIFT);
}

struct smx_dd smx_row_shifted(struct smx_row *row, size_t c)
{
    const struct smx_shift *how = &row->shift;
    size_t i = c % SMX_TILE;
    if (row->tile.hi) {
        smx_row_tile(row, c - i, SMX_ROW_D);
        return (struct smx_dd){row->tile.hi[i], row->tile.lo[i]};
    }
    if (row->empty)
        return (struct smx_dd){-INFINITY, 0};
    double z = smx_row_logit(row, c);
    struct smx_dd d = dd_settle(dd_sum(z * how->before, -how->top));
    return how->scaled ? dd_mul(d, how->inverse) : d;
}

struct smx_dd smx_row_terms(const void *argument, struct smx_row *row)
{
    const double *e = smx_row_exponentials(row);
    (void)argument;
    return row->kernels->terms(e, smx_row_nats(row), row->count);
}

struct smx_dd smx_row_distances(const void *argument, struct smx_row *row)
{
    (void)argument;
    smx_row_tile(row, row->first, SMX_ROW_D);
    return row->kernels->distances(smx_row_nats(row), row->count);
}

struct smx_dd smx_row_total(struct smx_row *row)
{
    if (!row->known)
        row->total =
            smx_row_sweep(row, SMX_ROW_Z, row->take, row->argument, dd_add);
    row->known = true;
    return row->total;
}

struct smx_dd smx_row_mean(struct smx_row *row)
{
    return dd_mul(dd_scale(smx_row_total(row), 0x1p-128), row->inverse);
}

/* hi: of the tile's input, how many elements come before one that is not
 * finite, all without one; lo: all. */
static struct smx_dd finite_of(const void *argument, struct smx_row *row)
{
    (void)argument;
    const double *x = smx_row_view(row, row->out);
    size_t n = row->count;
    return (struct smx_dd){(double)row->kernels->nonfinite_double(x, n, false),
                           (double)n};
}

static struct smx_dd sum_counts(struct smx_dd a, struct smx_dd b)
{
    return (struct smx_dd){a.hi + b.hi, a.lo + b.lo};
}

bool smx_row_is_input_finite(struct smx_row *row, double sum)
{
    if (isfinite(sum))
        return true;
    struct smx_dd n =
        smx_row_sweep(row, SMX_ROW_PLACE, finite_of, NULL, sum_counts);
    return n.hi == n.lo;
}

/* H = log S - sum p d, with 0 * log 0 = 0. */
double smx_row_entropy(struct smx_row *row)
{
    return dd_add(row->logsum, dd_negate(smx_row_mean(row))).hi;
}

struct smx_row_grad smx_row_grad_of(const struct smx_row *row, struct smx_dd a,
                                    struct smx_dd bend, struct smx_dd b)
{
    struct smx_row_grad how = {.b = b,
                               .down = 0x1p-128,
                               .pure = {row->pure[0], row->pure[1]},
                               .mixed = {row->mixed[0], row->mixed[1]}};
    if (row->inverse_temperature.hi != 1) {
        a = dd_mul(a, row->inverse_temperature);
        bend = dd_mul(bend, row->inverse_temperature);
        how.b = dd_mul(b, row->inverse_temperature);
    }
    how.a = dd_mul(a, row->inverse);
    how.bend = dd_mul(bend, row->inverse);
    if (fmax(fabs(how.a.hi), fabs(how.bend.hi)) > 0x1p800) {
        how.a = dd_scale(how.a, 0x1p-128); /* e is up to 2^128 */
        how.bend = dd_scale(how.bend, 0x1p-128);
        how.down = 1;
        how.pure[0] = row->mixed[0];
        how.pure[1] = row->mixed[1];
    }
    return how;
}
