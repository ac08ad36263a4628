/* SPDX-License-Identifier: MIT */
/* Tame rows of few classes, compiled once an instruction set. A row fills no
 * register, so that as much as possible runs over the rows as if they were
 * one: exponentials, sums of neighbours, products. In between, LANES rows are
 * summed side by side. Each step goes over all rows before the next begins:
 * what a row's steps wait for, other rows' fill. */
#include "few.h"
#include "simd/few_vec.h"
#include "simd/tame_vec.h"

extern bool TIER(few_tame)(const float *x, size_t rows, size_t classes,
                           const struct smx_tame *tame, float *out,
                           double *sums);

extern void TIER(few_keep)(const float *x, size_t rows, size_t classes,
                           const struct smx_tame *tame, struct smx_few *few);
extern void TIER(few_sum)(struct smx_few *few, size_t rows, size_t classes);
extern void TIER(few_put)(struct smx_few *few, size_t rows, size_t classes,
                          const double *factors, float *out);

INLINE void keep_step(struct smx_few *few, size_t i, vf *x, int count,
                      const struct smx_tame *tame)
{
    bound(x, count, tame);
    struct parts parts = exponentials(x, count, tame);
    EACH (v, count) {
        vf_store(few->s + i + v * FLOATS, parts.s[v]);
        vf_store(few->rest + i + v * FLOATS, parts.rest[v]);
    }
}

void TIER(few_keep)(const float *x, size_t rows, size_t classes,
                    const struct smx_tame *by, struct smx_few *few)
{
    const struct smx_tame tame = *by;
    vf z[WIDE];
    size_t i = 0, n = rows * classes;
    for (; n - i >= STEP; i += STEP) {
        load(x + i, WIDE, z);
        keep_step(few, i, z, WIDE, &tame);
    }
    for (; i < n; i += BLOCK) {
        load_part(x + i, n - i, z);
        keep_step(few, i, z, PARTS, &tame);
    }
}

/* ---- sums -------------------------------------------------------------- */

static void pair(struct smx_few *few, size_t n)
{
    for (size_t i = 0; i < n; i += BLOCK)
        EACH (v, PARTS) {
            size_t at = i + (size_t)v * FLOATS;
            vd sums = few_pairs(vf_load(few->s + at), vf_load(few->rest + at));
            vd_store(few->pairs + at / 2, sums);
        }
}

/* Of an odd number of classes the last has no neighbour, so that each row is
 * for itself; what is written behind it is the next row's place. */
static void pair_odd(struct smx_few *few, size_t rows, size_t classes)
{
    size_t whole = classes / FLOATS * FLOATS, left = (classes - whole) / 2;
    vu used = (vu)vl_below(left) | ((vu)vl_at(left) & UINT32_MAX);
    for (size_t r = 0; r < rows; r++) {
        const float *s = few->s + r * classes;
        const float *rest = few->rest + r * classes;
        double *sums = few->pairs + r * (classes / 2 + 1);
        for (size_t c = 0; c < whole; c += FLOATS)
            vd_store(sums + c / 2,
                     few_pairs(vf_load(s + c), vf_load(rest + c)));
        vf last_s = (vf)((vu)vf_load(s + whole) & used);
        vf last_rest = (vf)((vu)vf_load(rest + whole) & used);
        vd_store(sums + whole / 2, few_pairs(last_s, last_rest));
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
#if PARTS > 2
    lanes[0] += lanes[2];
    lanes[1] += lanes[3];
#endif
#if PARTS > 1
    lanes[0] += lanes[1];
#endif
    return lanes[0];
}

/* pairs: of a row; a last class of an odd number is one. */
INLINE void sum_rows(int blocks, struct smx_few *few, size_t rows, size_t pairs)
{
    vl used[2 * PARTS];
    for (size_t v = 0; v < 2 * PARTS; v++)
        used[v] = vl_below(pairs > v * LANES ? pairs - v * LANES : 0);
    for (size_t r = 0; r < rows; r += LANES) {
        vd row[LANES];
        EACH (k, LANES)
            row[k] =
                row_lanes(blocks, few->pairs + (r + (size_t)k) * pairs, used);
        vd_store(few->sums + r, few_sums(row) * vd_all(VF_HALVES));
    }
}

void TIER(few_sum)(struct smx_few *few, size_t rows, size_t classes)
{
    size_t pairs = (classes + 1) / 2;
    if (classes % 2)
        pair_odd(few, rows, classes);
    else
        pair(few, rows * classes);
    if (classes <= BLOCK)
        sum_rows(1, few, rows, pairs);
    else
        sum_rows(2, few, rows, pairs);
}

/* ---- products ---------------------------------------------------------- */

INLINE void split(struct smx_few *few, size_t row, vd factor)
{
    vh whole = vd_narrow(factor), high = vh_twelve_bits(whole);
    vh_store(few->whole + row, whole);
    vh_store(few->high + row, high);
    vh_store(few->low + row, vd_narrow(factor - vd_widen(few->high + row)));
}

/* Whole vectors of rows; the sums behind the last are tame. false: another
 * is not. */
static bool divide(struct smx_few *few, size_t rows, size_t classes)
{
    vl tame = vd_all(0) == vd_all(0);
    vd least = vd_all(SMX_TAME_LEAST * (double)classes);
    for (size_t r = rows; r % LANES; r++)
        few->sums[r] = 0x1p100;
    for (size_t r = 0; r < rows; r += LANES) {
        vd sum = vd_load(few->sums + r);
        tame &= (sum > least) & (sum < vd_all(SMX_TAME_MOST));
        split(few, r, vd_all(1) / sum);
    }
    return !vl_any(~tame);
}

INLINE vf product_at(const struct smx_few *few, size_t i, struct factor by)
{
    return product(vf_load(few->s + i), vf_load(few->rest + i), by);
}

#if LANES > 2

/* Factors of FLOATS rows, whose elements are whole registers. */
INLINE struct factor factors(const struct smx_few *few, size_t row)
{
    return (struct factor){vf_load(few->whole + row), vf_load(few->high + row),
                           vf_load(few->low + row)};
}

INLINE struct factor pick(struct factor by, vi row)
{
    return (struct factor){few_pick(by.whole, row), few_pick(by.high, row),
                           few_pick(by.low, row)};
}

/* Which of these rows the elements of the registers belong to. */
static void find_rows(size_t classes, vi row[SMX_FEW])
{
    vf at = vf_all(0);
    EACH (l, FLOATS)
        at[l] = (float)l + 0.5f;
    for (size_t v = 0; v < classes; v++, at += vf_all(FLOATS))
        row[v] = __builtin_convertvector(at * vf_all(1 / (float)classes), vi);
}

static void put(const struct smx_few *few, size_t rows, size_t classes,
                float *out)
{
    vi row[SMX_FEW];
    size_t n = rows * classes, i = 0, r = 0;
    find_rows(classes, row);
    for (; n - i >= classes * FLOATS; r += FLOATS) {
        const struct factor by = factors(few, r);
        for (size_t v = 0; v < classes; v++, i += FLOATS)
            vf_store(out + i, product_at(few, i, pick(by, row[v])));
    }
    for (size_t v = 0; i < n; v++, i += FLOATS) {
        vf p = product_at(few, i, pick(factors(few, r), row[v]));
        if (n - i >= FLOATS)
            vf_store(out + i, p);
        else
            vf_store_part(out + i, p, n - i);
    }
}

#else

INLINE void put_row(const struct smx_few *few, size_t row, size_t classes,
                    float *out)
{
    struct factor by = {vf_all(few->whole[row]), vf_all(few->high[row]),
                        vf_all(few->low[row])};
    for (size_t c = 0; c < classes; c += FLOATS)
        vf_store(out + c, product_at(few, row * classes + c, by));
}

/* Whole registers: what they write behind a row is the next row's place,
 * which is written after it. */
static void put(const struct smx_few *few, size_t rows, size_t classes,
                float *out)
{
    size_t whole = (classes + FLOATS - 1) / FLOATS * FLOATS, r = 0;
    float last[SMX_FEW];
    for (; (rows - r) * classes >= whole; r++)
        put_row(few, r, classes, out + r * classes);
    for (; r < rows; r++) {
        put_row(few, r, classes, last);
        memcpy(out + r * classes, last, classes * sizeof *out);
    }
}

#endif

void TIER(few_put)(struct smx_few *few, size_t rows, size_t classes,
                   const double *factors, float *out)
{
    size_t r = 0;
    for (; r + LANES <= rows; r += LANES)
        split(few, r, vd_load(factors + r));
    if (r < rows)
        split(few, r, vd_load_part(factors + r, rows - r));
    put(few, rows, classes, out);
}

bool TIER(few_tame)(const float *x, size_t rows, size_t classes,
                    const struct smx_tame *tame, float *out, double *sums)
{
    struct smx_few few;
    TIER(few_keep)(x, rows, classes, tame, &few);
    TIER(few_sum)(&few, rows, classes);
    if (!divide(&few, rows, classes))
        return false;
    put(&few, rows, classes, out);
    if (sums)
        memcpy(sums, few.sums, rows * sizeof *sums);
    return true;
}
