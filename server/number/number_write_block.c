// SPDX-License-Identifier: MIT
/* Which instruction set writes blocks: chosen once, the best there is. */
#include "number_write.h"

#include <pthread.h>

#define BLOCK(tier)                                                            \
    size_t number_write_float32_##tier(char *, const float *, size_t,          \
                                       struct number_rows);                    \
    size_t number_write_float64_##tier(char *, const double *, size_t,         \
                                       struct number_rows);                    \
    static const struct number_block tier = {number_write_float32_##tier,      \
                                             number_write_float64_##tier};

BLOCK(base)
#if defined(__x86_64__) || defined(__i386__)
BLOCK(avx2)
BLOCK(avx512)
#elif defined(__aarch64__)
BLOCK(neon)
#endif

const struct number_block *number_block_of(enum smx_isa isa)
{
    if (!smx_isa_available(isa))
        return NULL;
    switch (isa) {
    case SMX_ISA_BASE:
        return &base;
#if defined(__x86_64__) || defined(__i386__)
    case SMX_ISA_AVX2:
        return &avx2;
    case SMX_ISA_AVX512:
        return &avx512;
#elif defined(__aarch64__)
    case SMX_ISA_NEON:
        return &neon;
#endif
    default:
        return NULL;
    }
}

static const struct number_block *best = &base;

static void choose_best(void)
{
    static const enum smx_isa isas[] = {SMX_ISA_NEON, SMX_ISA_AVX2,
                                        SMX_ISA_AVX512};
    for (size_t i = 0; i < sizeof isas / sizeof isas[0]; i++)
        if (number_block_of(isas[i]))
            best = number_block_of(isas[i]);
}

static const struct number_block *block(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, choose_best);
    return best;
}

size_t number_write_block_float32(char *text, const float *values, size_t count,
                                  struct number_rows rows)
{
    return block()->float32(text, values, count, rows);
}

size_t number_write_block_float64(char *text, const double *values,
                                  size_t count, struct number_rows rows)
{
    return block()->float64(text, values, count, rows);
}
