// SPDX-License-Identifier: MIT
// unwind: 2
/* number_read's conversion: every mantissa and every exponent, for both
 * formats: the table is read within it, no shift is too far, and no bits are
 * set but those of the format. */
#include "prove.h"

/* The table of the header has no size that could be overstepped; this one has,
 * and any contents. */
#define powers_of_ten powers_of_no_size
#include "server/number/powers_of_ten.h"
#undef powers_of_ten
static uint64_t powers_of_ten[POWER_LAST - POWER_FIRST + 1][2];

#include "server/number/read.c"

int main(void)
{
    bool narrow = nondet_size() & 1;
    const struct format *format = narrow ? &float32_format : &float64_format;
    uint64_t bits;
    __CPROVER_havoc_object(powers_of_ten);
    int64_t exponent = (int64_t)nondet_uint64();
    if (convert(nondet_uint64(), exponent, format, &bits))
        assert(bits <= (uint64_t)(format->max_exponent * 2 + 1)
                           << (format->bits - 1));
    return 0;
}
