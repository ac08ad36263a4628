/* SPDX-License-Identifier: MIT */
/** Bytes of a mask as vectors. */
#ifndef SMX_MASK_VEC_H
#define SMX_MASK_VEC_H

#include "vec.h"

/** FLOATS bytes, a lane each. */
INLINE vi vi_bytes(const uint8_t *p)
{
#if defined(SMX_TIER_AVX512)
    return (vi)_mm512_cvtepu8_epi32(_mm_loadu_si128((const void *)p));
#elif defined(SMX_TIER_AVX2)
    return (vi)_mm256_cvtepu8_epi32(_mm_loadl_epi64((const void *)p));
#else
    return (vi){p[0], p[1], p[2], p[3]};
#endif
}

/** LANES bytes, a lane each. */
INLINE vl vl_bytes(const uint8_t *p)
{
#if defined(SMX_TIER_AVX512)
    return (vl)_mm512_cvtepu8_epi64(_mm_loadl_epi64((const void *)p));
#elif defined(SMX_TIER_AVX2)
    return (vl){p[0], p[1], p[2], p[3]};
#else
    return (vl){p[0], p[1]};
#endif
}

#endif
