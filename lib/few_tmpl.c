/* SPDX-License-Identifier: MIT */
/* Tame rows of few classes, compiled once an instruction set: exponentials
 * run over the rows as if they were one, then each row is one block or two,
 * of which what lies behind its last class is blanked. */
#include "tame_vec.h"

extern bool TIER(few_tame)(const float *x, size_t rows, size_t classes,
                           const struct smx_tame *tame, float *out);

/* Floats from one half of the exponentials to the other; a step may write
 * behind the last. */
#define HALF (SMX_FEW * SMX_FEW_ROWS + STEP)

struct few {
    float e[2 * HALF]; /* s, and s q */
    double sums[SMX_FEW_ROWS];
    float whole[SMX_FEW_ROWS], high[SMX_FEW_ROWS], low[SMX_FEW_ROWS];
};

INLINE void keep_step(float *e, const vf *x, int count,
                      const struct smx_tame *tame)
{
    struct parts parts = exponentials(x, count, tame);
    EACH (v, count) {
        vf_store(e + v * FLOATS, parts.s[v]);
        vf_store(e + HALF + v * FLOATS, parts.rest[v]);
    }
}

static void keep(float *e, const float *x, size_t n, const struct smx_tame *by)
{
    const struct smx_tame tame = *by;
    vf z[WIDE];
    size_t i = 0;
    for (; n - i >= STEP; i += STEP) {
        load(x + i, WIDE, z);
        keep_step(e + i, z, WIDE, &tame);
    }
    for (; i < n; i += BLOCK) {
        load_part(x + i, n - i, &tame, z);
        keep_step(e + i, z, PARTS, &tame);
    }
}

/* ---- sums -------------------------------------------------------------- */

/* Neighbours of s, and lane i + lane i + 8 of the rest, pair by pair. */
INLINE double sum_row(int blocks, const float *e, const vi *used)
{
    vd pairs[PARTS], rest[VECS];
    vf run[PARTS];
    EACH (v, PARTS) {
        vf s = (vf)((vi)vf_load(e + v * FLOATS) & used[v]);
        pairs[v] = vf_even(s) + vf_odd(s);
        run[v] = (vf)((vi)vf_load(e + HALF + v * FLOATS) & used[v]);
    }
    EACH (v, (blocks - 1) * PARTS) {
        const float *next = e + BLOCK + v * FLOATS;
        vf s = (vf)((vi)vf_load(next) & used[PARTS + v]);
        pairs[v] += vf_even(s) + vf_odd(s);
        run[v] += (vf)((vi)vf_load(next + HALF) & used[PARTS + v]);
    }
    EACH (v, PARTS) {
        rest[2 * v] = vf_low_half(run[v]);
        rest[2 * v + 1] = vf_high_half(run[v]);
    }
    EACH (v, PARTS)
        rest[v] += rest[v + PARTS] + pairs[v] * vd_all(VF_HALVES);
#if VECS > 4
    rest[0] += rest[2];
    rest[1] += rest[3];
#endif
#if VECS > 2
    rest[0] += rest[1];
#endif
    return vd_sum(rest[0]);
}

/* Lanes of a block or two that are classes. */
INLINE void used_lanes(int blocks, size_t classes, vi *used)
{
    int32_t lanes[2 * BLOCK] = {0};
    for (size_t c = 0; c < classes; c++)
        lanes[c] = -1;
    memcpy(used, lanes, (size_t)blocks * BLOCK * sizeof *lanes);
}

INLINE void sum_rows(int blocks, struct few *few, size_t rows, size_t classes)
{
    vi used[2 * PARTS];
    used_lanes(blocks, classes, used);
    for (size_t r = 0; r < rows; r++)
        few->sums[r] = sum_row(blocks, few->e + r * classes, used);
}

/* Whole vectors of rows; the sums behind the last are tame. */
INLINE bool divide(struct few *few, size_t rows, size_t classes)
{
    vl tame = vd_all(0) == vd_all(0);
    vd least = vd_all(SMX_TAME_LEAST * (double)classes);
    for (size_t r = rows; r % LANES; r++)
        few->sums[r] = 0x1p100;
    for (size_t r = 0; r < rows; r += LANES) {
        vd sum = vd_load(few->sums + r);
        tame &= (sum > least) & (sum < vd_all(0x1p126));
        vd factor = vd_all(1) / sum;
        vh whole = vd_narrow(factor), high = vh_twelve_bits(whole);
        vh_store(few->whole + r, whole);
        vh_store(few->high + r, high);
        vh_store(few->low + r, vd_narrow(factor - vd_widen(few->high + r)));
    }
    return !vl_any(~tame);
}

/* ---- products ---------------------------------------------------------- */

INLINE void put_row(int blocks, const struct few *few, size_t row,
                    size_t classes, float *out)
{
    const float *e = few->e + row * classes;
    struct factor by = {vf_all(few->whole[row]), vf_all(few->high[row]),
                        vf_all(few->low[row])};
    EACH (v, blocks * PARTS)
        vf_store(out + v * FLOATS, product(vf_load(e + v * FLOATS),
                                           vf_load(e + HALF + v * FLOATS), by));
}

/* Whole blocks: what they write behind a row is the next row's place, which
 * is written after it. */
INLINE void put_rows(int blocks, const struct few *few, size_t rows,
                     size_t classes, float *out)
{
    size_t r = 0, n = rows * classes, whole = (size_t)blocks * BLOCK;
    float last[2 * BLOCK];
    for (; r * classes + whole <= n; r++)
        put_row(blocks, few, r, classes, out + r * classes);
    for (; r < rows; r++) {
        put_row(blocks, few, r, classes, last);
        memcpy(out + r * classes, last, classes * sizeof *out);
    }
}

bool TIER(few_tame)(const float *x, size_t rows, size_t classes,
                    const struct smx_tame *tame, float *out)
{
    struct few few;
    keep(few.e, x, rows * classes, tame);
    if (classes <= BLOCK)
        sum_rows(1, &few, rows, classes);
    else
        sum_rows(2, &few, rows, classes);
    if (!divide(&few, rows, classes))
        return false;
    if (classes <= BLOCK)
        put_rows(1, &few, rows, classes, out);
    else
        put_rows(2, &few, rows, classes, out);
    return true;
}
