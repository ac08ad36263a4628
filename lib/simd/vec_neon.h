/* SPDX-License-Identifier: MIT */
/** The vocabulary (vec_plain.h) in NEON. */
#ifndef SMX_VEC_NEON_H
#define SMX_VEC_NEON_H

#include <arm_neon.h>

#define VF_FUSED 1

#define vf_less_product vf_less_product
INLINE vf vf_less_product(vf c, vf a, vf b)
{
    return (vf)vfmsq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
}

#define vd_less_product vd_less_product
INLINE vd vd_less_product(vd c, vd a, vd b)
{
    return (vd)vfmsq_f64((float64x2_t)c, (float64x2_t)a, (float64x2_t)b);
}

#endif
