/* SPDX-License-Identifier: MIT */
/** Exponentials of in-range rows in vectors, shared by the templates
 * (split_exp.h: the method). */
#ifndef SMX_SPLIT_VEC_H
#define SMX_SPLIT_VEC_H

#include "engine/split_exp.h"
#include "vec.h"

/* Registers a block; and a step, as many as hide the latency of the chain. */
#define PARTS (BLOCK / FLOATS)
#define WIDE (LANES == 8 ? 8 : 4)
#define STEP ((size_t)WIDE * FLOATS)

struct parts {
    vf s[WIDE], q[WIDE], rest[WIDE]; /* rest: s q */
    vf k[WIDE], f[WIDE];             /* f: in units of x */
};

/* A register of x, of which there are n; what is behind them. */
INLINE vf load_first(const float *x, size_t n, float behind)
{
    return n >= FLOATS ? vf_load(x) : vf_load_part(x, n, behind);
}

/* The way back. stream: past the cache, of a whole one. */
INLINE void store_first(bool stream, float *out, vf v, size_t n)
{
    if (stream)
        vf_stream(out, v);
    else if (n >= FLOATS)
        vf_store(out, v);
    else if (n)
        vf_store_part(out, v, n);
}

/* So many of n elements are left for register v and those after it. */
INLINE size_t left_of(int v, size_t n)
{
    size_t before = (size_t)v * FLOATS;
    return n > before ? n - before : 0;
}

/* count registers of x, of which there are n, -INFINITY behind them. */
INLINE void load(const float *x, size_t n, int count, vf *z)
{
    EACH (v, count)
        z[v] = load_first(x + v * FLOATS, left_of(v, n), -__builtin_inff());
}

/* z - k * step. The difference with the leading 24 bits of the step is exact,
 * be it fused or in two, and so is the product with what follows them. */
INLINE vf remainder_of(vf z, vf k, const struct smx_split_exp *split)
{
    vf f = VF_FUSED ? vf_less_product(z, k, vf_all(split->step))
                    : (z - k * vf_all(split->step_high)) -
                          k * vf_all(split->step_middle);
    return vf_less_product(f, k, vf_all(split->step_low));
}

INLINE void bound(vf *z, int count, const struct smx_split_exp *split)
{
    EACH (v, count)
        z[v] = vf_at_least(z[v], split->lowest);
}

/* k in the low bits. */
INLINE vf shifted_of(vf x, const struct smx_split_exp *split)
{
    return x * vf_all(split->scale) + vf_all(SMX_SPLIT_MAGIC);
}

/* f less what the table rounded. */
INLINE vf split_remainder(vf f, vi k, const struct smx_split_exp *split)
{
    return f - vf_lookup(split->rest, k);
}

INLINE vf split_power(vi k, const struct smx_split_exp *split)
{
    vw bits = (vw)vf_lookup(split->table, k);
    return (vf)(bits + ((vw)k << 19)); /* wraps in out-of-range rows */
}

/* x: none below the lowest. Step by step for all, as one alone would wait for
 * each. */
INLINE struct parts exponentials(const vf *x, int count,
                                 const struct smx_split_exp *split)
{
    struct parts e = {0};
    vf f[WIDE];
    vi k[WIDE];
    EACH (v, count) {
        vf shifted = shifted_of(x[v], split);
        k[v] = (vi)shifted;
        e.k[v] = shifted - vf_all(SMX_SPLIT_MAGIC);
        e.f[v] = remainder_of(x[v], e.k[v], split);
        f[v] = split_remainder(e.f[v], k[v], split);
    }
    EACH (v, count)
        e.q[v] = vf_all(split->c2) + f[v] * vf_all(split->c3);
    EACH (v, count)
        e.q[v] = f[v] * (vf_all(split->c1) + f[v] * e.q[v]);
    EACH (v, count) {
        e.s[v] = split_power(k[v], split);
        e.rest[v] = e.s[v] * e.q[v];
    }
    return e;
}

/* Of s + s q times t = k + f, f in steps: s (SMX_SPLIT_ABOVE - k), both of 12
 * bits, is exact, and positive; what is left of s t, and s q t relative to an
 * origin near k, are small. k: plus that much. */
struct moment {
    vf below, left;
};

INLINE struct moment moment_of(vf s, vf q, vf k, float more, vf f, float origin)
{
    vf depth = vf_all(SMX_SPLIT_ABOVE + more) - k;
    vf height = k - vf_all(origin + more);
    return (struct moment){s * depth, s * (f + q * (height + f))};
}

/* Has it registers enough for exponentials at four stages at once? Then few
 * instructions wait for the one before, which leaves more room in the
 * schedulers (Zen 5: a sum takes 7 % less). */
#define PIPELINED (FLOATS == BLOCK)
#define PAIR 2
#define PAIR_FLOATS ((size_t)PAIR * FLOATS)

/* Pairs of registers, each one further on in x than the one below. */
struct pipe {
    vf x[PAIR], shifted[PAIR];
    vf f[PAIR];
    vi k[PAIR];
    vf s[PAIR], q[PAIR]; /* exponentials: s + s q */
    /* with a moment: f in steps, of these then what they have of it */
    vf steps[PAIR];
    struct moment moment[PAIR];
};

INLINE void pipe_raise(struct pipe *pipe, const struct smx_split_exp *split,
                       bool moment, float origin)
{
    EACH (v, PAIR) {
        vf f = pipe->f[v];
        vf q = vf_all(split->c2) + f * vf_all(split->c3);
        pipe->q[v] = f * (vf_all(split->c1) + f * q);
        pipe->s[v] = split_power(pipe->k[v], split);
        if (moment)
            pipe->moment[v] =
                moment_of(pipe->s[v], pipe->q[v], (vf)pipe->k[v],
                          SMX_SPLIT_MAGIC, pipe->steps[v], origin);
    }
}

INLINE void pipe_reduce(struct pipe *pipe, const struct smx_split_exp *split,
                        bool moment)
{
    EACH (v, PAIR) {
        vf k = pipe->shifted[v] - vf_all(SMX_SPLIT_MAGIC);
        vf f = remainder_of(pipe->x[v], k, split);
        pipe->k[v] = (vi)pipe->shifted[v];
        pipe->f[v] = split_remainder(f, pipe->k[v], split);
        if (moment)
            pipe->steps[v] = f * vf_all(split->scale);
    }
}

/* high: twelve bits of the factor, so that its product with s is exact. */
struct factor {
    vf whole, high, low;
};

INLINE struct factor factor_of(double factor)
{
    float high = smx_twelve_bits(factor);
    return (struct factor){vf_all((float)factor), vf_all(high),
                           vf_all((float)(factor - high))};
}

INLINE vf product(vf s, vf rest, struct factor factor)
{
    return s * factor.high + (rest * factor.whole + s * factor.low);
}

#endif
