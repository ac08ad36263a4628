/* SPDX-License-Identifier: MIT */
/* Products of in-range rows with an upstream gradient (split_exp.h says what
 * each does), compiled once an instruction set, in floats: what they round is
 * kept beside them. */
#include "split_sums_vec.h"
#include "tiers.h"

/* ---- sums --------------------------------------------------------------- */

struct dots {
    vd whole[VECS], rest[VECS];
    vf run[PARTS];
    vf size;
};

/* A block, of which there are n. g in two halves of 12 bits: the products of
 * the leading ones with high are exact. */
INLINE void add_products(struct dots *dots, const float *high,
                         const float *rest, const float *g, size_t n)
{
    EACH (v, PARTS) {
        size_t at = (size_t)v * FLOATS, left = left_of(v, n);
        vf x = load_first(g + at, left, 0), whole = x;
        if (high) {
            vf s = load_first(high + at, left, 0),
               r = load_first(rest + at, left, 0);
            vi counts = s > vf_all(SMX_SPLIT_NOTHING);
            vf leading = vf_twelve_bits(x);
            s = (vf)((vi)s & counts); /* 0 times NaN is NaN, to be found */
            r = (vf)((vi)r & counts);
            whole = s * leading;
            dots->run[v] += s * (x - leading) + r * x;
        }
        EACH (h, 2)
            dots->whole[2 * v + h] += vh_widen(vf_half(whole, h));
        dots->size = vf_max((vf)((vi)x & INT32_MAX), dots->size);
    }
}

INLINE struct smx_split_dot sum_dots(const float *high, const float *rest,
                                     const float *g, size_t n)
{
    struct dots dots = {.whole = {{0}}};
    for (size_t i = 0; i < n; i += RUN) {
        size_t end = n - i < RUN ? n - i : RUN, b = 0;
        for (; end - b >= BLOCK; b += BLOCK) {
            fetch_ahead(g + i + b);
            add_products(&dots, high ? high + i + b : NULL, rest + i + b,
                         g + i + b, BLOCK);
        }
        if (b < end)
            add_products(&dots, high ? high + i + b : NULL, rest + i + b,
                         g + i + b, end - b);
        if (high)
            end_run(dots.run, dots.rest);
    }
    return (struct smx_split_dot){block_sum(dots.whole) + block_sum(dots.rest),
                                  vf_top(dots.size)};
}

struct smx_split_dot TIER(split_dot)(const float *high, const float *rest,
                                     const float *g, size_t n)
{
    return high ? sum_dots(high, rest, g, n) : sum_dots(NULL, g, g, n);
}

/* ---- products ----------------------------------------------------------- */

struct scales {
    struct factor e, other;
    vf down, least; /* what comes to less than half of the least float32 */
};

/* A number and what it rounds. */
struct pair {
    vf whole, rest;
};

/* a - b (Knuth 1969). */
INLINE struct pair difference(vf a, vf b)
{
    vf d = a - b, back = d - a;
    return (struct pair){d, (a - (d - back)) - (b + back)};
}

/* The product with a factor, the whole of which is exact, but for its rest. */
INLINE struct pair scaled_pair(vf v, vf rest, struct factor by)
{
    vf leading = vf_twelve_bits(v);
    return (struct pair){leading * by.high,
                         (v - leading) * by.whole +
                             (leading * by.low + rest * by.whole)};
}

/* Each is rounded once, but for what is 2^-11 of it. */
INLINE vf product_of_softmax(vf s, vf rest, vf g, const struct scales *by)
{
    struct pair d = difference(g, by->other.whole);
    d = scaled_pair(d.whole, d.rest - by->other.low, by->e);
    vf leading = vf_twelve_bits(d.whole), low = (d.whole - leading) + d.rest;
    return vf_plus_product(s * low + rest * (leading + low), s, leading);
}

INLINE vf product_of_log(bool warm, vf s, vf rest, vf g,
                         const struct scales *by)
{
    struct pair up = {g * by->other.whole, vf_all(0)};
    if (warm)
        up = scaled_pair(g, vf_all(0), by->other);
    struct pair d = difference(up.whole, s * by->e.high);
    vf low = rest * by->e.whole + s * by->e.low;
    return d.whole + (d.rest + (up.rest - low));
}

/* A block, of which there are n. No negative zeros. */
INLINE void multiply_block(enum smx_split_kind kind, const float *high,
                           const float *rest, const float *g, size_t n,
                           const struct scales *by, bool stream, float *out)
{
    EACH (v, PARTS) {
        size_t at = (size_t)v * FLOATS, left = left_of(v, n);
        vf s = load_first(high + at, left, 0),
           r = load_first(rest + at, left, 0);
        vf x = load_first(g + at, left, 0);
        vf y = kind == SMX_SPLIT_SOFTMAX
                   ? product_of_softmax(s, r, x, by)
                   : product_of_log(kind == SMX_SPLIT_WARM_LOG, s, r, x, by);
        y = vf_mul_above(y, by->down, (vf)((vi)y & INT32_MAX), by->least);
        store_first(stream, out + at, y, left);
    }
}

INLINE void multiply_as(enum smx_split_kind kind, bool stream,
                        const float *high, const float *rest, const float *g,
                        size_t n, const struct smx_split_product *how,
                        float *out)
{
    struct scales by = {factor_of(how->factor), factor_of(how->other),
                        vf_all(how->down),
                        vf_all((float)(0x1p-150 / how->down))};
    size_t i = stream ? before_line(out, sizeof *out, n) : 0;
    if (kind == SMX_SPLIT_SOFTMAX)
        by.other.low = vf_all((float)(how->other - (float)how->other));
    if (i)
        multiply_block(kind, high, rest, g, i, &by, false, out);
    for (; n - i >= BLOCK; i += BLOCK)
        multiply_block(kind, high + i, rest + i, g + i, BLOCK, &by, stream,
                       out + i);
    if (i < n)
        multiply_block(kind, high + i, rest + i, g + i, n - i, &by, false,
                       out + i);
}

void TIER(split_multiply)(const float *high, const float *rest, const float *g,
                          size_t n, const struct smx_split_product *how,
                          float *out)
{
#define AS(kind)                                                               \
    case kind:                                                                 \
        how->stream ? multiply_as(kind, true, high, rest, g, n, how, out)      \
                    : multiply_as(kind, false, high, rest, g, n, how, out);    \
        break
    switch (how->kind) {
        AS(SMX_SPLIT_SOFTMAX);
        AS(SMX_SPLIT_LOG);
        AS(SMX_SPLIT_WARM_LOG);
    }
#undef AS
}
