/* SPDX-License-Identifier: MIT */
/* In-range rows of few classes whose class axis is not the last, compiled once
 * an instruction set: FLOATS rows lie side by side in a register, class by
 * class. Steps and order of sums are those of narrow_tmpl.c, and so are the
 * bits. */
#include "tiers.h"
#include "simd/log_vec.h"
#include "simd/split_exp_vec.h"

#define HALVES 2 /* registers of doubles for one of floats */

struct columns {
    SMX_NARROW_ALIGNED float s[SMX_NARROW][FLOATS], rest[SMX_NARROW][FLOATS];
    SMX_NARROW_ALIGNED double sums[HALVES][SMX_NARROW / 2][LANES];
};

/* The exponential of each row's label, which is left out of the sums. */
struct own {
    vi class; /* -1: none */
    vf s, rest;
};

INLINE void take_out(struct own *own, struct parts *e, int c, int count)
{
    EACH (v, count) {
        vi here = (vi)(own->class == (vi){0} + (c + v));
        own->s = (vf)((vi)own->s | ((vi)e->s[v] & here));
        own->rest = (vf)((vi)own->rest | ((vi)e->rest[v] & here));
        e->s[v] = (vf)((vi)e->s[v] & ~here);
        e->rest[v] = (vf)((vi)e->rest[v] & ~here);
    }
}

/* Of count classes from c on, the class behind the last of which counts as 0;
 * which rows are below the highest? own: NULL, or what is left out. */
INLINE vi keep_classes(struct columns *columns, const float *x, size_t step,
                       size_t rows, int c, int count,
                       const struct smx_split_exp *split, struct own *own)
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
    if (own)
        take_out(own, &e, c, count);
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

INLINE vl sums_in_range(vd sum, size_t classes)
{
    return (vl)(sum > vd_all(SMX_SPLIT_LEAST * (double)classes)) &
           (vl)(sum < vd_all(SMX_SPLIT_MOST));
}

/* One register of doubles as struct factor has it, the other, and both. */
struct half_factor {
    vh whole, high, low;
};

INLINE struct half_factor split_factor(vd factor)
{
    vh whole = vd_narrow(factor), high = vh_twelve_bits(whole);
    return (struct half_factor){whole, high,
                                vd_narrow(factor - vh_widen(high))};
}

INLINE struct factor join_factors(const struct half_factor half[HALVES])
{
    return (struct factor){vf_join(half[0].whole, half[1].whole),
                           vf_join(half[0].high, half[1].high),
                           vf_join(half[0].low, half[1].low)};
}

/* own: NULL, or of each row what its label's class has instead. */
INLINE void store_columns(const struct columns *columns, size_t step,
                          size_t rows, size_t classes, struct factor by,
                          const struct own *own, float *out)
{
    for (size_t c = 0; c < classes; c++, out += step) {
        vf p = product(vf_load(columns->s[c]), vf_load(columns->rest[c]), by);
        if (own) {
            vi here = (vi)(own->class == (vi){0} + (int32_t)c);
            p = (vf)(((vi)p & ~here) | ((vi)own->s & here));
        }
        if (rows < FLOATS)
            vf_store_part(out, p, rows);
        else
            vf_store(out, p);
    }
}

/* Which rows are below the highest? */
INLINE vi keep_columns(struct columns *columns, const float *x, size_t step,
                       size_t rows, size_t classes,
                       const struct smx_split_exp *split, struct own *own)
{
    int n = (int)classes, c = 0;
    vi below = ~(vi){0};
    for (; c + 2 <= n; c += 2)
        below &= keep_classes(columns, x, step, rows, c, 2, split, own);
    if (c < n)
        below &= keep_classes(columns, x, step, rows, c, 1, split, own);
    return below;
}

/* Rows whose exponentials wait for those of the next ones: what they are
 * multiplied with takes long. */
struct summed_columns {
    struct columns columns;
    struct factor by;
};

/* Of rows <= FLOATS; false: one is not in range. */
INLINE bool sum_columns(struct summed_columns *group, const float *x,
                        size_t step, size_t rows, size_t classes,
                        const struct smx_split_exp *split)
{
    struct half_factor halves[HALVES];
    struct columns *columns = &group->columns;
    vi below = keep_columns(columns, x, step, rows, classes, split, NULL);
    vl fine = ~(vl){0};
    EACH (h, HALVES) {
        vd sum = sum_pairs(columns->sums[h], ((int)classes + 1) / 2);
        halves[h] = split_factor(vd_all(1) / sum);
        fine &= sums_in_range(sum, classes);
    }
    group->by = join_factors(halves);
    return !vi_any(~below) && !vl_any(~fine);
}

size_t TIER(narrow_columns)(const float *x, size_t step, size_t rows,
                            size_t classes, const struct smx_split_exp *by,
                            float *out)
{
    const struct smx_split_exp split = *by;
    struct summed_columns groups[2];
    bool fine = true;
    size_t r = 0, done = 0;
    for (; fine && rows - r >= FLOATS; r += FLOATS) {
        struct summed_columns *group = &groups[r / FLOATS % 2];
        fine = sum_columns(group, x + r, step, FLOATS, classes, &split);
        group = &groups[(r / FLOATS + 1) % 2];
        if (r > 0)
            store_columns(&group->columns, step, FLOATS, classes, group->by,
                          NULL, out + r - FLOATS);
        done = r;
    }
    if (fine && r > 0) {
        struct summed_columns *group = &groups[(r / FLOATS + 1) % 2];
        store_columns(&group->columns, step, FLOATS, classes, group->by, NULL,
                      out + r - FLOATS);
        done = r;
    }
    if (!fine || r == rows ||
        !sum_columns(groups, x + r, step, rows - r, classes, &split))
        return done;
    store_columns(&groups->columns, step, rows - r, classes, groups->by, NULL,
                  out + r);
    return rows;
}

/* ---- losses by labels, and gradients ------------------------------------ */

/* Of a lesser exponential the logit of the label may count as the lowest: its
 * row goes another way, like those of narrow.h. */
#define LEAST_OWN 0x1p-116

/* Rows from r on, left of which are there. */
INLINE vd load_numbers(const double *each, double all, size_t r, size_t left)
{
    if (!each)
        return vd_all(all);
    return left < LANES ? vd_load_part(each + r, left) : vd_load(each + r);
}

INLINE size_t half_of(size_t rows, int h)
{
    size_t before = (size_t)h * LANES;
    return rows > before ? rows - before : 0;
}

INLINE vi load_labels_of_rows(const struct smx_label_columns *l, size_t r,
                              size_t rows)
{
    typedef int32_t half __attribute__((vector_size(4 * LANES)));
    const vl ignored = l->ignore_index + (vl){0};
    vh classes[HALVES];
    EACH (h, HALVES) {
        size_t from = r + (size_t)h * LANES;
        vl y = (vl)load_numbers((const void *)l->labels, 0, from,
                                half_of(rows, h));
        if (l->ignore)
            y |= (vl)(y == ignored);
        classes[h] = (vh) __builtin_convertvector(y, half);
    }
    return (vi)vf_join(classes[0], classes[1]);
}

/* Of half a register of rows; the rest of a row that is ignored is 0. */
struct labelled {
    vd rest, factor, own;
    vl fine;
};

INLINE struct labelled divide_labelled(const struct smx_label_columns *l,
                                       vd sum, vd own, size_t r, size_t left)
{
    struct labelled half = {0};
    const vl ignored = (vl)(own == vd_all(0));
    own = vd_where(ignored, vd_all(0x1p54), own);
    vd rest = sum / own, whole = sum + own;
    half.rest = (vd)((vl)rest & ~ignored);
    half.fine = sums_in_range(whole, l->classes) &
                (vl)(own >= vd_all(LEAST_OWN)) &
                ((vl)(rest >= vd_all(SMX_NARROW_LEAST_REST)) | ignored);
    if (!l->out)
        return half;
    vd gain = load_numbers(l->gains, l->gain, r, left);
    vd factor = (vd)((vl)gain & ~ignored) / whole;
    vd size = vd_max(factor, -factor);
    half.fine &= (vl)(factor == vd_all(0)) |
                 ((vl)(size > vd_all(SMX_NARROW_LEAST_FACTOR)) &
                  (vl)(size < vd_all(SMX_NARROW_MOST_FACTOR)));
    half.factor = factor + vd_all(0); /* -0 is 0 */
    half.own = vd_all(0) - sum * factor;
    return half;
}

/* Rests of rows r to r + rows <= r + FLOATS, and the gradient; false: one is,
 * or may be, out of range. */
INLINE bool store_labelled(const struct smx_label_columns *l, size_t r,
                           size_t rows, const struct smx_split_exp *split)
{
    struct columns columns;
    struct half_factor halves[HALVES] = {0};
    vh label_grad[HALVES] = {0};
    struct own own = {.class = load_labels_of_rows(l, r, rows)};
    vi below = keep_columns(&columns, l->x + r, l->step, rows, l->classes,
                            split, &own);
    vl fine = ~(vl){0};
    float s[FLOATS], rest[FLOATS];
    vf_store(s, own.s);
    vf_store(rest, own.rest);
    EACH (h, HALVES) {
        size_t left = half_of(rows, h), at = (size_t)h * LANES;
        vd sum = sum_pairs(columns.sums[h], ((int)l->classes + 1) / 2);
        vd label = vd_widen(s + at) + vd_widen(rest + at);
        const struct labelled half =
            divide_labelled(l, sum, label, r + at, left);
        fine &= half.fine;
        if (left < LANES)
            vd_store_part(l->losses + r + at, half.rest, left);
        else
            vd_store(l->losses + r + at, half.rest);
        if (!l->out)
            continue;
        halves[h] = split_factor(half.factor);
        label_grad[h] = vd_narrow(half.own);
    }
    if (vi_any(~below) || vl_any(~fine))
        return false;
    if (!l->out)
        return true;
    own.s = vf_join(label_grad[0], label_grad[1]);
    store_columns(&columns, l->step, rows, l->classes, join_factors(halves),
                  &own, l->out + r);
    return true;
}

/* Apart, as a row's logarithm waits for much and holds nothing up. */
INLINE void take_logs(const struct smx_label_columns *l)
{
    for (size_t r = 0; r < l->rows; r += LANES) {
        size_t left = l->rows - r;
        vd cost = load_numbers(l->costs, l->cost, r, left);
        vd loss = cost * vd_log1p(load_numbers(l->losses, 0, r, left));
        if (left < LANES)
            vd_store_part(l->losses + r, loss, left);
        else
            vd_store(l->losses + r, loss);
    }
}

bool TIER(label_columns)(const struct smx_label_columns *rows,
                         const struct smx_split_exp *by)
{
    const struct smx_split_exp split = *by;
    size_t r = 0, n = rows->rows;
    for (; n - r >= FLOATS; r += FLOATS)
        if (!store_labelled(rows, r, FLOATS, &split))
            return false;
    if (r < n && !store_labelled(rows, r, n - r, &split))
        return false;
    take_logs(rows);
    return true;
}
