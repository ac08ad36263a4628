/* SPDX-License-Identifier: MIT */
/* In-range rows of few classes whose class axis is not the last, compiled once
 * an instruction set: FLOATS rows lie side by side in a register, class by
 * class. Steps and order of sums are those of narrow_tmpl.c, and so are the
 * bits. */
#include "narrow.h"
#include "simd/split_exp_vec.h"

extern size_t TIER(narrow_columns)(const float *x, size_t step, size_t rows,
                                   size_t classes,
                                   const struct smx_split_exp *split,
                                   float *out);

#define HALVES 2 /* registers of doubles for one of floats */

struct columns {
    SMX_NARROW_ALIGNED float s[SMX_NARROW][FLOATS], rest[SMX_NARROW][FLOATS];
    SMX_NARROW_ALIGNED double sums[HALVES][SMX_NARROW / 2][LANES];
};

/* Of count classes from c on, the class behind the last of which counts as 0;
 * which rows are below the highest? */
INLINE vi keep_classes(struct columns *columns, const float *x, size_t step,
                       size_t rows, int c, int count,
                       const struct smx_split_exp *split)
{
    vf z[WIDE];
    vi below = ~(vi){0};
    EACH (v, count) {
        const float *from = x + (size_t)(c + v) * step;
        z[v] = rows < FLOATS ? vf_load_part(from, rows, 0) : vf_load(from);
        below &= (vi)(z[v] < vf_all(split->highest));
    }
    bound(z, count, split);
    struct parts e = exponentials(z, count, split);
    EACH (v, count) {
        vf_store(columns->s[c + v], e.s[v]);
        vf_store(columns->rest[c + v], e.rest[v]);
    }
    if (count == 1)
        e.s[1] = e.rest[1] = vf_all(0);
    float first[FLOATS], second[FLOATS], rest[FLOATS];
    vf_store(first, e.s[0]);
    vf_store(second, e.s[1]);
    vf_store(rest, e.rest[1] + e.rest[0]);
    EACH (h, HALVES) {
        vd sum = vd_widen(first + h * LANES) + vd_widen(second + h * LANES);
        vd_store(columns->sums[h][c / 2], sum + vd_widen(rest + h * LANES));
    }
    return below;
}

/* Pair i + pair i + 8, i + i + 4, i + i + 2, then neighbours. */
INLINE vd sum_pairs(double sums[][LANES], int pairs)
{
    vd sum[8];
    EACH (i, 8) {
        sum[i] = i < pairs ? vd_load(sums[i]) : vd_all(0);
        if (i + 8 < pairs)
            sum[i] += vd_load(sums[i + 8]);
    }
    return ((sum[0] + sum[4]) + (sum[2] + sum[6])) +
           ((sum[1] + sum[5]) + (sum[3] + sum[7]));
}

/* One over the sums, in two halves; which sums are in range? */
INLINE vl divide_columns(vd sum, size_t classes, float *whole, float *high,
                         float *low)
{
    vd factor = vd_all(1) / sum;
    vh rounded = vd_narrow(factor), twelve = vh_twelve_bits(rounded);
    vh_store(whole, rounded);
    vh_store(high, twelve);
    vh_store(low, vd_narrow(factor - vh_widen(twelve)));
    return (vl)(sum > vd_all(SMX_SPLIT_LEAST * (double)classes)) &
           (vl)(sum < vd_all(SMX_SPLIT_MOST));
}

INLINE void store_columns(const struct columns *columns, size_t step,
                          size_t rows, size_t classes, struct factor by,
                          float *out)
{
    for (size_t c = 0; c < classes; c++, out += step) {
        vf p = product(vf_load(columns->s[c]), vf_load(columns->rest[c]), by);
        if (rows < FLOATS)
            vf_store_part(out, p, rows);
        else
            vf_store(out, p);
    }
}

/* Of rows first to first + rows <= FLOATS; false: one is not in range. */
INLINE bool softmax_columns(const float *x, size_t step, size_t rows,
                            size_t classes, const struct smx_split_exp *split,
                            float *out)
{
    struct columns columns;
    float whole[FLOATS], high[FLOATS], low[FLOATS];
    int n = (int)classes, c = 0;
    vi below = ~(vi){0};
    vl fine = ~(vl){0};
    for (; c + 2 <= n; c += 2)
        below &= keep_classes(&columns, x, step, rows, c, 2, split);
    if (c < n)
        below &= keep_classes(&columns, x, step, rows, c, 1, split);
    EACH (h, HALVES)
        fine &= divide_columns(sum_pairs(columns.sums[h], (n + 1) / 2), classes,
                               whole + h * LANES, high + h * LANES,
                               low + h * LANES);
    if (vi_any(~below) || vl_any(~fine))
        return false;
    const struct factor by = {vf_load(whole), vf_load(high), vf_load(low)};
    store_columns(&columns, step, rows, classes, by, out);
    return true;
}

size_t TIER(narrow_columns)(const float *x, size_t step, size_t rows,
                            size_t classes, const struct smx_split_exp *by,
                            float *out)
{
    const struct smx_split_exp split = *by;
    size_t r = 0;
    for (; rows - r >= FLOATS; r += FLOATS)
        if (!softmax_columns(x + r, step, FLOATS, classes, &split, out + r))
            return r;
    if (r < rows &&
        softmax_columns(x + r, step, rows - r, classes, &split, out + r))
        return rows;
    return r;
}
