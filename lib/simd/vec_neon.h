/* SPDX-License-Identifier: MIT */
/** The vocabulary (vec_plain.h) in NEON. */
#ifndef SMX_VEC_NEON_H
#define SMX_VEC_NEON_H

#include <arm_neon.h>

#define VF_FUSED 1

INLINE vf vf_load_part_neon(const float *p, size_t n, float behind)
{
    if (n >= FLOATS)
        return (vf)vld1q_f32(p);
    float32x4_t v = vdupq_n_f32(behind);
    if (n > 0)
        v = vld1q_lane_f32(p, v, 0);
    if (n > 1)
        v = vld1q_lane_f32(p + 1, v, 1);
    if (n > 2)
        v = vld1q_lane_f32(p + 2, v, 2);
    return (vf)v;
}
#define vf_load_part vf_load_part_neon

INLINE void vf_store_part_neon(float *p, vf v, size_t n)
{
    if (n > 0)
        vst1q_lane_f32(p, (float32x4_t)v, 0);
    if (n > 1)
        vst1q_lane_f32(p + 1, (float32x4_t)v, 1);
    if (n > 2)
        vst1q_lane_f32(p + 2, (float32x4_t)v, 2);
}
#define vf_store_part vf_store_part_neon

#define vh_widen(v) ((vd)vcvt_f64_f32((float32x2_t)(v)))

/* Not vmaxq_f32, which takes the NaN of either. */
INLINE vf vf_max_neon(vf a, vf b)
{
    return (vf)vbslq_f32((uint32x4_t)(a > b), (float32x4_t)a, (float32x4_t)b);
}
#define vf_max vf_max_neon

#define vf_at_least(x, negative)                                               \
    ((vf)vminq_u32((uint32x4_t)(x), (uint32x4_t)vf_all(negative)))
#define vf_top(v) (vmaxvq_f32((float32x4_t)(v)) + 0.0f)
#define vi_any(v) (vmaxvq_u32((uint32x4_t)(v)) != 0)
#define vi_bits(v) (vaddvq_u32((uint32x4_t)((v) & (vi){1, 2, 4, 8})))

/* The 64 bytes of a table fill four registers. */
INLINE vf vf_lookup_neon(const float table[16], vi k)
{
    uint8x16x4_t bytes = vld1q_u8_x4((const uint8_t *)table);
    vw index = ((vw)k & 15) * 0x04040404 | 0x03020100;
    return (vf)vqtbl4q_u8(bytes, (uint8x16_t)index);
}
#define vf_lookup vf_lookup_neon

#define vi_max(a, b) ((vi)vmaxq_s32((int32x4_t)(a), (int32x4_t)(b)))
#define vw_max(a, b) ((vw)vmaxq_u32((uint32x4_t)(a), (uint32x4_t)(b)))
#define vf_plus_product(c, a, b)                                               \
    ((vf)vfmaq_f32((float32x4_t)(c), (float32x4_t)(a), (float32x4_t)(b)))
#define vf_less_product(c, a, b)                                               \
    ((vf)vfmsq_f32((float32x4_t)(c), (float32x4_t)(a), (float32x4_t)(b)))
#define vd_less_product(c, a, b)                                               \
    ((vd)vfmsq_f64((float64x2_t)(c), (float64x2_t)(a), (float64x2_t)(b)))
#define vl_any(v) (vmaxvq_u32((uint32x4_t)(v)) != 0)

INLINE vd vd_max_neon(vd a, vd b)
{
    return (vd)vbslq_f64((uint64x2_t)(a > b), (float64x2_t)a, (float64x2_t)b);
}
#define vd_max vd_max_neon

INLINE vd narrow_odd_neon(vf v)
{
    vl moved = (vl)vshrq_n_s64((int64x2_t)v, 3);
    return (vd)(moved & (int64_t)0x8fffffffe0000000);
}
#define narrow_odd narrow_odd_neon

#define narrow_neighbours(a, b)                                                \
    ((vd)vpaddq_f64((float64x2_t)(a), (float64x2_t)(b)))
#define narrow_sums(row) narrow_neighbours((row)[0], (row)[1])
#define vd_product_rest(a, b, p)                                               \
    ((vd)vfmaq_f64(-(float64x2_t)(p), (float64x2_t)(a), (float64x2_t)(b)))

#endif
