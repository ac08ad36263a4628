/* SPDX-License-Identifier: MIT */
/* In-range rows of few classes, compiled once an instruction set. A row fills
 * no register, so that as much as possible runs over the rows as if they were
 * one: exponentials, sums of neighbours, products. In between, LANES rows are
 * summed side by side. Each step goes over all rows before the next begins:
 * what a row's steps wait for, other rows' fill. */
#include "tiers.h"
#include "simd/split_exp_vec.h"

INLINE void keep_step(struct smx_narrow *narrow, size_t i, vf *x, int count,
                      const struct smx_split_exp *split)
{
    bound(x, count, split);
    struct parts parts = exponentials(x, count, split);
    EACH (v, count) {
        vf_store(narrow->s + i + v * FLOATS, parts.s[v]);
        vf_store(narrow->rest + i + v * FLOATS, parts.rest[v]);
    }
}

void TIER(narrow_keep)(const float *x, size_t rows, size_t classes,
                       const struct smx_split_exp *by,
                       struct smx_narrow *narrow)
{
    const struct smx_split_exp split = *by;
    vf z[WIDE];
    size_t i = 0, n = rows * classes;
    for (; n - i >= STEP; i += STEP) {
        load(x + i, STEP, WIDE, z);
        keep_step(narrow, i, z, WIDE, &split);
    }
    for (; i < n; i += BLOCK) {
        load(x + i, n - i, PARTS, z);
        keep_step(narrow, i, z, PARTS, &split);
    }
}

/* ---- sums -------------------------------------------------------------- */

/* s + rest of each two neighbours added up, times 2^-896 (VF_HALVES). s is
 * positive, its low 12 bits are zeros; rests are added in float. */
INLINE vd narrow_pairs(vf s, vf rest)
{
    return vf_even(s) + vf_odd(s) + narrow_odd(rest + (vf)((vu)rest << 32));
}

static void pair(struct smx_narrow *narrow, size_t n)
{
    for (size_t i = 0; i < n; i += BLOCK)
        EACH (v, PARTS) {
            size_t at = i + (size_t)v * FLOATS;
            vd sums = narrow_pairs(vf_load(narrow->s + at),
                                   vf_load(narrow->rest + at));
            vd_store(narrow->pairs + at / 2, sums);
        }
}

/* Of an odd number of classes the last has no neighbour, so that each row is
 * for itself; what is written behind it is the next row's place. */
static void pair_odd(struct smx_narrow *narrow, size_t rows, size_t classes)
{
    size_t whole = classes / FLOATS * FLOATS, left = (classes - whole) / 2;
    vu used = (vu)vl_below(left) | ((vu)vl_at(left) & UINT32_MAX);
    for (size_t r = 0; r < rows; r++) {
        const float *s = narrow->s + r * classes;
        const float *rest = narrow->rest + r * classes;
        double *sums = narrow->pairs + r * (classes / 2 + 1);
        for (size_t c = 0; c < whole; c += FLOATS)
            vd_store(sums + c / 2,
                     narrow_pairs(vf_load(s + c), vf_load(rest + c)));
        vf last_s = (vf)((vu)vf_load(s + whole) & used);
        vf last_rest = (vf)((vu)vf_load(rest + whole) & used);
        vd_store(sums + whole / 2, narrow_pairs(last_s, last_rest));
    }
}

/* Pair i + pair i + 8, then i + i + 4 ... until they are one register. */
INLINE vd row_lanes(int blocks, const double *sums, const vl *used)
{
    vd lanes[PARTS];
    EACH (v, PARTS)
        lanes[v] = (vd)((vl)vd_load(sums + v * LANES) & used[v]);
    EACH (v, (blocks - 1) * PARTS) {
        vd next = vd_load(sums + BLOCK / 2 + v * LANES);
        lanes[v] += (vd)((vl)next & used[PARTS + v]);
    }
    return vd_fold(lanes, PARTS);
}

/* pairs: of a row; a last class of an odd number is one. */
INLINE void sum_rows(int blocks, struct smx_narrow *narrow, size_t rows,
                     size_t pairs)
{
    vl used[2 * PARTS];
    for (size_t v = 0; v < 2 * PARTS; v++)
        used[v] = vl_below(pairs > v * LANES ? pairs - v * LANES : 0);
    for (size_t r = 0; r < rows; r += LANES) {
        vd row[LANES];
        EACH (k, LANES)
            row[k] = row_lanes(blocks, narrow->pairs + (r + (size_t)k) * pairs,
                               used);
        vd_store(narrow->sums + r, narrow_sums(row) * vd_all(VF_HALVES));
    }
}

void TIER(narrow_sum)(struct smx_narrow *narrow, size_t rows, size_t classes)
{
    size_t pairs = (classes + 1) / 2;
    if (classes % 2)
        pair_odd(narrow, rows, classes);
    else
        pair(narrow, rows * classes);
    if (classes <= BLOCK)
        sum_rows(1, narrow, rows, pairs);
    else
        sum_rows(2, narrow, rows, pairs);
}

/* ---- products ---------------------------------------------------------- */

INLINE void split_factors(struct smx_narrow *narrow, size_t row, vd factor)
{
    vh whole = vd_narrow(factor), high = vh_twelve_bits(whole);
    vh_store(narrow->whole + row, whole);
    vh_store(narrow->high + row, high);
    vh_store(narrow->low + row,
             vd_narrow(factor - vd_widen(narrow->high + row)));
}

/* Whole vectors of rows; the sums behind the last are in-range. false: another
 * is not. */
static bool divide_narrow(struct smx_narrow *narrow, size_t rows,
                          size_t classes)
{
    vl in_range = vd_all(0) == vd_all(0);
    vd least = vd_all(SMX_SPLIT_LEAST * (double)classes);
    for (size_t r = rows; r % LANES; r++)
        narrow->sums[r] = 0x1p100;
    for (size_t r = 0; r < rows; r += LANES) {
        vd sum = vd_load(narrow->sums + r);
        in_range &= (sum > least) & (sum < vd_all(SMX_SPLIT_MOST));
        split_factors(narrow, r, vd_all(1) / sum);
    }
    return !vl_any(~in_range);
}

INLINE vf product_at(const struct smx_narrow *narrow, size_t i,
                     struct factor by)
{
    return product(vf_load(narrow->s + i), vf_load(narrow->rest + i), by);
}

#if LANES > 2

/* Factors of FLOATS rows, whose elements are whole registers. */
INLINE struct factor factors(const struct smx_narrow *narrow, size_t row)
{
    return (struct factor){vf_load(narrow->whole + row),
                           vf_load(narrow->high + row),
                           vf_load(narrow->low + row)};
}

INLINE struct factor pick(struct factor by, vi row)
{
    return (struct factor){narrow_pick(by.whole, row),
                           narrow_pick(by.high, row), narrow_pick(by.low, row)};
}

/* Which of these rows the n elements of the registers belong to; more rows
 * repeat the first FLOATS. */
static void find_rows(size_t classes, size_t n, vi row[SMX_NARROW])
{
    vf at = vf_all(0);
    EACH (l, FLOATS)
        at[l] = (float)l + 0.5f;
    for (size_t v = 0; v < classes && v * FLOATS < n; v++, at += vf_all(FLOATS))
        row[v] = __builtin_convertvector(at * vf_all(1 / (float)classes), vi);
}

static void store_products(const struct smx_narrow *narrow, size_t rows,
                           size_t classes, float *out)
{
    vi row[SMX_NARROW];
    size_t n = rows * classes, i = 0, r = 0;
    find_rows(classes, n, row);
    for (; n - i >= classes * FLOATS; r += FLOATS) {
        const struct factor by = factors(narrow, r);
        for (size_t v = 0; v < classes; v++, i += FLOATS)
            vf_store(out + i, product_at(narrow, i, pick(by, row[v])));
    }
    for (size_t v = 0; i < n; v++, i += FLOATS) {
        vf p = product_at(narrow, i, pick(factors(narrow, r), row[v]));
        if (n - i >= FLOATS)
            vf_store(out + i, p);
        else
            vf_store_part(out + i, p, n - i);
    }
}

#else

INLINE void store_narrow_row(const struct smx_narrow *narrow, size_t row,
                             size_t classes, float *out)
{
    struct factor by = {vf_all(narrow->whole[row]), vf_all(narrow->high[row]),
                        vf_all(narrow->low[row])};
    for (size_t c = 0; c < classes; c += FLOATS)
        vf_store(out + c, product_at(narrow, row * classes + c, by));
}

/* Whole registers: what they write behind a row is the next row's place,
 * which is written after it. */
static void store_products(const struct smx_narrow *narrow, size_t rows,
                           size_t classes, float *out)
{
    size_t whole = (classes + FLOATS - 1) / FLOATS * FLOATS, r = 0;
    float last[SMX_NARROW];
    for (; (rows - r) * classes >= whole; r++)
        store_narrow_row(narrow, r, classes, out + r * classes);
    for (; r < rows; r++) {
        store_narrow_row(narrow, r, classes, last);
        memcpy(out + r * classes, last, classes * sizeof *out);
    }
}

#endif

void TIER(narrow_put)(struct smx_narrow *narrow, size_t rows, size_t classes,
                      const double *factors, float *out)
{
    size_t r = 0;
    for (; r + LANES <= rows; r += LANES)
        split_factors(narrow, r, vd_load(factors + r));
    if (r < rows)
        split_factors(narrow, r, vd_load_part(factors + r, rows - r));
    store_products(narrow, rows, classes, out);
}

bool TIER(narrow_softmax)(const float *x, size_t rows, size_t classes,
                          const struct smx_split_exp *split, float *out,
                          double *sums)
{
    struct smx_narrow narrow;
    TIER(narrow_keep)(x, rows, classes, split, &narrow);
    TIER(narrow_sum)(&narrow, rows, classes);
    if (!divide_narrow(&narrow, rows, classes))
        return false;
    store_products(&narrow, rows, classes, out);
    if (sums)
        memcpy(sums, narrow.sums, rows * sizeof *sums);
    return true;
}
