// SPDX-License-Identifier: MIT
/* Which instruction set writes blocks: the best there is, unless another one is
 * forced. */
#include "write.h"

#include <stdatomic.h>

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

static _Atomic(const struct number_block *) current;

void number_write_force(enum smx_isa isa)
{
    static const enum smx_isa isas[] = {SMX_ISA_NEON, SMX_ISA_AVX2,
                                        SMX_ISA_AVX512};
    const struct number_block *block = &base;
    for (size_t i = 0; i < sizeof isas / sizeof isas[0]; i++)
        if (number_block_of(isas[i]))
            block = number_block_of(isas[i]);
    if (isa != SMX_ISA_BEST && number_block_of(isa))
        block = number_block_of(isa);
    atomic_store_explicit(&current, block, memory_order_release);
}

const struct number_block *number_write_get(void)
{
    const struct number_block *block =
        atomic_load_explicit(&current, memory_order_acquire);
    if (block)
        return block;
    number_write_force(SMX_ISA_BEST);
    return atomic_load_explicit(&current, memory_order_acquire);
}

size_t number_write_block_float32(char *text, const float *values, size_t count,
                                  struct number_rows rows)
{
    return number_write_get()->float32(text, values, count, rows);
}

size_t number_write_block_float64(char *text, const double *values,
                                  size_t count, struct number_rows rows)
{
    return number_write_get()->float64(text, values, count, rows);
}
