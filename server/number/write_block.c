// SPDX-License-Identifier: MIT
/* Which instruction set writes blocks. */
#include "isa.h"
#include "write.h"

#define BLOCK(isa, name)                                                       \
    size_t number_write_float32_##name(char *, const float *, size_t,          \
                                       struct number_rows);                    \
    size_t number_write_float64_##name(char *, const double *, size_t,         \
                                       struct number_rows);                    \
    static const struct number_block name = {number_write_float32_##name,      \
                                             number_write_float64_##name};
NUMBER_TIERS(BLOCK)
#undef BLOCK

static const struct number_block *const blocks[] = {
#define BLOCK(isa, name) [isa] = &name,
    NUMBER_TIERS(BLOCK)
#undef BLOCK
};

const struct number_block *number_block_of(enum smx_isa isa)
{
    return smx_isa_available(isa) ? blocks[isa] : NULL;
}

const struct number_block *number_write_get(void)
{
    return blocks[number_isa()];
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
