/* SPDX-License-Identifier: MIT */
#include "reduction.h"

#include "dd_kernels.h"
#include "loss_kernels.h"

/* Of numbers whose sum left the range, be it on the way alone. */
static struct smx_dd sum_lowered(const double *numbers, size_t n)
{
    struct smx_dd sum = {0, 0};
    for (size_t r = 0; r < n; r++)
        dd_accumulate(&sum, (struct smx_dd){numbers[r] * 0x1p-64, 0});
    return dd_scale(sum, 0x1p64);
}

/* Of numbers, not traps: infinities of both signs make one. */
static struct smx_dd sum_of_rows(const struct smx_kernels *kernels,
                                 const struct smx_logits *z,
                                 const double *numbers)
{
    bool wide = z->dtype == SMX_FLOAT64;
    size_t all = smx_rows_count(z);
    size_t most = wide ? smx_rows_slice(z) : SMX_NARROW_ROWS;
    struct smx_dd sum = {0, 0};
    for (size_t r = 0, n; r < all; r += n) {
        struct smx_dd part = {0, 0};
        n = all - r < most ? all - r : most;
        if (wide)
            part = kernels->dd->sum(numbers + r, n);
        else /* what doubles lose is beyond what is answered */
            part.hi = kernels->loss->total(numbers + r, n);
        dd_accumulate(&sum, part);
    }
    if (!isfinite(sum.hi))
        sum = sum_lowered(numbers, all);
    sum = dd_settle(sum);
    return isnan(sum.hi) ? (struct smx_dd){INFINITY, 0} : sum;
}

/* A float64 sum that nothing is added to is divided before it is rounded. */
static double sum_of_shares(const struct smx_kernels *kernels,
                            const struct smx_logits *z,
                            const struct smx_counts *n, bool divides,
                            const struct smx_row_losses *rows)
{
    struct smx_dd loss = sum_of_rows(kernels, z, rows->losses), other = {0, 0};
    if (rows->others)
        other = sum_of_rows(kernels, z, rows->others);
    if (divides && n->divisor == 0)
        return 0;
    if (divides && !rows->others && z->dtype == SMX_FLOAT64)
        return smx_divide(loss, n->divisor).hi;
    if (divides)
        return smx_plus(loss.hi / n->divisor, other.hi / n->weight, INFINITY);
    return smx_plus(loss.hi, other.hi, INFINITY);
}

/* The sum of the faint, which leave the others. */
static struct smx_dd take_faint(const struct smx_row_losses *rows, size_t all)
{
    struct smx_dd sum = {0, 0};
    for (size_t r = 0; r < all; r++) {
        if (!isnan(rows->losses[r]))
            continue;
        dd_accumulate(&sum, (struct smx_dd){rows->faint[r], 0});
        rows->losses[r] = rows->faint[r] = 0;
    }
    return dd_settle(sum);
}

static double reduced(const struct smx_kernels *kernels,
                      const struct smx_logits *z, const struct smx_counts *n,
                      bool divides, const struct smx_row_losses *rows)
{
    double sum = sum_of_shares(kernels, z, n, divides, rows);
    if (isfinite(sum) || !rows->faint)
        return sum;
    struct smx_dd faint = take_faint(rows, smx_rows_count(z));
    sum = sum_of_shares(kernels, z, n, divides, rows);
    if (!(fabs(sum) < 0x1p-400))
        return sum;
    return dd_add((struct smx_dd){sum * 0x1p512, 0}, faint).hi * 0x1p-512;
}

static double loss_of_row(const struct smx_row_losses *rows, size_t r)
{
    if (rows->faint && isnan(rows->losses[r]))
        return rows->faint[r] * 0x1p-512;
    return smx_plus(rows->losses[r], rows->others ? rows->others[r] : 0,
                    INFINITY);
}

static void store_loss(const struct smx_kernels *kernels,
                       const struct smx_logits *z,
                       const struct smx_criterion *k,
                       const struct smx_counts *n,
                       const struct smx_row_losses *rows, void *loss)
{
    bool mean = k->reduction == SMX_REDUCTION_MEAN;
    if (k->reduction != SMX_REDUCTION_NONE) {
        double all = reduced(kernels, z, n, mean && !rows->divided, rows);
        smx_set(loss, z->dtype, 0, all);
        return;
    }
    for (size_t r = 0; r < smx_rows_count(z); r++)
        smx_set(loss, z->dtype, r, loss_of_row(rows, r));
}

void smx_losses_store(const struct smx_kernels *kernels,
                      const struct smx_logits *z, const struct smx_criterion *k,
                      const struct smx_counts *n,
                      const struct smx_row_losses *rows,
                      const struct smx_loss_out *out)
{
    if (out->loss)
        store_loss(kernels, z, k, n, rows, out->loss);
    if (out->divisor)
        *out->divisor = n->divisor;
    if (out->rows)
        *out->rows = n->rows;
    if (out->accuracy)
        *out->accuracy = n->rows ? (double)rows->hits / (double)n->rows : 0;
}
