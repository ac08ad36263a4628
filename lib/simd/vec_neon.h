/* SPDX-License-Identifier: MIT */
/** The vocabulary (vec_plain.h) in NEON. */
#ifndef SMX_VEC_NEON_H
#define SMX_VEC_NEON_H

#include <arm_neon.h>

#define VF_FUSED 1

#define vf_load_part vf_load_part
INLINE vf vf_load_part(const float *p, size_t n, float behind)
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

#define vf_store_part vf_store_part
INLINE void vf_store_part(float *p, vf v, size_t n)
{
    if (n > 0)
        vst1q_lane_f32(p, (float32x4_t)v, 0);
    if (n > 1)
        vst1q_lane_f32(p + 1, (float32x4_t)v, 1);
    if (n > 2)
        vst1q_lane_f32(p + 2, (float32x4_t)v, 2);
}

#define vd_widen(p) ((vd)vcvt_f64_f32(vld1_f32(p)))
#define vh_widen(v) ((vd)vcvt_f64_f32((float32x2_t)(v)))
#define vd_narrow(v) ((vh)vcvt_f32_f64((float64x2_t)(v)))

/* Not vmaxq_f32, which takes the NaN of either. */
#define vf_max vf_max
INLINE vf vf_max(vf a, vf b)
{
    return (vf)vbslq_f32((uint32x4_t)(a > b), (float32x4_t)a, (float32x4_t)b);
}

#define vf_at_least(x, negative)                                               \
    ((vf)vminq_u32((uint32x4_t)(x), (uint32x4_t)vf_all(negative)))
#define vf_top(v) (vmaxvq_f32((float32x4_t)(v)) + 0.0f)
#define vi_any(v) (vmaxvq_u32((uint32x4_t)(v)) != 0)
#define vi_bits(v) (vaddvq_u32((uint32x4_t)((v) & (vi){1, 2, 4, 8})))

/* The 64 bytes of a table fill four registers. */
#define vf_lookup vf_lookup
INLINE vf vf_lookup(const float table[16], vi k)
{
    uint8x16x4_t bytes = vld1q_u8_x4((const uint8_t *)table);
    vw index = ((vw)k & 15) * 0x04040404 | 0x03020100;
    return (vf)vqtbl4q_u8(bytes, (uint8x16_t)index);
}

#define vi_max(a, b) ((vi)vmaxq_s32((int32x4_t)(a), (int32x4_t)(b)))
#define vw_max(a, b) ((vw)vmaxq_u32((uint32x4_t)(a), (uint32x4_t)(b)))
#define vf_plus_product(c, a, b)                                               \
    ((vf)vfmaq_f32((float32x4_t)(c), (float32x4_t)(a), (float32x4_t)(b)))
#define vf_less_product(c, a, b)                                               \
    ((vf)vfmsq_f32((float32x4_t)(c), (float32x4_t)(a), (float32x4_t)(b)))
#define vd_less_product(c, a, b)                                               \
    ((vd)vfmsq_f64((float64x2_t)(c), (float64x2_t)(a), (float64x2_t)(b)))
#define vl_any(v) (vmaxvq_u32((uint32x4_t)(v)) != 0)

#define vd_max vd_max
INLINE vd vd_max(vd a, vd b)
{
    return (vd)vbslq_f64((uint64x2_t)(a > b), (float64x2_t)a, (float64x2_t)b);
}

#define narrow_odd narrow_odd
INLINE vd narrow_odd(vf v)
{
    vl moved = (vl)vshrq_n_s64((int64x2_t)v, 3);
    return (vd)(moved & (int64_t)0x8fffffffe0000000);
}

#define narrow_neighbours(a, b)                                                \
    ((vd)vpaddq_f64((float64x2_t)(a), (float64x2_t)(b)))
#define vd_product_rest(a, b, p)                                               \
    ((vd)vfmaq_f64(-(float64x2_t)(p), (float64x2_t)(a), (float64x2_t)(b)))

#endif
