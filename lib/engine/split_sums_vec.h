/* SPDX-License-Identifier: MIT */
/** What the exponentials of in-range rows add up to, and how far their logits
 *  extend, block by block, for the template (split_exp.h). */
#ifndef SMX_SPLIT_SUMS_VEC_H
#define SMX_SPLIT_SUMS_VEC_H

#include "simd/split_exp_vec.h"

/* Elements whose s q are added up in float32. */
#define RUN ((size_t)8 * BLOCK)

/* Lane i of a block sums elements i mod 16: s in double, rest in float32 for
 * a RUN, where it is small enough, then in double too. */
struct sums {
    vd even[PARTS], odd[PARTS]; /* of s, as vf_even and vf_odd have it */
    vd rest[VECS];
    vf run[PARTS];
    vf top;
    vi highest; /* of bits (vi_max, vw_max) */
    vw lowest;
    struct moments {
        vd even[PARTS], odd[PARTS], rest[VECS];
        vf run[PARTS];
        float origin; /* of t */
    } moments;
};

INLINE void add_pairs(struct sums *sums, int v, vf s, vf rest)
{
    sums->even[v] += vf_even(s);
    sums->odd[v] += vf_odd(s);
    sums->run[v] += rest;
}

INLINE void add_moment(struct moments *sums, int v, struct moment of)
{
    sums->even[v] += narrow_even(of.below);
    sums->odd[v] += narrow_odd(of.below);
    sums->run[v] += of.left;
}

INLINE void end_run(vf run[PARTS], vd rest[VECS])
{
    float lanes[BLOCK];
    EACH (v, PARTS) {
        vf_store(lanes + v * FLOATS, run[v]);
        run[v] = vf_all(0);
    }
    EACH (v, VECS)
        rest[v] += vd_widen(lanes + v * LANES);
}

INLINE void end_runs(struct sums *sums, bool moment)
{
    end_run(sums->run, sums->rest);
    if (moment)
        end_run(sums->moments.run, sums->moments.rest);
}

/* Neighbours, then pair i + pair i + 4, down to one. */
INLINE double sum_of(const struct sums *sums)
{
    vd pairs[PARTS];
    EACH (v, PARTS)
        pairs[v] = (sums->even[v] + sums->odd[v]) * vd_all(VF_HALVES);
    return vd_sum(vd_fold(pairs, PARTS)) + block_sum(sums->rest);
}

/* Near the first of x, the nearer the more digits: a whole number that t of an
 * exponential in range may be, which is not far above a row's largest. */
INLINE float origin_of(const float *x, const struct smx_split_exp *split)
{
    float t = *x * split->scale;
    return t > 0 && t < SMX_SPLIT_ABOVE ? (float)(int)t : 0;
}

INLINE double whole_moment(const struct sums *sums)
{
    const struct moments *m = &sums->moments;
    vd pairs[PARTS];
    EACH (v, PARTS)
        pairs[v] = ((sums->even[v] + sums->odd[v]) * vd_all(SMX_SPLIT_ABOVE) -
                    (m->even[v] + m->odd[v])) *
                   vd_all(VF_HALVES);
    return vd_sum(vd_fold(pairs, PARTS)) +
           (block_sum(m->rest) + m->origin * block_sum(sums->rest));
}

/* ---- extent ------------------------------------------------------------- */

/* Bounds x, and notes how far it extends; behind: x, but zeros where it ends.
 * NaN stays, with a sign it is among the lowest. */
INLINE void note_extent(struct sums *sums, const vf *x, const vf *behind,
                        int count, const struct smx_split_exp *split, vf *z)
{
    EACH (v, count) {
        if (VF_FUSED) {
            sums->highest = vi_max(sums->highest, (vi)x[v]);
            sums->lowest = vw_max(sums->lowest, (vw)behind[v]);
            z[v] = vf_at_least(x[v], split->lowest);
        } else {
            z[v] = vf_max(vf_all(split->lowest), x[v]);
            sums->top = vf_max(x[v], sums->top);
        }
    }
}

/* Of bits; of x again where the largest has a sign, or one is NaN. */
INLINE float highest_of(vi highest, const float *x, size_t n)
{
    vf top[PARTS], z[PARTS];
    float max = vf_top((vf)vi_max(highest, (vi){0})); /* no NaN with a sign */
    if (max > 0 && !vi_any(highest > (vi)vf_all(__builtin_inff())))
        return max;
    EACH (v, PARTS)
        top[v] = vf_all(-__builtin_inff());
    for (size_t i = 0; i < n; i += BLOCK) {
        load(x + i, n - i, PARTS, z);
        EACH (v, PARTS)
            top[v] = vf_max(z[v], top[v]);
    }
    EACH (v, PARTS)
        top[0] = vf_max(top[v], top[0]);
    return vf_top(top[0]);
}

/* At most 0; -INFINITY where there is NaN with a sign, too. */
INLINE float lowest_of(vw lowest)
{
    vi bits = (vi)lowest;
    vf size = -(vf)(bits & (bits < 0));
    return vi_any(~(size <= vf_all(__builtin_inff()))) ? -__builtin_inff()
                                                       : -vf_top(size);
}

INLINE struct smx_extent extent_of(const struct sums *sums, const float *x,
                                   size_t n)
{
    if (!VF_FUSED)
        return (struct smx_extent){vf_top(sums->top), -__builtin_inff()};
    return (struct smx_extent){highest_of(sums->highest, x, n),
                               lowest_of(sums->lowest)};
}

/* Is there NaN with a sign? What bounds bits takes it for a low number. */
INLINE bool is_nan_signed(const struct sums *sums)
{
    return VF_FUSED &&
           vi_any((vi)(sums->lowest > (vw)vf_all(-__builtin_inff())));
}

#endif
