/* SPDX-License-Identifier: MIT */
/* The kernels of summary_kernels.h, compiled once an instruction set. */
#include "tiers.h"
#include "simd/tile_vec.h"

#define PARTS (BLOCK / FLOATS) /* registers of floats in a block */
#define LOWEST (-__builtin_inff())

/* ---- one row, or a chunk of it ------------------------------------------ */

/* The same of either number, in vectors v. */
FIRST_WHERE(first_above, IS_ABOVE, float, vf, vi, PART_FLOAT)
FIRST_WHERE(first_above_double, IS_ABOVE, double, vd, vl, PART_DOUBLE)

#define GROUP_MAXIMA(name, number, v, part)                                    \
    static void name(const number *x, size_t n, number *maxima)                \
    {                                                                          \
        enum {                                                                 \
            ALL = SMX_GROUPS(number),                                          \
            COUNT = ALL * sizeof *x / sizeof(v)                                \
        };                                                                     \
        v max[COUNT];                                                          \
        EACH (g, COUNT)                                                        \
            max[g] = v##_all(LOWEST);                                          \
        for (; n >= ALL; x += ALL, n -= ALL)                                   \
            EACH (g, COUNT)                                                    \
                max[g] =                                                       \
                    v##_max(v##_load(x + (size_t)g * (ALL / COUNT)), max[g]);  \
        EACH (g, COUNT) {                                                      \
            size_t at = (size_t)g * (ALL / COUNT), left = n > at ? n - at : 0; \
            v##_store(maxima + at, v##_max(part(x + at, left), max[g]));       \
        }                                                                      \
    }
GROUP_MAXIMA(group_maxima, float, vf, PART_FLOAT)
GROUP_MAXIMA(group_maxima_double, double, vd, PART_DOUBLE)

/* Lanes count down from 0, as true is -1. */
#define COUNT_ABOVE(name, number, v, t)                                        \
    INLINE size_t name##_or_at(const number *x, size_t n, number bound,        \
                               bool ties)                                      \
    {                                                                          \
        enum { COUNT = sizeof(v) / sizeof *x };                                \
        t counts[2] = {{0}};                                                   \
        size_t i = 0, count = 0;                                               \
        for (; n - i >= 2 * COUNT; i += 2 * COUNT)                             \
            EACH (r, 2) {                                                      \
                v z = v##_load(x + i + (size_t)r * COUNT);                     \
                counts[r] +=                                                   \
                    ties ? (t)(z >= v##_all(bound)) : (t)(z > v##_all(bound)); \
            }                                                                  \
        counts[0] += counts[1];                                                \
        EACH (l, COUNT)                                                        \
            count -= (size_t)counts[0][l];                                     \
        for (; i < n; i++)                                                     \
            count += ties ? x[i] >= bound : x[i] > bound;                      \
        return count;                                                          \
    }                                                                          \
    static size_t name(const number *x, size_t n, number bound, bool ties)     \
    {                                                                          \
        return ties ? name##_or_at(x, n, bound, true)                          \
                    : name##_or_at(x, n, bound, false);                        \
    }
COUNT_ABOVE(count_above, float, vf, vi)
COUNT_ABOVE(count_above_double, double, vd, vl)

static size_t count_ignored(const int64_t *labels, size_t n, size_t classes,
                            const int64_t *ignored, size_t *misfits)
{
    const int64_t index = ignored ? *ignored : 0;
    vl here[2] = {{0}}, wrong[2] = {{0}};
    size_t i = 0, count = 0;
    *misfits = 0;
    for (; n - i >= 2 * LANES; i += 2 * LANES)
        EACH (v, 2) {
            vl y = (vl)vd_load((const void *)(labels + i + v * LANES));
            vl skipped = (vl)(y == (vl){0} + index) & (ignored ? -1 : 0);
            here[v] += skipped;
            wrong[v] += (vl)((vu)y >= (vu){0} + classes) & ~skipped;
        }
    EACH (l, LANES) {
        count -= (size_t)(here[0] + here[1])[l];
        *misfits -= (size_t)(wrong[0] + wrong[1])[l];
    }
    for (; i < n; i++) {
        bool skipped = ignored && labels[i] == index;
        count += skipped;
        *misfits += !skipped && (uint64_t)labels[i] >= classes;
    }
    return count;
}

/* ---- narrow rows -------------------------------------------------------- */

/* Which lanes of the blocks of a row hold classes. */
INLINE void find_used(size_t classes, int parts, vi *used)
{
    int32_t lanes[2 * BLOCK];
    for (int c = 0; c < parts * FLOATS; c++)
        lanes[c] = (size_t)c < classes ? -1 : 0;
    memcpy(used, lanes, (size_t)(parts * FLOATS) * sizeof *lanes);
}

/* A row, -INFINITY behind it; left: elements that may be read. */
INLINE void load_row(const float *x, size_t classes, size_t left, int parts,
                     const vi *used, vf *z)
{
    EACH (v, parts) {
        size_t at = (size_t)(v * FLOATS);
        size_t own = classes > at ? classes - at : 0;
        if (left >= at + FLOATS) {
            vi bits = (vi)vf_load(x + at) & used[v];
            z[v] = (vf)(bits | ((vi)vf_all(LOWEST) & ~used[v]));
        } else {
            z[v] = vf_load_part(x + at, own, LOWEST);
        }
    }
}

INLINE void narrow_first_max_of(int parts, const float *x, size_t rows,
                                size_t classes, int64_t *at)
{
    vi used[2 * PARTS];
    size_t left = rows * classes;
    find_used(classes, parts, used);
    for (size_t r = 0; r < rows; r++, x += classes, left -= classes) {
        vf z[2 * PARTS], top;
        uint32_t here = 0;
        load_row(x, classes, left, parts, used, z);
        top = z[0];
        EACH (v, parts - 1)
            top = vf_max(top, z[v + 1]);
        float max = vf_top(top);
        EACH (v, parts)
            here |= vi_bits((vi)(z[v] == vf_all(max))) << v * FLOATS;
        at[r] = __builtin_ctz(here);
    }
}

static void narrow_first_max(const float *x, size_t rows, size_t classes,
                             int64_t *at)
{
    if (classes <= BLOCK)
        narrow_first_max_of(PARTS, x, rows, classes, at);
    else
        narrow_first_max_of(2 * PARTS, x, rows, classes, at);
}

const struct smx_summary_kernels TIER(summary_kernels) = {
    .first_above = first_above,
    .first_above_double = first_above_double,
    .group_maxima = group_maxima,
    .group_maxima_double = group_maxima_double,
    .count_above = count_above,
    .count_above_double = count_above_double,
    .count_ignored = count_ignored,
    .narrow_first_max = narrow_first_max,
};
