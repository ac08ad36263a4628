/* SPDX-License-Identifier: MIT */
#include "row.h"

#include <math.h>

#include "elementary.h"

#define UNSHIFT 0x1p-128 /* 2^-SMX_ROW_SHIFT */

size_t smx_row_bytes(size_t classes)
{
    struct smx_row row;
    size_t bytes = classes * (sizeof *row.d + sizeof *row.p + sizeof(bool));
    return (bytes + 63) / 64 * 64; /* the next row is aligned, too */
}

void smx_row_place(struct smx_row *row, size_t classes, void *bytes)
{
    *row = (struct smx_row){.classes = classes, .d = bytes};
    row->p = row->d + classes;
    row->masked = (bool *)(row->p + classes);
    row->extra = (char *)bytes + smx_row_bytes(classes);
}

static double temperature(const struct smx_logits *z)
{
    return z->temperature ? z->temperature : 1;
}

static struct smx_two scaled(const struct smx_logits *z, double logit)
{
    return smx_divide((struct smx_two){logit, 0}, z->softcap, 0);
}

/* s tanh(z / s) */
static struct smx_two capped(const struct smx_logits *z, double logit)
{
    struct smx_two cap = {z->softcap, 0}, x = {0, 0};
    if (z->softcap)
        x = scaled(z, logit);
    if (fabs(x.hi) < 0x1p-55) /* s tanh(z / s) = z within 2^-111 */
        return (struct smx_two){logit, 0};
    return two_mul(cap, smx_tanh(x));
}

/* (z - top) / T, where the difference itself may overflow. */
static struct smx_two difference(struct smx_two z, struct smx_two top, double t)
{
    if (isfinite(z.hi - top.hi))
        return smx_divide(two_add(z, (struct smx_two){-top.hi, -top.lo}), t, 0);
    struct smx_two half = two_sum(z.hi / 2, -top.hi / 2);
    half = two_scale(smx_divide(half, t, 0), 2);
    return isfinite(half.hi) ? half : (struct smx_two){half.hi, 0};
}

/* The largest class, and which are masked. */
static void look(struct smx_row *row, const struct smx_logits *z, size_t r)
{
    double largest = -INFINITY;
    row->argmax = 0;
    row->empty = true;
    for (size_t c = 0; c < row->classes; c++) {
        double logit = smx_get(z->data, z->dtype, smx_rows_index(z, r, c));
        row->masked[c] = logit == -INFINITY || smx_rows_masked(z, r, c);
        if (row->masked[c])
            continue;
        row->d[c] = capped(z, logit);
        if (logit > largest) {
            largest = logit;
            row->argmax = c;
            row->empty = false;
        }
    }
}

static struct smx_two lse_of(struct smx_two top, double t,
                             struct smx_two logsum)
{
    struct smx_two lse = smx_divide(top, t, 0);
    return isfinite(lse.hi) ? two_add(lse, logsum) : lse;
}

void smx_row_load(struct smx_row *row, const struct smx_logits *z, size_t r)
{
    double t = temperature(z);
    look(row, z, r);
    struct smx_two top = row->d[row->argmax];
    row->rest = row->logsum = (struct smx_two){0, 0};
    row->lse = -INFINITY;
    for (size_t c = 0; c < row->classes; c++) {
        row->p[c] = (struct smx_two){0, 0};
        if (row->masked[c])
            continue;
        row->d[c] = difference(row->d[c], top, t);
        row->p[c] = smx_exp(row->d[c], SMX_ROW_SHIFT);
        if (c != row->argmax)
            two_accumulate(&row->rest, row->p[c]);
    }
    if (row->empty)
        return;
    row->rest = two_scale(two_settle(row->rest), UNSHIFT);
    row->logsum = smx_log1p(row->rest);
    row->lse = lse_of(top, t, row->logsum).hi;
    struct smx_two sum = two_add((struct smx_two){1, 0}, row->rest);
    for (size_t c = 0; c < row->classes; c++)
        row->p[c] = two_div(row->p[c], sum);
}

struct smx_two smx_row_p(const struct smx_row *row, size_t c)
{
    return two_scale(row->p[c], UNSHIFT);
}

struct smx_two smx_row_log(const struct smx_row *row, size_t c)
{
    struct smx_two none = {-INFINITY, 0};
    if (row->masked[c] || isinf(row->d[c].hi))
        return none;
    return two_add(row->d[c], two_negate(row->logsum));
}

double smx_row_bend(const struct smx_row *row, const struct smx_logits *z,
                    size_t c, size_t index, struct smx_two d, int shift)
{
    struct smx_two slope = {0x1p+128, 0}; /* 2^SMX_ROW_SHIFT */
    if (z->softcap && row->masked[c])
        return 0; /* tanh is flat at -infinity */
    if (z->softcap)
        slope = smx_sech2(scaled(z, smx_get(z->data, z->dtype, index)),
                          SMX_ROW_SHIFT);
    if (fabs(d.hi) > 0x1p+800) { /* times the slope it may overflow */
        d = two_scale(d, UNSHIFT);
        shift -= SMX_ROW_SHIFT;
    }
    return smx_divide(two_mul(d, slope), temperature(z), -SMX_ROW_SHIFT - shift)
        .hi;
}
